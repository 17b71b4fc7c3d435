// Package openai is the codec of OpenAI's chat completions API, as it stands at
// https://platform.openai.com/docs/api-reference/chat and as LM Studio,
// llama.cpp, vLLM and Ollama speak it.
package openai

import "github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"

// Codec is the codec of /v1/chat/completions. It implements
// [protocol.ClientCodec] and [protocol.ServerCodec].
type Codec struct{ Errors }

// Path implements [protocol.Codec].
func (Codec) Path() string { return "/v1/chat/completions" }

// Events implements [protocol.Codec].
func (Codec) Events() bool { return true }

// EndMark implements [protocol.Codec].
func (Codec) EndMark() []byte { return []byte("data: [DONE]\n\n") }

// Errors writes errors in the form that all of OpenAI's APIs share. It
// implements [protocol.ErrorWriter].
type Errors struct{}

type errorBody struct {
	Error struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    int     `json:"code"`
	} `json:"error"`
}

// Error implements [protocol.ErrorWriter]. The code is the HTTP status, as with
// llama.cpp and vLLM: a stream has no other place for it.
func (Errors) Error(status int, text string) []byte {
	var e errorBody
	e.Error.Message, e.Error.Code, e.Error.Type = text, status, codec.ErrorType(status, "server_error")
	return codec.MustEncode(e)
}

// ErrorFrame implements [protocol.ErrorWriter]. It is an event without a name
// whose data begins with "error": the one form that all client libraries
// understand.
func (e Errors) ErrorFrame(status int, text string) []byte {
	return codec.AppendEvent(nil, "", e.Error(status, text))
}

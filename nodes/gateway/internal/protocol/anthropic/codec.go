// Package anthropic is the codec of Anthropic's messages API, as it stands at
// https://docs.anthropic.com/en/api/messages and as LM Studio, llama.cpp and
// Ollama speak it.
package anthropic

import (
	"net/http"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
)

// Codec is the codec of /v1/messages. It implements [protocol.ClientCodec] and
// [protocol.ServerCodec].
type Codec struct{}

// Path implements [protocol.Codec].
func (Codec) Path() string { return "/v1/messages" }

// Events implements [protocol.Codec].
func (Codec) Events() bool { return true }

// EndMark implements [protocol.Codec].
func (Codec) EndMark() []byte {
	return codec.AppendEvent(nil, "message_stop", []byte(`{"type":"message_stop"}`))
}

type errorBody struct {
	Type  string `json:"type"`
	Error struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	} `json:"error"`
}

// Error implements [protocol.ErrorWriter].
func (Codec) Error(status int, text string) []byte {
	e := errorBody{Type: "error"}
	e.Error.Message = text
	switch status {
	case http.StatusRequestEntityTooLarge:
		e.Error.Type = "request_too_large"
	case http.StatusServiceUnavailable, codec.StatusOverloaded:
		e.Error.Type = "overloaded_error"
	default:
		e.Error.Type = codec.ErrorType(status, "api_error")
	}
	return codec.MustEncode(e)
}

// ErrorFrame implements [protocol.ErrorWriter].
func (c Codec) ErrorFrame(status int, text string) []byte {
	return codec.AppendEvent(nil, "error", c.Error(status, text))
}

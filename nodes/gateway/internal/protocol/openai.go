package chat

import "net/http"

// OpenAI is the chat completions API, as it stands at
// https://platform.openai.com/docs/api-reference/chat and as LM Studio,
// llama.cpp, vLLM and Ollama speak it.
type OpenAI struct{}

// Path implements [Dialect].
func (OpenAI) Path() string { return "/v1/chat/completions" }

// Events implements [Dialect].
func (OpenAI) Events() bool { return true }

type openAIError struct {
	Error struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    int     `json:"code"`
	} `json:"error"`
}

// Error implements [Dialect]. The code is the status, as with llama.cpp and
// vLLM: inside a stream nothing else tells it.
func (OpenAI) Error(status int, text string) []byte {
	var e openAIError
	e.Error.Message, e.Error.Code = text, status
	switch {
	case status == http.StatusUnauthorized:
		e.Error.Type = "authentication_error"
	case status == http.StatusForbidden:
		e.Error.Type = "permission_error"
	case status == http.StatusNotFound:
		e.Error.Type = "not_found_error"
	case status == http.StatusTooManyRequests:
		e.Error.Type = "rate_limit_error"
	case status < http.StatusInternalServerError:
		e.Error.Type = "invalid_request_error"
	default:
		e.Error.Type = "server_error"
	}
	return must(e)
}

// ErrorFrame implements [Dialect]. It is a frame without a name that begins
// with "error": the one form that all the client libraries understand.
func (d OpenAI) ErrorFrame(status int, text string) []byte {
	return appendEvent(nil, "", d.Error(status, text))
}

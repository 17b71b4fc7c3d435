package chat

import "net/http"

// Anthropic is the messages API, as it stands at
// https://docs.anthropic.com/en/api/messages and as LM Studio, llama.cpp and
// Ollama speak it.
type Anthropic struct{}

// Path implements [Dialect].
func (Anthropic) Path() string { return "/v1/messages" }

// Events implements [Dialect].
func (Anthropic) Events() bool { return true }

type anthropicError struct {
	Type  string `json:"type"`
	Error struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	} `json:"error"`
}

// Error implements [Dialect].
func (Anthropic) Error(status int, text string) []byte {
	e := anthropicError{Type: "error"}
	e.Error.Message = text
	switch {
	case status == http.StatusUnauthorized:
		e.Error.Type = "authentication_error"
	case status == http.StatusForbidden:
		e.Error.Type = "permission_error"
	case status == http.StatusNotFound:
		e.Error.Type = "not_found_error"
	case status == http.StatusRequestEntityTooLarge:
		e.Error.Type = "request_too_large"
	case status == http.StatusTooManyRequests:
		e.Error.Type = "rate_limit_error"
	case status == http.StatusServiceUnavailable, status == 529:
		e.Error.Type = "overloaded_error"
	case status < http.StatusInternalServerError:
		e.Error.Type = "invalid_request_error"
	default:
		e.Error.Type = "api_error"
	}
	return must(e)
}

// ErrorFrame implements [Dialect].
func (d Anthropic) ErrorFrame(status int, text string) []byte {
	return appendEvent(nil, "error", d.Error(status, text))
}

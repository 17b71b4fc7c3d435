package codec

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// ErrNoMessages is the error of a chat request without messages.
var ErrNoMessages = errors.New("messages: there has to be at least one")

// ErrForeign is wrapped by the error of a frame or a reply that is not of the
// API.
var ErrForeign = errors.New("no answer of this protocol")

// Foreign returns an error that shows the beginning of what came. err may be
// nil.
func Foreign(body []byte, err error) error {
	const most = 120
	shown := body[:min(len(body), most)]
	if err != nil {
		return fmt.Errorf("%w: %q: %w", ErrForeign, shown, err)
	}
	return fmt.Errorf("%w: %q", ErrForeign, shown)
}

// ReadError reads the error of any server: a text, or an object with a message
// and perhaps a code or a type that stands for an HTTP status.
func ReadError(raw []byte) protocol.ServerError {
	const noMessage = "the server failed without a word"
	if text, ok := scan.String(raw); ok {
		return protocol.ServerError{Message: cmp.Or(text, noMessage)}
	}
	var e protocol.ServerError
	var kind string
	err := scan.Object(raw, func(name, value []byte) bool {
		switch string(name) {
		case "message":
			e.Message, _ = scan.String(value)
		case "code":
			e.Status = cmp.Or(readStatus(value), e.Status)
		case "type":
			kind, _ = scan.String(value)
		}
		return true
	})
	if err != nil || e.Message == "" {
		e.Message = cmp.Or(strings.ToValidUTF8(string(raw), "\uFFFD"), noMessage)
	}
	e.Status = cmp.Or(e.Status, statuses[kind])
	return e
}

// readStatus reads an HTTP status, as a number or as a text; 0 if raw is none.
func readStatus(raw []byte) int {
	if text, ok := scan.String(raw); ok {
		raw = []byte(text)
	}
	if n, ok := Integer(raw); ok && n >= 400 && n < 600 {
		return n
	}
	return 0
}

// StatusOverloaded is Anthropic's status for an overloaded server.
const StatusOverloaded = 529

// statuses are the HTTP statuses of the error types that several servers use.
var statuses = map[string]int{
	"invalid_request_error":     http.StatusBadRequest,
	"exceed_context_size_error": http.StatusBadRequest,
	"authentication_error":      http.StatusUnauthorized,
	"permission_error":          http.StatusForbidden,
	"not_found_error":           http.StatusNotFound,
	"model_not_found":           http.StatusNotFound,
	"request_too_large":         http.StatusRequestEntityTooLarge,
	"rate_limit_error":          http.StatusTooManyRequests,
	"api_error":                 http.StatusInternalServerError,
	"server_error":              http.StatusInternalServerError,
	"internal_error":            http.StatusInternalServerError,
	"model_load_failed":         http.StatusInternalServerError,
	"not_supported_error":       http.StatusNotImplemented,
	"unavailable_error":         http.StatusServiceUnavailable,
	"overloaded_error":          StatusOverloaded,
}

// ErrorType returns the error type for an HTTP status, by the names that
// OpenAI's and Anthropic's API have in common. serverError is the one for
// statuses from 500 on.
func ErrorType(status int, serverError string) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	}
	if status < http.StatusInternalServerError {
		return "invalid_request_error"
	}
	return serverError
}

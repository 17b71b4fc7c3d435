package hub

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The kinds of errors. Every error of a request wraps one of them, or the cause
// of the context's end.
var (
	// ErrNotFound means that there is no such repository, or that it is private:
	// the hub does not tell the two apart.
	ErrNotFound = errors.New("not found")
	// ErrGated means that the repository's terms have to be accepted first.
	ErrGated = errors.New("gated")
	// ErrUnauthorized means that the token is missing or wrong.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrBusy means that the server refuses more requests for now.
	ErrBusy = errors.New("too many requests")
	// ErrUnavailable means that the server can't be reached, or failed.
	ErrUnavailable = errors.New("unavailable")
	// ErrProtocol means that the response is not one of this API.
	ErrProtocol = errors.New("not understood")
	// ErrNoFile means that no file of the repository fits.
	ErrNoFile = errors.New("no suitable GGUF file")
)

// Error is a failed request.
type Error struct {
	// Action names the request: "files of lab/model".
	Action string
	// Kind is one of this package's errors.
	Kind error
	// Status is the response's status code, 0 without a response.
	Status int
	// Detail is the server's message, shortened; Remedy is what the user can do.
	Detail, Remedy string
	// RetryAfter is how long the server asks to wait, 0 if it does not say.
	RetryAfter time.Duration
	// Err is the cause, nil if the response is the failure.
	Err error
}

// Error returns action, kind, detail and remedy as one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "hub: %s: %v", e.Action, e.Kind)
	if e.Status != 0 {
		fmt.Fprintf(&b, " (status %d)", e.Status)
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Remedy != "" {
		b.WriteString("; " + e.Remedy)
	}
	return b.String()
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

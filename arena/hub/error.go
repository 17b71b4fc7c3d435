package hub

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// What callers branch on. Every error of a request wraps one of these, or the
// context's.
var (
	// ErrNotFound: no such repository, or a private one that the token may not
	// see: the hub doesn't tell the two apart.
	ErrNotFound = errors.New("not found")
	// ErrGated: its authors want their terms accepted first.
	ErrGated = errors.New("gated")
	// ErrUnauthorized: the token is wrong, or there is none where one is needed.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrBusy: too many requests.
	ErrBusy = errors.New("too many requests")
	// ErrUnavailable: not reached, or it failed by itself.
	ErrUnavailable = errors.New("unavailable")
	// ErrProtocol: the answer is not what this API sends.
	ErrProtocol = errors.New("not understood")
	// ErrNoFile: the repository has no file that would do.
	ErrNoFile = errors.New("no suitable GGUF file")
)

// Error is a failed request.
type Error struct {
	// Action is what was asked for, with its subject: "files of lab/model".
	Action string
	// Kind is one of this package's errors.
	Kind error
	// Status is the answer's, 0 where there was none.
	Status int
	// Detail is the server's own words, bounded; Remedy what can be done.
	Detail, Remedy string
	// RetryAfter is the server's wish, 0 where it named none.
	RetryAfter time.Duration
	// Err is the cause, nil where the answer itself is the failure.
	Err error
}

// Error names action, kind, detail and remedy in one line.
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

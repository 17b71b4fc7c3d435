package nodes

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Fault is a kind of failure. Faults are errors themselves, so that callers
// branch with errors.Is(err, nodes.Busy). Every error that a [Backend]
// returns, apart from the context's own cancellation, wraps exactly one.
type Fault string

// The faults, by what a caller does about them.
const (
	// Refused: nothing listens on the port.
	Refused Fault = "connection refused"
	// Unreachable: no connection: no route, no such host, connect time-out.
	Unreachable Fault = "unreachable"
	// TimedOut: connected, but no answer, or no next token, in time.
	TimedOut Fault = "timed out"
	// Unauthorized: 401 or 403. A wrong key; no repair can help.
	Unauthorized Fault = "unauthorized"
	// Busy: 429, or 503 from a server that is loading or has a full queue.
	Busy Fault = "busy"
	// ModelNotFound: the model is not on the node's disk.
	ModelNotFound Fault = "model not found"
	// NotLoaded: the model is on disk and not in memory.
	NotLoaded Fault = "model not loaded"
	// LoadFailed: the engine could not load the model.
	LoadFailed Fault = "load failed"
	// OutOfMemory: the engine refused the load for memory.
	OutOfMemory Fault = "not enough memory"
	// TooLarge: the check before the load refused a model that is larger than
	// the node's whole memory. Nothing was unloaded for it.
	TooLarge Fault = "larger than the node's memory"
	// UnloadStuck: the unload was acknowledged and the model is still there.
	UnloadStuck Fault = "unload stuck"
	// Crashed: the server lives, the process that runs the model died.
	Crashed Fault = "model process crashed"
	// ServerFailed: the server answered with a 5xx of its own.
	ServerFailed Fault = "server error"
	// Protocol: the answer is not what this engine sends: not JSON, another
	// shape, too large, a redirect.
	Protocol Fault = "protocol broken"
	// WrongEngine: the answer is that of another kind of server.
	WrongEngine Fault = "another engine"
	// CutOff: the answer ended without its end mark.
	CutOff Fault = "answer cut off"
	// Empty: an answer without a single token.
	Empty Fault = "empty answer"
	// WrongModel: another model answered than the one that was asked.
	WrongModel Fault = "another model answered"
	// TooLong: the prompt does not fit the model's context. The request's
	// fault, not the node's.
	TooLong Fault = "prompt too long"
	// BadRequest: the server refused the request itself (another 4xx).
	BadRequest Fault = "request refused"
	// ReadOnly: this server has no way to do what was asked (LM Studio 0.3 has
	// no load, a llama-server started with one model neither).
	ReadOnly Fault = "server is read-only"
	// RestartFailed: the node's restart command failed or ran out of time.
	RestartFailed Fault = "restart command failed"
	// Leased: somebody else holds the node's lease.
	Leased Fault = "node is leased"
)

// Error makes a Fault an error.
func (f Fault) Error() string { return string(f) }

// Error is a failure of one action on one node.
type Error struct {
	// Node is the node's name.
	Node string
	// Action is what was tried: "probe", "chat", "load", …
	Action string
	// Fault is the kind of failure.
	Fault Fault
	// Detail is the server's own words, bounded and without secrets.
	Detail string
	// Remedy is what a person can do about it; empty where there is nothing
	// to do.
	Remedy string
	// RetryAfter is the server's wish, 0 where it named none.
	RetryAfter time.Duration
	// Err is the cause, nil where the server's answer itself is the failure.
	Err error
}

// Error names node, action, fault, detail and remedy in one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: %s", e.Node, e.Action, e.Fault)
	if e.Detail != "" {
		fmt.Fprintf(&b, ": %s", e.Detail)
	} else if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, " (retry after %s)", e.RetryAfter)
	}
	if e.Remedy != "" {
		fmt.Fprintf(&b, "; %s", e.Remedy)
	}
	return b.String()
}

// Unwrap gives errors.Is both the fault and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Fault}
	}
	return []error{e.Fault, e.Err}
}

// FaultOf returns the fault that err wraps, and "" for nil and for errors that
// wrap none.
func FaultOf(err error) Fault {
	var f Fault
	if errors.As(err, &f) {
		return f
	}
	return ""
}

// RetryAfter returns how long the server asked to be left alone, 0 for errors
// that say nothing about it.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

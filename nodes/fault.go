package nodes

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Fault is a kind of failure. A fault is an error itself, so that callers branch
// with errors.Is(err, nodes.Busy). Every error of a [Backend] wraps exactly one,
// except for the cancellation of the context.
type Fault string

// The faults, told apart by what a caller can do about them.
const (
	// Refused means that nothing listens on the port.
	Refused Fault = "connection refused"
	// Unreachable means that no connection came about: no route, no such host,
	// or a connect time-out.
	Unreachable Fault = "unreachable"
	// TimedOut means that the server took the connection and did not send its
	// answer, or the next token, in time.
	TimedOut Fault = "timed out"
	// Unauthorized means a missing or wrong key (status 401 or 403). No repair
	// can help.
	Unauthorized Fault = "unauthorized"
	// Busy means that the server is loading or its queue is full (status 429 or
	// 503).
	Busy Fault = "busy"
	// ModelNotFound means that the model is not on the node's disk.
	ModelNotFound Fault = "model not found"
	// NotLoaded means that the model is on disk and not in memory.
	NotLoaded Fault = "model not loaded"
	// Asleep means that the engine has put the idle model to sleep, see
	// [Instance.Sleeping], and that the request was not to wake it.
	Asleep Fault = "model asleep"
	// LoadFailed means that the engine could not load the model.
	LoadFailed Fault = "load failed"
	// OutOfMemory means that the engine lacked the memory for a load.
	OutOfMemory Fault = "not enough memory"
	// TooLarge means that a model is larger than the node's whole memory. It is
	// found before a load, and nothing is unloaded.
	TooLarge Fault = "larger than the node's memory"
	// UnloadStuck means that an unload was acknowledged and the model is still
	// in memory.
	UnloadStuck Fault = "unload stuck"
	// Crashed means that the process that runs the model died, while the server
	// lives.
	Crashed Fault = "model process crashed"
	// ServerFailed means an internal error of the server (status 5xx).
	ServerFailed Fault = "server error"
	// Protocol means an answer that this engine doesn't send: not JSON, of
	// another shape, too large, or a redirect.
	Protocol Fault = "protocol broken"
	// WrongEngine means the answer of another kind of server.
	WrongEngine Fault = "another engine"
	// CutOff means that the answer ended without its end mark.
	CutOff Fault = "answer cut off"
	// Empty means an answer without a single token.
	Empty Fault = "empty answer"
	// WrongModel means that another model answered than the one asked.
	WrongModel Fault = "another model answered"
	// TooLong means that the prompt does not fit the model's context. It is the
	// request's fault, not the node's.
	TooLong Fault = "prompt too long"
	// Unsupported means that the model can't do what the request asks, such as see an
	// image. It is neither's fault, and another node may have a model that can.
	Unsupported Fault = "not supported by the model"
	// BadRequest means that the server refused the request (any other 4xx).
	BadRequest Fault = "request refused"
	// ReadOnly means that this server has no such operation: LM Studio 0.3 and a
	// llama-server started with one model have no load.
	ReadOnly Fault = "server is read-only"
	// RestartFailed means that the node's restart command failed or ran out of
	// time.
	RestartFailed Fault = "restart command failed"
	// Leased means that another party holds the node's lease.
	Leased Fault = "node is leased"
)

// Error returns the fault's text.
func (f Fault) Error() string { return string(f) }

// Error is a failure of one action on one node.
type Error struct {
	// Node is the node's name.
	Node string
	// Action is the operation: "probe", "chat", "load", …
	Action string
	// Fault is the kind of failure.
	Fault Fault
	// Detail is the server's own text, bounded and without secrets.
	Detail string
	// Remedy is what a person can do about it. It may be empty.
	Remedy string
	// RetryAfter is the pause that the server asked for, 0 if it asked for none.
	RetryAfter time.Duration
	// Err is the cause. It is nil where the server's answer is the failure.
	Err error
}

// Error returns node, action, fault, detail and remedy in one line.
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

// Unwrap returns the fault and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Fault}
	}
	return []error{e.Fault, e.Err}
}

// FaultOf returns the fault that err wraps, or "" if it wraps none.
func FaultOf(err error) Fault {
	var f Fault
	if errors.As(err, &f) {
		return f
	}
	return ""
}

// RetryAfter returns the pause that the server asked for in err, or 0.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

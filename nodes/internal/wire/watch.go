package wire

import (
	"context"
	"fmt"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// Watch holds the deadlines of a stream of tokens: one for the first token, and one
// for each token after it. Use it from one goroutine.
type Watch struct {
	timer   *time.Timer
	between time.Duration
	cancel  context.CancelCauseFunc
	node    string
	first   bool
}

// NewWatch returns a watch, and a context that ends with [nodes.TimedOut] as its
// cause if no token comes in time. A duration of 0 is no deadline. The caller
// calls Token for each token, and Stop at the end of the stream.
func NewWatch(ctx context.Context, node string, first, between time.Duration) (context.Context, *Watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &Watch{between: between, cancel: cancel, node: node, first: true}
	if first > 0 {
		w.timer = w.arm(first, "no first token")
	}
	return ctx, w
}

func (w *Watch) arm(d time.Duration, what string) *time.Timer {
	return time.AfterFunc(d, func() {
		w.cancel(&nodes.Error{Node: w.node, Action: "chat", Fault: nodes.TimedOut, Detail: fmt.Sprintf("%s within %s", what, d)})
	})
}

// Token restarts the deadline after a token.
func (w *Watch) Token() {
	if !w.first && w.timer != nil && w.between > 0 {
		w.timer.Reset(w.between)
		return
	}
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	w.first = false
	if w.between > 0 {
		w.timer = w.arm(w.between, "no next token")
	}
}

// Stop stops the watch and ends its context.
func (w *Watch) Stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.cancel(nil)
}

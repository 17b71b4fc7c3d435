package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/route"
)

// hedge asks the other nodes where one takes too long to begin. That node is
// not given up before it has been silent for very long: whoever answers first
// wins, so that a limit that was too short costs work and no answer.
type hedge struct {
	timer        *time.Timer
	attemptEnded chan struct{} // closed when the attempt itself has ended
	searchEnded  chan struct{} // closed when the search has ended
	other        *responseHead

	mu      sync.Mutex
	cancel  context.CancelCauseFunc // of the search
	stopped bool
}

// hedge starts the watch over an attempt. Once it has fired, the call belongs
// to its search until end returns.
func (c *exchange) startHedge(ctx context.Context, a *attempt, patience time.Duration) *hedge {
	h := &hedge{attemptEnded: make(chan struct{}), searchEnded: make(chan struct{})}
	h.timer = time.AfterFunc(patience, func() { h.search(ctx, c, a, patience) })
	return h
}

// end ends the watch, and returns the answer that another node began, nil where
// none did. Where the attempt itself was answered, a search under way is given
// up; where it failed, the search may still find somebody.
func (h *hedge) stop(answered bool) *responseHead {
	if h.timer.Stop() {
		return nil
	}
	close(h.attemptEnded)
	h.mu.Lock()
	if answered && h.other == nil {
		h.stopped = true
		if h.cancel != nil {
			h.cancel(errOvertaken)
		}
	}
	h.mu.Unlock()
	<-h.searchEnded
	return h.other
}

// found takes what the search found, unless it came too late.
func (h *hedge) offer(b *responseHead, a *attempt) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		b.close()
		return
	}
	h.other = b
	a.cancel(errOvertaken)
}

// search looks for another node, again and again while the attempt is silent.
func (h *hedge) search(ctx context.Context, c *exchange, a *attempt, patience time.Duration) {
	defer close(h.searchEnded)
	ctx, cancel := context.WithCancelCause(ctx)
	h.mu.Lock()
	h.cancel = cancel
	stopped := h.stopped
	h.mu.Unlock()
	told := false
	for !stopped {
		// Where other requests move, the node is busy and not dead.
		if time.Since(c.forwarder.table.LastToken(a.upstream.node.Name)) > patience {
			if !told {
				told = true
				a.slot.Suspect(nodes.TimedOut, errSilent.Error())
			}
			if b, err := c.dispatch(ctx, true); err == nil {
				h.offer(b, a)
				return // the answer's context ends with the call's own
			}
			clear(c.tried)
			c.tried[c.placeOf(a.upstream)] = true
			if time.Since(a.began) > c.maxSilence() {
				a.cancel(errSilent)
			}
		}
		select {
		case <-h.attemptEnded:
			stopped = true
		case <-ctx.Done():
			stopped = true
		case <-time.After(min(patience, c.maxSilence())):
		}
	}
	cancel(nil)
}

// mostSilence is how long a node may be silent while there is nobody else.
func (c *exchange) maxSilence() time.Duration {
	o := &c.forwarder.options
	switch {
	case c.continuation != nil:
		return o.Wait // the client has a part already, and waits for the rest
	case c.stream && o.FirstToken > 0:
		return max(4*o.FirstToken, o.Wait)
	case c.stream:
		return route.FirstToken.MaxLimit()
	case o.Answer > 0:
		return max(4*o.Answer, o.Wait)
	}
	return route.WholeAnswer.MaxLimit()
}

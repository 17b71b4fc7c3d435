package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/route"
)

// hedge sends a request to other nodes as well if an attempt is late (a hedged
// request). The attempt goes on until it has been silent for very long, and the
// first node to respond wins: a limit that is too short costs work, but no
// answer.
type hedge struct {
	timer        *time.Timer
	attemptEnded chan struct{} // closed when the attempt has ended
	searchEnded  chan struct{} // closed when the search has ended
	other        *responseHead

	mu      sync.Mutex
	cancel  context.CancelCauseFunc // of the search
	stopped bool
	unused  bool // it was stopped before the search began
}

// startHedge starts the timer of an attempt's hedge. Once it has fired, the
// exchange belongs to the search until stop returns.
func (c *exchange) startHedge(ctx context.Context, a *attempt, limit time.Duration) *hedge {
	h := &hedge{attemptEnded: make(chan struct{}), searchEnded: make(chan struct{})}
	h.timer = time.AfterFunc(limit, func() { h.search(ctx, c, a, limit) })
	a.slot.OnSilent(h.hurry)
	return h
}

// hurry begins the search at once: the node was silent to another request.
func (h *hedge) hurry() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.unused && h.timer.Stop() {
		h.timer.Reset(0)
	}
}

// stop ends the hedge and returns another node's response, nil where there is
// none. If the attempt itself was answered, a search under way is canceled. If
// the attempt failed, stop waits for the search, which may still find a node.
func (h *hedge) stop(answered bool) *responseHead {
	h.mu.Lock()
	h.unused = h.timer.Stop()
	h.mu.Unlock()
	if h.unused {
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

// offer makes b the result and cancels the attempt, unless the hedge was
// stopped meanwhile.
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

// search tries the other nodes, again and again while the attempt is silent.
func (h *hedge) search(ctx context.Context, c *exchange, a *attempt, limit time.Duration) {
	defer close(h.searchEnded)
	ctx, cancel := context.WithCancelCause(ctx)
	h.mu.Lock()
	h.cancel = cancel
	stopped := h.stopped
	h.mu.Unlock()
	suspected := false
	for !stopped {
		// A node whose other requests receive tokens is busy, not dead. It may have
		// lost this one.
		busy := time.Since(c.forwarder.table.LastToken(a.upstream.node.Name)) <= limit
		if !busy || time.Since(a.began) >= busyLimit(limit) {
			if !suspected && !busy {
				suspected = true
				a.slot.Suspect(nodes.TimedOut, errSilent.Error())
			}
			if b, err := c.dispatch(ctx, true); err == nil {
				h.offer(b, a)
				return // the response's context ends with the exchange's
			}
			c.untry(time.Now())
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
		case <-time.After(min(limit, c.maxSilence())):
		}
	}
	cancel(nil)
}

// maxSilence returns how long an attempt may go without a response while no
// other node can answer.
func (c *exchange) maxSilence() time.Duration {
	o := &c.forwarder.options
	switch {
	case c.continuation != nil:
		return o.Wait // the client has a part of the answer and waits for the rest
	case c.stream && o.FirstToken > 0:
		return max(4*o.FirstToken, o.Wait)
	case c.stream:
		return route.FirstToken.MaxLimit()
	case o.Answer > 0:
		return max(4*o.Answer, o.Wait)
	}
	return route.WholeAnswer.MaxLimit()
}

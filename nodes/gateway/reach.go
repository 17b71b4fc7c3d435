package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/route"
)

// call is one request of a client on its way. It belongs to one goroutine at a
// time.
type call struct {
	*ask
	f        *forwarder
	plan     route.Plan
	want     route.Demand
	began    time.Time
	timeout  time.Duration // of the whole, by the client's wish; 0 for none
	until    time.Time     // until when it looks for a node
	tried    []bool
	failures []route.Failure
	attempts int
	moves    int
	latest   int // the place of the node that was asked last, -1 for none
	queued   time.Duration
	hopeful  bool     // one that was tried may do better later
	last     *failure // the latest that says something to the client
	waits    time.Duration

	// carry is what the next node is asked in place of the client's own
	// request, nil until a stream broke.
	carry *carry
}

func (f *forwarder) newCall(a *ask) *call {
	c := &call{ask: a, f: f, began: time.Now(), tried: make([]bool, len(f.ends)), latest: -1}
	c.until = c.began.Add(f.options.Wait)
	c.want = route.Demand{Rules: f.options.Rules, Client: a.client, Tried: c.tried}
	if at, ok := f.sticky.get(a.conversation); ok && a.conversation != 0 {
		c.want.Previous = f.ends[at].node
	}
	return c
}

// replan says anew who can answer, where what the nodes serve has changed.
// Once an answer is to be carried on, only who can do that fits. It returns
// true, to be part of a condition.
func (c *call) replan() bool {
	c.plan = c.f.plan(c.ask)
	c.want.Fits = c.plan.Fits
	if c.carry == nil {
		return true
	}
	c.want.Fits = make([]route.Fit, len(c.plan.Fits))
	for i, e := range c.f.ends {
		if e != nil {
			if _, _, ok := e.carries(c.api); ok {
				c.want.Fits[i] = c.plan.Fits[i]
			}
		}
	}
	return true
}

// refusedError is a request that nobody answered.
type refusedError struct {
	status int
	text   string
	wait   time.Duration
	// answer is a node's own, where it is the client's affair.
	answer *failure
}

func (r *refusedError) Error() string { return r.text }

// firstPause is how long a request whose nodes have all failed waits before it
// tries them again, longestPause how long after several rounds.
const firstPause, longestPause = 200 * time.Millisecond, 2 * time.Second

// reach asks one node after another until one begins to answer. With once, it
// neither waits nor asks one twice. The error is a *refusedError, or ctx's
// cause.
func (c *call) reach(ctx context.Context, once bool) (*begun, error) {
	for pause := firstPause; ; {
		c.replan()
		patience := time.Until(c.until)
		if once {
			patience = 0
		}
		waiting := time.Now()
		g, err := c.f.table.Acquire(ctx, &c.want, patience)
		c.queued += time.Since(waiting)
		var refused *route.Refusal
		switch {
		case err != nil && !errors.As(err, &refused):
			return nil, err
		case g != nil && c.replan() && c.want.Fits[g.Place()] == route.Unfit:
			g.Done() // while it waited the node changed its model
		case g != nil:
			c.tried[g.Place()] = true
			b, f := c.attempt(ctx, g)
			if b != nil {
				return b, nil
			}
			if err := c.after(ctx, g, f); err != nil {
				return nil, err
			}
		case once, refused.Reason != route.AllTried, !c.hopeful, time.Until(c.until) <= 0:
			return nil, c.refuse(refused)
		default:
			pause = max(pause, min(c.waits, longestPause))
			if !sleep(ctx, min(pause, time.Until(c.until))) {
				return nil, context.Cause(ctx)
			}
			pause = min(2*pause, longestPause)
			c.hopeful = false
			clear(c.tried)
		}
	}
}

// after notes a failed attempt. An error ends the search.
func (c *call) after(ctx context.Context, g *route.Request, f *failure) error {
	name := c.f.ends[g.Place()].node.Name
	if f.verdict == faulty {
		c.failures = append(c.failures, route.Failure{Node: name, Fault: f.fault, Detail: f.detail, Begun: c.carry != nil})
	}
	c.hopeful = c.hopeful || f.verdict == faulty || f.fault == nodes.Busy
	if f.lacks && c.f.ends[g.Place()].lack(f.path) {
		c.f.forget()
		c.replan()
		c.tried[g.Place()] = c.want.Fits[g.Place()] == route.Unfit // by translation it may do
	}
	c.waits = f.wait
	if f.status != 0 && (c.last == nil || f.verdict == final || c.last.verdict != final) {
		c.last = f
	}
	switch {
	case f.verdict == over:
		if err := context.Cause(ctx); err != nil {
			return err
		}
		return errOvertaken
	case f.verdict == final:
		return &refusedError{status: f.status, text: f.detail, answer: f}
	case f.fault == nodes.Empty && c.empties() > 1:
		return &refusedError{status: f.status, text: f.detail, answer: f} // two agree: it is the question
	}
	return nil
}

func (c *call) empties() int {
	n := 0
	for _, f := range c.failures {
		if f.Fault == nodes.Empty {
			n++
		}
	}
	return n
}

// refuse is what a client is told that no node answered.
func (c *call) refuse(r *route.Refusal) error {
	wait := max(time.Second, c.waits)
	switch {
	case r.Reason == route.NoneFits:
		return &refusedError{status: http.StatusNotFound, text: fmt.Sprintf("no node answers for model %q by %s; ask for %q, or see /v1/models", c.model, c.path, route.Auto)}
	case r.QueueFull, r.Reason == route.AllFull:
		return &refusedError{status: http.StatusTooManyRequests, text: "all nodes are busy; come again later", wait: wait}
	case c.last != nil && c.last.verdict == elsewhere && !c.last.lacks:
		return &refusedError{status: c.last.status, text: c.last.detail, wait: c.last.wait, answer: c.last}
	case r.Reason == route.NoneServes:
		return &refusedError{status: http.StatusServiceUnavailable, text: "no node serves now; come again later", wait: wait}
	}
	text := "every node failed"
	if n := len(c.failures); n > 0 {
		text += fmt.Sprintf(", the last one by: %s", c.failures[n-1].Fault)
	}
	return &refusedError{status: http.StatusBadGateway, text: text, wait: wait}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

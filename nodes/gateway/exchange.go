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
type exchange struct {
	*request
	forwarder   *forwarder
	plan        route.Plan
	demand      route.Demand
	began       time.Time
	timeout     time.Duration // of the whole, by the client's wish; 0 for none
	searchUntil time.Time     // until when it looks for a node
	tried       []bool
	failures    []route.Failure
	attempts    int
	moves       int
	lastPlace   int // the place of the node that was asked last, -1 for none
	queued      time.Duration
	retryable   bool     // one that was tried may do better later
	lastFailure *failure // the latest that says something to the client
	retryAfter  time.Duration

	// carry is what the next node is asked in place of the client's own
	// request, nil until a stream broke.
	continuation *continuation
}

func (f *forwarder) newExchange(a *request) *exchange {
	c := &exchange{request: a, forwarder: f, began: time.Now(), tried: make([]bool, len(f.upstreams)), lastPlace: -1}
	c.searchUntil = c.began.Add(f.options.Wait)
	c.demand = route.Demand{Rules: f.options.Rules, Client: a.client, Tried: c.tried}
	if at, ok := f.conversations.get(a.conversation); ok && a.conversation != 0 {
		c.demand.Previous = f.upstreams[at].node
	}
	return c
}

// replan says anew who can answer, where what the nodes serve has changed.
// Once an answer is to be carried on, only who can do that fits. It returns
// true, to be part of a condition.
func (c *exchange) replan() bool {
	c.plan = c.forwarder.plan(c.request)
	c.demand.Fits = c.plan.Fits
	if c.continuation == nil {
		return true
	}
	c.demand.Fits = make([]route.Fit, len(c.plan.Fits))
	for i, e := range c.forwarder.upstreams {
		if e != nil {
			if _, _, ok := e.continues(c.api); ok {
				c.demand.Fits[i] = c.plan.Fits[i]
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
const minPause, maxPause = 200 * time.Millisecond, 2 * time.Second

// reach asks one node after another until one begins to answer. With once, it
// neither waits nor asks one twice. The error is a *refusedError, or ctx's
// cause.
func (c *exchange) dispatch(ctx context.Context, once bool) (*responseHead, error) {
	for pause := minPause; ; {
		c.replan()
		patience := time.Until(c.searchUntil)
		if once {
			patience = 0
		}
		waiting := time.Now()
		g, err := c.forwarder.table.Acquire(ctx, &c.demand, patience)
		c.queued += time.Since(waiting)
		var refused *route.Refusal
		switch {
		case err != nil && !errors.As(err, &refused):
			return nil, err
		case g != nil && c.replan() && c.demand.Fits[g.Place()] == route.Unfit:
			g.Done() // while it waited the node changed its model
		case g != nil:
			c.tried[g.Place()] = true
			b, f := c.try(ctx, g)
			if b != nil {
				return b, nil
			}
			if err := c.noteFailure(ctx, g, f); err != nil {
				return nil, err
			}
		case once, refused.Reason != route.AllTried, !c.retryable, time.Until(c.searchUntil) <= 0:
			return nil, c.refusal(refused)
		default:
			pause = max(pause, min(c.retryAfter, maxPause))
			if !sleep(ctx, min(pause, time.Until(c.searchUntil))) {
				return nil, context.Cause(ctx)
			}
			pause = min(2*pause, maxPause)
			c.retryable = false
			clear(c.tried)
		}
	}
}

// after notes a failed attempt. An error ends the search.
func (c *exchange) noteFailure(ctx context.Context, g *route.Request, f *failure) error {
	name := c.forwarder.upstreams[g.Place()].node.Name
	if f.verdict == nodeFault {
		c.failures = append(c.failures, route.Failure{Node: name, Fault: f.fault, Detail: f.detail, Begun: c.continuation != nil})
	}
	c.retryable = c.retryable || f.verdict == nodeFault || f.fault == nodes.Busy
	if f.missingAPI && c.forwarder.upstreams[g.Place()].markMissing(f.path) {
		c.forwarder.forget()
		c.replan()
		c.tried[g.Place()] = c.demand.Fits[g.Place()] == route.Unfit // by translation it may do
	}
	c.retryAfter = f.wait
	if f.status != 0 && (c.lastFailure == nil || f.verdict == clientFault || c.lastFailure.verdict != clientFault) {
		c.lastFailure = f
	}
	switch {
	case f.verdict == abandoned:
		if err := context.Cause(ctx); err != nil {
			return err
		}
		return errOvertaken
	case f.verdict == clientFault:
		return &refusedError{status: f.status, text: f.detail, answer: f}
	case f.fault == nodes.Empty && c.emptyAnswers() > 1:
		return &refusedError{status: f.status, text: f.detail, answer: f} // two agree: it is the question
	}
	return nil
}

func (c *exchange) emptyAnswers() int {
	n := 0
	for _, f := range c.failures {
		if f.Fault == nodes.Empty {
			n++
		}
	}
	return n
}

// refuse is what a client is told that no node answered.
func (c *exchange) refusal(r *route.Refusal) error {
	wait := max(time.Second, c.retryAfter)
	switch {
	case r.Reason == route.NoneFits:
		return &refusedError{status: http.StatusNotFound, text: fmt.Sprintf("no node answers for model %q by %s; ask for %q, or see /v1/models", c.model, c.path, route.Auto)}
	case r.QueueFull, r.Reason == route.AllFull:
		return &refusedError{status: http.StatusTooManyRequests, text: "all nodes are busy; come again later", wait: wait}
	case c.lastFailure != nil && c.lastFailure.verdict == tryAnother && !c.lastFailure.missingAPI:
		return &refusedError{status: c.lastFailure.status, text: c.lastFailure.detail, wait: c.lastFailure.wait, answer: c.lastFailure}
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

package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/route"
)

// exchange is the processing of one client request: its attempts on nodes until
// one responds. It belongs to one goroutine at a time.
type exchange struct {
	*request
	forwarder   *forwarder
	plan        route.Plan
	demand      route.Demand
	began       time.Time
	timeout     time.Duration // of the whole response, set by the client; 0 for none
	searchUntil time.Time     // end of the search for a node
	tried       []bool        // nodes of this round, by place
	failures    []route.Failure
	attempts    int
	moves       int
	lastPlace   int // of the latest attempt, -1 for none
	queued      time.Duration
	retryable   bool     // a node that was tried in this round may do better later
	lastFailure *failure // the latest with an answer for the client
	retryAfter  time.Duration

	// continuation is set once a stream broke off. Then it is sent in place of
	// the client's request.
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

// replan recomputes which nodes can answer. For a stream that is being resumed,
// only nodes that can continue a partial answer fit.
func (c *exchange) replan() {
	c.plan = c.forwarder.plan(c.request)
	c.demand.Fits = c.plan.Fits
	if c.continuation == nil {
		return
	}
	c.demand.Fits = make([]route.Fit, len(c.plan.Fits))
	for i, e := range c.forwarder.upstreams {
		if e != nil {
			if _, _, ok := e.continues(c.API); ok {
				c.demand.Fits[i] = c.plan.Fits[i]
			}
		}
	}
}

// fits reports whether the node at a place can answer.
func (c *exchange) fits(place int) bool { return c.demand.Fits[place] != route.Unfit }

// refusedError is the error of a request that no node answered.
type refusedError struct {
	status int
	text   string
	wait   time.Duration // after which the client may try again
	// answer is a node's response to pass on to the client, nil where the
	// gateway makes its own.
	answer *failure
}

func (r *refusedError) Error() string { return r.text }

// minPause is the pause before the second round over nodes that all failed. It
// doubles with each round, up to maxPause.
const minPause, maxPause = 200 * time.Millisecond, 2 * time.Second

// dispatch tries one node after another until one responds. With once, it makes
// one round over the nodes and does not wait for any. The error is a
// *refusedError, or ctx's cause.
func (c *exchange) dispatch(ctx context.Context, once bool) (*responseHead, error) {
	for pause := minPause; ; {
		c.replan()
		slot, err := c.acquire(ctx, once)
		var refused *route.Refusal
		switch {
		case err != nil && !errors.As(err, &refused):
			return nil, err
		case slot != nil:
			if c.replan(); !c.fits(slot.Place()) {
				slot.Done() // the node changed its model meanwhile
				continue
			}
			c.tried[slot.Place()] = true
			head, f := c.try(ctx, slot)
			if head != nil {
				return head, nil
			}
			if err := c.noteFailure(ctx, slot.Place(), f); err != nil {
				return nil, err
			}
		case once, refused.Reason != route.AllTried, !c.retryable, time.Until(c.searchUntil) <= 0:
			return nil, c.refusal(refused)
		default:
			pause = max(pause, min(c.retryAfter, maxPause))
			if !nodes.Sleep(ctx, min(pause, time.Until(c.searchUntil))) {
				return nil, context.Cause(ctx)
			}
			pause = min(2*pause, maxPause)
			c.retryable = false
			clear(c.tried)
		}
	}
}

// placeOf returns the place of an upstream.
func (c *exchange) placeOf(e *upstream) int { return slices.Index(c.forwarder.upstreams, e) }

// acquire selects a node for the next attempt.
func (c *exchange) acquire(ctx context.Context, once bool) (*route.Request, error) {
	began := time.Now()
	defer func() { c.queued += time.Since(began) }()
	patience := time.Until(c.searchUntil)
	if once {
		patience = 0
	}
	return c.forwarder.table.Acquire(ctx, &c.demand, patience)
}

// noteFailure records a failed attempt. An error ends the search.
func (c *exchange) noteFailure(ctx context.Context, place int, f *failure) error {
	u := c.forwarder.upstreams[place]
	if f.verdict == nodeFault {
		c.failures = append(c.failures, route.Failure{Node: u.node.Name, Fault: f.fault, Detail: f.detail, Begun: c.continuation != nil})
	}
	c.retryable = c.retryable || f.verdict == nodeFault || f.fault == nodes.Busy
	if f.missingAPI && u.markMissing(f.path) {
		c.forwarder.missingAPIs.Add(1)
		c.replan()
		c.tried[place] = !c.fits(place) // it may still answer by translation
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
		return &refusedError{status: f.status, text: f.detail, answer: f} // two nodes agree: the question is the reason
	}
	return nil
}

// emptyAnswers returns the number of attempts that ended without a token.
func (c *exchange) emptyAnswers() int {
	n := 0
	for _, f := range c.failures {
		if f.Fault == nodes.Empty {
			n++
		}
	}
	return n
}

// refusal returns the error of a request that no node answered.
func (c *exchange) refusal(r *route.Refusal) error {
	wait := max(time.Second, c.retryAfter)
	switch {
	case r.Reason == route.NoneFits:
		return &refusedError{status: http.StatusNotFound, text: fmt.Sprintf("no node answers for model %q by %s; ask for %q, or see /v1/models", c.model, c.Path, route.Auto)}
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

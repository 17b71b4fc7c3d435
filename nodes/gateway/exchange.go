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
	tried       []bool        // nodes that are not to be tried now, by place
	trail       trail         // what the request has seen of the nodes
	doubts      []doubt       // failed attempts whose reason is open
	without     [][]string    // paths of APIs that the nodes seem to lack, by place
	counted     []bool        // nodes on which it failed, by place
	failures    []route.Failure
	attempts    int
	moves       int
	lastPlace   int // of the latest attempt, -1 for none
	queued      time.Duration
	lastFailure *failure // the latest with an answer for the client

	// continuation is set once a stream broke off. Then it is sent in place of
	// the client's request.
	continuation *continuation
}

func (f *forwarder) newExchange(a *request) *exchange {
	c := &exchange{request: a, forwarder: f, began: time.Now(), tried: make([]bool, len(f.upstreams)), trail: make(trail, len(f.upstreams)), counted: make([]bool, len(f.upstreams)), lastPlace: -1}
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
			if _, _, ok := e.continues(c.API, c.plan.Models[i], c.avoided(i)...); ok {
				c.demand.Fits[i] = c.plan.Fits[i]
			} else if _, ok := e.asksOn(c.API, c.plan.Models[i], c.avoided(i)...); ok {
				c.demand.Fits[i] = min(c.plan.Fits[i], route.StandIn) // the others come first
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

// dispatch tries one node after another until one responds. With once, it makes
// one round over the nodes and does not wait for any. The error is a
// *refusedError, or ctx's cause.
func (c *exchange) dispatch(ctx context.Context, once bool) (*responseHead, error) {
	for {
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
			head, err := c.tryNode(ctx, slot, once)
			if head != nil || err != nil {
				return head, err
			}
		case once:
			return nil, c.refusal(refused)
		default:
			c.examine()
			if at := c.trail.ready(); refused.Reason != route.AllTried || at.IsZero() || at.After(c.searchUntil) {
				return nil, c.refusal(refused)
			}
			if err := c.awaitNode(ctx); err != nil {
				return nil, err
			}
		}
	}
}

// tryNode makes an attempt on a node, and further ones there as far as the
// options ask for them. No response and no error mean that the search goes on.
func (c *exchange) tryNode(ctx context.Context, slot *route.Request, once bool) (*responseHead, error) {
	place := slot.Place()
	for {
		c.tried[place] = true
		head, f := c.try(ctx, slot)
		if head != nil {
			c.settle(true)
			c.confirmMissing(place)
			return head, nil
		}
		again, err := c.noteFailure(ctx, place, f)
		if err != nil || !again || once {
			return nil, err
		}
		if !nodes.Sleep(ctx, time.Until(c.trail[place].readyAt)) {
			return nil, context.Cause(ctx)
		}
		slot = c.forwarder.table.Begin(c.forwarder.upstreams[place].node.Name)
	}
}

// awaitNode waits until a node that was tried may be tried again.
func (c *exchange) awaitNode(ctx context.Context) error {
	for {
		passed := c.forwarder.table.Passed()
		now := time.Now()
		for i, u := range c.forwarder.upstreams {
			if u != nil {
				c.trail.passed(i, c.forwarder.table.PassedAt(u.node.Name), now)
			}
		}
		if c.untry(now) {
			return nil
		}
		timer := time.NewTimer(time.Until(c.trail.ready()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-passed:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// untry lets the nodes be tried again whose time has come, and reports whether
// there is one.
func (c *exchange) untry(now time.Time) (any bool) {
	for i, s := range c.trail {
		if s.failure != nil && !s.readyAt.IsZero() && !s.readyAt.After(now) {
			c.tried[i], c.trail[i].readyAt, any = false, time.Time{}, true
			if c.without != nil {
				c.without[i] = nil
			}
		}
	}
	return any
}

// examine has the nodes checked whose failed attempts nobody else can explain.
func (c *exchange) examine() {
	for _, d := range c.doubts {
		d.Examine()
	}
}

// doubt is a failed attempt whose reason is open.
type doubt struct {
	*route.Request
	lacks bool // the node seems to lack the API
}

// settle ends the doubts of failed attempts. If a node answered, those that
// could not are to blame, else the request is.
func (c *exchange) settle(answered bool) {
	for _, d := range c.doubts {
		switch {
		case answered && d.lacks: // which is no fault, unless its check fails
			d.Examine()
			d.Acquit()
		case answered:
			d.Blame()
		default:
			d.Acquit()
		}
	}
	c.doubts = nil
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

// noteFailure records a failed attempt, and reports whether the same node is to
// be tried again first. An error ends the search.
func (c *exchange) noteFailure(ctx context.Context, place int, f *failure) (again bool, err error) {
	u := c.forwarder.upstreams[place]
	if f.verdict == nodeFault {
		c.failures = append(c.failures, route.Failure{
			Node: u.node.Name, Fault: f.fault, Detail: f.detail, Begun: c.continuation != nil, Answered: f.answered,
		})
	}
	if f.verdict == abandoned {
		if err := context.Cause(ctx); err != nil {
			return false, err
		}
		return false, errOvertaken
	}
	if c.continuation != nil && f.verdict == clientFault && f.fault == nodes.BadRequest && f.path != "" {
		// The node is asked in a form that the client did not choose.
		f.verdict = tryAnother
		u.markRefused(c.plan.Models[place], f.path+f.form)
		c.replan()
		c.tried[place] = !c.fits(place) // it may still continue it in another form
	}
	if last := c.lastFailure; f.status != 0 && (last == nil || last.fault != nodes.TooLong && last.fault != nodes.Unsupported) {
		c.lastFailure = f
	}
	if f.missingAPI && c.mayTranslate(place, f.path) {
		c.noteMissing(place, f)
		return true, nil
	}
	switch c.trail.note(place, f, c.forwarder.options.Again, time.Now()) {
	case stop:
		c.settle(false)
		if f.missingAPI {
			c.noteMissing(place, f)
			return false, c.noAPI()
		}
		return false, &refusedError{status: f.status, text: f.detail, answer: f}
	case sameNode:
		return true, nil
	}
	if f.missingAPI {
		c.noteMissing(place, f)
	}
	return false, nil
}

// noAPI is the error of a request whose API the nodes lack.
func (c *exchange) noAPI() error {
	return &refusedError{status: http.StatusNotFound, text: "no node has the API " + c.Path}
}

// refusal returns the error of a request that no node answered.
func (c *exchange) refusal(r *route.Refusal) error {
	wait := c.earliest(r)
	last := c.lastFailure
	switch {
	case r.Reason == route.NoneFits:
		return &refusedError{status: http.StatusNotFound, text: fmt.Sprintf("no node answers for model %q by %s; ask for %q, or see /v1/models", c.model, c.Path, route.Auto)}
	case r.QueueFull, r.Reason == route.AllFull, r.Reason == route.AllPaused:
		return &refusedError{status: http.StatusTooManyRequests, text: "all nodes are busy; come again later", wait: wait}
	case last != nil && last.verdict == tryAnother && !last.missingAPI:
		if last.fault != nodes.Busy {
			wait = last.wait
		}
		return &refusedError{status: last.status, text: last.detail, wait: wait, answer: last}
	case r.Reason == route.NoneServes:
		return &refusedError{status: http.StatusServiceUnavailable, text: "no node serves now; come again later", wait: wait}
	case last != nil && last.answered:
		return &refusedError{status: last.status, text: last.detail, wait: wait, answer: last}
	}
	if last != nil && last.missingAPI {
		return c.noAPI()
	}
	text := "every node failed"
	if n := len(c.failures); n > 0 {
		text += fmt.Sprintf(", the last one by: %s", c.failures[n-1].Fault)
	}
	return &refusedError{status: http.StatusBadGateway, text: text, wait: wait}
}

// earliest returns after which time a node may answer, as far as the nodes said.
func (c *exchange) earliest(r *route.Refusal) time.Duration {
	at := r.Until
	if at.IsZero() {
		at = c.trail.ready()
	}
	return max(time.Second, time.Until(at))
}

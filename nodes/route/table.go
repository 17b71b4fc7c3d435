// Package route says who serves now, and picks a node for a request.
//
// The healer tells a [Table] which nodes serve; programs ask it for one and
// tell it how the request went. What they tell is evidence, too: a token that
// flows proves a node healthy that was too busy to answer a probe.
package route

import (
	"slices"
	"sync"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// Table is the order in which nodes take the traffic, and who of them serves.
// Safe for concurrent use.
type Table struct {
	order []*nodes.Node

	mu    sync.Mutex
	lines map[string]*line
}

// line is what is known of one node.
type line struct {
	serves    bool
	inFlight  int
	lastToken time.Time
	idle      chan struct{} // closed while nothing is in flight
	outcomes  []Outcome     // the latest, oldest first
	ended     uint64        // how many there were in all
}

// New makes a table in which nobody serves yet. The order is the fallback
// order: the first node that serves takes the traffic.
func New(order ...*nodes.Node) *Table {
	t := &Table{order: order, lines: make(map[string]*line, len(order))}
	for _, n := range order {
		idle := make(chan struct{})
		close(idle)
		t.lines[n.Name] = &line{idle: idle}
	}
	return t
}

// Serve puts a node into the route, or takes it out.
func (t *Table) Serve(node string, serves bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l, ok := t.lines[node]; ok {
		l.serves = serves
	}
}

// Serves reports whether a node is in the route.
func (t *Table) Serves(node string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, ok := t.lines[node]
	return ok && l.serves
}

// Pick returns the first node in order that serves, nil where none does.
func (t *Table) Pick() *nodes.Node {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.order {
		if t.lines[n.Name].serves {
			return n
		}
	}
	return nil
}

// Begin tells of a request to a node. Call Done when it is over.
func (t *Table) Begin(node string) *Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, ok := t.lines[node]
	if !ok {
		return &Request{}
	}
	if l.inFlight == 0 {
		l.idle = make(chan struct{})
	}
	l.inFlight++
	return &Request{table: t, line: l, outcome: Outcome{Began: time.Now()}}
}

// Request is one request under way. Use it from one goroutine.
type Request struct {
	table   *Table
	line    *line
	outcome Outcome
}

// Token tells that the node's answer moved on.
func (r *Request) Token() {
	if r.line == nil {
		return
	}
	now := time.Now()
	if r.outcome.FirstToken == 0 {
		r.outcome.FirstToken = max(now.Sub(r.outcome.Began), 1)
	}
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	r.line.lastToken = now
}

// Failed tells that the node did not answer as it should have: it could not be
// reached, said that it failed, or broke off. A client that went away, or asked
// for what no node can do, is no failure of the node. Call it before Done.
func (r *Request) Failed() { r.outcome.Failed = true }

// Done ends the request. Calling it again does nothing.
func (r *Request) Done() {
	if r.line == nil {
		return
	}
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	if r.line.inFlight--; r.line.inFlight == 0 {
		close(r.line.idle)
	}
	if r.outcome.Failed || r.outcome.FirstToken > 0 {
		r.line.keep(r.outcome)
	}
	r.line = nil
}

// Outcome is how a request to a node went.
type Outcome struct {
	// Began is when it was sent.
	Began time.Time
	// FirstToken is how long its first token took, 0 where none came.
	FirstToken time.Duration
	// Failed: by the node's fault.
	Failed bool
}

// mostOutcomes is how many outcomes of a node are kept.
const mostOutcomes = 64

func (l *line) keep(o Outcome) {
	if len(l.outcomes) == mostOutcomes {
		copy(l.outcomes, l.outcomes[1:])
		l.outcomes = l.outcomes[:mostOutcomes-1]
	}
	l.outcomes = append(l.outcomes, o)
	l.ended++
}

// Outcomes returns how a node's requests went that ended since the cursor was
// returned, in the order of their ends and at most the latest 64, and the next
// cursor; the first is 0. Requests that told of no token and of no failure are
// left out.
func (t *Table) Outcomes(node string, cursor uint64) ([]Outcome, uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, ok := t.lines[node]
	if !ok || l.ended <= cursor {
		return nil, cursor
	}
	fresh := min(int(l.ended-cursor), len(l.outcomes))
	return slices.Clone(l.outcomes[len(l.outcomes)-fresh:]), l.ended
}

// InFlight returns how many requests are under way on a node.
func (t *Table) InFlight(node string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l, ok := t.lines[node]; ok {
		return l.inFlight
	}
	return 0
}

// Idle returns a channel that is closed while no request is under way on the
// node, as of this call.
func (t *Table) Idle(node string) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lines[node].idle
}

// LastToken returns when a node's answer last moved on, zero where none did.
func (t *Table) LastToken(node string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l, ok := t.lines[node]; ok {
		return l.lastToken
	}
	return time.Time{}
}

// Package route is where the traffic goes: it says who serves now, picks a
// node for a request, and passes it on so that none is lost.
//
// The healer tells a [Table] which nodes serve. A [Transport] makes the clients
// of a Go program use them, a [Gateway] those of every other:
//
//	transport, err := route.NewTransport(healer.Route(), route.Options{})
//	client := &http.Client{Transport: transport}
//
// A request whose answer has not begun goes to the next node when one fails; a
// stream that breaks in the middle is carried on by the next. How requests go
// is evidence, too: a failure makes a node suspect at once, and a token that
// flows proves one healthy that was too busy to answer a probe.
package route

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// Table is the order in which nodes take the traffic, and who of them serves.
// Safe for concurrent use.
type Table struct {
	order []*nodes.Node
	index map[string]int

	mu        sync.Mutex
	lines     []line
	queue     queue
	models    uint64 // changes of what the nodes serve
	onFailure func(Failure)
}

// line is what is known of one node. It is guarded by the table's mutex.
type line struct {
	node   *nodes.Node
	model  string // what it serves
	serves bool
	served bool      // it was in the route before
	since  time.Time // when it came back into the route, zero the first time
	doubt  doubt

	underWay  map[*Request]struct{}
	lastToken time.Time
	idle      chan struct{} // closed when nothing is in flight; nil where nobody waits
	outcomes  []Outcome     // the latest, oldest first
	ended     uint64        // how many there were in all

	first, whole, gap pace
}

// New makes a table in which nobody serves yet. The order is the fallback
// order: the first node that serves takes the traffic.
func New(order ...*nodes.Node) *Table {
	t := &Table{order: order, lines: make([]line, len(order)), index: make(map[string]int, len(order))}
	for i, n := range order {
		t.index[n.Name] = i
		t.lines[i] = line{node: n, model: n.Canonical(n.Wanted.Name), underWay: map[*Request]struct{}{}}
	}
	return t
}

// line returns what is known of a node, nil where it isn't there.
func (t *Table) line(node string) *line {
	if i, ok := t.index[node]; ok {
		return &t.lines[i]
	}
	return nil
}

// Serve puts a node into the route, or takes it out.
func (t *Table) Serve(node string, serves bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.line(node)
	if l == nil || l.serves == serves {
		return
	}
	l.serves = serves
	if serves {
		if l.served {
			l.since = time.Now()
		}
		l.served, l.doubt = true, doubt{}
		t.dispatch()
	}
}

// Serves reports whether a node is in the route.
func (t *Table) Serves(node string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.line(node)
	return l != nil && l.serves
}

// SetModel says what a node serves; at first it is what the node is meant to.
func (t *Table) SetModel(node, model string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.line(node); l != nil {
		if model = l.node.Canonical(model); model != l.model {
			l.model = model
			t.models++
			t.dispatch()
		}
	}
}

// Model returns what a node serves, "" where that is unknown.
func (t *Table) Model(node string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.line(node); l != nil {
		return l.model
	}
	return ""
}

// Trust ends the doubts about a node: a check of it passed.
func (t *Table) Trust(node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.line(node); l != nil {
		l.doubt = doubt{}
	}
}

// OnFailure calls f for each request that fails by its node's fault, from the
// goroutine of the request. f must not block. There is one such function: that
// of the last call.
func (t *Table) OnFailure(f func(Failure)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.onFailure = f
}

// Pick returns the first node in order that serves, nil where none does.
func (t *Table) Pick() *nodes.Node {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.lines {
		if t.lines[i].serves {
			return t.order[i]
		}
	}
	return nil
}

// Begin tells of a request to a node. Call Done when it is over.
func (t *Table) Begin(node string) *Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.line(node); l != nil {
		return t.begin(l)
	}
	return &Request{}
}

func (t *Table) begin(l *line) *Request {
	r := &Request{table: t, line: l, outcome: Outcome{Began: time.Now()}}
	l.underWay[r] = struct{}{}
	return r
}

// errMoved is why a request ends whose node is to be left.
var errMoved = errors.New("the node is being taken out of service")

// Move ends the requests that are under way on a node. A [Transport] and a
// [Gateway] send theirs to the next one; those of others are not touched.
func (t *Table) Move(node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.line(node)
	if l == nil {
		return
	}
	for r := range l.underWay {
		if r.cancel != nil {
			r.cancel(errMoved)
		}
	}
}

// InFlight returns how many requests are under way on a node.
func (t *Table) InFlight(node string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.line(node); l != nil {
		return len(l.underWay)
	}
	return 0
}

// Queued returns how many requests wait for a node.
func (t *Table) Queued() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.queue.count
}

// closed is a channel that is closed.
func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// Idle returns a channel that is closed while no request is under way on the
// node, as of this call.
func (t *Table) Idle(node string) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.line(node)
	if l == nil || len(l.underWay) == 0 {
		return closed()
	}
	if l.idle == nil {
		l.idle = make(chan struct{})
	}
	return l.idle
}

// LastToken returns when a node's answer last moved on, zero where none did.
func (t *Table) LastToken(node string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.line(node); l != nil {
		return l.lastToken
	}
	return time.Time{}
}

// Request is one request under way. Use it from one goroutine at a time.
type Request struct {
	table   *Table
	line    *line
	outcome Outcome
	last    time.Time // of its tokens
	cancel  context.CancelCauseFunc
}

// onMove sets what ends the request when its node is to be left.
func (r *Request) onMove(cancel context.CancelCauseFunc) {
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	r.cancel = cancel
}

// Token tells that the node's answer moved on.
func (r *Request) Token() {
	if r.line == nil {
		return
	}
	now := time.Now()
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	if r.outcome.FirstToken == 0 {
		r.outcome.FirstToken = max(now.Sub(r.outcome.Began), 1)
	} else {
		r.line.gap.add(now.Sub(r.last), 0)
	}
	r.last = now
	r.line.lastToken = now
	r.line.doubt = doubt{}
}

// Failed tells that the node did not answer as it should have: it could not be
// reached, said that it failed, or broke off. The node is left alone for a
// moment where others serve. A client that went away, or asked for what no
// node can do, is no failure of the node. Call it before Done.
func (r *Request) Failed(fault nodes.Fault, detail string) {
	r.outcome.Failed = true
	r.suspect(fault, detail)
}

// suspect tells what speaks against the node while the request goes on.
func (r *Request) suspect(fault nodes.Fault, detail string) {
	if r.line == nil {
		return
	}
	r.table.mu.Lock()
	r.line.doubt = r.line.doubt.more(time.Now())
	tell := r.table.onFailure
	f := Failure{Node: r.line.node.Name, Fault: fault, Detail: detail, Begun: r.outcome.FirstToken > 0}
	r.table.mu.Unlock()
	if tell != nil {
		tell(f)
	}
}

// Busy tells that the node asked to be left alone for a while. That is no
// failure.
func (r *Request) Busy(wait time.Duration) {
	if r.line == nil {
		return
	}
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	r.line.doubt.busy = time.Now().Add(min(max(wait, time.Second), mostDoubt))
}

// Done ends the request. Calling it again does nothing.
func (r *Request) Done() {
	l := r.line
	if l == nil {
		return
	}
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	r.line = nil
	delete(l.underWay, r)
	if len(l.underWay) == 0 && l.idle != nil {
		close(l.idle)
		l.idle = nil
	}
	if r.outcome.Failed || r.outcome.FirstToken > 0 {
		l.keep(r.outcome)
	}
	r.table.dispatch()
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
	l := t.line(node)
	if l == nil || l.ended <= cursor {
		return nil, cursor
	}
	fresh := min(int(l.ended-cursor), len(l.outcomes))
	return slices.Clone(l.outcomes[len(l.outcomes)-fresh:]), l.ended
}

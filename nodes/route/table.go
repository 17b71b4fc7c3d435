package route

import (
	"slices"
	"sync"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// Table is the ordered set of nodes with the routing state of each. Its
// methods ignore names of nodes that it doesn't have. Safe for concurrent use.
type Table struct {
	order []*nodes.Node
	index map[string]int

	mu        sync.Mutex
	states    []nodeState
	queue     queue
	version   uint64 // of what the nodes serve
	onFailure func(Failure)
	passed    chan struct{} // closed when a check passes; nil where nobody waits

	// Scratch space of the choice.
	candidates []candidate
	selection  selection
}

// nodeState is the routing state of one node, guarded by the table's mutex.
type nodeState struct {
	node        *nodes.Node
	model       string // that it serves
	serves      bool
	served      bool      // it was in the route before
	sleeps      bool      // its engine puts an idle model to sleep
	reenteredAt time.Time // zero until it comes back into the route
	ejection    ejection
	passedAt    time.Time // of its latest passed check

	inFlight  map[*Request]struct{}
	lastToken time.Time
	idle      chan struct{} // closed when nothing is in flight; nil where nobody waits
	outcomes  []Outcome     // the latest, oldest first
	ended     uint64        // how many outcomes there were in all
	latencies [operations]latencyEstimate
}

// New returns a table of nodes in their fallback order: the first one that
// serves takes the traffic. No node serves until [Table.Serve] says so.
func New(order ...*nodes.Node) *Table {
	t := &Table{order: order, states: make([]nodeState, len(order)), index: make(map[string]int, len(order))}
	for i, n := range order {
		t.index[n.Name] = i
		t.states[i] = nodeState{node: n, model: n.Canonical(n.Wanted.Name), inFlight: map[*Request]struct{}{}}
	}
	return t
}

// Nodes returns the nodes in their order. A place is an index into it.
func (t *Table) Nodes() []*nodes.Node { return slices.Clone(t.order) }

// Has reports whether the table has a node of that name.
func (t *Table) Has(node string) bool {
	_, ok := t.index[node]
	return ok
}

// state returns the state of a node, nil where the table doesn't have it.
func (t *Table) state(node string) *nodeState {
	if i, ok := t.index[node]; ok {
		return &t.states[i]
	}
	return nil
}

// Serve puts a node into the route or takes it out. Entering the route ends
// the node's ejection. A node that was in the route before begins its slow
// start.
func (t *Table) Serve(node string, serves bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.state(node)
	if s == nil || s.serves == serves {
		return
	}
	s.serves = serves
	if serves {
		if s.served {
			s.reenteredAt = time.Now()
		}
		s.served, s.ejection = true, ejection{}
		t.dispatch()
	}
}

// Serves reports whether a node is in the route.
func (t *Table) Serves(node string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.state(node)
	return s != nil && s.serves
}

// SetModel sets the name of the model that a node serves. It is the node's
// wanted model at first.
func (t *Table) SetModel(node, model string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.state(node); s != nil {
		if model = s.node.Canonical(model); model != s.model {
			s.model = model
			t.version++
			t.dispatch()
		}
	}
}

// SetSleeps tells whether a node's engine puts an idle model to sleep. The first
// request after a pause then loads the model, and gets as much time as the first
// one of all, see [Request.Limit].
func (t *Table) SetSleeps(node string, sleeps bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.state(node); s != nil {
		s.sleeps = sleeps
	}
}

// Model returns the name of the model that a node serves, "" where it is
// unknown.
func (t *Table) Model(node string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.state(node); s != nil {
		return s.model
	}
	return ""
}

// Served returns what [PlanFor] needs to know of each node, in their order.
// Askable is true for all of them.
func (t *Table) Served() []Served {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]Served, len(t.states))
	for i, s := range t.states {
		list[i] = Served{Node: s.node, Model: s.model, Wanted: s.node.Canonical(s.node.Wanted.Name), Askable: true}
	}
	return list
}

// Version returns a number that changes whenever the result of [Table.Served]
// does.
func (t *Table) Version() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.version
}

// Reinstate ends the ejection of a node. The healer calls it when a probe of
// the node passed.
func (t *Table) Reinstate(node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.state(node); s != nil {
		s.ejection = s.ejection.over()
		s.passedAt = time.Now()
		if t.passed != nil {
			close(t.passed)
			t.passed = nil
		}
	}
}

// Passed returns a channel that is closed when a check of a node passes the next
// time, see [Table.Reinstate].
func (t *Table) Passed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.passed == nil {
		t.passed = make(chan struct{})
	}
	return t.passed
}

// PassedAt returns the time of a node's latest passed check, zero where there was
// none.
func (t *Table) PassedAt(node string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.state(node); s != nil {
		return s.passedAt
	}
	return time.Time{}
}

// OnFailure sets the function that is called for each request that fails by
// its node's fault. It replaces the function set before. It is called from the
// goroutine of the request and must not block.
func (t *Table) OnFailure(f func(Failure)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.onFailure = f
}

// Pick returns the first node in order that serves, nil where none does.
func (t *Table) Pick() *nodes.Node {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.states {
		if t.states[i].serves {
			return t.order[i]
		}
	}
	return nil
}

// Evict ends the requests in flight on a node with [ErrEvicted]. The gateway
// sends them to another node. Requests of [Table.Begin] that have no
// [Request.OnEvict] run on.
func (t *Table) Evict(node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.state(node)
	if s == nil {
		return
	}
	for r := range s.inFlight {
		if r.cancel != nil {
			r.cancel(ErrEvicted)
		}
	}
}

// InFlight returns the number of requests in flight on a node.
func (t *Table) InFlight(node string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.state(node); s != nil {
		return len(s.inFlight)
	}
	return 0
}

// Queued returns the number of requests that wait for a node.
func (t *Table) Queued() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.queue.count
}

// Idle returns a channel that is closed as soon as no request is in flight on
// the node. It is closed already where that is so at the call.
func (t *Table) Idle(node string) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.state(node)
	if s == nil || len(s.inFlight) == 0 {
		idle := make(chan struct{})
		close(idle)
		return idle
	}
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	return s.idle
}

// LastToken returns the time of a node's latest token, zero where there was
// none.
func (t *Table) LastToken(node string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.state(node); s != nil {
		return s.lastToken
	}
	return time.Time{}
}

// Outcomes returns the outcomes of a node's requests that ended after cursor,
// in the order of their ends and at most the latest 64, and the cursor for the
// next call. The first cursor is 0. A request without a token and without a
// failure has no outcome.
func (t *Table) Outcomes(node string, cursor uint64) ([]Outcome, uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.state(node)
	if s == nil || s.ended <= cursor {
		return nil, cursor
	}
	added := min(int(s.ended-cursor), len(s.outcomes))
	return slices.Clone(s.outcomes[len(s.outcomes)-added:]), s.ended
}

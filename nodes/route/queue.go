package route

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// Rules are the settings of the choice that the requests of one gateway share.
type Rules struct {
	// Policy selects among equally suited nodes; nil means [Fallback].
	Policy Policy
	// PerNode is the greatest number of requests in flight on one node; 0
	// means no limit.
	PerNode int
	// Queue is the greatest number of requests that wait for a node; 0 means
	// [DefaultQueue], [NoQueue] none.
	Queue int
	// SlowStart is the time after which a node that re-entered the route gets
	// its full share of new conversations; 0 means [DefaultSlowStart],
	// [NoSlowStart] at once.
	SlowStart time.Duration
}

const (
	// DefaultQueue is the queue's length where [Rules] doesn't set it.
	DefaultQueue = 1024
	// NoQueue is the value of [Rules]'s Queue by which no request waits.
	NoQueue = -1
	// DefaultSlowStart is the slow start where [Rules] doesn't set it.
	DefaultSlowStart = 30 * time.Second
	// NoSlowStart is the value of [Rules]'s SlowStart that switches it off.
	NoSlowStart time.Duration = -1
)

func (r *Rules) policy() Policy {
	if r.Policy == nil {
		return Fallback{}
	}
	return r.Policy
}

func (r *Rules) queue() int {
	if r.Queue == 0 {
		return DefaultQueue
	}
	return r.Queue
}

func (r *Rules) slowStart() time.Duration {
	if r.SlowStart == 0 {
		return DefaultSlowStart
	}
	return r.SlowStart
}

// Demand is what one request needs of a node.
type Demand struct {
	Rules Rules
	// Client names whose request it is. Clients take turns in the queue.
	Client string
	// Fits is how well each node can answer, by place; nil means that all fit
	// exactly.
	Fits []Fit
	// Tried says which nodes the request was on already, by place; nil means
	// none.
	Tried []bool
	// Previous is the node of the conversation's last request, nil where there
	// is none.
	Previous *nodes.Node
}

// Refusal is the error of [Table.Acquire] where it found no node in time.
type Refusal struct {
	Reason Reason
	// QueueFull: the request could not wait because the queue was full.
	QueueFull bool
	// Until is the earliest end of a pause, for [AllPaused].
	Until time.Time
}

// Error returns the reason in words.
func (r *Refusal) Error() string {
	if r.QueueFull {
		return "route: " + r.Reason.String() + ", and so is the queue"
	}
	return "route: " + r.Reason.String()
}

// Acquire selects a node for a request and registers the request there. While
// the suited nodes are full or out of the route it blocks, for as long as
// patience; with no patience it returns at once. The error is a *[Refusal], or
// ctx's cause. d must not change before Acquire returns.
func (t *Table) Acquire(ctx context.Context, d *Demand, patience time.Duration) (*Request, error) {
	until := time.Now().Add(patience)
	for {
		r, err := t.acquire(ctx, d, until)
		var refused *Refusal
		if errors.As(err, &refused) && refused.Reason == AllPaused && !refused.Until.After(time.Now()) {
			continue // a pause has ended
		}
		return r, err
	}
}

// acquire waits for a node until a time, or until the first pause of a node
// ends.
func (t *Table) acquire(ctx context.Context, d *Demand, until time.Time) (*Request, error) {
	patience := time.Until(until)
	t.mu.Lock()
	g := t.grant(d)
	if !g.mayWait() || g.why == AllPaused && !g.absent && g.until.After(until) {
		t.mu.Unlock()
		return g.result()
	}
	if t.queue.count >= d.Rules.queue() || patience <= 0 {
		t.mu.Unlock()
		return nil, &Refusal{Reason: g.why, QueueFull: patience > 0, Until: g.until}
	}
	w := &waiter{demand: d, granted: make(chan grant, 1)}
	t.queue.add(w)
	t.mu.Unlock()

	if g.why == AllPaused {
		patience = min(patience, time.Until(g.until))
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var err error
	select {
	case g = <-w.granted:
		return g.result()
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-timer.C:
	}
	t.mu.Lock()
	waited := t.queue.remove(w)
	t.mu.Unlock()
	if !waited { // it was granted at the same moment
		g = <-w.granted
	}
	if err != nil {
		if g.request != nil {
			g.request.Done()
		}
		return nil, err
	}
	return g.result()
}

// grant is the result of a choice: a request on a node, or the reason why there
// is none.
type grant struct {
	request *Request
	why     Reason
	until   time.Time // the earliest end of a pause, for AllPaused
	absent  bool      // a node that can answer is out of the route
}

// mayWait reports whether a node may become available later.
func (g grant) mayWait() bool { return g.why == AllFull || g.why == NoneServes || g.why == AllPaused }

func (g grant) result() (*Request, error) {
	if g.request == nil {
		return nil, &Refusal{Reason: g.why, Until: g.until}
	}
	return g.request, nil
}

// grant chooses a node for a request and registers the request there. The
// mutex is held.
func (t *Table) grant(d *Demand) grant {
	t.describe(d, time.Now())
	at, why := choose(d.Rules.policy(), t.candidates, rand.Float64(), &t.selection)
	if why != chosen {
		g := grant{why: why}
		if why == AllPaused {
			g.until, g.absent = t.pauseEnd()
		}
		return g
	}
	return grant{request: t.begin(at)}
}

// pauseEnd returns the earliest end of the pauses among t.candidates, and
// whether one that can answer is out of the route. The mutex is held.
func (t *Table) pauseEnd() (end time.Time, absent bool) {
	for i, c := range t.candidates {
		switch until := t.states[i].ejection.busyUntil; {
		case c.fit == Unfit:
		case !c.serves:
			absent = true
		case c.paused && (end.IsZero() || until.Before(end)):
			end = until
		}
	}
	return end, absent
}

// describe fills t.candidates for a request. The mutex is held.
func (t *Table) describe(d *Demand, now time.Time) {
	t.candidates = t.candidates[:0]
	for i := range t.states {
		s := &t.states[i]
		inFlight := len(s.inFlight)
		c := candidate{
			node: s.node.Name, fit: Exact, serves: s.serves, inFlight: inFlight,
			tried:    d.Tried != nil && d.Tried[i],
			ejected:  s.ejection.active(now, inFlight),
			paused:   now.Before(s.ejection.busyUntil),
			full:     d.Rules.PerNode > 0 && inFlight >= d.Rules.PerNode,
			previous: s.node == d.Previous,
			share:    share(s.reenteredAt, now, d.Rules.slowStart()),
		}
		if d.Fits != nil {
			c.fit = d.Fits[i]
		}
		t.candidates = append(t.candidates, c)
	}
}

// dispatch gives nodes to the requests in the queue, one of each client in
// turn, as far as there is room. The mutex is held.
func (t *Table) dispatch() {
	for t.queue.count > 0 && t.dispatchOne() {
	}
}

func (t *Table) dispatchOne() bool {
	for _, c := range t.queue.clients {
		for _, w := range c.waiters {
			g := t.grant(w.demand)
			if g.mayWait() {
				continue
			}
			t.queue.serve(w)
			w.granted <- g
			return true
		}
	}
	return false
}

// waiter is a request in the queue.
type waiter struct {
	demand  *Demand
	granted chan grant // one element
}

// queue holds the waiting requests by client, so that a client with a thousand
// requests does not delay the others' turns.
type queue struct {
	clients []*clientQueue // in the order of their turns
	count   int
}

// clientQueue is the waiting requests of one client, oldest first.
type clientQueue struct {
	client  string
	waiters []*waiter
}

// find returns the index of a client, -1 where none of its requests waits.
func (q *queue) find(client string) int {
	return slices.IndexFunc(q.clients, func(c *clientQueue) bool { return c.client == client })
}

func (q *queue) add(w *waiter) {
	i := q.find(w.demand.Client)
	if i < 0 {
		i = len(q.clients)
		q.clients = append(q.clients, &clientQueue{client: w.demand.Client})
	}
	q.clients[i].waiters = append(q.clients[i].waiters, w)
	q.count++
}

// remove takes a waiter out and reports whether it was there.
func (q *queue) remove(w *waiter) bool {
	i := q.find(w.demand.Client)
	if i < 0 {
		return false
	}
	c := q.clients[i]
	at := slices.Index(c.waiters, w)
	if at < 0 {
		return false
	}
	c.waiters = slices.Delete(c.waiters, at, at+1)
	q.count--
	if len(c.waiters) == 0 {
		q.clients = slices.Delete(q.clients, i, i+1)
	}
	return true
}

// serve takes a waiter out and puts its client's other requests at the end of
// the turns.
func (q *queue) serve(w *waiter) {
	i := q.find(w.demand.Client)
	c := q.clients[i]
	q.remove(w)
	if len(c.waiters) > 0 {
		q.clients = append(slices.Delete(q.clients, i, i+1), c)
	}
}

package route

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// want is what a request wants of a node.
type want struct {
	policy  Policy
	perNode int
	slow    time.Duration
	most    int // requests that may wait
	client  string
	fits    []fit
	tried   []bool
	sticky  int // the place of the conversation's node, -1 for none
}

// waiter is a request that waits for a node.
type waiter struct {
	want    *want
	granted chan grant // one element
}

type grant struct {
	request *Request
	at      int
	why     reason
}

// queue holds the requests that wait, by client: whoever sends a thousand does
// not keep the others from their turn.
type queue struct {
	clients []*turn // in the order of their turns
	count   int
}

// turn is one client's requests, oldest first.
type turn struct {
	client string
	list   []*waiter
}

func (q *queue) add(w *waiter) {
	i := slices.IndexFunc(q.clients, func(t *turn) bool { return t.client == w.want.client })
	if i < 0 {
		i = len(q.clients)
		q.clients = append(q.clients, &turn{client: w.want.client})
	}
	q.clients[i].list = append(q.clients[i].list, w)
	q.count++
}

// remove takes a waiter out, and reports whether it was there. With next, its
// client comes last from then on.
func (q *queue) remove(w *waiter, next bool) bool {
	i := slices.IndexFunc(q.clients, func(t *turn) bool { return t.client == w.want.client })
	if i < 0 {
		return false
	}
	t := q.clients[i]
	at := slices.Index(t.list, w)
	if at < 0 {
		return false
	}
	t.list = slices.Delete(t.list, at, at+1)
	q.count--
	if next || len(t.list) == 0 {
		q.clients = slices.Delete(q.clients, i, i+1)
	}
	if next && len(t.list) > 0 {
		q.clients = append(q.clients, t)
	}
	return true
}

// candidates describes the nodes to the choice. The table's mutex is held.
func (t *Table) candidates(w *want, list []candidate, now time.Time) []candidate {
	for i := range t.lines {
		l := &t.lines[i]
		c := candidate{
			fit: w.fits[i], serves: l.serves, tried: w.tried != nil && w.tried[i], underWay: len(l.underWay),
			doubted: l.doubt.holds(now, len(l.underWay)), mine: w.sticky == i, share: share(l.since, now, w.slow),
		}
		c.full = w.perNode > 0 && c.underWay >= w.perNode
		list = append(list, c)
	}
	return list
}

// grant chooses a node for a request and begins it there. The mutex is held.
func (t *Table) grant(w *want) grant {
	var room [8]candidate
	now := time.Now()
	at, why := choose(w.policy, t.candidates(w, room[:0], now), rand.Float64())
	if why != chosen {
		return grant{at: -1, why: why}
	}
	return grant{request: t.begin(&t.lines[at]), at: at}
}

// dispatch gives nodes to those who wait, one of each client in turn, as far as
// there is room. The mutex is held.
func (t *Table) dispatch() {
	for t.queue.count > 0 && t.dispatchOne() {
	}
}

func (t *Table) dispatchOne() bool {
	for _, turn := range t.queue.clients {
		for _, w := range turn.list {
			g := t.grant(w.want)
			if g.why == allFull || g.why == noneServes {
				continue
			}
			t.queue.remove(w, true)
			w.granted <- g
			return true
		}
	}
	return false
}

// refusal is why a request found no node.
type refusal struct {
	why reason
	// full: there was no room to wait in.
	full bool
}

// acquire begins a request on a node. It blocks while those that could take it
// have no room or don't serve, until patience runs out; the reason is [chosen]
// only with a request.
func (t *Table) acquire(ctx context.Context, w *want, patience time.Duration) (grant, refusal, error) {
	t.mu.Lock()
	g := t.grant(w)
	if g.why != allFull && g.why != noneServes {
		t.mu.Unlock()
		return g, refusal{why: g.why}, nil
	}
	if t.queue.count >= w.most || patience <= 0 {
		full := patience > 0
		t.mu.Unlock()
		return g, refusal{why: g.why, full: full}, nil
	}
	waiting := &waiter{want: w, granted: make(chan grant, 1)}
	t.queue.add(waiting)
	t.mu.Unlock()

	timer := time.NewTimer(patience)
	defer timer.Stop()
	var err error
	select {
	case g = <-waiting.granted:
		return g, refusal{why: g.why}, nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-timer.C:
	}
	t.mu.Lock()
	waited := t.queue.remove(waiting, false)
	t.mu.Unlock()
	if !waited { // it was granted at the same moment
		g = <-waiting.granted
		if err != nil && g.request != nil {
			g.request.Done()
			return grant{at: -1}, refusal{}, err
		}
		return g, refusal{why: g.why}, nil
	}
	return grant{at: -1, why: g.why}, refusal{why: g.why}, err
}

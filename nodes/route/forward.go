package route

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/route/internal/chat"
)

// forwarder passes requests on. It is what a [Transport] and a [Gateway] have
// in common. Safe for concurrent use.
type forwarder struct {
	table   *Table
	options Options
	ends    []*end // by place in the table; nil where a node takes no requests
	own     *http.Transport
	plans   plans
	sticky  conversations
	seed    maphash.Seed
	rooms   sync.Pool // of *[]byte with frameRoom
	bodies  rooms

	listMu   sync.Mutex
	lastList listing
	listedAt time.Time
}

func newForwarder(t *Table, o Options) (*forwarder, error) {
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	f := &forwarder{table: t, options: o, own: newTransport(), seed: maphash.MakeSeed()}
	f.rooms.New = func() any {
		room := make([]byte, frameRoom)
		return &room
	}
	usable := 0
	for _, n := range t.order {
		e := newEnd(n, f.own)
		if e != nil {
			usable++
		}
		f.ends = append(f.ends, e)
	}
	if usable == 0 && len(t.order) > 0 {
		return nil, errors.New("route: none of the nodes' backends takes requests: it has no Endpoint")
	}
	for role, by := range o.Roles {
		for node := range by {
			if _, ok := t.index[node]; !ok {
				return nil, fmt.Errorf("route: role %q names %q, which is no node", role, node)
			}
		}
	}
	return f, nil
}

// call is one request of a client on its way. It belongs to one goroutine at a
// time.
type call struct {
	*ask
	f        *forwarder
	plan     plan
	want     want
	began    time.Time
	until    time.Time // until when it looks for a node
	tried    []bool
	failures []Failure
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
	c.want = want{
		policy: f.options.Policy, perNode: f.options.PerNode, slow: f.options.SlowStart, most: max(f.options.Queue, 0),
		client: a.client, tried: c.tried, sticky: -1,
	}
	if a.conversation != 0 {
		c.want.sticky = f.sticky.get(a.conversation)
	}
	return c
}

// replan says anew who can answer, where what the nodes serve has changed.
// Once an answer is to be carried on, only who can do that fits. It returns
// true, to be part of a condition.
func (c *call) replan() bool {
	c.plan = c.f.plan(c.ask)
	c.want.fits = c.plan.fits
	if c.carry == nil {
		return true
	}
	c.want.fits = make([]fit, len(c.plan.fits))
	for i, e := range c.f.ends {
		if e != nil {
			if _, _, ok := e.carries(c.api); ok {
				c.want.fits[i] = c.plan.fits[i]
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
		g, refused, err := c.f.table.acquire(ctx, &c.want, patience)
		c.queued += time.Since(waiting)
		switch {
		case err != nil:
			return nil, err
		case g.request != nil && c.replan() && c.want.fits[g.at] == unfit:
			g.request.Done() // while it waited the node changed its model
		case g.request != nil:
			c.tried[g.at] = true
			b, f := c.attempt(ctx, g)
			if b != nil {
				return b, nil
			}
			if err := c.after(ctx, g, f); err != nil {
				return nil, err
			}
		case once, refused.why != allTried, !c.hopeful, time.Until(c.until) <= 0:
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
func (c *call) after(ctx context.Context, g grant, f *failure) error {
	name := c.f.ends[g.at].node.Name
	if f.verdict == faulty {
		c.failures = append(c.failures, Failure{Node: name, Fault: f.fault, Detail: f.detail, Begun: c.carry != nil})
	}
	c.hopeful = c.hopeful || f.verdict == faulty || f.fault == nodes.Busy || f.fault == ""
	if f.lacks && c.f.ends[g.at].lack(f.path) {
		c.f.forget()
		c.replan()
		c.tried[g.at] = c.want.fits[g.at] == unfit // by translation it may do
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
func (c *call) refuse(r refusal) error {
	wait := max(time.Second, c.waits)
	switch {
	case r.why == noneFits:
		return &refusedError{status: http.StatusNotFound, text: fmt.Sprintf("no node answers for model %q by %s; ask for %q, or see /v1/models", c.model, c.path, Auto)}
	case r.full, r.why == allFull:
		return &refusedError{status: http.StatusTooManyRequests, text: "all nodes are busy; come again later", wait: wait}
	case c.last != nil && c.last.verdict == elsewhere && !c.last.lacks:
		return &refusedError{status: c.last.status, text: c.last.detail, wait: c.last.wait, answer: c.last}
	case r.why == noneServes:
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

// forget makes plans anew: what a node can be asked has changed.
func (f *forwarder) forget() {
	f.table.mu.Lock()
	defer f.table.mu.Unlock()
	f.table.models++
}

// begun is an answer that has begun: in one piece it is all there, of a stream
// the first token.
type begun struct {
	*attempt
	status int
	header http.Header
	body   *room // of an answer in one piece
	// Of a stream: what was read up to the first token, and the rest.
	head   head
	frames *frames
	// whole: the stream was made of an answer in one piece.
	whole bool
}

// attempt asks one node. Where its answer takes too long to begin, the others
// are asked as well, and the first to answer wins.
func (c *call) attempt(ctx context.Context, g grant) (*begun, *failure) {
	a := &attempt{call: c, end: c.f.ends[g.at], request: g.request, model: c.plan.models[g.at], begun: time.Now()}
	if f := a.prepare(); f != nil {
		g.request.Done()
		return nil, f
	}
	c.attempts++
	if c.latest >= 0 && c.latest != g.at {
		c.moves++
	}
	c.latest = g.at
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	g.request.onMove(a.cancel)
	h := c.hedge(ctx, a, c.patience(g, len(a.body.bytes)))
	b, f := a.begin()
	if other := h.end(b != nil); other != nil { // being late was told when it was noticed
		c.failures = append(c.failures, Failure{Node: a.end.node.Name, Fault: nodes.TimedOut, Detail: errSilent.Error(), Begun: c.carry != nil})
		a.request.outcome.Failed = true
		a.drop()
		return other, nil
	}
	if b != nil {
		return b, nil
	}
	switch {
	case f.verdict == faulty:
		a.request.Failed(f.fault, f.detail)
	case f.fault == nodes.Busy:
		a.request.Busy(f.wait)
	}
	a.drop()
	return nil, f
}

// patience is how long a node may take to begin.
func (c *call) patience(g grant, size int) time.Duration {
	fixed := c.f.options.Answer
	if c.stream {
		fixed = c.f.options.FirstToken
	}
	if fixed > 0 {
		return min(fixed, c.mostSilence())
	}
	c.f.table.mu.Lock()
	defer c.f.table.mu.Unlock()
	l := &c.f.table.lines[g.at]
	if c.stream {
		return min(l.first.limit(size, firstBounds), c.mostSilence())
	}
	return min(l.whole.limit(size, wholeBounds), c.mostSilence())
}

// prepare makes the node's request out of the client's.
func (a *attempt) prepare() *failure {
	c := a.call
	if c.carry != nil {
		return c.carry.prepare(a)
	}
	d, path, ok := a.end.dialect(c.api)
	if !ok {
		return &failure{verdict: elsewhere}
	}
	a.dialect, a.path = d, path
	if path == c.path {
		a.body = c.with(a.model)
		return nil
	}
	neutral, err := c.dialect.ReadRequest(c.body)
	if err == nil {
		neutral.Model = a.model
		var body []byte
		body, err = d.WriteRequest(neutral)
		a.body = wrap(body)
	}
	return untranslated(err)
}

// untranslated is the failure of a request that can't be said in a node's
// protocol. Another node may speak the client's.
func untranslated(err error) *failure {
	var u chat.Unsupported
	switch {
	case err == nil:
		return nil
	case errors.As(err, &u):
		return &failure{verdict: elsewhere, status: http.StatusNotImplemented, detail: err.Error()}
	}
	return &failure{verdict: final, status: http.StatusBadRequest, detail: err.Error()}
}

// begin sends the request and waits until the answer begins.
func (a *attempt) begin() (*begun, *failure) {
	resp, f := a.send()
	if f != nil {
		return nil, f
	}
	if resp.StatusCode != http.StatusOK {
		return nil, a.refused(resp)
	}
	if a.call.stream && a.dialect != nil {
		return a.first(resp)
	}
	body, f := a.whole(resp)
	if f != nil {
		return nil, f
	}
	a.request.Token()
	a.measured(false)
	b := &begun{attempt: a, status: resp.StatusCode, header: resp.Header, body: body}
	if a.path != a.call.path {
		reply, err := a.dialect.ReadReply(body.bytes)
		if err != nil {
			return nil, &failure{verdict: faulty, fault: nodes.Protocol, detail: err.Error()}
		}
		b.body = wrap(a.call.dialect.WriteReply(reply))
		b.header = http.Header{"Content-Type": {"application/json"}}
	}
	return b, nil
}

// measured remembers how long the answer took to begin.
func (a *attempt) measured(stream bool) {
	took := time.Since(a.begun)
	t := a.call.f.table
	t.mu.Lock()
	defer t.mu.Unlock()
	i := a.call.place(a.end)
	if stream {
		t.lines[i].first.add(took, len(a.body.bytes))
	} else {
		t.lines[i].whole.add(took, len(a.body.bytes))
	}
}

func (c *call) place(e *end) int { return slices.Index(c.f.ends, e) }

// drop gives an answer up that nobody wants any more.
func (a *attempt) drop() {
	a.cancel(errOvertaken)
	a.request.Done()
	if a.release != nil {
		a.release()
		a.release = nil
	}
}

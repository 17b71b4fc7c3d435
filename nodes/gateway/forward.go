package gateway

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/turbone/jarvis/nodes"
	chat "github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/route"
)

// forwarder passes requests on. It is what a [Transport] and a [Gateway] have
// in common. Safe for concurrent use.
type forwarder struct {
	table          *route.Table
	options        Options
	ends           []*end // by place in the table; nil where a node takes no requests
	own            *http.Transport
	plans          planCache
	lacks          atomic.Uint64 // how often a node was seen to lack an API
	sticky         conversations
	seed           maphash.Seed
	byConversation bool      // the policy needs to know conversations
	rooms          sync.Pool // of *[]byte with frameRoom
	bodies         rooms

	listMu   sync.Mutex
	lastList listing
	listedAt time.Time
}

func newForwarder(t *route.Table, o Options) (*forwarder, error) {
	o = o.filled()
	f := &forwarder{table: t, options: o, own: newTransport(), seed: maphash.MakeSeed()}
	_, f.byConversation = o.Policy.(route.ConversationPolicy)
	f.rooms.New = func() any {
		room := make([]byte, frameRoom)
		return &room
	}
	usable := 0
	for _, n := range t.Nodes() {
		e := newEnd(n, f.own)
		if e != nil {
			usable++
		}
		f.ends = append(f.ends, e)
	}
	if usable == 0 && len(f.ends) > 0 {
		return nil, errors.New("route: none of the nodes' backends takes requests: it has no Endpoint")
	}
	for role, by := range o.Roles {
		for node := range by {
			if !t.Has(node) {
				return nil, fmt.Errorf("route: role %q names %q, which is no node", role, node)
			}
		}
	}
	return f, nil
}

// forget makes plans anew: what a node can be asked has changed.
func (f *forwarder) forget() {
	f.lacks.Add(1)
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
func (c *call) attempt(ctx context.Context, g *route.Request) (*begun, *failure) {
	a := &attempt{call: c, end: c.f.ends[g.Place()], request: g, model: c.plan.Models[g.Place()], begun: time.Now()}
	if f := a.prepare(); f != nil {
		g.Done()
		return nil, f
	}
	c.attempts++
	if c.latest >= 0 && c.latest != g.Place() {
		c.moves++
	}
	c.latest = g.Place()
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	g.OnEvict(a.cancel)
	h := c.hedge(ctx, a, c.patience(g, len(a.body.bytes)))
	b, f := a.begin()
	if other := h.end(b != nil); other != nil { // being late was told when it was noticed
		c.failures = append(c.failures, route.Failure{Node: a.end.node.Name, Fault: nodes.TimedOut, Detail: errSilent.Error(), Begun: c.carry != nil})
		a.request.MarkFailed()
		a.drop()
		return other, nil
	}
	if b != nil {
		return b, nil
	}
	switch {
	case f.verdict == faulty:
		a.request.Fail(f.fault, f.detail)
	case f.fault == nodes.Busy:
		a.request.Busy(f.wait)
	}
	a.drop()
	return nil, f
}

// patience is how long a node may take to begin.
func (c *call) patience(g *route.Request, size int) time.Duration {
	fixed := c.f.options.Answer
	if c.stream {
		fixed = c.f.options.FirstToken
	}
	if fixed > 0 {
		return min(fixed, c.mostSilence())
	}
	op := route.WholeAnswer
	if c.stream {
		op = route.FirstToken
	}
	return min(g.Limit(op, size), c.mostSilence())
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
	op := route.WholeAnswer
	if stream {
		op = route.FirstToken
	}
	a.request.Measured(op, time.Since(a.begun), len(a.body.bytes))
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

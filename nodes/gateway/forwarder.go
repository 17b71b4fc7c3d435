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
	upstreams      []*upstream // by place in the table; nil where a node takes no requests
	transport      *http.Transport
	plans          planCache
	lacks          atomic.Uint64 // how often a node was seen to lack an API
	conversations  conversations
	seed           maphash.Seed
	byConversation bool      // the policy needs to know conversations
	frameBuffers   sync.Pool // of *[]byte with frameRoom
	buffers        bufferPool

	listMu   sync.Mutex
	models   modelList
	modelsAt time.Time
}

func newForwarder(t *route.Table, o Options) (*forwarder, error) {
	o = o.withDefaults()
	f := &forwarder{table: t, options: o, transport: newNodeTransport(), seed: maphash.MakeSeed()}
	_, f.byConversation = o.Policy.(route.ConversationPolicy)
	f.frameBuffers.New = func() any {
		room := make([]byte, frameBufferSize)
		return &room
	}
	usable := 0
	for _, n := range t.Nodes() {
		e := newUpstream(n, f.transport)
		if e != nil {
			usable++
		}
		f.upstreams = append(f.upstreams, e)
	}
	if usable == 0 && len(f.upstreams) > 0 {
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
type responseHead struct {
	*attempt
	status int
	header http.Header
	body   *buffer // of an answer in one piece
	// Of a stream: what was read up to the first token, and the rest.
	opening opening
	frames  *frameReader
	// whole: the stream was made of an answer in one piece.
	converted bool
}

// attempt asks one node. Where its answer takes too long to begin, the others
// are asked as well, and the first to answer wins.
func (c *exchange) try(ctx context.Context, g *route.Request) (*responseHead, *failure) {
	a := &attempt{exchange: c, upstream: c.forwarder.upstreams[g.Place()], slot: g, model: c.plan.Models[g.Place()], began: time.Now()}
	if f := a.buildRequest(); f != nil {
		g.Done()
		return nil, f
	}
	c.attempts++
	if c.lastPlace >= 0 && c.lastPlace != g.Place() {
		c.moves++
	}
	c.lastPlace = g.Place()
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	g.OnEvict(a.cancel)
	h := c.startHedge(ctx, a, c.responseLimit(g, len(a.body.bytes)))
	b, f := a.roundTrip()
	if other := h.stop(b != nil); other != nil { // being late was told when it was noticed
		c.failures = append(c.failures, route.Failure{Node: a.upstream.node.Name, Fault: nodes.TimedOut, Detail: errSilent.Error(), Begun: c.continuation != nil})
		a.slot.MarkFailed()
		a.close()
		return other, nil
	}
	if b != nil {
		return b, nil
	}
	switch {
	case f.verdict == nodeFault:
		a.slot.Fail(f.fault, f.detail)
	case f.fault == nodes.Busy:
		a.slot.Busy(f.wait)
	}
	a.close()
	return nil, f
}

// patience is how long a node may take to begin.
func (c *exchange) responseLimit(g *route.Request, size int) time.Duration {
	fixed := c.forwarder.options.Answer
	if c.stream {
		fixed = c.forwarder.options.FirstToken
	}
	if fixed > 0 {
		return min(fixed, c.maxSilence())
	}
	op := route.WholeAnswer
	if c.stream {
		op = route.FirstToken
	}
	return min(g.Limit(op, size), c.maxSilence())
}

// prepare makes the node's request out of the client's.
func (a *attempt) buildRequest() *failure {
	c := a.exchange
	if c.continuation != nil {
		return c.continuation.buildRequest(a)
	}
	d, path, ok := a.upstream.codec(c.api)
	if !ok {
		return &failure{verdict: tryAnother}
	}
	a.dialect, a.path = d, path
	if path == c.path {
		a.body = c.withModel(a.model)
		return nil
	}
	neutral, err := c.dialect.ReadRequest(c.body)
	if err == nil {
		neutral.Model = a.model
		var body []byte
		body, err = d.WriteRequest(neutral)
		a.body = newBuffer(body)
	}
	return translationFailure(err)
}

// untranslated is the failure of a request that can't be said in a node's
// protocol. Another node may speak the client's.
func translationFailure(err error) *failure {
	var u chat.Unsupported
	switch {
	case err == nil:
		return nil
	case errors.As(err, &u):
		return &failure{verdict: tryAnother, status: http.StatusNotImplemented, detail: err.Error()}
	}
	return &failure{verdict: clientFault, status: http.StatusBadRequest, detail: err.Error()}
}

// begin sends the request and waits until the answer begins.
func (a *attempt) roundTrip() (*responseHead, *failure) {
	resp, f := a.send()
	if f != nil {
		return nil, f
	}
	if resp.StatusCode != http.StatusOK {
		return nil, a.readError(resp)
	}
	if a.exchange.stream && a.dialect != nil {
		return a.awaitFirstToken(resp)
	}
	body, f := a.readWhole(resp)
	if f != nil {
		return nil, f
	}
	a.slot.Token()
	a.recordLatency(false)
	b := &responseHead{attempt: a, status: resp.StatusCode, header: resp.Header, body: body}
	if a.path != a.exchange.path {
		reply, err := a.dialect.ReadReply(body.bytes)
		if err != nil {
			return nil, &failure{verdict: nodeFault, fault: nodes.Protocol, detail: err.Error()}
		}
		b.body = newBuffer(a.exchange.dialect.WriteReply(reply))
		b.header = http.Header{"Content-Type": {"application/json"}}
	}
	return b, nil
}

// measured remembers how long the answer took to begin.
func (a *attempt) recordLatency(stream bool) {
	op := route.WholeAnswer
	if stream {
		op = route.FirstToken
	}
	a.slot.Measured(op, time.Since(a.began), len(a.body.bytes))
}

func (c *exchange) placeOf(e *upstream) int { return slices.Index(c.forwarder.upstreams, e) }

// drop gives an answer up that nobody wants any more.
func (a *attempt) close() {
	a.cancel(errOvertaken)
	a.slot.Done()
	if a.release != nil {
		a.release()
		a.release = nil
	}
}

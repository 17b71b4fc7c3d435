package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/route"
)

// attempt is one request to one node. Close it, unless it failed.
type attempt struct {
	exchange *exchange
	upstream *upstream
	slot     *route.Request // its registration in the table
	model    string
	codec    protocol.Codec // of the request to the node; nil if the API has none
	path     string
	turn     bool // a continuation by a closing turn of the user
	body     *buffer
	ctx      context.Context
	cancel   context.CancelCauseFunc
	began    time.Time
	release  func() // releases what a stream holds; nil where there is none
}

var (
	errOvertaken = errors.New("another node was faster")
	errSilent    = errors.New("no token in time")
)

// send sends the request and returns the response's header, or a failure.
func (a *attempt) send() (*http.Response, *failure) {
	to := a.upstream.urls[a.path]
	if q := a.exchange.query; q != "" {
		with := *to
		with.RawQuery = q
		to = &with
	}
	resp, err := a.upstream.transport.RoundTrip(a.httpRequest(to))
	if err != nil {
		return nil, a.failureOf(err)
	}
	return resp, nil
}

// httpRequest returns the request to the node: the client's header with the
// node's key, and the body for the node.
func (a *attempt) httpRequest(to *url.URL) *http.Request {
	header := a.exchange.header
	if a.upstream.authorization != "" {
		header = header.Clone()
		header["Authorization"] = []string{a.upstream.authorization}
	}
	req := &http.Request{
		Method: http.MethodPost, URL: to, Host: to.Host, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: int64(len(a.body.bytes)), Body: newRequestBody(a.body),
		GetBody: func() (io.ReadCloser, error) { return newRequestBody(a.body), nil },
	}
	return req.WithContext(a.ctx)
}

// responseHead is the beginning of a node's response: all of a response that is
// not streamed, a stream up to its first token.
type responseHead struct {
	*attempt
	status int
	header http.Header
	body   *buffer // of a response that is not streamed
	// Of a stream: the part up to the first token, and the rest.
	opening opening
	frames  *frameReader
	// converted: the stream was made from a response that is not streamed.
	converted bool
}

// try makes an attempt on one node. If the response is late, other nodes are
// tried as well, and the first response wins.
func (c *exchange) try(ctx context.Context, slot *route.Request) (*responseHead, *failure) {
	a := &attempt{exchange: c, upstream: c.forwarder.upstreams[slot.Place()], slot: slot, model: c.plan.Models[slot.Place()], began: time.Now()}
	if c.Strict && !a.upstream.stillServes(ctx, a.model) {
		slot.Done()
		return nil, &failure{verdict: tryAnother, status: http.StatusNotFound, detail: a.upstream.node.Name + " no longer serves " + a.model}
	}
	if f := a.buildRequest(); f != nil {
		slot.Done()
		return nil, f
	}
	c.attempts++
	c.asked.Store(true)
	if c.lastPlace >= 0 && c.lastPlace != slot.Place() {
		c.moves++
	}
	c.lastPlace = slot.Place()
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	slot.OnEvict(a.cancel)
	h := c.startHedge(ctx, a, c.responseLimit(slot, len(a.body.bytes)))
	b, f := a.roundTrip()
	if other := h.stop(b != nil); other != nil { // the hedge has ejected this node already
		c.failures = append(c.failures, route.Failure{Node: a.upstream.node.Name, Fault: nodes.TimedOut, Detail: errSilent.Error(), Begun: c.continuation != nil})
		a.slot.MarkFailed()
		a.close()
		return other, nil
	}
	if b != nil {
		return b, nil
	}
	c.report(a.slot, f)
	a.close()
	return nil, f
}

// report reports a failed attempt to the table. Those of one request on one node
// count once.
func (c *exchange) report(slot *route.Request, f *failure) {
	if f.verdict == nodeFault {
		if c.counted[slot.Place()] {
			slot.Repeated()
		}
		c.counted[slot.Place()] = true
	}
	switch {
	case f.missingAPI && c.mayTranslate(slot.Place(), f.path):
	case f.answered:
		slot.Doubt(f.fault, f.detail)
		c.doubts = append(c.doubts, doubt{slot, f.missingAPI})
	case f.verdict == nodeFault:
		slot.Fail(f.fault, f.detail)
	case f.fault == nodes.Busy && f.status != 0:
		slot.Busy(f.wait)
	}
}

// responseLimit returns how long a node may take to respond to a request of size
// bytes before other nodes are tried.
func (c *exchange) responseLimit(slot *route.Request, size int) time.Duration {
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
	return min(slot.Limit(op, size), c.maxSilence())
}

// buildRequest makes the body for the node from the client's request.
func (a *attempt) buildRequest() *failure {
	c := a.exchange
	if c.continuation != nil {
		return c.continuation.buildRequest(a)
	}
	codec, path, ok := c.codec(a.slot.Place())
	if !ok {
		return &failure{verdict: tryAnother}
	}
	a.codec, a.path = codec, path
	if path == c.Path {
		a.body = c.withModel(a.model)
		return nil
	}
	begun := false // the client began the answer
	body, err := c.translate(codec, func(r *protocol.Request) {
		r.Model = a.model
		n := len(r.Messages)
		begun = n > 0 && r.Messages[n-1].Role == protocol.RoleAssistant
	})
	if fields, ok := a.upstream.endpoint.Continues(path); err == nil && begun && ok && a.upstream.endpoint.RepeatsPartial && len(fields) > 0 {
		body, err = addFields(body, fields)
	}
	a.body = newBuffer(body)
	return translationFailure(err)
}

// roundTrip sends the request and waits until the response begins.
func (a *attempt) roundTrip() (*responseHead, *failure) {
	resp, f := a.send()
	if f != nil {
		return nil, f
	}
	if resp.StatusCode != http.StatusOK {
		return nil, a.readError(resp)
	}
	if a.exchange.stream && a.codec != nil {
		return a.awaitFirstToken(resp)
	}
	body, f := a.readWhole(resp)
	if f != nil {
		return nil, f
	}
	a.slot.Token()
	a.recordLatency(false)
	if a.upstream.endpoint.RepeatsPartial {
		if text := given(a.body.bytes); text != "" {
			body = newBuffer(withoutGiven(body.bytes, text))
			resp.Header = resp.Header.Clone()
			resp.Header.Set("Content-Length", strconv.Itoa(len(body.bytes)))
		}
	}
	b := &responseHead{attempt: a, status: resp.StatusCode, header: resp.Header, body: body}
	if client, ok := a.exchange.Codec.(protocol.ClientCodec); ok && a.path != client.Path() {
		reply, err := a.codec.ReadReply(body.bytes)
		if err != nil {
			return nil, &failure{verdict: nodeFault, fault: nodes.Protocol, detail: err.Error()}
		}
		b.body = newBuffer(client.WriteReply(reply))
		b.header = http.Header{"Content-Type": {"application/json"}}
	}
	return b, nil
}

// recordLatency records how long the response took to begin.
func (a *attempt) recordLatency(stream bool) {
	op := route.WholeAnswer
	if stream {
		op = route.FirstToken
	}
	a.slot.Measured(op, time.Since(a.began), len(a.body.bytes))
}

// close ends the attempt and its response.
func (a *attempt) close() {
	a.cancel(errOvertaken)
	a.slot.Done()
	if a.release != nil {
		a.release()
		a.release = nil
	}
}

package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes/internal/wire"
)

// answer is what a client gets. Close it, however it was read.
type response struct {
	status int
	header http.Header
	body   []byte  // of an answer in one piece
	stream *stream // nil for one

	exchange   *exchange
	ctx        context.Context
	cancel     context.CancelCauseFunc
	head       *responseHead // nil where nobody answered
	firstToken time.Duration
	failed     error // why nobody did
}

// answer finds a node for a request and returns what it begins to answer. What
// goes wrong comes as an answer as well, in the client's protocol; an error is
// only that of a client that went away.
func (f *forwarder) forward(ctx context.Context, a *request, timeout time.Duration) (*response, error) {
	c := f.newExchange(a)
	c.timeout = timeout
	out := &response{exchange: c}
	if timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, timeout)
		_ = stop // by the cancel below, of whose context it is the parent
		ctx, out.cancel = context.WithCancelCause(ctx)
		end := out.cancel
		out.cancel = func(err error) { end(err); stop() }
	} else {
		ctx, out.cancel = context.WithCancelCause(ctx)
	}
	out.ctx = ctx
	b, err := c.dispatch(ctx, false)
	if err != nil && a.passive && c.noNodeHasAPI() {
		shown := showResponse(a.model)
		out.status, out.header, out.body = shown.status, shown.header, shown.body
		return out, nil
	}
	if err != nil {
		return out, out.refuse(err)
	}
	out.head, out.firstToken = b, time.Since(c.began)
	if c.conversation != 0 {
		f.conversations.set(c.conversation, c.placeOf(b.upstream))
	}
	out.status = b.status
	out.setHeader(b.header)
	if b.frames == nil {
		out.body = b.body.bytes
		return out, nil
	}
	out.stream = c.newStream(ctx, b)
	if out.stream.writer != nil {
		out.header["Content-Type"] = []string{contentType(c.dialect.Events())}
	}
	return out, nil
}

func contentType(events bool) string {
	if events {
		return "text/event-stream"
	}
	return "application/x-ndjson"
}

// head makes the client's header of the node's.
func (o *response) setHeader(from http.Header) {
	o.header = make(http.Header, len(from)+3)
	for name, values := range from {
		o.header[name] = values
	}
	for _, list := range from["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			o.header.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hopByHop {
		delete(o.header, name)
	}
	delete(o.header, "Set-Cookie")
	if o.head != nil {
		o.header[HeaderNode] = []string{o.head.upstream.node.Name}
		o.header[HeaderModel] = []string{o.head.model}
	}
	o.header[HeaderAttempts] = []string{strconv.Itoa(o.exchange.attempts)}
}

// refuse makes an answer of the error for which nobody answered.
func (o *response) refuse(err error) error {
	var r *refusedError
	var bad badRequest
	switch {
	case errors.As(err, &r):
		o.failed = err
	case errors.As(err, &bad):
		o.failed = err
		r = &refusedError{status: bad.status, text: bad.text}
	case errors.Is(o.ctx.Err(), context.DeadlineExceeded):
		o.failed = err
		r = &refusedError{status: http.StatusGatewayTimeout, text: "no answer within " + HeaderTimeout}
	default:
		o.failed = err
		o.status = statusClientClosed
		return err
	}
	switch {
	case r.answer != nil && r.answer.verdict == clientFault && r.status < http.StatusBadRequest:
		r.status, r.answer.status = http.StatusBadRequest, http.StatusBadRequest // an error inside a 200
	case r.status < http.StatusBadRequest:
		r.status = http.StatusBadGateway // it was answered, and by nothing
	}
	o.status = r.status
	if r.answer != nil && r.answer.body != nil && r.answer.status != 0 && o.exchange.speaks(r.answer) {
		o.status, o.body = r.answer.status, r.answer.body // in the node's own words
		o.setHeader(r.answer.header)
	} else {
		o.body = o.exchange.errors.Error(r.status, wire.Brief(r.text))
		o.setHeader(http.Header{"Content-Type": {"application/json"}})
	}
	if r.wait > 0 {
		o.header["Retry-After"] = []string{strconv.Itoa(int((r.wait + time.Second - 1) / time.Second))}
	}
	return nil
}

// speaks reports whether a node's words are of the client's protocol.
func (c *exchange) speaks(f *failure) bool { return f.path == c.path }

// statusLeft is the status of a request whose client went away, as other
// proxies write it into their logs.
const statusClientClosed = 499

// next returns the next part of a stream, io.EOF after its end.
func (o *response) next() ([]byte, error) { return o.stream.next() }

// close gives back what the answer holds and tells how it went. left says that
// the client went away before its end.
func (o *response) close(left bool) {
	if o.head != nil {
		if o.stream != nil {
			o.stream.closeUpstream()
		} else {
			o.head.close()
		}
	}
	o.cancel(nil)
	if o.exchange.forwarder.options.Observer != nil {
		o.exchange.forwarder.options.Observer.Observe(o.observation(left))
	}
	o.exchange.buffer.release()
	if o.head != nil && o.head.body != nil {
		o.head.body.release()
	}
}

func (o *response) observation(left bool) Observation {
	c := o.exchange
	v := Observation{
		API: c.path, Client: c.keyName, Moves: c.moves, Status: o.status, Stream: o.stream != nil, Left: left, Attempts: c.attempts,
		Failures: c.failures, Queued: c.queued, FirstToken: o.firstToken, Total: time.Since(c.began),
	}
	if o.head != nil {
		v.Node, v.Model = o.head.upstream.node.Name, o.head.model
	}
	if s := o.stream; s != nil {
		v.Node, v.Model = s.head.upstream.node.Name, s.head.model
		v.Broken, v.Resumed, v.Restarted = s.brokenBy != nil, s.resumed, s.restarted
		v.PromptTokens, v.Tokens = s.usage.Prompt, max(s.usage.Completion, s.deltas)
	} else if o.head != nil && c.dialect != nil && len(o.body) <= maxCounted {
		if r, err := c.dialect.ReadReply(o.body); err == nil {
			v.PromptTokens, v.Tokens = r.Usage.Prompt, r.Usage.Completion
		}
	}
	return v
}

// maxCounted is the largest answer whose tokens are counted, in bytes: it is
// read anew for that.
const maxCounted = 64 << 10

// reader is a stream's body for those who read.
type streamBody struct {
	response *response
	left     []byte
	err      error
	closed   bool
}

// Read implements io.Reader.
func (r *streamBody) Read(p []byte) (int, error) {
	for len(r.left) == 0 && r.err == nil {
		r.left, r.err = r.response.next()
	}
	if len(r.left) == 0 {
		return 0, r.err
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// Close implements io.Closer.
func (r *streamBody) Close() error {
	if !r.closed {
		r.closed = true
		r.response.close(!errors.Is(r.err, io.EOF))
	}
	return nil
}

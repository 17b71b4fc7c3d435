package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/registry"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// response is the response to a client. Close it in any case.
type response struct {
	status int
	header http.Header
	body   []byte  // of a response that is not streamed
	stream *stream // nil for a response that is not streamed

	exchange   *exchange
	ctx        context.Context
	cancel     context.CancelCauseFunc
	head       *responseHead // nil where no node answered
	firstToken time.Duration
}

// forward dispatches a request and returns the response when it has begun. If no
// node answers, the result is an error response in the client's protocol. An
// error means that the client went away. The response is never nil.
func (f *forwarder) forward(ctx context.Context, a *request, timeout time.Duration) (*response, error) {
	f.names.learn(ctx, f.table)
	c := f.newExchange(a)
	c.timeout = timeout
	out := &response{exchange: c}
	if timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, timeout)
		_ = stop // called by out.cancel
		ctx, out.cancel = context.WithCancelCause(ctx)
		end := out.cancel
		out.cancel = func(err error) { end(err); stop() }
	} else {
		ctx, out.cancel = context.WithCancelCause(ctx)
	}
	out.ctx = ctx
	if a.preloads {
		return out, c.preload(ctx, out)
	}
	b, err := c.dispatch(ctx, false)
	if err != nil && a.About != "" && c.noNodeHasAPI() {
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
		out.header["Content-Type"] = []string{contentType(c.Codec.Events())}
	}
	return out, nil
}

// contentType returns the type of a stream of server-sent events, or of lines.
func contentType(events bool) string {
	if events {
		return "text/event-stream"
	}
	return "application/x-ndjson"
}

// setHeader makes the header for the client from a node's.
func (o *response) setHeader(from http.Header) {
	o.header = make(http.Header, len(from)+3)
	for name, values := range from {
		if !hopByHop[name] && name != "Set-Cookie" && !strings.HasPrefix(name, "Access-Control-") {
			o.header[name] = values
		}
	}
	deleteNamed(o.header, from["Connection"])
	if o.head != nil {
		o.header[HeaderNode] = []string{o.head.upstream.node.Name}
		o.header[HeaderModel] = []string{o.head.upstream.servedName(o.head.model)}
	}
	if dropped := o.exchange.dropped; dropped != "" {
		o.header[HeaderDropped] = []string{dropped}
	}
	o.header[HeaderAttempts] = []string{strconv.Itoa(o.exchange.attempts)}
}

// refuse makes err the response to the client, in the client's protocol. It
// returns err if the client went away.
func (o *response) refuse(err error) error {
	var r *refusedError
	switch {
	case errors.As(err, &r):
	case errors.Is(o.ctx.Err(), context.DeadlineExceeded):
		r = &refusedError{status: http.StatusGatewayTimeout, text: "no answer within " + HeaderTimeout}
	default:
		o.status = statusClientClosed
		return err
	}
	o.status = r.status
	switch own := r.answer; {
	case r.status >= http.StatusBadRequest:
	case own != nil && own.verdict == clientFault: // an error with status 200
		o.status = http.StatusBadRequest
	default: // an answer without content
		o.status = http.StatusBadGateway
	}
	if own := r.answer; own != nil && own.body != nil && own.status != 0 && o.exchange.speaks(own) {
		if own.verdict != clientFault || own.status >= http.StatusBadRequest {
			o.status = own.status
		}
		o.body = own.body
		o.setHeader(own.header)
	} else {
		o.body = o.exchange.Errors.Error(o.status, wire.Brief(r.text))
		o.setHeader(http.Header{"Content-Type": {"application/json"}})
	}
	if r.wait > 0 {
		o.header["Retry-After"] = []string{strconv.Itoa(int((r.wait + time.Second - 1) / time.Second))}
	}
	return nil
}

// speaks reports whether a node's response is in the client's protocol.
func (c *exchange) speaks(f *failure) bool { return f.path == c.Path }

// statusClientClosed is the status of a request whose client went away, the
// same as in nginx's logs.
const statusClientClosed = 499

// next returns the next part of a stream, and io.EOF after its end.
func (o *response) next() ([]byte, error) { return o.stream.next() }

// close releases what the response holds and reports it to the observer. left
// says that the client went away before its end.
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

// observation returns the outcome for the observer.
func (o *response) observation(left bool) Observation {
	c := o.exchange
	v := Observation{
		API: c.Path, Client: c.keyName, Moves: c.moves, Status: o.status, Stream: o.stream != nil, Left: left, Attempts: c.attempts,
		Failures: c.failures, Queued: c.queued, FirstToken: o.firstToken, Total: time.Since(c.began),
	}
	if o.head != nil {
		v.Node, v.Model = o.head.upstream.node.Name, o.head.model
	}
	if s := o.stream; s != nil {
		v.Node, v.Model = s.head.upstream.node.Name, s.head.model
		v.Broken, v.Resumed, v.Restarted = s.brokenBy != nil, s.resumed, s.restarted
		v.PromptTokens, v.Tokens = s.usage.Prompt, max(s.usage.Completion, s.deltas)
	} else if o.head != nil && c.Codec != nil {
		u := registry.ReplyUsage(o.body)
		v.PromptTokens, v.Tokens = u.Prompt, u.Completion
	}
	return v
}

// streamBody is a stream as the body of a transport's response.
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

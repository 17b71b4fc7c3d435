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
type answer struct {
	status int
	header http.Header
	body   []byte  // of an answer in one piece
	stream *stream // nil for one

	c      *call
	ctx    context.Context
	cancel context.CancelCauseFunc
	b      *begun // nil where nobody answered
	first  time.Duration
	failed error // why nobody did
}

// answer finds a node for a request and returns what it begins to answer. What
// goes wrong comes as an answer as well, in the client's protocol; an error is
// only that of a client that went away.
func (f *forwarder) answer(ctx context.Context, a *ask, timeout time.Duration) (*answer, error) {
	c := f.newCall(a)
	c.timeout = timeout
	out := &answer{c: c}
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
	b, err := c.reach(ctx, false)
	if err != nil && a.passive && c.nobodyAsked() {
		shown := shownModel(a.model)
		out.status, out.header, out.body = shown.status, shown.header, shown.body
		return out, nil
	}
	if err != nil {
		return out, out.refuse(err)
	}
	out.b, out.first = b, time.Since(c.began)
	if c.conversation != 0 {
		f.sticky.set(c.conversation, c.place(b.end))
	}
	out.status = b.status
	out.head(b.header)
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
func (o *answer) head(from http.Header) {
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
	if o.b != nil {
		o.header[HeaderNode] = []string{o.b.end.node.Name}
		o.header[HeaderModel] = []string{o.b.model}
	}
	o.header[HeaderAttempts] = []string{strconv.Itoa(o.c.attempts)}
}

// refuse makes an answer of the error for which nobody answered.
func (o *answer) refuse(err error) error {
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
		o.status = statusLeft
		return err
	}
	switch {
	case r.answer != nil && r.answer.verdict == final && r.status < http.StatusBadRequest:
		r.status, r.answer.status = http.StatusBadRequest, http.StatusBadRequest // an error inside a 200
	case r.status < http.StatusBadRequest:
		r.status = http.StatusBadGateway // it was answered, and by nothing
	}
	o.status = r.status
	if r.answer != nil && r.answer.body != nil && r.answer.status != 0 && o.c.speaks(r.answer) {
		o.status, o.body = r.answer.status, r.answer.body // in the node's own words
		o.head(r.answer.header)
	} else {
		o.body = o.c.errors.Error(r.status, wire.Brief(r.text))
		o.head(http.Header{"Content-Type": {"application/json"}})
	}
	if r.wait > 0 {
		o.header["Retry-After"] = []string{strconv.Itoa(int((r.wait + time.Second - 1) / time.Second))}
	}
	return nil
}

// speaks reports whether a node's words are of the client's protocol.
func (c *call) speaks(f *failure) bool { return f.path == c.path }

// statusLeft is the status of a request whose client went away, as other
// proxies write it into their logs.
const statusLeft = 499

// next returns the next part of a stream, io.EOF after its end.
func (o *answer) next() ([]byte, error) { return o.stream.next() }

// close gives back what the answer holds and tells how it went. left says that
// the client went away before its end.
func (o *answer) close(left bool) {
	if o.b != nil {
		if o.stream != nil {
			o.stream.drop()
		} else {
			o.b.drop()
		}
	}
	o.cancel(nil)
	if o.c.f.options.Observer != nil {
		o.c.f.options.Observer.Observe(o.observation(left))
	}
	o.c.room.release()
	if o.b != nil && o.b.body != nil {
		o.b.body.release()
	}
}

func (o *answer) observation(left bool) Observation {
	c := o.c
	v := Observation{
		API: c.path, Client: c.name, Moves: c.moves, Status: o.status, Stream: o.stream != nil, Left: left, Attempts: c.attempts,
		Failures: c.failures, Queued: c.queued, FirstToken: o.first, Total: time.Since(c.began),
	}
	if o.b != nil {
		v.Node, v.Model = o.b.end.node.Name, o.b.model
	}
	if s := o.stream; s != nil {
		v.Node, v.Model = s.b.end.node.Name, s.b.model
		v.Broken, v.Resumed, v.Restarted = s.broken != nil, s.resumed, s.restarted
		v.PromptTokens, v.Tokens = s.usage.Prompt, max(s.usage.Completion, s.pieces)
	} else if o.b != nil && c.dialect != nil && len(o.body) <= maxCounted {
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
type reader struct {
	answer *answer
	left   []byte
	err    error
	closed bool
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	for len(r.left) == 0 && r.err == nil {
		r.left, r.err = r.answer.next()
	}
	if len(r.left) == 0 {
		return 0, r.err
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// Close implements io.Closer.
func (r *reader) Close() error {
	if !r.closed {
		r.closed = true
		r.answer.close(!errors.Is(r.err, io.EOF))
	}
	return nil
}

package route

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/route/internal/chat"
	"github.com/turbone/jarvis/nodes/route/internal/scan"
)

// head is the beginning of a stream: what came up to its first token.
type head struct {
	raw    []byte // as it came
	pieces []chat.Piece
}

// first reads a stream up to its first token. A node that fails before it has
// shown the client nothing, and can be replaced.
func (a *attempt) first(resp *http.Response) (*begun, *failure) {
	room := a.call.f.rooms.Get().(*[]byte)
	f := newFrames(resp.Body, a.dialect.Events(), *room)
	b := &begun{attempt: a, status: resp.StatusCode, header: resp.Header, frames: f}
	a.release = func() {
		_ = resp.Body.Close()
		if len(f.room) == frameRoom { // one that grew is not kept
			*room = f.room
			a.call.f.rooms.Put(room)
		}
	}
	if a.dialect.Events() {
		if start := f.peek(); len(start) > 0 && start[0] == '{' {
			return a.inOnePiece(b, resp)
		}
	}
	for {
		raw, inside, err := f.next()
		if err != nil {
			return nil, a.early(b, err)
		}
		b.head.raw = append(b.head.raw, raw...)
		if len(inside) == 0 {
			continue
		}
		p, err := a.dialect.ReadFrame(inside)
		switch {
		case err != nil:
			return nil, a.unreadable(resp, b.head.raw, err)
		case p.Error != "":
			return nil, a.judged(errorStatus(p.Code), resp.Header, errorBody(p.Error))
		}
		b.head.pieces = append(b.head.pieces, p)
		if p.Token() || (p.Finish != "" || p.Done) && !a.empty(b.head) {
			a.request.Token()
			a.measured(true)
			return b, nil
		}
		if p.Done {
			return nil, a.emptyStream(b)
		}
	}
}

// empty reports whether a stream that ends now had nothing to say and should
// have had: one that only loads a model has not, and one that was cut by its
// limit may.
func (a *attempt) empty(h head) bool {
	if k := a.call.carry; k != nil && k.text != "" {
		return false // it broke off right before its end
	}
	for _, p := range h.pieces {
		if p.Finish == chat.Length || p.Token() {
			return false
		}
	}
	return !bytes.Contains(h.raw, []byte(`"done_reason":"load"`)) && !bytes.Contains(h.raw, []byte(`"done_reason":"unload"`))
}

// emptyStream is the failure of a stream without a token. The client gets it
// where another node has nothing to say either.
func (a *attempt) emptyStream(b *begun) *failure {
	return &failure{
		verdict: faulty, fault: nodes.Empty, detail: "a stream without a token",
		status: http.StatusOK, header: b.header, body: bytes.Clone(b.head.raw), path: a.path,
	}
}

// early is the failure of a stream that ended before its first token.
func (a *attempt) early(b *begun, err error) *failure {
	if !errors.Is(err, io.EOF) {
		return a.broke(err)
	}
	for _, p := range b.head.pieces {
		if p.Finish != "" {
			return a.emptyStream(b)
		}
	}
	return &failure{verdict: faulty, fault: nodes.CutOff, detail: "the stream ended before its first token"}
}

// unreadable is the failure of a frame that is none: a proxy's words, a page
// of HTML, or LM Studio's answer to a route that it doesn't have.
func (a *attempt) unreadable(resp *http.Response, raw []byte, err error) *failure {
	if lacksRoute(resp.StatusCode, raw) {
		return &failure{verdict: elsewhere, lacks: true, path: a.path}
	}
	return &failure{verdict: faulty, fault: nodes.Protocol, detail: err.Error()}
}

// inOnePiece makes a stream of an answer that came whole: some servers never
// stream, and errors come so.
func (a *attempt) inOnePiece(b *begun, resp *http.Response) (*begun, *failure) {
	body, err := io.ReadAll(io.LimitReader(io.MultiReader(bytes.NewReader(b.frames.room[b.frames.start:b.frames.end]), resp.Body), maxWhole))
	if err != nil {
		return nil, a.broke(err)
	}
	if f := a.check(resp, body); f != nil {
		return nil, f
	}
	r, err := a.dialect.ReadReply(body)
	if err != nil {
		return nil, &failure{verdict: faulty, fault: nodes.Protocol, detail: err.Error()}
	}
	b.frames = newFrames(bytes.NewReader(nil), a.dialect.Events(), nil)
	b.frames.err = io.EOF
	b.whole = true
	p := chat.Piece{ID: r.ID, Model: r.Model, Created: r.Created, Text: r.Text, Thinking: r.Thinking, Finish: r.Finish, Usage: r.Usage, Done: true}
	for i, c := range r.Calls {
		p.Calls = append(p.Calls, chat.CallPiece{Index: i, ID: c.ID, Name: c.Name, Arguments: c.Arguments})
	}
	b.head.pieces = []chat.Piece{p}
	a.request.Token()
	a.measured(true)
	return b, nil
}

// errorStatus is the status of an error inside a stream.
func errorStatus(code int) int {
	if code >= 400 && code < 600 {
		return code
	}
	return http.StatusInternalServerError
}

// errorBody is an error as an answer's body, for those that read such.
func errorBody(text string) []byte {
	return append(append([]byte(`{"error":{"message":`), scan.AppendString(nil, text)...), `}}`...)
}

// stream is an answer on its way to the client, from one node after another.
type stream struct {
	c   *call
	ctx context.Context
	b   *begun
	// writer writes for the client what can't go as it came; nil where frames
	// pass untouched.
	writer chat.Writer
	echo   *echo // of a stream that is carried on

	text, thinking strings.Builder
	pieces         int
	calling        bool // a tool call is under way
	finished, done bool
	id, model      string
	created        int64
	usage          chat.Usage

	mould   mould
	stall   *time.Timer
	limit   time.Duration // that it may stand still
	out     []byte        // translated frames
	pending error         // to be dealt with once what is before it is out
	ended   bool

	resumed, restarted int
	broken             error // why the client's stream ended in an error
}

func (c *call) newStream(ctx context.Context, b *begun) *stream {
	s := &stream{c: c, ctx: ctx}
	s.take(b)
	return s
}

// take goes on with a node's stream.
func (s *stream) take(b *begun) {
	s.b = b
	s.stall = time.AfterFunc(time.Hour, func() { s.stalled(b) })
	s.stall.Stop()
	s.limit = s.c.stallLimit(b)
	for _, p := range b.head.pieces {
		s.known(p)
	}
	if b.path != s.c.path || b.whole {
		s.writer = s.c.dialect.NewWriter(s.start(false))
	}
}

// known takes what all frames have in common from the first that names it.
func (s *stream) known(p chat.Piece) {
	if s.id == "" {
		s.id = p.ID
	}
	if s.model == "" {
		s.model = p.Model
	}
	if s.created == 0 {
		s.created = p.Created
	}
}

// start is what the frames of the client's stream have in common.
func (s *stream) start(begun bool) chat.Start {
	st := chat.Start{
		ID: s.id, Model: s.model, Created: s.created, Begun: begun, Text: s.text.String(), Thinking: s.thinking.String(),
		Usage: s.c.wantsUsage(),
	}
	if st.Model == "" {
		st.Model = s.b.model
	}
	return st
}

// wantsUsage reports whether the client asked for the counts.
func (c *call) wantsUsage() bool {
	r, err := c.dialect.ReadRequest(c.body)
	return err == nil && r.Usage
}

// next returns the next part of the stream, valid until the next call, and
// io.EOF after its end. A stream that broke is carried on inside; where that
// can't be, the client's stream ends in an error frame, and the error says so
// afterwards.
func (s *stream) next() ([]byte, error) {
	for {
		if s.pending != nil {
			err := s.pending
			s.pending = nil
			if out, err := s.mend(err); len(out) > 0 || err != nil {
				return out, err
			}
			continue
		}
		if s.ended {
			return nil, io.EOF
		}
		if s.done && s.writer != nil {
			s.ended = true
			continue
		}
		if out := s.read(); len(out) > 0 {
			return out, nil
		}
	}
}

// read reads what there is, and returns what of it goes to the client.
func (s *stream) read() []byte {
	if len(s.b.head.pieces) > 0 {
		h := s.b.head
		s.b.head = head{}
		s.out = s.out[:0]
		for _, p := range h.pieces {
			if err := s.piece(p); err != nil {
				s.pending = err
				break
			}
		}
		for s.pending == nil { // what came along with the first token
			raw, inside, there := s.b.frames.take()
			if !there {
				break
			}
			if len(inside) > 0 {
				s.pending = s.frame(inside)
			}
			if s.pending == nil {
				h.raw = append(h.raw, raw...)
			}
		}
		if s.writer == nil {
			return h.raw
		}
		return s.out
	}
	s.stall.Reset(s.limit)
	raw, inside, err := s.b.frames.next()
	s.stall.Stop()
	s.out = s.out[:0]
	before := s.pieces
	var out []byte
	for there := true; there; raw, inside, there = s.b.frames.take() {
		if err == nil && len(inside) > 0 {
			err = s.frame(inside)
		}
		if err != nil {
			s.pending = err
			break
		}
		if out == nil {
			out = raw
		} else {
			out = out[:len(out)+len(raw)] // it stands right behind the one before
		}
	}
	if s.pieces > before {
		s.b.request.Token()
	}
	if s.writer == nil {
		return out
	}
	return s.out
}

// frame takes in a frame.
func (s *stream) frame(inside []byte) error {
	if s.writer == nil {
		if text, ok := s.mould.take(inside); ok {
			s.pieces++
			s.text.Write(text)
			return nil
		}
	}
	p, err := s.b.dialect.ReadFrame(inside)
	if err != nil {
		return &nodes.Error{Fault: nodes.Protocol, Detail: err.Error()}
	}
	s.mould.learn(inside, p)
	return s.piece(p)
}

// toolPause is how long a stream may stand still at least where a tool may be
// called: some servers send a call only when it is complete.
const toolPause = time.Minute

func (c *call) stallLimit(b *begun) time.Duration {
	if c.f.options.Between > 0 {
		return c.f.options.Between
	}
	c.f.table.mu.Lock()
	defer c.f.table.mu.Unlock()
	limit := c.f.table.lines[c.place(b.end)].gap.limit(0, gapBounds)
	if c.tools {
		limit = max(limit, toolPause)
	}
	return limit
}

// stalled ends a stream that stands still, unless other requests move on its
// node or nobody else is there to carry it on.
func (s *stream) stalled(b *begun) {
	if time.Since(s.c.f.table.LastToken(b.end.node.Name)) < s.limit {
		s.stall.Reset(s.limit)
		return
	}
	b.cancel(errSilent)
}

// piece takes in what a frame says, and writes it where it doesn't go as it
// came. The error is the node's.
func (s *stream) piece(p chat.Piece) error {
	if p.Error != "" {
		e := s.b.end.at.Classify(errorStatus(p.Code), nil, errorBody(p.Error))
		if judge(e, errorStatus(p.Code)).verdict == final && e.Fault != nodes.BadRequest {
			s.finished, s.done = true, true // it is the client's affair
			s.broken = e
			if s.writer != nil {
				s.out = append(s.out, s.c.errors.ErrorFrame(errorStatus(p.Code), p.Error)...)
			}
			return nil
		}
		return e
	}
	s.known(p)
	if s.echo != nil {
		if err := s.carried(&p); err != nil {
			return err
		}
	}
	if p.Token() {
		s.pieces++
	}
	s.text.WriteString(p.Text)
	s.thinking.WriteString(p.Thinking)
	s.calling = s.calling || len(p.Calls) > 0
	s.finished = s.finished || p.Finish != "" || p.Done
	s.done = s.done || p.Done
	if p.Usage.Known {
		s.usage = p.Usage
	}
	if s.writer != nil {
		s.out = append(s.out, s.writer.Piece(p)...)
	}
	return nil
}

// carried makes a piece of another node's stream one of the client's: what the
// client has is not said again, and what is counted is the whole answer.
func (s *stream) carried(p *chat.Piece) error {
	p.ID, p.Model, p.Created = "", "", 0
	if s.thinking.Len() > 0 {
		p.Thinking = "" // it was thought already
	}
	if p.Text != "" {
		text, ok := s.echo.add(p.Text)
		if !ok {
			return &nodes.Error{Fault: nodes.Protocol, Detail: "asked to carry on, it began anew"}
		}
		p.Text = text
	}
	if p.Finish != "" || p.Done {
		p.Text += s.echo.rest()
	}
	if p.Usage.Known {
		p.Usage.Completion += s.c.carry.pieces
	}
	return nil
}

// mend goes on after the node's stream ended in err.
func (s *stream) mend(err error) ([]byte, error) {
	switch {
	case s.finished:
		return s.close(err), nil
	case s.ctx.Err() != nil:
		s.drop()
		s.ended = true
		return nil, context.Cause(s.ctx)
	}
	f := s.b.broke(err)
	if errors.Is(err, io.EOF) {
		f.fault, f.detail = nodes.CutOff, "the stream ended without its end mark"
	}
	var e *nodes.Error
	if errors.As(err, &e) {
		f.fault, f.detail = e.Fault, e.Error()
	}
	if f.verdict == faulty {
		s.b.request.Failed(f.fault, f.detail)
		s.c.failures = append(s.c.failures, Failure{Node: s.b.end.node.Name, Fault: f.fault, Detail: f.detail, Begun: true})
	}
	from := s.b
	s.drop()
	if err := s.goOn(from); err != nil {
		return s.fail(err), nil
	}
	return nil, nil
}

// close ends a stream whose answer is complete. The mark of the protocol's end
// may be missing: the client gets it.
func (s *stream) close(err error) []byte {
	s.drop()
	s.ended = true
	if s.done {
		return nil
	}
	s.done = true
	w := s.writer
	if w == nil {
		w = s.c.dialect.NewWriter(s.start(true))
	}
	return w.Piece(chat.Piece{Done: true})
}

// goOn finds another node for the rest of the answer: one that carries it on,
// or, where the client asked for that, one that begins anew.
func (s *stream) goOn(from *begun) error {
	c := s.c
	c.until = time.Now().Add(c.f.options.Wait)
	c.want.sticky = -1
	clear(c.tried)
	c.tried[c.place(from.end)] = true
	if err := s.carryOn(); err == nil || !c.restart || s.ctx.Err() != nil {
		return err
	}
	c.carry, s.echo, s.writer = nil, nil, nil
	clear(c.tried)
	c.tried[c.place(from.end)] = true
	b, err := c.reach(s.ctx, false)
	if err != nil {
		return err
	}
	s.restarted++
	s.text.Reset()
	s.thinking.Reset()
	s.pieces, s.calling, s.id, s.model, s.created = 0, false, "", "", 0
	s.take(b)
	return nil
}

var errCalling = errors.New("the answer broke off in a tool call, which no other node can carry on")

func (s *stream) carryOn() error {
	c := s.c
	if s.calling {
		return errCalling
	}
	c.carry = &carry{text: s.text.String(), thinking: s.thinking.String(), pieces: s.pieces}
	b, err := c.reach(s.ctx, false)
	if err != nil {
		return fmt.Errorf("no node could carry the answer on: %w", err)
	}
	s.resumed++
	s.take(b)
	s.echo = newEcho(c.carry.text)
	s.writer = c.dialect.NewWriter(s.start(true))
	return nil
}

// fail ends the client's stream in an error of its protocol.
func (s *stream) fail(err error) []byte {
	s.ended = true
	s.broken = err
	return s.c.errors.ErrorFrame(http.StatusBadGateway, "the answer broke off: "+err.Error())
}

// drop gives the node's stream up.
func (s *stream) drop() {
	s.stall.Stop()
	s.b.drop()
}

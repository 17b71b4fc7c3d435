package gateway

import (
	"bytes"
	"context"
	"io"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
	chat "github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/route"
)

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

	breaks int  // line ends at the end of what the client has
	seam   bool // what comes next is somebody else's

	had, vain          int // pieces when it last got ahead, and how often it broke since
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
			s.seam = true
			if out, err := s.mend(err); len(out) > 0 || err != nil {
				return s.joined(out), err
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
			return s.joined(out), nil
		}
	}
}

// joined puts the line ends before what somebody else says that the last frame
// lacks: a node may leave them out, or break off before them.
func (s *stream) joined(out []byte) []byte {
	if s.seam && len(out) > 0 {
		s.seam = false
		lines := 1
		if s.c.dialect.Events() {
			lines = 2
		}
		if lines > s.breaks {
			out = append(bytes.Repeat([]byte("\n"), lines-s.breaks), out...)
		}
	}
	for n := len(out); ; n-- {
		switch {
		case n == 0:
			return out
		case out[n-1] == '\n':
			s.breaks++
		case out[n-1] != '\r':
			s.breaks = bytes.Count(out[n:], []byte("\n"))
			return out
		}
	}
}

// smallRest is how much is rather copied than sent by itself, in bytes.
const smallRest = 4 << 10

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
		// What came along with the first token, unless it costs more to copy than
		// to send by itself.
		for s.pending == nil && s.b.frames.end-s.b.frames.start <= smallRest {
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
	limit := b.request.Limit(route.TokenGap, 0)
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

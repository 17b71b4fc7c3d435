package gateway

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/route"
)

// stream is an answer on its way to the client, from one node after another.
type stream struct {
	exchange *exchange
	ctx      context.Context
	head     *responseHead
	// writer writes for the client what can't go as it came; nil where frames
	// pass untouched.
	writer protocol.StreamWriter
	echo   *echoFilter // of a stream that is carried on

	text, thinking strings.Builder
	deltas         int
	inToolCall     bool // a tool call is under way
	finished, done bool
	id, model      string
	created        int64
	usage          protocol.Usage

	template   frameTemplate
	stallTimer *time.Timer
	stallLimit time.Duration // that it may stand still
	out        []byte        // translated frames
	pendingErr error         // to be dealt with once what is before it is out
	ended      bool

	lineEnds int  // line ends at the end of what the client has
	seam     bool // what comes next is somebody else's

	progress, fruitless int // pieces when it last got ahead, and how often it broke since
	resumed, restarted  int
	brokenBy            error // why the client's stream ended in an error
}

func (c *exchange) newStream(ctx context.Context, b *responseHead) *stream {
	s := &stream{exchange: c, ctx: ctx}
	s.attach(b)
	return s
}

// take goes on with a node's stream.
func (s *stream) attach(b *responseHead) {
	s.head = b
	s.stallTimer = time.AfterFunc(time.Hour, func() { s.onStall(b) })
	s.stallTimer.Stop()
	s.stallLimit = s.exchange.stallLimit(b)
	for _, p := range b.opening.deltas {
		s.noteIdentity(p)
	}
	if b.path != s.exchange.Path || b.converted {
		s.writer = s.newWriter(false)
	}
}

// known takes what all frames have in common from the first that names it.
func (s *stream) noteIdentity(p protocol.Delta) {
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

// newWriter returns what writes the client's stream; nil if its API allows none.
// resumed means that the client has the beginning.
func (s *stream) newWriter(resumed bool) protocol.StreamWriter {
	codec, ok := s.exchange.Codec.(protocol.StreamCodec)
	if !ok {
		return nil
	}
	return codec.NewWriter(protocol.StreamInfo{
		ID: s.id, Model: cmp.Or(s.model, s.head.model), Created: s.created, IncludeUsage: codec.WantsUsage(s.exchange.body),
		Resumed: resumed, SentText: s.text.String(), SentThinking: s.thinking.String(),
	})
}

// next returns the next part of the stream, valid until the next call, and
// io.EOF after its end. A stream that broke is carried on inside; where that
// can't be, the client's stream ends in an error frame, and the error says so
// afterwards.
func (s *stream) next() ([]byte, error) {
	for {
		if s.pendingErr != nil {
			err := s.pendingErr
			s.pendingErr = nil
			s.seam = true
			if out, err := s.handleBreak(err); len(out) > 0 || err != nil {
				return s.join(out), err
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
		if out := s.receive(); len(out) > 0 {
			return s.join(out), nil
		}
	}
}

// joined puts the line ends before what somebody else says that the last frame
// lacks: a node may leave them out, or break off before them.
func (s *stream) join(out []byte) []byte {
	if s.seam && len(out) > 0 {
		s.seam = false
		lines := 1
		if s.exchange.Codec.Events() {
			lines = 2
		}
		if lines > s.lineEnds {
			out = append(bytes.Repeat([]byte("\n"), lines-s.lineEnds), out...)
		}
	}
	for n := len(out); ; n-- {
		switch {
		case n == 0:
			return out
		case out[n-1] == '\n':
			s.lineEnds++
		case out[n-1] != '\r':
			s.lineEnds = bytes.Count(out[n:], []byte("\n"))
			return out
		}
	}
}

// smallRest is how much is rather copied than sent by itself, in bytes.
const maxCopied = 4 << 10

// read reads what there is, and returns what of it goes to the client.
func (s *stream) receive() []byte {
	if len(s.head.opening.deltas) > 0 {
		h := s.head.opening
		s.head.opening = opening{}
		s.out = s.out[:0]
		for _, p := range h.deltas {
			if err := s.accept(p); err != nil {
				s.pendingErr = err
				break
			}
		}
		// What came along with the first token, unless it costs more to copy than
		// to send by itself.
		for s.pendingErr == nil && s.head.frames.buffered() <= maxCopied {
			raw, inside, there := s.head.frames.cut()
			if !there {
				break
			}
			if len(inside) > 0 {
				s.pendingErr = s.acceptFrame(inside)
			}
			if s.pendingErr == nil {
				h.raw = append(h.raw, raw...)
			}
		}
		if s.writer == nil {
			return h.raw
		}
		return s.out
	}
	s.stallTimer.Reset(s.stallLimit)
	raw, inside, err := s.head.frames.next()
	s.stallTimer.Stop()
	s.out = s.out[:0]
	before := s.deltas
	var out []byte
	for there := true; there; raw, inside, there = s.head.frames.cut() {
		if err == nil && len(inside) > 0 {
			err = s.acceptFrame(inside)
		}
		if err != nil {
			s.pendingErr = err
			break
		}
		if out == nil {
			out = raw
		} else {
			out = out[:len(out)+len(raw)] // it stands right behind the one before
		}
	}
	if s.deltas > before {
		s.head.slot.Token()
	}
	if s.writer == nil {
		return out
	}
	return s.out
}

// frame takes in a frame.
func (s *stream) acceptFrame(inside []byte) error {
	if s.writer == nil {
		if text, ok := s.template.match(inside); ok {
			s.deltas++
			s.text.Write(text)
			return nil
		}
	}
	p, err := s.head.codec.ReadFrame(inside)
	if err != nil {
		return &nodes.Error{Fault: nodes.Protocol, Detail: err.Error()}
	}
	s.template.learn(inside, p)
	return s.accept(p)
}

// toolPause is how long a stream may stand still at least where a tool may be
// called: some servers send a call only when it is complete.
const minToolGap = time.Minute

func (c *exchange) stallLimit(b *responseHead) time.Duration {
	if c.forwarder.options.Between > 0 {
		return c.forwarder.options.Between
	}
	limit := b.slot.Limit(route.TokenGap, 0)
	if c.tools {
		limit = max(limit, minToolGap)
	}
	return limit
}

// stalled ends a stream that stands still, unless other requests move on its
// node or nobody else is there to carry it on.
func (s *stream) onStall(b *responseHead) {
	if time.Since(s.exchange.forwarder.table.LastToken(b.upstream.node.Name)) < s.stallLimit {
		s.stallTimer.Reset(s.stallLimit)
		return
	}
	b.cancel(errSilent)
}

// piece takes in what a frame says, and writes it where it doesn't go as it
// came. The error is the node's.
func (s *stream) accept(p protocol.Delta) error {
	if p.Error != "" {
		e := s.head.upstream.endpoint.Classify(errorStatus(p.Status), nil, errorBody(p.Error))
		if classify(e, errorStatus(p.Status)).verdict == clientFault && e.Fault != nodes.BadRequest {
			s.finished, s.done = true, true // it is the client's affair
			s.brokenBy = e
			if s.writer != nil {
				s.out = append(s.out, s.exchange.Errors.ErrorFrame(errorStatus(p.Status), p.Error)...)
			}
			return nil
		}
		return e
	}
	s.noteIdentity(p)
	if s.echo != nil {
		if err := s.adapt(&p); err != nil {
			return err
		}
	}
	if p.HasToken() {
		s.deltas++
	}
	s.text.WriteString(p.Text)
	s.thinking.WriteString(p.Thinking)
	s.inToolCall = s.inToolCall || len(p.ToolCalls) > 0
	s.finished = s.finished || p.Finish != "" || p.Done
	s.done = s.done || p.Done
	if p.Usage.Known {
		s.usage = p.Usage
	}
	if s.writer != nil {
		s.out = append(s.out, s.writer.Write(p)...)
	}
	return nil
}

// carried makes a piece of another node's stream one of the client's: what the
// client has is not said again, and what is counted is the whole answer.
func (s *stream) adapt(p *protocol.Delta) error {
	p.ID, p.Model, p.Created = "", "", 0
	if s.thinking.Len() > 0 {
		p.Thinking = "" // it was thought already
	}
	if p.Text != "" {
		text, ok := s.echo.filter(p.Text)
		if !ok {
			return &nodes.Error{Fault: nodes.Protocol, Detail: "asked to carry on, it began anew"}
		}
		p.Text = text
	}
	if p.Finish != "" || p.Done {
		p.Text += s.echo.flush()
	}
	if p.Usage.Known {
		p.Usage.Completion += s.exchange.continuation.deltas
	}
	return nil
}

package gateway

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/route"
)

// stream is a streamed response to a client, which comes from one node after
// another.
type stream struct {
	exchange *exchange
	ctx      context.Context
	head     *responseHead
	// writer translates frames for the client; nil while they are passed on
	// unchanged.
	writer protocol.StreamWriter
	echo   *echoFilter // of a resumed stream

	text, thinking strings.Builder
	deltas         int
	calls          heldCalls
	finished, done bool
	id, model      string
	created        int64
	usage          protocol.Usage

	template   frameTemplate
	stall      *stallWatch
	learnAt    int           // the number of deltas at which the limit is derived anew
	active     bool          // the node sent tokens, whether or not the client gets them
	silent     time.Duration // how long the node sent no token
	out        []byte        // translated frames
	pendingErr error         // handled once the output before it is sent
	ended      bool

	begun    bool // the client has a part of the stream
	lineEnds int  // at the end of what was sent
	seam     bool // the next output is from another source

	progress, fruitless int // deltas at the latest progress, and breaks since
	resumed, restarted  int
	brokenBy            error // why the client's stream ended in an error
}

func (c *exchange) newStream(ctx context.Context, b *responseHead) *stream {
	s := &stream{exchange: c, ctx: ctx}
	s.attach(b)
	return s
}

// attach makes b the source of the stream.
func (s *stream) attach(b *responseHead) {
	s.head = b
	w := &stallWatch{}
	w.timer = time.AfterFunc(time.Hour, func() { s.onStall(b, w) })
	w.timer.Stop()
	s.stall = w
	s.silent = 0
	s.setStallLimit(s.deltas + minLearned)
	for _, p := range b.opening.deltas {
		s.noteIdentity(p)
	}
	if b.path != s.exchange.Path || b.converted {
		s.writer = s.newWriter(false)
	}
}

// noteIdentity keeps what all frames have in common from the first frame that
// has it.
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

// newWriter returns a writer of the client's stream, nil if its API has none.
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
// io.EOF after its end. It blocks until there is one. A stream that breaks off is
// resumed on another node; if that fails, it ends in an error frame.
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

// join returns the next part of the output. At a seam it first terminates an
// unfinished frame of the node before.
func (s *stream) join(out []byte) []byte {
	s.begun = s.begun || len(out) > 0
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

// maxCopied is the size in bytes up to which frames behind the first token are
// copied into its write. More is sent by a write of its own.
const maxCopied = 4 << 10

// receive reads the available frames and returns the output for the client.
func (s *stream) receive() []byte {
	if len(s.head.opening.deltas) > 0 {
		return s.receiveOpening()
	}
	began := time.Now()
	s.stall.since.Store(began.Add(-s.silent).UnixNano())
	s.stall.timer.Reset(max(time.Duration(s.stall.limit.Load())-s.silent, 0))
	raw, inside, err := s.head.frames.next()
	s.stall.timer.Stop()
	s.out = s.out[:0]
	before := s.deltas
	s.active = false
	var out []byte
	for there := true; there; {
		written := len(s.out)
		if err == nil && len(inside) > 0 {
			err = s.acceptFrame(inside)
		}
		if err != nil {
			s.pendingErr = err
			break
		}
		if s.calls.held {
			s.hold(raw, written)
			if calls := s.releaseCalls(); calls != nil {
				s.out, out = append(s.out, calls...), append(bytes.Clone(out), calls...)
				break
			}
		} else {
			out = appendFrame(out, raw)
		}
		raw, inside, there = s.head.frames.cut()
	}
	if s.active {
		s.silent = 0
	}
	if s.deltas > before {
		s.head.slot.Token()
		if s.deltas >= s.learnAt {
			s.setStallLimit(2 * s.deltas)
		}
	} else if !s.active {
		s.silent += time.Since(began) // comments and empty frames are no progress
	}
	if s.writer == nil {
		return out
	}
	return s.out
}

// appendFrame returns out with a frame that follows it. Frames that are cut without
// a read in between are adjacent in memory.
func appendFrame(out, raw []byte) []byte {
	if out == nil {
		return raw
	}
	return out[:len(out)+len(raw)]
}

// receiveOpening returns the output of the frames up to the first token, and of
// those that were read with it.
func (s *stream) receiveOpening() []byte {
	h := s.head.opening
	s.head.opening = opening{}
	s.out = s.out[:0]
	for _, p := range h.deltas {
		if err := s.accept(p); err != nil {
			s.pendingErr = err
			break
		}
	}
	if s.calls.held && s.pendingErr == nil {
		s.hold(h.raw, 0)
		return s.releaseCalls()
	}
	for s.pendingErr == nil && len(s.head.frames.unread()) <= maxCopied {
		written := len(s.out)
		raw, inside, ok := s.head.frames.cut()
		if !ok {
			break
		}
		if len(inside) > 0 {
			s.pendingErr = s.acceptFrame(inside)
		}
		if s.calls.held {
			s.hold(raw, written)
			break
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

// acceptFrame accepts the delta of a frame. The error is the node's.
func (s *stream) acceptFrame(inside []byte) error {
	if s.writer == nil {
		if text, ok := s.template.match(inside); ok {
			s.deltas++
			s.active = true
			s.text.Write(text)
			return nil
		}
	}
	p, err := s.head.codec.ReadFrame(inside)
	if err != nil {
		return &nodes.Error{Fault: nodes.Protocol, Detail: err.Error()}
	}
	if s.isAbandoned(p) {
		return &nodes.Error{Fault: nodes.Crashed, Detail: "the stream ends with a chunk that names no model: the model's process died"}
	}
	s.template.learn(inside, p)
	return s.accept(p)
}

// isAbandoned reports whether p is the last frame of a stream whose model process
// died: Ollama's, from 0.30 on, has an ID, no model and nothing else, and the stream
// ends without an error.
func (s *stream) isAbandoned(p protocol.Delta) bool {
	if p.ID == "" || p.Model != "" || s.model == "" {
		return false
	}
	p.ID, p.Created = "", 0
	return p.IsEmpty()
}

// minLearned is the number of a stream's own tokens from which its limit for a
// pause is derived first.
const minLearned = 8

// minToolGap is the least limit for a pause in a stream of a request with tools:
// some servers send a tool call only when it is complete.
const minToolGap = time.Minute

// stallLimit returns the longest pause of a stream before it is resumed on
// another node.
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

// setStallLimit derives the longest pause, the next time at a number of deltas.
func (s *stream) setStallLimit(next int) {
	s.stall.limit.Store(int64(s.exchange.stallLimit(s.head)))
	s.learnAt = next
}

// onStall cancels a node's stream after a pause. While other requests on the node
// receive tokens, the pause may be longer.
func (s *stream) onStall(b *responseHead, w *stallWatch) {
	limit := time.Duration(w.limit.Load())
	busy := time.Since(s.exchange.forwarder.table.LastToken(b.upstream.node.Name)) < limit
	silent := time.Since(time.Unix(0, w.since.Load()))
	if left := busyLimit(limit) - silent; busy && left > 0 {
		w.timer.Reset(min(limit, left))
		return
	}
	b.cancel(errSilent)
}

// stallWatch is the timer of a node's stream for a pause.
type stallWatch struct {
	timer *time.Timer
	limit atomic.Int64 // the longest pause
	since atomic.Int64 // the time of the latest token, less the time that the client took
}

// busyLimit returns how long a node may be silent to one request while it sends
// tokens to others: it has lost the request if it takes much longer than usual.
func busyLimit(limit time.Duration) time.Duration {
	return max(limit, min(6*limit, time.Minute))
}

// accept adds a delta to the state of the stream and, if frames are translated,
// to the output. The error is the node's.
func (s *stream) accept(p protocol.Delta) error {
	if p.Error != "" {
		e := s.head.upstream.endpoint.Classify(errorStatus(p.Status), nil, errorBody(p.Error))
		if classify(e, errorStatus(p.Status)).verdict == clientFault && e.Fault != nodes.BadRequest {
			s.finished, s.done = true, true // no other node would answer
			s.brokenBy = e
			if s.writer != nil {
				s.out = append(s.out, s.exchange.Errors.ErrorFrame(errorStatus(p.Status), p.Error)...)
			}
			return nil
		}
		return e
	}
	s.noteIdentity(p)
	s.active = s.active || p.HasToken() || s.exchange.many
	if s.echo != nil {
		if err := s.adapt(&p); err != nil {
			return err
		}
	}
	if len(p.ToolCalls) > 0 {
		s.noteCall()
	}
	if p.HasToken() {
		s.deltas++
	}
	s.text.WriteString(p.Text)
	s.thinking.WriteString(p.Thinking)
	s.finished = s.finished || p.Finish != "" && !s.exchange.many || p.Done // of n choices the first one's end is not the last
	s.done = s.done || p.Done
	if p.Usage.Known {
		s.usage = p.Usage
	}
	if s.writer != nil {
		s.out = append(s.out, s.writer.Write(p)...)
	}
	return nil
}

// adapt changes a delta of a resuming node to one of the client's stream: it
// removes what the client has already and adds the tokens before the break to the
// count.
func (s *stream) adapt(p *protocol.Delta) error {
	p.ID, p.Model, p.Created = "", "", 0
	if s.thinking.Len() > 0 || s.text.Len() > 0 {
		p.Thinking = "" // the client has the reasoning, or the answer has begun without one
	}
	if p.Text != "" {
		text, ok := s.echo.filter(p.Text)
		if !ok {
			return &nodes.Error{Fault: nodes.Protocol, Detail: "asked to continue the answer, it began again"}
		}
		p.Text = text
	}
	if p.Finish != "" || p.Done {
		p.Text += s.echo.flush()
	}
	if p.Usage.Known {
		p.Usage.Completion += s.exchange.continuation.deltas
		if s.exchange.continuation.text != "" { // which was a part of the prompt
			p.Usage.Prompt = max(p.Usage.Prompt-s.exchange.continuation.deltas, 0)
		}
	}
	return nil
}

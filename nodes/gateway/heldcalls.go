package gateway

import "strings"

// heldCalls is the end of a stream from its first tool call on. It is held back
// until the answer is complete, because no node can continue a call: so the client
// has nothing of it when it breaks off, and it can be asked for again.
type heldCalls struct {
	begun bool // the stream has a tool call
	held  bool // the client has nothing of it
	out   []byte
	// What the stream had before.
	text, thinking, deltas int
}

// maxHeld is the greatest size in bytes of what is held back of a stream. A longer
// one goes to the client as it comes.
const maxHeld = 4 << 20

// noteCall notes that the delta being accepted has a part of a tool call.
func (s *stream) noteCall() {
	if !s.calls.begun {
		s.calls = heldCalls{
			begun: true, held: !s.exchange.many, // several choices are never asked for again
			text: s.text.Len(), thinking: s.thinking.Len(), deltas: s.deltas,
		}
	}
}

// hold holds a frame back: its bytes or, if frames are translated, the output from
// there on.
func (s *stream) hold(raw []byte, from int) {
	if s.writer == nil {
		s.calls.out = append(s.calls.out, raw...)
		return
	}
	s.calls.out = append(s.calls.out, s.out[from:]...)
	s.out = s.out[:from]
}

// releaseCalls returns what is held back once the answer is complete, or too long
// to be held, and nil before.
func (s *stream) releaseCalls() []byte {
	if !s.finished && !s.done && len(s.calls.out) <= maxHeld {
		return nil
	}
	out := s.calls.out
	s.calls.held, s.calls.out = false, nil
	return out
}

// dropCalls forgets what was held back of a stream that broke off.
func (s *stream) dropCalls() {
	if !s.calls.held {
		return
	}
	truncate(&s.text, s.calls.text)
	truncate(&s.thinking, s.calls.thinking)
	s.deltas = s.calls.deltas
	s.calls = heldCalls{}
}

// truncate keeps the first n bytes of what b holds.
func truncate(b *strings.Builder, n int) {
	text := b.String()[:n]
	b.Reset()
	b.WriteString(text)
}

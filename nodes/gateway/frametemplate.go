package gateway

import (
	"bytes"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
)

// mould is the shape that the frames of a stream have in common: they mostly
// differ in the text alone. What fits into it needs no parsing, which is most
// of what a stream costs.
type frameTemplate struct {
	prefix, suffix []byte
}

// take returns the text of a frame that fits.
func (m *frameTemplate) match(frame []byte) (text []byte, ok bool) {
	n := len(frame) - len(m.prefix) - len(m.suffix)
	if len(m.prefix) == 0 || n <= 0 || !bytes.HasPrefix(frame, m.prefix) || !bytes.HasSuffix(frame, m.suffix) {
		return nil, false
	}
	text = frame[len(m.prefix) : len(m.prefix)+n]
	for _, c := range text {
		if c == '"' || c == '\\' || c < ' ' || c >= 0x80 {
			return nil, false
		}
	}
	return text, true
}

// learn makes the mould of a frame that says nothing but a text, which stands
// in it just once.
func (m *frameTemplate) learn(frame []byte, p protocol.Delta) {
	m.prefix = m.prefix[:0]
	if !p.TextOnly() {
		return
	}
	quoted := append(append([]byte{'"'}, p.Text...), '"')
	at := bytes.Index(frame, quoted)
	if at < 0 || bytes.Contains(frame[at+1:], quoted) {
		return
	}
	m.prefix = append(m.prefix, frame[:at+1]...)
	m.suffix = append(m.suffix[:0], frame[at+len(quoted)-1:]...)
}

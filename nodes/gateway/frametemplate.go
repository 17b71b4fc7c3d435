package gateway

import (
	"bytes"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
)

// frameTemplate is the constant prefix and suffix of a stream's text frames. A
// frame that matches is not parsed, which would be most of the cost of a stream.
type frameTemplate struct {
	prefix, suffix []byte
}

// match returns the text of a frame that matches.
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

// learn makes the template from a frame that contains nothing but a text, and
// that text only once. Any other frame clears the template.
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

package gateway

import (
	"bytes"

	chat "github.com/turbone/jarvis/nodes/gateway/internal/protocol"
)

// mould is the shape that the frames of a stream have in common: they mostly
// differ in the text alone. What fits into it needs no parsing, which is most
// of what a stream costs.
type mould struct {
	before, after []byte
}

// take returns the text of a frame that fits.
func (m *mould) take(frame []byte) (text []byte, ok bool) {
	n := len(frame) - len(m.before) - len(m.after)
	if len(m.before) == 0 || n <= 0 || !bytes.HasPrefix(frame, m.before) || !bytes.HasSuffix(frame, m.after) {
		return nil, false
	}
	text = frame[len(m.before) : len(m.before)+n]
	for _, c := range text {
		if c == '"' || c == '\\' || c < ' ' || c >= 0x80 {
			return nil, false
		}
	}
	return text, true
}

// learn makes the mould of a frame that says nothing but a text, which stands
// in it just once.
func (m *mould) learn(frame []byte, p chat.Piece) {
	m.before = m.before[:0]
	if p.Text == "" || p.Thinking != "" || len(p.Calls) > 0 || p.Finish != "" || p.Done || p.Usage.Known || p.Error != "" {
		return
	}
	quoted := append(append([]byte{'"'}, p.Text...), '"')
	at := bytes.Index(frame, quoted)
	if at < 0 || bytes.Contains(frame[at+1:], quoted) {
		return
	}
	m.before = append(m.before, frame[:at+1]...)
	m.after = append(m.after[:0], frame[at+len(quoted)-1:]...)
}

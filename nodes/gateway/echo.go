package gateway

import "strings"

// echoFilter removes from a continuation what the client has already. Some
// servers, asked to continue an answer, repeat it first, or begin it again.
type echoFilter struct {
	said string // the text that the client has
	held string // what came so far and equals the beginning of said
	done bool
}

const (
	// minEcho is the least length in bytes of a text whose repetition counts as
	// an echo. If the continuation has at least minRestart bytes in common with
	// the beginning of the answer and then differs, the answer began again.
	minEcho    = 4
	minRestart = 24
)

func newEchoFilter(said string) *echoFilter {
	return &echoFilter{said: said, done: len(said) < minEcho || isPeriodic(said)}
}

// filter returns the new part of the next text. ok is false if the server began
// the answer again and it differs: such a text is no continuation.
func (e *echoFilter) filter(next string) (text string, ok bool) {
	if e.done {
		return next, true
	}
	e.held += next
	same := commonPrefix(e.held, e.said)
	switch {
	case same == len(e.said):
		e.done = true
		return e.held[same:], true
	case same == len(e.held):
		return "", true
	}
	e.done = true
	return e.held, same < minRestart
}

// flush returns the text that was held back, once the answer has ended.
func (e *echoFilter) flush() string {
	if e.done {
		return ""
	}
	e.done = true
	return e.held
}

// commonPrefix returns the length of the common prefix of two texts.
func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// isPeriodic reports whether a text repeats one part at least twice. Then its
// continuation may equal its beginning without being an echo.
func isPeriodic(text string) bool {
	for period := 1; period <= len(text)/2; period++ {
		// Skip to the next period that begins with the text's first byte.
		at := strings.IndexByte(text[period:], text[0])
		if at < 0 {
			return false
		}
		if period += at; period <= len(text)/2 && text[period:] == text[:len(text)-period] {
			return true
		}
	}
	return false
}

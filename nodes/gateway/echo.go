package gateway

import "strings"

// echo keeps a text from being said twice: some servers, asked to carry on an
// answer, begin with what they were given, or begin anew.
type echoFilter struct {
	said string // what the client has
	held string // what came and is so far the same
	done bool
}

const (
	// leastEcho is the length from which on a text that is said again is an
	// echo, leastAnew that from which on two texts begin alike because the
	// answer began anew, in bytes.
	minEcho    = 4
	minRestart = 24
)

func newEchoFilter(said string) *echoFilter {
	return &echoFilter{said: said, done: len(said) < minEcho || isPeriodic(said)}
}

// add takes the next piece and returns what is new in it. ok is false where
// the server began anew and then said something else: that can't be joined.
func (e *echoFilter) filter(piece string) (text string, ok bool) {
	if e.done {
		return piece, true
	}
	e.held += piece
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

// rest is what was held back when the answer ended.
func (e *echoFilter) flush() string {
	if e.done {
		return ""
	}
	e.done = true
	return e.held
}

func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// repeats reports whether a text says one thing over and over, so that what
// follows it looks like its beginning.
func isPeriodic(text string) bool {
	for period := 1; period <= len(text)/2; period++ {
		// The next period that is worth a look begins like the text.
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

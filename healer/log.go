package healer

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
)

// LogLine returns an event as one line of a log, without the line end:
//
//	[2026-02-25 20:15:00] M1: healed after 42 s: wedged
//
// The time is in the event's own zone. Line breaks and control characters become
// blanks, so that the words of a server can neither forge a line nor control a
// terminal.
func LogLine(e Event) string {
	return "[" + e.Time.Format("2006-01-02 15:04:05") + "] " + OneLine(e.String())
}

// OneLine returns s in one line and without control characters, safe to print on
// a terminal.
func OneLine(s string) string {
	s = strings.ToValidUTF8(s, "�")
	if !strings.ContainsFunc(s, unprintable) {
		return s
	}
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || unprintable(r) }), " ")
}

// unprintable reports whether r is a control character, a line or paragraph
// separator, or a mark that changes the direction of the text.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) || unicode.Is(unicode.Bidi_Control, r)
}

// NewLog returns a sink that writes each event to w as a [LogLine], with one
// call of Write for each line. It blocks as long as w does. Lines that could not
// be written are counted, and the count is written before the next line.
//
// Safe for concurrent use.
func NewLog(w io.Writer) Sink { return &log{w: w} }

type log struct {
	mu   sync.Mutex
	w    io.Writer
	lost int
	err  error
}

// Emit writes one line.
func (l *log) Emit(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := LogLine(e) + "\n"
	if l.lost > 0 {
		note := Event{Time: e.Time, Detail: fmt.Sprintf("the log could not be written: %d lines are lost: %v", l.lost, l.err)}
		line = LogLine(note) + "\n" + line
	}
	if _, err := l.w.Write([]byte(line)); err != nil {
		l.lost, l.err = l.lost+1, err
		return
	}
	l.lost, l.err = 0, nil
}

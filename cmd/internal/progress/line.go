package progress

import (
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"golang.org/x/term"
)

// Line prints lines, the last of which may change where it is printed to a
// terminal. Not safe for concurrent use.
type Line struct {
	// Columns is how wide the terminal is; nil if there is none.
	Columns func() int

	w     io.Writer
	shown bool
}

// NewLine prints to w.
func NewLine(w io.Writer) *Line {
	l := &Line{w: w}
	if f, ok := w.(*os.File); ok && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd())) {
		l.Columns = func() int {
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil || width <= 0 {
				return 80
			}
			return width
		}
	}
	return l
}

// Changing replaces the line that changes; without a terminal it prints one
// that stays.
func (l *Line) Changing(text string) {
	if l.Columns == nil {
		l.Print(text)
		return
	}
	if width := l.Columns() - 1; utf8.RuneCountInString(text) > width {
		text = string([]rune(text)[:max(width, 0)])
	}
	_, _ = io.WriteString(l.w, "\r\x1b[K"+text)
	l.shown = true
}

// Print prints a line that stays.
func (l *Line) Print(text string) {
	l.Clear()
	_, _ = fmt.Fprintln(l.w, text)
}

// Clear takes the line that changes away.
func (l *Line) Clear() {
	if l.shown {
		_, _ = io.WriteString(l.w, "\r\x1b[K")
		l.shown = false
	}
}

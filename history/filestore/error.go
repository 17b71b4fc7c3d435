package filestore

import (
	"bytes"
	"fmt"

	"github.com/turbone/jarvis/history"
)

// UnreadableError is the error of a history file that is broken. Nothing is
// written to the file while it is.
type UnreadableError struct {
	// Path is the path of the file.
	Path string
	// Line and Column count from 1, Offset from 0. Column and Offset are in bytes.
	Line, Column, Offset int
	// Err is the cause.
	Err error
}

// Error returns the position, the cause and the remedy.
func (e *UnreadableError) Error() string {
	return fmt.Sprintf("%s:%d:%d (byte %d): %v: %v; it is left as it is: mend it there, put a copy back, or move it away to start a new history",
		e.Path, e.Line, e.Column, e.Offset, history.ErrUnreadable, e.Err)
}

// Unwrap returns [history.ErrUnreadable] and the cause.
func (e *UnreadableError) Unwrap() []error { return []error{history.ErrUnreadable, e.Err} }

// unreadable returns the error at an offset of a text.
func unreadable(path string, text []byte, offset int, err error) *UnreadableError {
	offset = min(max(offset, 0), len(text))
	before := text[:offset]
	return &UnreadableError{
		Path:   path,
		Line:   1 + bytes.Count(before, []byte("\n")),
		Column: offset - bytes.LastIndexByte(before, '\n'),
		Offset: offset,
		Err:    err,
	}
}

package filestore

import (
	"bytes"
	"fmt"

	"github.com/turbone/jarvis/history"
)

// UnreadableError says where a history file is broken. The file is left as it
// is: nothing is written until it can be read.
type UnreadableError struct {
	// Path is the file.
	Path string
	// Line and Column count from 1, Offset from 0, in bytes.
	Line, Column, Offset int
	// Err is what is wrong there.
	Err error
}

// Error says where, what, and what to do.
func (e *UnreadableError) Error() string {
	return fmt.Sprintf("%s:%d:%d (byte %d): %v: %v; it is left as it is: mend it there, put a copy back, or move it away to start a new history",
		e.Path, e.Line, e.Column, e.Offset, history.ErrUnreadable, e.Err)
}

// Unwrap returns [ErrUnreadable] and the cause.
func (e *UnreadableError) Unwrap() []error { return []error{history.ErrUnreadable, e.Err} }

// unreadable places an error in a text.
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

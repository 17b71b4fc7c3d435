package daemon

import (
	"errors"
	"fmt"
)

// ErrRunning is wrapped by the error of [New] if another daemon runs on the same
// state file.
var ErrRunning = errors.New("another daemon runs on this state file")

// Part names the part of a daemon that an [Error] is about.
type Part string

// The parts of a daemon.
const (
	PartState   Part = "state"
	PartLog     Part = "log"
	PartStatus  Part = "status API"
	PartGateway Part = "gateway"
	PartHistory Part = "history"
)

// Error is an error of [New] about one part of the daemon.
type Error struct {
	Part Part
	Err  error
}

// Error is the text of Err after the name of the part.
func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Part, e.Err) }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

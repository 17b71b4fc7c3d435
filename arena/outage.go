package arena

import (
	"errors"
	"time"

	"github.com/turbone/jarvis/nodes"
)

const (
	// loadTries is the number of failed loads, on a server that answers, after which
	// the model can't be loaded. The first ones may be the work of a server that is
	// about to stop.
	loadTries = 3
	// restartAfter is how long a server is waited for before it is restarted.
	restartAfter = 5 * time.Second
)

// errAway is why a model can't go on whose server is at fault.
var errAway = errors.New("the server is not ready")

// reaction is what follows a try to load a model that failed.
type reaction string

const (
	// tryAgain tries again after a pause, restart after the server was restarted.
	tryAgain reaction = "try again"
	restart  reaction = "restart"
	// giveUp ends the tries because of the model, endWait because of the server.
	giveUp  reaction = "give up"
	endWait reaction = "end the wait"
)

// outage counts the failed tries of a load. All faults of the server are waited
// for alike, up to patience. A fault that the engine gives as one of the model is
// final, and so is the third load that fails on a server that answers.
type outage struct {
	patience   time.Duration
	canRestart bool

	since     time.Time // the first try that the server failed, zero while it answers
	loads     int
	restarted bool
}

// after returns what follows a try that failed. It is pure but for its own fields.
func (o *outage) after(err error, now time.Time) reaction {
	var e *nodes.Error
	ofLoad := errors.As(err, &e) && e.Action == "load"
	switch fault := nodes.FaultOf(err); {
	case !ofLoad:
	case fault == nodes.OutOfMemory, fault == nodes.TooLarge, fault == nodes.ModelNotFound, fault == nodes.ReadOnly:
		return giveUp
	case fault != nodes.Refused && fault != nodes.Unreachable && fault != nodes.Busy:
		// A load follows a probe: the server had answered.
		o.since = time.Time{}
		if o.loads++; o.loads >= loadTries {
			return giveUp
		}
		return tryAgain
	}
	if o.since.IsZero() {
		o.since = now
	}
	switch waited := now.Sub(o.since); {
	case waited >= o.patience:
		return endWait
	case o.canRestart && !o.restarted && waited >= restartAfter && !errors.Is(err, nodes.Busy):
		o.restarted = true
		return restart
	}
	return tryAgain
}

// left returns how much of a pause is left of the patience.
func (o *outage) left(pause time.Duration, now time.Time) time.Duration {
	if o.since.IsZero() {
		return pause
	}
	return min(pause, o.since.Add(o.patience).Sub(now))
}

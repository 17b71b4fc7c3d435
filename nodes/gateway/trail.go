package gateway

import (
	"time"

	"github.com/turbone/jarvis/nodes"
)

// trail is what one client request has seen of each node, by place. It decides
// what follows from a failure; it does nothing itself.
type trail []sighting

// sighting is what a request has seen of one node.
type sighting struct {
	attempts int      // all of them
	failed   int      // the failures in a row, of any kind
	failure  *failure // the latest, nil for none
	at       time.Time
	readyAt  time.Time // when the request may try the node again; zero for never
	checked  bool      // the node's own check passed since its first failure
}

// next is what follows from a failure.
type next int

const (
	// goOn: the next node is tried.
	goOn next = iota
	// sameNode: the same node is tried again first.
	sameNode
	// stop: the request is the reason; the client gets the node's own words.
	stop
)

const (
	// minPause is the pause before a node that failed is tried again. It doubles
	// with each failure, up to maxPause, so that one request can't make many
	// attempts on one node. A node that could not be reached is tried each
	// maxAway at least: it costs nothing, and it may be back.
	minPause, maxPause = 200 * time.Millisecond, 8 * time.Second
	maxAway            = 2 * time.Second
	// answeredPause is minPause for a node that answered by an error, unless its
	// own check passes before.
	answeredPause = time.Second
	// busyPause is minPause for a busy node that named no time.
	busyPause = time.Second
	// maxAnswered is the greatest number of attempts of one request on a node
	// that answers each by an error.
	maxAnswered = 3
	// maxAgain is the longest pause after which a node is tried again before
	// others, where the options ask for that.
	maxAgain = 5 * time.Second
)

// note records a failed attempt on the node at a place. again is how often a
// node is tried again before the others.
//
// A failure that follows the request to a second node, or that comes again after
// the node's own check has passed, is the request's.
func (t trail) note(place int, f *failure, again int, now time.Time) next {
	s := &t[place]
	s.attempts++
	repeated := s.checked && s.failure != nil && s.failure.sameAs(f)
	s.failure, s.at = f, now
	s.failed++
	s.readyAt = f.readyAt(s.failed, now)
	switch {
	case f.verdict == clientFault, repeated:
		return stop
	case f.answered && t.elsewhere(place, f):
		return stop
	case f.answered && s.failed >= maxAnswered:
		s.readyAt = time.Time{}
	}
	if f.mayRepeat() && s.failed <= again && s.readyAt.Sub(now) <= maxAgain {
		if f.answered {
			s.readyAt = now.Add(minPause)
		}
		return sameNode
	}
	return goOn
}

// broke forgets what was seen before a stream broke off: the nodes that failed
// to begin it may continue it. The node that broke it off may recover.
func (t trail) broke(place int, f *failure, now time.Time) {
	clear(t)
	t[place] = sighting{failed: 1, failure: f, at: now, readyAt: now.Add(minPause)}
}

// elsewhere reports whether another node failed in the same way.
func (t trail) elsewhere(place int, f *failure) bool {
	for i, s := range t {
		if i != place && s.failure != nil && s.failure.sameAs(f) {
			return true
		}
	}
	return false
}

// passed records that a node's own check passed at a time. A node that answered
// by an error is then ready at once.
func (t trail) passed(place int, at, now time.Time) {
	s := &t[place]
	if s.failure == nil || !s.failure.answered || s.checked || !at.After(s.at) {
		return
	}
	s.checked = true
	if !s.readyAt.IsZero() {
		s.readyAt = now
	}
}

// ready returns the earliest time at which a node may be tried again, zero where
// none may.
func (t trail) ready() (at time.Time) {
	for _, s := range t {
		if s.failure != nil && !s.readyAt.IsZero() && (at.IsZero() || s.readyAt.Before(at)) {
			at = s.readyAt
		}
	}
	return at
}

// sameAs reports whether two nodes answered by the same kind of error.
func (f *failure) sameAs(other *failure) bool {
	return f.answered && other.answered && f.fault == other.fault
}

// mayRepeat reports whether the same node may do better at once: it answered, or
// closed the connection. One that is silent would be silent again.
func (f *failure) mayRepeat() bool {
	return f.answered && !f.missingAPI || f.fault == nodes.Busy || f.verdict == nodeFault && f.fault != nodes.TimedOut && !f.away()
}

// away reports whether no connection came about, so that nothing was asked.
func (f *failure) away() bool { return f.fault == nodes.Refused || f.fault == nodes.Unreachable }

// readyAt returns when a request may try a node again that has failed so often
// in a row, zero for never.
func (f *failure) readyAt(failed int, now time.Time) time.Time {
	pause, most := minPause, maxPause
	switch {
	case f.fault == nodes.Busy:
		pause = busyPause
	case f.answered:
		pause = answeredPause
	case f.verdict != nodeFault:
		return time.Time{}
	case f.away():
		most = maxAway
	}
	return now.Add(max(f.wait, min(pause<<min(failed-1, 10), most)))
}

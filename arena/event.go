package arena

import (
	"time"

	"github.com/turbone/jarvis/scoring"
)

// EventType is the kind of an event.
type EventType string

// The types of events, with the fields of [Event] that they have besides Time,
// Node, Done and Most.
const (
	// EventWaiting: another holds the node's lease (Cause), which is waited for
	// up to Limit.
	EventWaiting EventType = "waiting"
	// EventTraffic: the node may still get requests (Cause).
	EventTraffic EventType = "traffic"
	// EventBusy: Count requests of others are still in flight, which makes the
	// figures less certain.
	EventBusy EventType = "busy"
	// EventStarted: a tournament begins, by Method; with Candidates if there
	// are several. Opponent is the champion.
	EventStarted EventType = "started"
	// EventResumed: an interrupted tournament continues.
	EventResumed EventType = "resumed"
	// EventRecovering: an interrupted tournament of another process is ended.
	EventRecovering EventType = "recovering"
	// EventLoading: Model is about to be loaded.
	EventLoading EventType = "loading"
	// EventLoaded: Model answers, after Took.
	EventLoaded EventType = "loaded"
	// EventAway: the server is not ready (Cause) and is waited for, up to Limit.
	EventAway EventType = "away"
	// EventRestarting: the server does not answer and is restarted.
	EventRestarting EventType = "restarting"
	// EventWarming: an answer was discarded.
	EventWarming EventType = "warming"
	// EventUnsteady: the warm-up ended without a steady speed (Cause).
	EventUnsteady EventType = "unsteady"
	// EventTest: Test was made.
	EventTest EventType = "test"
	// EventReloading: Count tests in a row got no answer and Model is gone
	// (Cause); it is loaded again.
	EventReloading EventType = "reloading"
	// EventPaused: Count tests in a row got no answer and Model does not answer;
	// the tournament waits up to Limit until it does.
	EventPaused EventType = "paused"
	// EventRepeating: Count tests without an answer are asked anew.
	EventRepeating EventType = "repeating"
	// EventDropped: a candidate is out (Cause).
	EventDropped EventType = "dropped"
	// EventLook: the tests so far were judged: Look.
	EventLook EventType = "look"
	// EventConfirmed: a promotion was judged once more: Look.
	EventConfirmed EventType = "confirmed"
	// EventChosen: Model is the best of several candidates.
	EventChosen EventType = "chosen"
	// EventRestored: the node serves again what it served before.
	EventRestored EventType = "restored"
	// EventPromoted and EventRetained: the tournament ended with Result. Model
	// is the one that serves.
	EventPromoted EventType = "promoted"
	EventRetained EventType = "retained"
)

// Event is something that happened in a tournament. It holds facts;
// [Event.Text] makes a sentence of them. It holds no secret.
type Event struct {
	Time time.Time `json:"time"`
	Node string    `json:"node"`
	Type EventType `json:"type"`
	// Model is the model concerned, Role its part, and Opponent the champion
	// that a candidate meets.
	Model    string `json:"model,omitempty"`
	Role     Role   `json:"role,omitempty"`
	Opponent string `json:"opponent,omitempty"`
	// Candidates is the number of candidates, 0 if there is one or none.
	Candidates int `json:"candidates,omitempty"`
	// Method decides the tournament; SelfTest says that the champion meets
	// itself.
	Method   Method `json:"method,omitempty"`
	SelfTest bool   `json:"self_test,omitempty"`

	Test   *scoring.Test `json:"test,omitempty"`
	Look   *scoring.Look `json:"look,omitempty"`
	Result *Result       `json:"result,omitempty"`
	// Cause is the error or the reason behind the event.
	Cause string `json:"cause,omitempty"`
	// Count is a number of requests or of tests.
	Count int `json:"count,omitempty"`
	// Took is how long the work took, Limit how long it may take.
	Took  time.Duration `json:"took_ns,omitempty"`
	Limit time.Duration `json:"limit_ns,omitempty"`
	// Done is the number of the session's tests so far, Most their greatest
	// number.
	Done int `json:"done,omitempty"`
	Most int `json:"most,omitempty"`
}

// Sink receives events. Emit must return quickly. It is called in order for one
// tournament, and from several goroutines if several are held at the same time.
type Sink interface {
	Emit(Event)
}

// SinkFunc is a function used as a [Sink].
type SinkFunc func(Event)

// Emit calls f.
func (f SinkFunc) Emit(e Event) { f(e) }

// emit sends an event to all sinks.
func (a *Organizer) emit(e Event) {
	e.Time = time.Now()
	for _, s := range a.config.Sinks {
		s.Emit(e)
	}
}

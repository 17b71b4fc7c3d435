package arena

import (
	"fmt"
	"time"

	"github.com/turbone/jarvis/scoring"
)

// EventType is what kind of thing happened in a tournament.
type EventType string

// The types of events.
const (
	// EventStarted: the node is leased, the tournament begins.
	EventStarted EventType = "started"
	// EventResumed: it goes on where it was cut short.
	EventResumed EventType = "resumed"
	// EventLoading, EventLoaded: a model is being loaded; it answers.
	EventLoading EventType = "loading"
	EventLoaded  EventType = "loaded"
	// EventWarming: an answer was thrown away.
	EventWarming EventType = "warming"
	// EventTest: a test was made; Test and Block say which.
	EventTest EventType = "test"
	// EventLook: the evidence was judged; Look says how.
	EventLook EventType = "look"
	// EventStage: of a tournament of several, who goes on.
	EventStage EventType = "stage"
	// EventWarning: something that a person should know, and that stops
	// nothing.
	EventWarning EventType = "warning"
	// EventRestored: the node serves what it served before.
	EventRestored EventType = "restored"
	// EventPromoted, EventRetained: how it ended.
	EventPromoted EventType = "promoted"
	EventRetained EventType = "retained"
)

// Event is something that happened. It holds no secret.
type Event struct {
	Time time.Time `json:"time"`
	Node string    `json:"node"`
	Type EventType `json:"type"`
	// Text says it in a sentence for people, without the node's name. Events
	// of single tests have none.
	Text string `json:"text,omitempty"`
	// Model is the model concerned, Role what it is there.
	Model string `json:"model,omitempty"`
	Role  Role   `json:"role,omitempty"`
	// Test is the test that was made, Look the judgement.
	Test *scoring.Test `json:"test,omitempty"`
	Look *scoring.Look `json:"look,omitempty"`
	// Done of at most Most tests of the session are made.
	Done int `json:"done,omitempty"`
	Most int `json:"most,omitempty"`
}

// String is the event as a line, without its time.
func (e Event) String() string {
	if e.Text == "" {
		return fmt.Sprintf("%s: %s %s", e.Node, e.Type, e.Model)
	}
	return fmt.Sprintf("%s: %s", e.Node, e.Text)
}

// Sink takes events. Emit must return quickly; it is called in order for one
// tournament, and from several goroutines where several are held at once.
type Sink interface {
	Emit(Event)
}

// SinkFunc makes a function a [Sink].
type SinkFunc func(Event)

// Emit calls f.
func (f SinkFunc) Emit(e Event) { f(e) }

func (a *Organizer) tell(e Event) {
	e.Time = time.Now()
	for _, s := range a.config.Sinks {
		s.Emit(e)
	}
}

package healer

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// EventType is the kind of an event.
type EventType string

// The types of events.
const (
	EventHealthy       EventType = "healthy"
	EventSuspect       EventType = "suspect"
	EventRecovered     EventType = "recovered"
	EventDraining      EventType = "draining"
	EventFailover      EventType = "failover"
	EventRepair        EventType = "repair"
	EventVerified      EventType = "verified"
	EventHealed        EventType = "healed"
	EventRollback      EventType = "rollback"
	EventOffline       EventType = "offline"
	EventMisconfigured EventType = "misconfigured"
	EventBusy          EventType = "busy"
	EventDegraded      EventType = "degraded"
	EventRegression    EventType = "regression"
	EventMaintenance   EventType = "maintenance"
	EventCritical      EventType = "critical"
	EventPromoted      EventType = "promoted"
	EventRetained      EventType = "retained"
	EventPaused        EventType = "paused"
	EventResumed       EventType = "resumed"
)

// Tone is the kind of news that an event is, for its colour.
type Tone int

// The tones.
const (
	Neutral Tone = iota
	Good
	Warning
	Bad
)

// Severity orders the events that an incident begins with or gets worse by.
type Severity int

// The severities. SeverityNone is that of an event that is no trouble.
const (
	SeverityNone Severity = iota
	SeveritySuspect
	SeverityRepair
	SeverityDegraded
	SeverityDown
	SeverityCritical
)

// EventInfo describes a type of events.
type EventInfo struct {
	Type     EventType
	Severity Severity
	Tone     Tone
	// Ends is true for an event that ends its node's incident.
	Ends bool
}

// eventInfos defines the types of events, in the order of the documentation.
var eventInfos = [...]EventInfo{
	{EventHealthy, SeverityNone, Good, true},
	{EventSuspect, SeveritySuspect, Warning, false},
	{EventRecovered, SeverityNone, Good, true},
	{EventDraining, SeverityRepair, Warning, false},
	{EventFailover, SeverityNone, Warning, false},
	{EventRepair, SeverityRepair, Warning, false},
	{EventVerified, SeverityNone, Good, false},
	{EventHealed, SeverityNone, Good, true},
	{EventRollback, SeverityDegraded, Warning, false},
	{EventOffline, SeverityDown, Bad, false},
	{EventMisconfigured, SeverityDown, Bad, false},
	{EventBusy, SeverityNone, Warning, false},
	{EventDegraded, SeverityDegraded, Warning, false},
	{EventRegression, SeverityDegraded, Warning, false},
	{EventMaintenance, SeverityNone, Neutral, false},
	{EventCritical, SeverityCritical, Bad, false},
	{EventPromoted, SeverityNone, Good, false},
	{EventRetained, SeverityNone, Neutral, false},
	{EventPaused, SeverityNone, Neutral, false},
	{EventResumed, SeverityNone, Neutral, false},
}

// Info returns the description of the type; that of an unknown type has no
// severity and a neutral tone.
func (t EventType) Info() EventInfo {
	i := slices.IndexFunc(eventInfos[:], func(info EventInfo) bool { return info.Type == t })
	if i < 0 {
		return EventInfo{Type: t}
	}
	return eventInfos[i]
}

// EventTypes lists all types, in the order of the documentation.
func EventTypes() []EventType {
	types := make([]EventType, len(eventInfos))
	for i, info := range eventInfos {
		types[i] = info.Type
	}
	return types
}

// Event is something that happened, as facts. Text makes the sentence of them.
// It holds no secret.
//
// In JSON, "text" has the sentence beside the facts. An event that was read from
// JSON makes the same sentence, also where its rule is unknown to this version.
type Event struct {
	// ID is the event's position: greater than that of every earlier event,
	// also of those before a restart.
	ID   uint64    `json:"id"`
	Time time.Time `json:"time"`
	// Node is empty for what concerns the whole cluster.
	Node string    `json:"node"`
	Type EventType `json:"type"`
	// Rule is the rule that fired. It is empty for an event of the program
	// around the healer, whose sentence is Detail.
	Rule Rule `json:"rule,omitempty"`
	// Cause is the fault that the incident is about.
	Cause Cause `json:"cause,omitempty"`
	// Model is the model that the event is about.
	Model string `json:"model,omitempty"`
	// From and To are the nodes of a failover, and else models: From is
	// replaced by To.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Attempt is the number of the repair in its incident, from 1.
	Attempt int `json:"attempt,omitempty"`
	// Count is a number of instances or of answers, as the rule says.
	Count int `json:"count,omitempty"`
	// Took is how long the incident lasted that this event ends, else 0.
	Took time.Duration `json:"took_ns,omitempty"`
	// Until is when a pause ends by itself.
	Until time.Time `json:"until,omitzero"`
	// Evidence is what a check asked and got.
	Evidence *Evidence `json:"evidence,omitempty"`
	// Repair is what the failed repair got that made the rule fire.
	Repair *Evidence `json:"repair,omitempty"`
	// Degradations are the reasons for which a node that serves is degraded.
	Degradations []Degradation `json:"degradations,omitempty"`
	// Detail holds words that others chose: who holds a lease and why, the
	// output of a command, a judgement's reason, an error.
	Detail string `json:"detail,omitempty"`

	text string // of an event of another version, whose rule is unknown here
}

// String returns the event as a line without its time: "M1: healed after 42 s".
func (e Event) String() string {
	if e.Node == "" {
		return e.Text()
	}
	return fmt.Sprintf("%s: %s", e.Node, e.Text())
}

// facts is an Event without its methods.
type facts Event

// document is an event in JSON.
type eventDocument struct {
	facts
	Text string `json:"text"`
}

// MarshalJSON implements [json.Marshaler].
func (e Event) MarshalJSON() ([]byte, error) {
	return json.Marshal(eventDocument{facts(e), e.Text()})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (e *Event) UnmarshalJSON(b []byte) error {
	var d eventDocument
	if err := json.Unmarshal(b, &d); err != nil {
		return err
	}
	*e = Event(d.facts)
	if e.Text() != d.Text {
		e.text = d.Text
	}
	return nil
}

// Sink takes events. Emit must return quickly and is called in order, from one
// goroutine at a time; a sink that does slow work queues it.
type Sink interface {
	Emit(Event)
}

// SinkFunc makes a function a [Sink].
type SinkFunc func(Event)

// Emit calls f.
func (f SinkFunc) Emit(e Event) { f(e) }

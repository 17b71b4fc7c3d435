package healer

import (
	"fmt"
	"time"
)

// State is where a node is in its life.
type State string

// The states of a node.
const (
	// Unknown: not looked at yet.
	Unknown State = "unknown"
	// Healthy: serves, as far as anybody can see.
	Healthy State = "healthy"
	// Suspect: one check failed; still in the route.
	Suspect State = "suspect"
	// Draining: out of the route; requests under way finish, and the repair
	// waits for its turn.
	Draining State = "draining"
	// Repairing: a repair is under way.
	Repairing State = "repairing"
	// Verifying: repaired, and being asked questions.
	Verifying State = "verifying"
	// RollingBack: the last known good model is being restored.
	RollingBack State = "rolling-back"
	// Degraded: serves, but got worse.
	Degraded State = "degraded"
	// Offline: given up on for now; still probed, and taken back by itself.
	Offline State = "offline"
	// Misconfigured: no repair can help: a wrong key, another engine.
	Misconfigured State = "misconfigured"
	// Maintenance: somebody holds the node's lease: hands off.
	Maintenance State = "maintenance"
)

// Serves reports whether a node in this state takes traffic.
func (s State) Serves() bool { return s == Healthy || s == Degraded || s == Suspect }

// UnderRepair reports whether the healer itself is working on a node.
func (s State) UnderRepair() bool {
	return s == Repairing || s == Verifying || s == RollingBack
}

// EventType is what kind of thing happened.
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

// EventTypes lists all types, in the order of the documentation.
func EventTypes() []EventType {
	return []EventType{
		EventHealthy, EventSuspect, EventRecovered, EventDraining, EventFailover, EventRepair,
		EventVerified, EventHealed, EventRollback, EventOffline, EventMisconfigured, EventBusy,
		EventDegraded, EventRegression, EventMaintenance, EventCritical, EventPromoted, EventRetained,
		EventPaused, EventResumed,
	}
}

// Event is something that happened. It holds no secret.
type Event struct {
	// ID is the event's position: greater than that of every earlier event,
	// also of those before a restart.
	ID   uint64    `json:"id"`
	Time time.Time `json:"time"`
	// Node is empty for what concerns the whole cluster.
	Node string    `json:"node"`
	Type EventType `json:"type"`
	// Text says it in a sentence for people, without the node's name.
	Text string `json:"text"`
	// Took is how long the incident lasted that this event ends, else 0.
	Took time.Duration `json:"took_ns,omitempty"`
}

// String is the event as a line, without its time: "M1: healed after 42 s".
func (e Event) String() string {
	if e.Node == "" {
		return e.Text
	}
	return fmt.Sprintf("%s: %s", e.Node, e.Text)
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

package healer

import (
	"time"

	"github.com/turbone/jarvis/nodes"
)

// Status is what the healer knows at one moment, in the shape of the status
// API.
type Status struct {
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	// Serving is the node that takes the traffic, "" where none does.
	Serving  string       `json:"serving"`
	Nodes    []NodeStatus `json:"nodes"`
	Champion *Champion    `json:"champion,omitempty"`
	// Events are the latest, oldest first.
	Events []Event `json:"events"`
}

// NodeStatus is one node in a [Status].
type NodeStatus struct {
	Name   string `json:"name"`
	Engine string `json:"engine"`
	State  State  `json:"state"`
	// Wanted is the model it should serve now.
	Wanted string   `json:"wanted"`
	Loaded []string `json:"loaded"`
	// LastCheck is the end of the latest check, LastOK that of the latest that
	// passed; zero where there was none.
	LastCheck time.Time `json:"last_check,omitzero"`
	LastOK    time.Time `json:"last_ok,omitzero"`
	// LatencyMS is that of the latest probe.
	LatencyMS int64 `json:"latency_ms"`
	// Attempts counts the repairs since the node was last settled.
	Attempts      int          `json:"attempts"`
	LastError     string       `json:"last_error"`
	LastKnownGood *nodes.Model `json:"last_known_good,omitempty"`
}

// Champion is the model that won the latest tournament.
type Champion struct {
	Model string  `json:"model"`
	Score float64 `json:"score"`
	Since string  `json:"since"`
}

// AllServe reports whether every node serves.
func (s Status) AllServe() bool {
	for _, n := range s.Nodes {
		if n.State != Healthy && n.State != Degraded {
			return false
		}
	}
	return true
}

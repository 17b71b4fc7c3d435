package healer

import (
	"context"
	"fmt"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/turbone/jarvis/nodes"
)

// Status is the state of the cluster at one moment, in the shape of the status
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

// NodeStatus is the state of one node in a [Status].
type NodeStatus struct {
	Name   string `json:"name"`
	Engine string `json:"engine"`
	State  State  `json:"state"`
	// Wanted is the model that it should serve now.
	Wanted string   `json:"wanted"`
	Loaded []string `json:"loaded"`
	// Asleep is set while the engine has put its model to sleep.
	Asleep bool `json:"asleep,omitempty"`
	// LastCheck is the end of the latest check, LastOK that of the latest that
	// passed; zero where there was none.
	LastCheck time.Time `json:"last_check,omitzero"`
	LastOK    time.Time `json:"last_ok,omitzero"`
	// LatencyMS is the latency of the latest probe, in milliseconds.
	LatencyMS int64 `json:"latency_ms"`
	// InFlight is the number of requests under way that the route knows of.
	InFlight int `json:"in_flight"`
	// Attempts is the number of repairs since the node was last settled.
	Attempts int `json:"attempts"`
	// NextRepair is the earliest time of the next repair of an offline node; zero
	// means that none is planned.
	NextRepair    time.Time    `json:"next_repair,omitzero"`
	LastError     string       `json:"last_error"`
	LastKnownGood *nodes.Model `json:"last_known_good,omitempty"`
	// Undone is the run that won the latest promotion that was rolled back; ""
	// means none.
	Undone string `json:"undone,omitempty"`
	// Paused is the pause of the node's repairs, nil for none.
	Paused *Pause `json:"paused,omitempty"`
	// LeasedBy is the holder of the node's lease, and why, in Maintenance.
	LeasedBy string `json:"leased_by,omitempty"`
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

// championLimit is how long a status waits for the history.
const championLimit = 2 * time.Second

// Status implements [Healer]. It reads the champion, and blocks for at most two
// seconds for it. The error is nil.
func (h *Watchdog) Status(ctx context.Context) (Status, error) {
	s := Status{Version: h.config.Version, Started: h.started, Events: h.events.latest()}
	h.mu.Lock()
	s.Serving = h.fleet.servingName()
	s.Nodes = make([]NodeStatus, len(h.fleet.nodes))
	for i := range h.fleet.nodes {
		s.Nodes[i] = h.nodeStatus(i)
	}
	h.mu.Unlock()
	if h.config.Champion != nil {
		ctx, cancel := context.WithTimeout(ctx, championLimit)
		defer cancel()
		if c, err := h.config.Champion(ctx); err == nil {
			s.Champion = c
		}
	}
	return s, nil
}

// nodeStatus is the state of one node. The lock is held.
func (h *Watchdog) nodeStatus(i int) NodeStatus {
	s := statusOf(&h.fleet.nodes[i], h.config.Nodes.At(i).Engine)
	s.InFlight = h.route.InFlight(s.Name)
	return s
}

func statusOf(n *nodeState, engine string) NodeStatus {
	loaded := make([]string, len(n.snapshot.Loaded))
	for i, inst := range n.snapshot.Loaded {
		loaded[i] = inst.ID
	}
	s := NodeStatus{
		Name: n.name, Engine: engine, State: n.state, Wanted: n.goal().Name, Loaded: loaded,
		LastCheck: n.last.checked, LastOK: n.last.passed, LatencyMS: n.snapshot.Latency.Milliseconds(),
		Attempts: n.kept.Attempts, LastError: n.lastError, LastKnownGood: n.kept.LastKnownGood,
		Undone: n.kept.Undone, Paused: n.kept.Paused,
	}
	if n.state == Offline && n.kept.Paused == nil && len(ladder(n, n.incident.cause)) > 0 {
		s.NextRepair = n.kept.NextRepair
	}
	s.Asleep = n.asleep()
	if n.state == Maintenance {
		s.LeasedBy = n.holder
	}
	return s
}

// CheckOnce checks every node once, all at the same time, and changes nothing: it
// says what a healer with this configuration would begin with. It takes over what
// the state file keeps, as [New] does, and leaves that file as it is. One that
// can't be read is told in an event, and the nodes are checked without it. The
// route and the sinks of the configuration are not used.
//
// A node is Healthy if the model that it is meant to serve is loaded and gives a
// token, else Offline or Misconfigured; it is in Maintenance, and not asked, if
// somebody holds its lease. CheckOnce blocks for at most the time-outs of a probe
// and a canary.
func CheckOnce(ctx context.Context, c Config) (Status, error) {
	c.Route, c.Sinks = nil, nil
	h, err := assemble(c, nil)
	if err != nil {
		return Status{}, err
	}
	h.fleet.once = true
	saved, err := OpenState(c.StateFile).load(ctx)
	switch {
	case ctx.Err() != nil:
		return Status{}, fmt.Errorf("healer: %w", ctx.Err())
	case err != nil:
		h.warn(RuleStateWarning, "", err.Error()+"; going on without it")
	}
	h.begin(saved)
	var checks conc.WaitGroup
	for i := range c.Nodes.Len() {
		checks.Go(func() { h.look(ctx, i) })
	}
	checks.Wait()
	return h.Status(ctx)
}

// look does one probe and, if it passes, one canary.
func (h *Watchdog) look(ctx context.Context, i int) {
	w := worker{healer: h, index: i, node: h.config.Nodes.At(i)}
	for next := (op{kind: opProbe}); next.kind != ""; {
		in, ok := w.do(ctx, next, false)
		if !ok {
			return
		}
		h.step(in)
		h.mu.Lock()
		next = h.fleet.nodes[i].next
		h.mu.Unlock()
	}
}

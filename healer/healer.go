package healer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Healer keeps a cluster of LLM servers serving. [Watchdog] is one that runs in
// this process; package healer/remote has a client of one that runs elsewhere.
//
// Run is called once. All other methods are safe for concurrent use, before,
// during and after Run, and return early with the context's error when ctx
// ends.
type Healer interface {
	// Run blocks until ctx ends. A Watchdog watches and repairs meanwhile; a
	// client of a running healer waits, and returns an error when that healer
	// is gone.
	Run(ctx context.Context) error
	// Status returns the state of all nodes and the latest events.
	Status(ctx context.Context) (Status, error)
	// Events yields the buffered events whose ID is greater than after, oldest
	// first, and then each event as it happens, until ctx ends. With 0 it
	// begins with the latest 200. An error ends the sequence, [ErrEventsLost]
	// where the loop's body is so slow that the buffer has overtaken it.
	Events(ctx context.Context, after uint64) iter.Seq2[Event, error]
	// Check probes a node now, asks it for a token where the probe passes, and
	// returns its state afterwards. It blocks until then. A node under repair
	// or under somebody's lease is not disturbed: its state is returned as it
	// is. The error wraps [ErrUnknownNode] or [ErrNotRunning].
	Check(ctx context.Context, node string) (NodeStatus, error)
	// Pause keeps repairs from being started, see [Pause]. It replaces an
	// earlier pause of the same nodes, and returns when the pause is kept. The
	// error wraps [ErrUnknownNode] or [ErrInvalidPause].
	Pause(ctx context.Context, p Pause) error
	// Resume ends a node's pause, or with an empty name that of all nodes. It
	// does nothing where there is none. The error wraps [ErrUnknownNode].
	Resume(ctx context.Context, node string) error
}

// The errors of a [Healer].
var (
	// ErrUnknownNode means that the cluster has no node of that name.
	ErrUnknownNode = errors.New("unknown node")
	// ErrNotRunning means that nobody is there to look at a node: Run was not
	// called, or has ended.
	ErrNotRunning = errors.New("the healer is not running")
	// ErrInvalidPause means that a pause is over already, or its reason too long.
	ErrInvalidPause = errors.New("invalid pause")
	// ErrEventsLost means that events were dropped from the buffer before they
	// were read.
	ErrEventsLost = errors.New("events were lost: they were read too slowly")
)

// Pause stops repairs. The node is probed as before, its state is told, and it
// is taken out of the route when it fails; but no repair of it is started, and
// neither is a rerun after a regression. A repair under way is carried to its
// end. A pause is part of the state that survives a restart.
type Pause struct {
	// Node is the node; "" is every node that is watched now. Each of them can
	// then be resumed by itself.
	Node string `json:"node,omitempty"`
	// Until is when the pause ends by itself; zero is never.
	Until time.Time `json:"until,omitzero"`
	// Why is a reason for people, of at most 500 bytes.
	Why string `json:"why,omitempty"`
}

// maxWhy is the greatest length of a reason, in bytes: it is in every status.
const maxWhy = 500

// validate reports why a pause cannot begin at a time.
func (p *Pause) validate(at time.Time) error {
	switch {
	case p.ended(at):
		return fmt.Errorf("%w: %s is over", ErrInvalidPause, p.Until.Format(time.RFC3339))
	case len(p.Why) > maxWhy:
		return fmt.Errorf("%w: the reason has %d bytes, at most %d are allowed", ErrInvalidPause, len(p.Why), maxWhy)
	}
	return nil
}

// same reports whether two pauses of a node are equal; nil is none.
func (p *Pause) same(other *Pause) bool {
	if p == nil || other == nil {
		return p == other
	}
	return p.Until.Equal(other.Until) && p.Why == other.Why
}

// ended reports whether the pause is over at a time.
func (p *Pause) ended(at time.Time) bool {
	return !p.Until.IsZero() && !at.Before(p.Until)
}

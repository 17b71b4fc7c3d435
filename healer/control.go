package healer

import (
	"context"
	"fmt"
	"iter"
	"time"
)

var (
	_ Healer   = (*Watchdog)(nil)
	_ Liveness = (*Watchdog)(nil)
)

// place returns the node's place in the set.
func (h *Watchdog) place(node string) (int, error) {
	i, ok := h.config.Nodes.Index(node)
	if !ok {
		return 0, fmt.Errorf("healer: %w %q", ErrUnknownNode, node)
	}
	return i, nil
}

// Alive implements [Liveness].
func (h *Watchdog) Alive() error {
	h.mu.Lock()
	still := time.Since(h.alive)
	h.mu.Unlock()
	if still > aliveLimit {
		return fmt.Errorf("the healer's loops stand still")
	}
	return nil
}

// Check implements [Healer].
func (h *Watchdog) Check(ctx context.Context, node string) (NodeStatus, error) {
	i, err := h.place(node)
	if err != nil {
		return NodeStatus{}, err
	}
	done := make(chan NodeStatus, 1)
	h.mu.Lock()
	running := h.running
	switch d := &h.desks[i]; {
	case !running:
	case h.fleet.nodes[i].state.UnderRepair():
		done <- h.nodeStatus(i)
	default:
		d.waiting = append(d.waiting, done)
		d.rouse()
	}
	h.mu.Unlock()
	if running {
		select {
		case n := <-done:
			return n, nil
		case <-ctx.Done():
			return NodeStatus{}, fmt.Errorf("healer: check %s: %w", node, ctx.Err())
		case <-h.stopped:
		}
	}
	return NodeStatus{}, fmt.Errorf("healer: check %s: %w", node, ErrNotRunning)
}

// checkWaits reports whether a call of Check waits for a check to begin.
func (h *Watchdog) checkWaits(i int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.desks[i].waiting) > 0
}

// answerWaiting ends the calls of Check for which no check can begin, because a
// repair did.
func (h *Watchdog) answerWaiting(i int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := &h.desks[i]
	d.checking, d.waiting = append(d.checking, d.waiting...), nil
	d.answerChecks(h.nodeStatus(i))
}

// answerChecks ends the calls of Check that wait for the check that is done.
func (d *desk) answerChecks(n NodeStatus) {
	for _, done := range d.checking {
		done <- n
	}
	d.checking = nil
}

// Events implements [Healer].
func (h *Watchdog) Events(ctx context.Context, after uint64) iter.Seq2[Event, error] {
	return h.events.events(ctx, after)
}

// Pause implements [Healer].
func (h *Watchdog) Pause(ctx context.Context, p Pause) error { return h.setPause(ctx, p.Node, &p) }

// Resume implements [Healer].
func (h *Watchdog) Resume(ctx context.Context, node string) error { return h.setPause(ctx, node, nil) }

// setPause begins or, with nil, ends a pause.
func (h *Watchdog) setPause(ctx context.Context, node string, p *Pause) error {
	from, to := 0, h.config.Nodes.Len()
	if node != "" {
		i, err := h.place(node)
		if err != nil {
			return err
		}
		from, to = i, i+1
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("healer: %w", err)
	}
	now := time.Now()
	if p != nil && p.ended(now) {
		return fmt.Errorf("healer: pause until %s: that is over", p.Until.Format(time.RFC3339))
	}
	h.mu.Lock()
	changed := false
	for i := from; i < to; i++ {
		n := &h.fleet.nodes[i]
		if p == nil && n.kept.Paused == nil {
			continue
		}
		changed = true
		n.kept.Paused = nil
		if p != nil {
			mine := *p
			mine.Node = ""
			n.kept.Paused = &mine
		}
		h.desks[i].rouse()
	}
	if changed {
		h.version++
		h.events.add(pauseEvent(node, p, now))
	}
	h.mu.Unlock()
	if !changed {
		return nil
	}
	if err := h.save(); err != nil {
		return fmt.Errorf("healer: %w", err)
	}
	return nil
}

// pauseEvent tells that a pause began or, with nil, ended.
func pauseEvent(node string, p *Pause, at time.Time) Event {
	if p == nil {
		return Event{Time: at, Node: node, Type: EventResumed, Text: "repairs are resumed"}
	}
	text := "repairs are paused"
	if !p.Until.IsZero() {
		text += " until " + p.Until.Format("2006-01-02 15:04:05")
	}
	if p.Why != "" {
		text += ": " + p.Why
	}
	return Event{Time: at, Node: node, Type: EventPaused, Text: text}
}

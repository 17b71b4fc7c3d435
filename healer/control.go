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
	switch w := &h.watchers[i]; {
	case !running:
	case h.fleet.nodes[i].state.UnderRepair():
		done <- h.nodeStatus(i)
	default:
		w.waiting = append(w.waiting, done)
		w.post(input{kind: inCheck, node: i})
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

// answerChecks ends the calls of Check that wait for the check that is done. The
// lock is held.
func (w *watcher) answerChecks(n NodeStatus) {
	for _, done := range w.checking {
		done <- n
	}
	w.checking = nil
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
	in := input{kind: inPause, node: allNodes, at: time.Now(), pause: p}
	if p == nil {
		in.kind = inResume
	}
	if node != "" {
		i, err := h.place(node)
		if err != nil {
			return err
		}
		in.node = i
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("healer: %w", err)
	}
	if p != nil {
		if err := p.validate(in.at); err != nil {
			return fmt.Errorf("healer: %w", err)
		}
	}
	if !h.step(in).save {
		return nil
	}
	if err := h.save(); err != nil {
		return fmt.Errorf("healer: %w", err)
	}
	return nil
}

// Package healertest has a fake [healer.Healer] for the tests of programs that
// embed one, and the conformance test that every Healer passes.
package healertest

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/turbone/jarvis/healer"
)

// Healer is a fake [healer.Healer]. Its status, its events and its errors are
// those that the test sets; it reaches no node. It is safe for concurrent use.
type Healer struct {
	mu      sync.Mutex
	status  healer.Status
	events  []healer.Event // with the IDs 1, 2, …
	added   chan struct{}  // closed when an event is added
	err     error
	running bool
	checked []string
	pauses  []healer.Pause
	resumed []string
}

var _ healer.Healer = (*Healer)(nil)

// New makes a fake healer of healthy nodes, of which the first one serves.
func New(nodes ...string) *Healer {
	h := &Healer{added: make(chan struct{})}
	h.status = healer.Status{Version: "fake", Started: time.Now(), Nodes: []healer.NodeStatus{}}
	for _, name := range nodes {
		h.status.Nodes = append(h.status.Nodes, healer.NodeStatus{Name: name, State: healer.Healthy, Loaded: []string{}})
	}
	if len(nodes) > 0 {
		h.status.Serving = nodes[0]
	}
	return h
}

// SetStatus replaces the status, except for the events, which are those that
// were emitted.
func (h *Healer) SetStatus(s healer.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.Nodes = slices.Clone(s.Nodes)
	h.status = s
}

// SetNode replaces the status of the node of that name, or adds it.
func (h *Healer) SetNode(n healer.NodeStatus) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i, ok := h.place(n.Name); ok {
		h.status.Nodes[i] = n
		return
	}
	h.status.Nodes = append(h.status.Nodes, n)
}

// Emit adds an event and returns it with its ID, and with the current time if it
// has none.
func (h *Healer) Emit(e healer.Event) healer.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.emit(e)
}

func (h *Healer) emit(e healer.Event) healer.Event {
	e.ID = uint64(len(h.events) + 1)
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	h.events = append(h.events, e)
	close(h.added)
	h.added = make(chan struct{})
	return e
}

// Fail lets all methods, and sequences of events under way, return err; nil ends
// that.
func (h *Healer) Fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
	close(h.added)
	h.added = make(chan struct{})
}

// Running reports whether Run was called and has not returned.
func (h *Healer) Running() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running
}

// Checked returns the nodes that were checked, in order.
func (h *Healer) Checked() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.checked)
}

// Pauses returns the pauses that were asked for, in order.
func (h *Healer) Pauses() []healer.Pause {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.pauses)
}

// Resumed returns the nodes that Resume was called for, in order.
func (h *Healer) Resumed() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.resumed)
}

// Run implements [healer.Healer].
func (h *Healer) Run(ctx context.Context) error {
	h.setRunning(true)
	defer h.setRunning(false)
	for {
		h.mu.Lock()
		err, added := h.err, h.added
		h.mu.Unlock()
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-added:
		}
	}
}

func (h *Healer) setRunning(running bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running = running
}

// recent is how many events a status holds, and a sequence without a position
// begins with.
const recent = 200

// Status implements [healer.Healer].
func (h *Healer) Status(ctx context.Context) (healer.Status, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.failure(ctx); err != nil {
		return healer.Status{}, err
	}
	s := h.status
	s.Nodes = slices.Clone(s.Nodes)
	s.Events = append([]healer.Event{}, h.events[max(0, len(h.events)-recent):]...)
	return s, nil
}

// Events implements [healer.Healer].
func (h *Healer) Events(ctx context.Context, after uint64) iter.Seq2[healer.Event, error] {
	return func(yield func(healer.Event, error) bool) {
		h.mu.Lock()
		if last := uint64(len(h.events)); after == 0 || after > last {
			after = last - min(last, recent)
		}
		h.mu.Unlock()
		for ctx.Err() == nil {
			h.mu.Lock()
			err, events, added := h.err, h.events[after:], h.added
			h.mu.Unlock()
			if err != nil {
				yield(healer.Event{}, err)
				return
			}
			for _, e := range events {
				if ctx.Err() != nil || !yield(e, nil) {
					return
				}
				after = e.ID
			}
			if len(events) > 0 {
				continue
			}
			select {
			case <-ctx.Done():
			case <-added:
			}
		}
	}
}

// Check implements [healer.Healer]: it returns the status that was set, as of
// now.
func (h *Healer) Check(ctx context.Context, node string) (healer.NodeStatus, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.failure(ctx); err != nil {
		return healer.NodeStatus{}, err
	}
	i, ok := h.place(node)
	if !ok {
		return healer.NodeStatus{}, unknown(node)
	}
	h.checked = append(h.checked, node)
	h.status.Nodes[i].LastCheck = time.Now()
	return h.status.Nodes[i], nil
}

// Pause implements [healer.Healer].
func (h *Healer) Pause(ctx context.Context, p healer.Pause) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.failure(ctx); err != nil {
		return err
	}
	if _, ok := h.place(p.Node); !ok && p.Node != "" {
		return unknown(p.Node)
	}
	h.pauses = append(h.pauses, p)
	for i := range h.status.Nodes {
		if n := &h.status.Nodes[i]; p.Node == "" || p.Node == n.Name {
			own := p
			own.Node = n.Name
			n.Paused = &own
			h.emit(healer.Event{Node: n.Name, Type: healer.EventPaused})
		}
	}
	return nil
}

// Resume implements [healer.Healer].
func (h *Healer) Resume(ctx context.Context, node string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.failure(ctx); err != nil {
		return err
	}
	if _, ok := h.place(node); !ok && node != "" {
		return unknown(node)
	}
	h.resumed = append(h.resumed, node)
	for i := range h.status.Nodes {
		if n := &h.status.Nodes[i]; n.Paused != nil && (node == "" || node == n.Name) {
			n.Paused = nil
			h.emit(healer.Event{Node: n.Name, Type: healer.EventResumed})
		}
	}
	return nil
}

// failure is the error that was set, or the context's.
func (h *Healer) failure(ctx context.Context) error {
	if h.err != nil {
		return h.err
	}
	return ctx.Err()
}

func (h *Healer) place(node string) (int, bool) {
	i := slices.IndexFunc(h.status.Nodes, func(n healer.NodeStatus) bool { return n.Name == node })
	return i, i >= 0
}

func unknown(node string) error { return fmt.Errorf("healertest: %w %q", healer.ErrUnknownNode, node) }

package healer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/route"
)

// attendEvery is how often the healer looks at what costs no request: whether
// somebody took a node's lease, what other processes wrote into the state file,
// how real answers go.
const attendEvery = time.Second

// ownName is how the healer signs its leases.
const ownName = "jarvis-heal"

// desk is the shell's side of a node. The healer's lock guards it.
type desk struct {
	wake     chan struct{}           // look at the node, whatever is due
	stop     context.CancelCauseFunc // ends the check under way; nil where none is
	holds    bool                    // the healer has the lease itself, or is about to
	cursor   uint64                  // of the outcomes that were taken
	wish     wish                    // what the latest alarm asks for
	failed   *route.Failure          // the latest real request that the node failed, until it is looked at
	waiting  []chan NodeStatus       // calls of Check that no check was begun for yet
	checking []chan NodeStatus       // calls of Check that wait for the check under way
}

// leasedError ends a check, because somebody took the node's lease.
type leasedError struct{ holder string }

func (e leasedError) Error() string { return "leased by " + e.holder }

// attend looks around until ctx ends. That it goes on is the proof that the
// healer itself runs, see Handler's /healthz.
func (h *Watchdog) attend(ctx context.Context) {
	tick := time.NewTicker(h.attendEvery)
	defer tick.Stop()
	told := ""
	for {
		h.mu.Lock()
		h.alive = time.Now()
		h.mu.Unlock()
		h.refresh()
		text := ""
		if err := h.noticeLeases(ctx); err != nil && ctx.Err() == nil {
			text = err.Error()
		}
		if text != "" && text != told {
			h.tell(Event{Time: time.Now(), Type: EventDegraded, Text: text})
		}
		told = text
		h.noticeAnswers()
		h.heed()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// noticeLeases takes the hands off every node that somebody leased, whatever
// check is under way there.
func (h *Watchdog) noticeLeases(ctx context.Context) error {
	held, err := h.held(ctx)
	if err != nil {
		return err
	}
	for name, holder := range held {
		i, ok := h.config.Nodes.Index(name)
		if !ok || holder.Name == ownName && holder.PID == os.Getpid() {
			continue
		}
		h.mu.Lock()
		d := &h.desks[i]
		if h.fleet.nodes[i].state != Maintenance && !d.holds {
			if d.stop != nil {
				d.stop(leasedError{describe(holder)})
			}
			d.rouse()
		}
		h.mu.Unlock()
	}
	return nil
}

// held returns who has which lease.
func (h *Watchdog) held(ctx context.Context) (map[string]nodes.Holder, error) {
	if all, ok := h.leases.(nodes.HeldLeases); ok {
		return all.Held(ctx)
	}
	held := map[string]nodes.Holder{}
	for _, n := range h.config.Nodes.All() {
		holder, ok, err := h.leases.Holder(ctx, n.Name)
		if err != nil {
			return nil, err
		}
		if ok {
			held[n.Name] = holder
		}
	}
	return held, nil
}

// describe names who has a lease, and why.
func describe(h nodes.Holder) string {
	if h.Why == "" {
		return h.Name
	}
	return fmt.Sprintf("%s (%s)", h.Name, h.Why)
}

// rouse wakes the node's watcher.
func (d *desk) rouse() {
	select {
	case d.wake <- struct{}{}:
	default: // it is awake already
	}
}

// noticeAnswers takes what real answers tell of the models on trial, and has
// those looked at whose trial is decided.
func (h *Watchdog) noticeAnswers() {
	changed := false
	h.mu.Lock()
	for i := range h.fleet.nodes {
		if h.fleet.nodes[i].kept.Trial == nil || !h.takeAnswers(i) {
			continue
		}
		changed = true
		if v, _ := h.fleet.nodes[i].kept.Trial.verdict(); v != onTrial {
			h.desks[i].rouse()
		}
	}
	h.mu.Unlock()
	if changed {
		h.keep("")
	}
}

// noticeFailure has a node looked at that failed a real request.
func (h *Watchdog) noticeFailure(f route.Failure) {
	i, ok := h.config.Nodes.Index(f.Node)
	if !ok {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := &h.fleet.nodes[i]; n.state == Healthy || n.state == Degraded {
		h.desks[i].failed = &f
		h.desks[i].rouse()
	}
}

// takeAnswers takes what real answers tell of a model on trial. The lock is
// held.
func (h *Watchdog) takeAnswers(i int) bool {
	n, d := &h.fleet.nodes[i], &h.desks[i]
	if n.kept.Trial == nil {
		return false
	}
	outcomes, cursor := h.route.Outcomes(n.name, d.cursor)
	d.cursor = cursor
	t := n.kept.Trial.with(outcomes)
	if len(t.Answers) == len(n.kept.Trial.Answers) {
		return false
	}
	n.kept.Trial = &t
	h.version++
	return true
}

// interruptible lets a check be cut short when somebody takes the node's lease,
// until done is called, which says whether that happened.
func (h *Watchdog) interruptible(ctx context.Context, i int) (limited context.Context, done func() (holder string)) {
	limited, stop := context.WithCancelCause(ctx)
	h.mu.Lock()
	h.desks[i].stop = stop
	h.mu.Unlock()
	return limited, func() string {
		h.mu.Lock()
		h.desks[i].stop = nil
		h.mu.Unlock()
		var leased leasedError
		if errors.As(context.Cause(limited), &leased) {
			return leased.holder
		}
		stop(nil)
		return ""
	}
}

// holds tells whether the healer has a node's lease itself.
func (h *Watchdog) holds(i int, holds bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.desks[i].holds = holds
}

// woken goes on after the watcher was woken from its wait for an op.
func (h *Watchdog) woken(ctx context.Context, w *worker, next op) op {
	now := time.Now()
	holder, leased := w.leased(ctx, false)
	h.mu.Lock()
	state := h.fleet.nodes[w.index].state
	failed := h.desks[w.index].failed
	h.desks[w.index].failed = nil
	d := &h.desks[w.index]
	asked := len(d.waiting) > 0
	d.checking, d.waiting = append(d.checking, d.waiting...), nil
	h.mu.Unlock()
	switch {
	case asked:
		return h.report(w.index, seen{kind: opAsked, began: now, at: now, holder: holder})
	case leased:
		return h.report(w.index, seen{kind: opLease, began: now, at: now, holder: holder})
	case state != Healthy && state != Degraded || next.kind != opProbe:
	case failed != nil:
		return h.report(w.index, seen{kind: opTraffic, began: now, at: now, fault: failed.Fault, detail: failed.Detail})
	default:
		next.at = now
	}
	return next
}

// rest waits until at, or until it is woken. ok is false where ctx ended.
func rest(ctx context.Context, at time.Time, wake <-chan struct{}) (woken, ok bool) {
	d := time.Until(at)
	if d <= 0 {
		return false, ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false, false
	case <-wake:
		return true, true
	case <-timer.C:
		return false, true
	}
}

package healer

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/route"
)

// pollEvery is how often the healer asks for what nobody tells it and what costs
// no request: the leases, the state file, the outcomes of requests on trial.
const pollEvery = time.Second

// ownName is the holder's name in the healer's own leases.
const ownName = "jarvis-heal"

// watcher is the shell's side of a node. The healer's lock guards it.
type watcher struct {
	wake     chan struct{}           // there is something to apply, or another operation
	stop     context.CancelCauseFunc // ends the check under way; nil where none is
	holds    bool                    // the healer has the lease itself, or is about to
	cursor   uint64                  // of the outcomes that were read
	inbox    []input                 // what happened to the node, until the watcher applies it
	waiting  []chan NodeStatus       // calls of Check that no check was begun for yet
	checking []chan NodeStatus       // calls of Check that wait for the check under way
}

// leasedError is the cause of a check's end by another program's lease.
type leasedError struct{ holder string }

func (e leasedError) Error() string { return "leased by " + e.holder }

// poll asks for leases, the state file and the outcomes of requests until ctx
// ends. Each round refreshes alive, which /healthz checks.
func (h *Watchdog) poll(ctx context.Context) {
	tick := time.NewTicker(h.pollEvery)
	defer tick.Stop()
	told := ""
	for {
		h.mu.Lock()
		h.alive = time.Now()
		h.mu.Unlock()
		h.refresh()
		text := ""
		if err := h.pollLeases(ctx); err != nil && ctx.Err() == nil {
			text = err.Error()
		}
		if text != "" && text != told {
			h.warn(RuleLeaseWarning, "", text)
		}
		told = text
		for i := range h.watchers {
			h.takeOutcomes(i)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// pollLeases ends the check under way on every node that somebody leased.
func (h *Watchdog) pollLeases(ctx context.Context) error {
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
		w := &h.watchers[i]
		if h.fleet.nodes[i].state != Maintenance && !w.holds {
			if w.stop != nil {
				w.stop(leasedError{holder.String()})
			}
			now := time.Now()
			w.post(input{kind: opLease, node: i, began: now, at: now, holder: holder.String()})
		}
		h.mu.Unlock()
	}
	return nil
}

// held returns the holders of the leases, by node.
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

// rouse wakes the watcher.
func (w *watcher) rouse() {
	select {
	case w.wake <- struct{}{}:
	default: // it is awake already
	}
}

// post leaves an input for the watcher to apply between two operations. Of two of
// a kind the latter counts. The lock is held.
func (w *watcher) post(in input) {
	w.inbox = slices.DeleteFunc(w.inbox, func(old input) bool { return old.kind == in.kind })
	w.inbox = append(w.inbox, in)
	w.rouse()
}

// waits reports whether something is to be applied to the node.
func (h *Watchdog) waits(i int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.watchers[i].inbox) > 0
}

// applyWaiting applies what happened to the node while its operation was under
// way.
func (h *Watchdog) applyWaiting(ctx context.Context, i int) {
	h.mu.Lock()
	w := &h.watchers[i]
	inbox := w.inbox
	w.inbox = nil
	w.checking, w.waiting = append(w.checking, w.waiting...), nil
	h.mu.Unlock()
	for _, in := range inbox {
		if in.kind == opLease { // it may be free again
			holder, leased := h.leaseHolder(ctx, i)
			if !leased {
				continue
			}
			in.holder = holder
		}
		in.at = time.Now()
		h.apply(in)
	}
}

// leaseHolder asks who holds a node's lease.
func (h *Watchdog) leaseHolder(ctx context.Context, i int) (holder string, leased bool) {
	who, held, err := h.leases.Holder(ctx, h.config.Nodes.At(i).Name)
	if err != nil || !held {
		return "", false // a lease that can't be asked for holds no probe up
	}
	return who.String(), true
}

// requestFailed has a node looked at that failed a real request.
func (h *Watchdog) requestFailed(f route.Failure) {
	i, ok := h.config.Nodes.Index(f.Node)
	if !ok {
		return
	}
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := &h.fleet.nodes[i]; n.state == Healthy || n.state == Degraded {
		h.watchers[i].post(input{kind: inRequest, node: i, began: now, fault: f.Fault, detail: f.Detail, answered: f.Answered})
	}
}

// takeOutcomes applies the outcomes of real requests of a model on trial.
func (h *Watchdog) takeOutcomes(i int) {
	h.mu.Lock()
	n, w := &h.fleet.nodes[i], &h.watchers[i]
	if n.kept.Trial == nil {
		h.mu.Unlock()
		return
	}
	outcomes, cursor := h.route.Outcomes(n.name, w.cursor)
	w.cursor = cursor
	h.mu.Unlock()
	if len(outcomes) > 0 {
		h.apply(input{kind: inAnswers, node: i, at: time.Now(), outcomes: outcomes})
	}
}

// rerun does the reruns that the steps ask for until ctx ends, one at a time.
func (h *Watchdog) rerun(ctx context.Context) {
	for {
		var r planRerun
		select {
		case <-ctx.Done():
			return
		case r = <-h.reruns:
		}
		h.keep("") // before it begins: asked for once, whatever ends this process
		var err error
		caught := panics.Try(func() { err = h.config.Rerun(ctx, h.config.Nodes.At(r.node).Name, r.kind) })
		if caught != nil {
			err = caught.AsError()
		}
		end := input{kind: inRerunEnd, node: r.node, at: time.Now(), rerun: r.kind}
		if err != nil && ctx.Err() == nil {
			end.detail = err.Error()
		}
		h.apply(end)
	}
}

// interruptible lets a check be cut short when somebody takes the node's lease,
// until done is called, which says whether that happened.
func (h *Watchdog) interruptible(ctx context.Context, i int) (limited context.Context, done func() (holder string)) {
	limited, stop := context.WithCancelCause(ctx)
	h.mu.Lock()
	h.watchers[i].stop = stop
	h.mu.Unlock()
	return limited, func() string {
		h.mu.Lock()
		h.watchers[i].stop = nil
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
	h.watchers[i].holds = holds
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

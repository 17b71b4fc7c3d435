package arena

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/nodes"
)

const (
	// idlePoll is how often a node is asked whether others still wait for it.
	idlePoll = 250 * time.Millisecond
	// leaseWait is how long a lease that somebody holds is waited for: a
	// repair that is nearly done is.
	leaseWait = 30 * time.Second
	// restoreTries is how often a node is given its model back before it is
	// left to the healer.
	restoreTries = 4
)

// hold is a node that is leased for a tournament.
type hold struct {
	arena *Organizer
	node  *nodes.Node
	lease nodes.Lease
	// saved is what the node served; it is what it gets back.
	saved nodes.Model
	// reloads counts the models that were loaded again because they had gone.
	reloads map[string]int
	// serving is what was loaded last by the tournament, "" where that isn't
	// known.
	serving string
}

// take leases the node, waits until it is out of the route and idle, and notes
// what it serves.
func (a *Organizer) take(ctx context.Context, node *nodes.Node, why string) (*hold, error) {
	if !node.CanLoad() {
		return nil, &nodes.Error{
			Node: node.Name, Action: "tournament", Fault: nodes.ReadOnly,
			Detail: "this engine can't change its model", Remedy: "hold it on a node whose engine can",
		}
	}
	lease, err := a.acquire(ctx, node, why)
	if err != nil {
		return nil, err
	}
	h := &hold{arena: a, node: node, lease: lease, reloads: map[string]int{}}
	h.saved, err = a.serving(ctx, node)
	if err == nil && a.config.Keeper != nil {
		err = a.config.Keeper.Remember(ctx, node, &h.saved)
	}
	if err != nil {
		return nil, errors.Join(err, lease.Release())
	}
	h.quiet(ctx)
	return h, nil
}

// acquire takes the lease, and waits a little for one that is held.
func (a *Organizer) acquire(ctx context.Context, node *nodes.Node, why string) (nodes.Lease, error) {
	holder := nodes.Holder{Name: "jarvis-arena", PID: os.Getpid(), Since: time.Now(), Why: why}
	deadline := time.Now().Add(leaseWait)
	for told := false; ; {
		lease, err := a.config.Leases.Acquire(ctx, node.Name, holder)
		if err == nil || !errors.Is(err, nodes.Leased) {
			return lease, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%w; wait until it is done, or stop it", err)
		}
		if !told {
			a.tell(Event{Node: node.Name, Type: EventWarning, Text: fmt.Sprintf("%s; waiting up to %s", strings.TrimPrefix(err.Error(), node.Name+": "), leaseWait)})
			told = true
		}
		if !sleep(ctx, idlePoll) {
			return nil, fmt.Errorf("%s: %w while waiting for the node (%w)", node.Name, ErrInterrupted, context.Cause(ctx))
		}
	}
}

// serving returns what the node is meant to serve, else what it serves, else
// the champion of the history. Its digest is that of the file on disk.
func (a *Organizer) serving(ctx context.Context, node *nodes.Node) (nodes.Model, error) {
	s, err := node.Probe(ctx)
	if err != nil {
		return nodes.Model{}, err
	}
	if s.ReadOnly {
		return nodes.Model{}, &nodes.Error{
			Node: node.Name, Action: "tournament", Fault: nodes.ReadOnly,
			Detail: "this server can't change its model", Remedy: "hold it on a node that can",
		}
	}
	m, known := node.Wanted, node.Wanted.Name != ""
	if a.config.Keeper != nil {
		kept, ok, err := a.config.Keeper.Serving(ctx, node)
		if err != nil {
			return nodes.Model{}, err
		}
		if ok {
			m, known = kept, true
		}
	}
	if !known {
		if m, known = loadedModel(node, s); !known {
			champion, ok, err := a.config.History.Champion(ctx)
			switch {
			case err != nil:
				return nodes.Model{}, err
			case !ok:
				return nodes.Model{}, &nodes.Error{
					Node: node.Name, Action: "tournament", Fault: nodes.NotLoaded,
					Detail: "nothing is loaded, nothing configured, and the history has no champion",
					Remedy: "load the model that is to be beaten, or name it in the config",
				}
			}
			m = nodes.Model{Name: champion.Model, Settings: loadSettings(node, champion.Config)}
		}
	}
	m.Name, m.Digest = node.Canonical(m.Name), ""
	m.Digest = digestOf(node, s, m.Name)
	return m, nil
}

// loadedModel is what somebody loaded by hand, with its settings as far as the
// engine tells them and takes them back.
func loadedModel(node *nodes.Node, s nodes.Snapshot) (nodes.Model, bool) {
	for _, inst := range s.Loaded {
		if inst.Loading || inst.Stopping || s.LoadedUnknown {
			continue
		}
		return nodes.Model{Name: inst.Model, Settings: loadSettings(node, inst.Settings)}, true
	}
	return nodes.Model{}, false
}

// loadSettings are those that the engine takes at a load.
func loadSettings(node *nodes.Node, all map[string]any) nodes.Settings {
	checker, ok := node.Backend.(nodes.SettingsChecker)
	if !ok {
		return nil
	}
	var settings nodes.Settings
	for name, value := range all {
		if checker.CheckSettings(nodes.Settings{name: value}) == nil {
			if settings == nil {
				settings = nodes.Settings{}
			}
			settings[name] = value
		}
	}
	return settings
}

func digestOf(node *nodes.Node, s nodes.Snapshot, model string) string {
	for _, f := range s.OnDisk {
		if node.Same(f.Name, model) {
			return f.Digest
		}
	}
	return ""
}

// quiet waits until the traffic went elsewhere and what was under way is done.
func (h *hold) quiet(ctx context.Context) {
	if h.arena.config.Quiet != nil {
		if err := h.arena.config.Quiet(ctx, h.node.Name); err != nil {
			h.warn("it may still get traffic: %v", err)
		}
	}
	reporter, ok := h.node.Backend.(nodes.BusyReporter)
	if !ok {
		return
	}
	deadline := time.Now().Add(h.arena.figures.Grace)
	for {
		limited, cancel := context.WithTimeout(ctx, h.node.ProbeTimeout)
		count, err := reporter.InFlight(limited)
		cancel()
		if err != nil || count == 0 {
			return // a server that can't tell is not waited for
		}
		if time.Now().After(deadline) {
			h.warn("%d requests of others are under way: the figures are less sure", count)
			return
		}
		if !sleep(ctx, idlePoll) {
			return
		}
	}
}

func (h *hold) warn(format string, args ...any) {
	h.arena.tell(Event{Node: h.node.Name, Type: EventWarning, Text: fmt.Sprintf(format, args...)})
}

// serve makes a model the only one loaded. A server that doesn't listen is
// waited for, and restarted where the node has a way to.
func (h *hold) serve(ctx context.Context, m nodes.Model, role Role) error {
	h.arena.tell(Event{Node: h.node.Name, Type: EventLoading, Model: m.Name, Role: role, Text: "loading " + m.Name})
	began := time.Now()
	if err := h.ensure(ctx, m); err != nil {
		return err
	}
	h.serving = m.Name
	h.arena.tell(Event{
		Node: h.node.Name, Type: EventLoaded, Model: m.Name, Role: role,
		Text: fmt.Sprintf("%s is loaded (%s)", m.Name, time.Since(began).Round(100*time.Millisecond)),
	})
	return nil
}

func (h *hold) ensure(ctx context.Context, m nodes.Model) error {
	h.serving = ""
	restarted := false
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 200*time.Millisecond, 5*time.Second
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		_, err := h.node.Ensure(ctx, m, nodes.EnsureOptions{})
		switch {
		case err == nil:
			return struct{}{}, nil
		case !absent(err):
			return struct{}{}, backoff.Permanent(err)
		case h.node.Restarter != nil && !restarted:
			restarted = true
			h.warn("the server doesn't answer: restarting it")
			if output, err := h.node.Restarter.Restart(ctx); err != nil {
				return struct{}{}, backoff.Permanent(fmt.Errorf("%w: %s", err, output))
			}
		}
		return struct{}{}, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(h.arena.figures.Patience))
	return err
}

// absent reports whether nobody answers there now, which may pass.
func absent(err error) bool {
	return errors.Is(err, nodes.Refused) || errors.Is(err, nodes.Unreachable) || errors.Is(err, nodes.TimedOut) || errors.Is(err, nodes.Busy)
}

// verify asks up to three questions, first of all those that the model is
// known to answer rightly, of which two thirds must be right again.
func (h *hold) verify(ctx context.Context, m nodes.Model, tasks *suite.Suite, known map[string]bool) error {
	const questions = 3
	ask := asker{h.node, m, h.arena.figures}
	var list []suite.Task
	for _, t := range tasks.Tasks() {
		if known[t.ID] && len(list) < questions {
			list = append(list, t)
		}
	}
	graded := len(list)
	if graded == 0 {
		list = tasks.Tasks()[:1]
	}
	right := 0
	for _, t := range list {
		test, err := ask.ask(ctx, slot{task: t, seed: 1})
		switch {
		case err != nil:
			return err
		case test.Error():
			return &nodes.Error{Node: h.node.Name, Action: "verify " + m.Name, Fault: nodes.Empty, Detail: "it is loaded and does not answer"}
		case test.Passed:
			right++
		}
	}
	if graded > 0 && 3*right < 2*graded {
		return &nodes.Error{
			Node: h.node.Name, Action: "verify " + m.Name, Fault: nodes.Protocol,
			Detail: fmt.Sprintf("%d of %d questions right that it answered before", right, graded),
		}
	}
	return nil
}

// restore gives the node back what it served, and sees that it answers. It
// doesn't end with ctx: a node is not left without its model.
func (h *hold) restore(ctx context.Context, tasks *suite.Suite, known map[string]bool) error {
	ctx = context.WithoutCancel(ctx)
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval = time.Second
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		if err := h.serve(ctx, h.saved, Champion); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, h.verify(ctx, h.saved, tasks, known)
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(restoreTries))
	if err != nil {
		return fmt.Errorf("%s: restore %s: %w; the healer goes on trying, or load it by hand", h.node.Name, h.saved.Name, err)
	}
	h.arena.tell(Event{Node: h.node.Name, Type: EventRestored, Model: h.saved.Name, Role: Champion, Text: h.saved.Name + " serves again"})
	return nil
}

// release ends the hold. What must be on the node is forgotten only where it
// is there.
func (h *hold) release(ctx context.Context, restored bool) error {
	var err error
	if restored && h.arena.config.Keeper != nil {
		err = h.arena.config.Keeper.Remember(context.WithoutCancel(ctx), h.node, nil)
	}
	return errors.Join(err, h.lease.Release())
}

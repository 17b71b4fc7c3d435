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
	"github.com/turbone/jarvis/internal/duration"
	"github.com/turbone/jarvis/nodes"
)

const (
	// idlePoll is the time between two questions whether a lease is free or a
	// node is idle.
	idlePoll = 250 * time.Millisecond
	// leaseWait is how long the lease of another holder is waited for: a repair
	// that is nearly done, for example.
	leaseWait = 30 * time.Second
	// establishTries is how often a node is given the model that is to serve before
	// that is left to the healer.
	establishTries = 4
)

// leasedNode is a node whose lease is held for a tournament.
type leasedNode struct {
	*nodes.Node
	arena *Organizer
	lease nodes.Lease
	// saved is the model that the node served and gets back.
	saved nodes.Model
	// serving is the model that the tournament loaded last, "" if unknown.
	serving string
	// away says that the server was waited for in vain.
	away bool
}

// holder identifies this process as the holder of a lease.
func holder(why string) nodes.Holder {
	return nodes.Holder{Name: "jarvis-arena", PID: os.Getpid(), Since: time.Now(), Why: why}
}

// acquire leases the node, remembers what it serves, and waits until it is out
// of the route and idle.
func (a *Organizer) acquire(ctx context.Context, node *nodes.Node, why string) (*leasedNode, error) {
	if !node.CanLoad() {
		return nil, readOnly(node, "this engine can't change its model")
	}
	lease, err := a.awaitLease(ctx, node, why)
	if err != nil {
		return nil, err
	}
	n := &leasedNode{Node: node, arena: a, lease: lease}
	n.saved, err = a.serving(ctx, node)
	if err == nil && a.config.Keeper != nil {
		err = a.config.Keeper.Remember(ctx, node, &n.saved)
	}
	if err != nil {
		return nil, errors.Join(err, lease.Release())
	}
	n.drain(ctx)
	return n, nil
}

// readOnly is the error for a node that can't change its model.
func readOnly(node *nodes.Node, detail string) error {
	return &nodes.Error{
		Node: node.Name, Action: "tournament", Fault: nodes.ReadOnly, Detail: detail,
		Remedy: "hold it on a node that can",
	}
}

// awaitLease acquires the lease, and waits for one that another holds.
func (a *Organizer) awaitLease(ctx context.Context, node *nodes.Node, why string) (nodes.Lease, error) {
	deadline := time.Now().Add(leaseWait)
	for told := false; ; {
		lease, err := a.config.Leases.Acquire(ctx, node.Name, holder(why))
		if err == nil || !errors.Is(err, nodes.Leased) {
			return lease, err
		}
		if !time.Now().Before(deadline) {
			return nil, fmt.Errorf("%w; wait until it is done, or stop it", err)
		}
		if !told {
			cause := strings.TrimPrefix(err.Error(), node.Name+": ")
			a.emit(Event{Node: node.Name, Type: EventWaiting, Cause: cause, Limit: leaseWait})
			told = true
		}
		if !nodes.Sleep(ctx, idlePoll) {
			return nil, fmt.Errorf("%s: %w while waiting for the node (%w)", node.Name, ErrInterrupted, context.Cause(ctx))
		}
	}
}

// serving returns the model that the node is meant to serve, or else the one
// that is loaded, or else the champion of the history. Its digest is that of the
// file on disk.
func (a *Organizer) serving(ctx context.Context, node *nodes.Node) (nodes.Model, error) {
	s, err := node.Probe(ctx)
	if err != nil {
		return nodes.Model{}, err
	}
	if s.ReadOnly {
		return nodes.Model{}, readOnly(node, "this server can't change its model")
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
					Remedy: "load the model that is to be beaten, or configure it for the node",
				}
			}
			m = nodes.Model{Name: champion.Model, Settings: loadSettings(node, champion.Config)}
		}
	}
	m.Name, m.Digest = node.Canonical(m.Name), ""
	m.Digest = digestOf(node, s, m.Name)
	return m, nil
}

// loadedModel returns the model that is loaded, with those of its settings that
// the engine reports and takes at a load.
func loadedModel(node *nodes.Node, s nodes.Snapshot) (nodes.Model, bool) {
	for _, inst := range s.Loaded {
		if inst.Loading || inst.Stopping || s.LoadedUnknown {
			continue
		}
		return nodes.Model{Name: inst.Model, Settings: loadSettings(node, inst.Settings)}, true
	}
	return nodes.Model{}, false
}

// loadSettings returns the settings that the engine takes at a load.
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

// digestOf returns the digest of a model's file, "" if unknown.
func digestOf(node *nodes.Node, s nodes.Snapshot, model string) string {
	for _, f := range s.OnDisk {
		if node.Same(f.Name, model) {
			return f.Digest
		}
	}
	return ""
}

// drain waits until the node gets no more requests and those in flight are
// done, up to the grace.
func (n *leasedNode) drain(ctx context.Context) {
	if drain := n.arena.config.Drain; drain != nil {
		if err := drain(ctx, n.Name); err != nil {
			n.emit(Event{Type: EventTraffic, Cause: err.Error()})
		}
	}
	reporter, ok := n.Backend.(nodes.BusyReporter)
	if !ok {
		return
	}
	deadline := time.Now().Add(n.arena.figures.Grace)
	for {
		limited, cancel := context.WithTimeout(ctx, n.ProbeTimeout)
		count, err := reporter.InFlight(limited)
		cancel()
		if err != nil || count == 0 {
			return // a server that can't tell is not waited for
		}
		if !time.Now().Before(deadline) {
			n.emit(Event{Type: EventBusy, Count: count})
			return
		}
		if !nodes.Sleep(ctx, idlePoll) {
			return
		}
	}
}

func (n *leasedNode) emit(e Event) {
	e.Node = n.Name
	n.arena.emit(e)
}

// serve makes a model the only one loaded. It waits for a server that is not
// ready, and restarts it if the node has a way to.
func (n *leasedNode) serve(ctx context.Context, m nodes.Model, role Role) error {
	n.emit(Event{Type: EventLoading, Model: m.Name, Role: role})
	return n.place(ctx, m, role)
}

// place is serve without its first event.
func (n *leasedNode) place(ctx context.Context, m nodes.Model, role Role) error {
	n.serving = ""
	took, err := n.ensure(ctx, m)
	if err != nil {
		return err
	}
	n.serving = m.Name
	n.emit(Event{Type: EventLoaded, Model: m.Name, Role: role, Took: took})
	return nil
}

// ensure loads a model, and tries again as [outage] says. It returns how long the
// last try took. A server that was waited for in vain is not waited for again: the
// next call tries once.
func (n *leasedNode) ensure(ctx context.Context, m nodes.Model) (time.Duration, error) {
	o := outage{patience: n.arena.figures.Patience, canRestart: n.Restarter != nil}
	if n.away {
		o.patience = 0
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 200*time.Millisecond, 5*time.Second
	var restarting error
	for told := false; ; {
		began := time.Now()
		_, err := n.Ensure(ctx, m, nodes.EnsureOptions{})
		if err == nil {
			n.away = false
			return time.Since(began), nil
		}
		if ctx.Err() != nil {
			return 0, err
		}
		next := o.after(err, time.Now())
		if !told && next != endWait && !o.since.IsZero() {
			told = true
			n.emit(Event{Type: EventAway, Cause: strings.TrimPrefix(err.Error(), n.Name+": "), Limit: o.patience})
		}
		switch next {
		case giveUp:
			return 0, err
		case endWait:
			n.away = true
			return 0, n.notReady(o.patience, err, restarting)
		case restart:
			n.emit(Event{Type: EventRestarting})
			if output, err := n.Restarter.Restart(ctx); err != nil {
				restarting = fmt.Errorf("%w: %s", err, output)
			}
		}
		if !nodes.Sleep(ctx, o.left(pause.NextBackOff(), time.Now())) {
			return 0, err
		}
	}
}

// notReady returns the error of a server that was waited for in vain, and of its
// restart if that failed.
func (n *leasedNode) notReady(waited time.Duration, err, restarting error) error {
	if waited > 0 {
		err = fmt.Errorf("%w after %s: %w", errAway, duration.Text(waited), err)
	} else {
		err = fmt.Errorf("%w: %w", errAway, err)
	}
	if restarting != nil {
		err = fmt.Errorf("%w; restarting it: %w", err, restarting)
	}
	return err
}

// verify asks up to three questions and requires two thirds of the answers to be
// right, at the second time if not at the first. They are tasks that the model is
// known to pass; if there are none, any answer to the first task will do.
func (n *leasedNode) verify(ctx context.Context, m nodes.Model, tasks *suite.Suite, known map[string]bool) error {
	const questions = 3
	ask := asker{n.Node, m, n.arena.figures}
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
	// Of the models that are right in 85 %, by chance, one in sixteen is wrong twice
	// in three answers: these are asked once more.
	right := 0
	for seed := 1; seed <= 2; seed++ {
		right = 0
		for _, t := range list {
			test, err := ask.ask(ctx, slot{task: t, seed: seed})
			switch {
			case err != nil:
				return err
			case test.Error():
				return &nodes.Error{Node: n.Name, Action: "verify " + m.Name, Fault: nodes.Empty, Detail: errMute.Error(), Err: errMute}
			case test.Passed:
				right++
			}
		}
		if graded == 0 || 3*right >= 2*graded {
			return nil
		}
	}
	return &nodes.Error{
		Node: n.Name, Action: "verify " + m.Name, Fault: nodes.Protocol,
		Detail: fmt.Sprintf("%d of %d questions right that it answered before", right, graded),
	}
}

// establish loads and verifies a model, again after an error that may pass.
func (n *leasedNode) establish(ctx context.Context, m nodes.Model, r Role, passes func(error) bool, tasks *suite.Suite, known map[string]bool) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval = time.Second
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		var err error
		if n.serving != m.Name {
			err = n.place(ctx, m, r)
		}
		if err == nil {
			err = n.verify(ctx, m, tasks, known)
		}
		if err != nil {
			n.serving = ""
			if !passes(err) {
				err = backoff.Permanent(err)
			}
		}
		return struct{}{}, err
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(establishTries))
	return err
}

// restore gives the node back what it served, and verifies it. It does not end
// with ctx: a node is not left without its model.
func (n *leasedNode) restore(ctx context.Context, tasks *suite.Suite, known map[string]bool) error {
	ctx = context.WithoutCancel(ctx)
	n.serving = "" // whatever happened since, the node is asked
	n.emit(Event{Type: EventLoading, Model: n.saved.Name, Role: Champion})
	err := n.establish(ctx, n.saved, Champion, func(err error) bool { return !errors.Is(err, errAway) }, tasks, known)
	if err != nil {
		return fmt.Errorf("%s: restore %s: %w; the healer goes on trying, or load it by hand", n.Name, n.saved.Name, err)
	}
	n.emit(Event{Type: EventRestored, Model: n.saved.Name, Role: Champion})
	return nil
}

// release releases the lease. The keeper forgets what must be on the node only
// if it is there.
func (n *leasedNode) release(ctx context.Context, intact bool) error {
	var err error
	if intact && n.arena.config.Keeper != nil {
		err = n.arena.config.Keeper.Remember(context.WithoutCancel(ctx), n.Node, nil)
	}
	return errors.Join(err, n.lease.Release())
}

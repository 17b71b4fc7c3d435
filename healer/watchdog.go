package healer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/route"
)

// Config is what a [Watchdog] is made of.
type Config struct {
	// Nodes is the cluster.
	Nodes *nodes.Set
	// Fallback names the nodes in the order in which they take the traffic;
	// nodes that it leaves out come last. Nil is the set's order.
	Fallback []string
	// Policy holds the figures; a zero field means its default.
	Policy Policy
	// StateFile survives a restart; "" keeps nothing.
	StateFile string
	// Leases are asked before a node is touched; nil means that nobody else
	// works on these nodes.
	Leases nodes.Leases
	// Route is told who serves; nil makes one, see [Watchdog.Route].
	Route *route.Table
	// Sinks take the events.
	Sinks []Sink
	// Champion is asked for the winner of the latest tournament by
	// [Watchdog.Status]; nil means that there is none. An error is shown as
	// none.
	Champion func(context.Context) (*Champion, error)
	// Rerun is called for what OnRegression asks for: a run or a tournament on
	// a node, which takes the node's lease. It is called for one node at a time,
	// while no node is under repair and another one serves, at most once for
	// each alarm. It blocks until that is done, or ctx ended. Nil means that
	// nobody can.
	Rerun        func(ctx context.Context, node string, kind Rerun) error
	OnRegression OnRegression
	// Version is shown in the status.
	Version string
}

// Watchdog keeps a cluster serving. Make one with [New] and call Run once; the
// other methods are safe for concurrent use, before, during and after Run.
type Watchdog struct {
	config  Config
	route   *route.Table
	leases  nodes.Leases
	store   store
	events  *broadcast
	started time.Time
	stopped chan struct{} // closed when Run has ended
	reruns  chan planRerun

	pollEvery time.Duration

	mu       sync.Mutex
	fleet    *fleet
	watchers []watcher
	version  uint64 // of the kept state
	alive    time.Time
	running  bool
}

// New checks the configuration and reads the state file. An unreadable state
// file is set aside and told as an event.
func New(c Config) (*Watchdog, error) {
	if c.StateFile == "" {
		return newHealer(c, nil)
	}
	return newHealer(c, file{c.StateFile})
}

func newHealer(c Config, m medium) (*Watchdog, error) {
	if c.Nodes == nil || c.Nodes.Len() == 0 {
		return nil, fmt.Errorf("healer: no nodes given")
	}
	if err := c.Policy.Validate(); err != nil {
		return nil, fmt.Errorf("healer: policy: %w", err)
	}
	c.Policy = c.Policy.filled()
	order, err := fallbackOrder(c.Nodes, c.Fallback)
	if err != nil {
		return nil, fmt.Errorf("healer: %w", err)
	}
	started := time.Now()
	h := &Watchdog{
		config: c, leases: c.Leases, route: c.Route, started: started, stopped: make(chan struct{}), reruns: make(chan planRerun, 1),
		events: newBroadcast(c.Sinks, started), pollEvery: pollEvery,
	}
	h.store = store{medium: m, take: h.take}
	if h.leases == nil {
		h.leases = &nodes.MemoryLeases{}
	}
	if h.route == nil {
		list := make([]*nodes.Node, len(order))
		for rank, i := range order {
			list[rank] = c.Nodes.At(i)
		}
		h.route = route.New(list...)
	}
	saved, warning, err := h.store.load(h.started)
	if err != nil {
		return nil, fmt.Errorf("healer: %w", err)
	}
	if warning != "" {
		h.warn(RuleStateWarning, "", warning)
	}
	states := make([]nodeState, c.Nodes.Len())
	kept := map[int]persisted{}
	for i, n := range c.Nodes.All() {
		states[i] = newNodeState(n)
		if k, ok := saved[n.Name]; ok {
			kept[i] = k
		}
	}
	h.fleet = newFleet(c.Policy, states, order)
	h.fleet.onRegression, h.fleet.canRerun = c.OnRegression, c.Rerun != nil
	h.watchers = make([]watcher, len(states))
	for i := range h.watchers {
		h.watchers[i].wake = make(chan struct{}, 1)
	}
	h.step(input{kind: inStart, at: h.started, kept: kept})
	h.route.OnFailure(h.requestFailed)
	return h, nil
}

func newNodeState(n *nodes.Node) nodeState {
	wanted := n.Wanted
	wanted.Name = n.Canonical(wanted.Name)
	return nodeState{
		traits: traits{
			name: n.Name, wanted: wanted, canLoad: n.CanLoad(), canRestart: n.Restarter != nil,
			onDemand: n.OnDemand, same: n.Same, canonical: n.Canonical,
		},
		state: Unknown,
	}
}

// fallbackOrder turns names into places in the set, and adds who is not named.
func fallbackOrder(set *nodes.Set, names []string) ([]int, error) {
	order := make([]int, 0, set.Len())
	seen := make([]bool, set.Len())
	for _, name := range names {
		i, ok := set.Index(name)
		switch {
		case !ok:
			return nil, fmt.Errorf("fallback: %q is no node", name)
		case seen[i]:
			return nil, fmt.Errorf("fallback: %q is named twice", name)
		}
		seen[i] = true
		order = append(order, i)
	}
	for i := range set.Len() {
		if !seen[i] {
			order = append(order, i)
		}
	}
	return order, nil
}

// Route tells who serves now. Programs that send requests themselves pick
// their node there, and tell it how the request goes.
func (h *Watchdog) Route() *route.Table { return h.route }

// Run watches and heals until ctx ends, and then stops cleanly: checks are cut
// short, and a repair under way is carried on until its node has a model that
// answers, or is given up on. It returns when every goroutine has ended and
// every event has been handed to the sinks.
func (h *Watchdog) Run(ctx context.Context) error {
	h.mu.Lock()
	h.running = true
	h.mu.Unlock()
	defer close(h.stopped)
	var dispatcher conc.WaitGroup
	stop := make(chan struct{})
	dispatcher.Go(func() { h.events.run(stop) })

	var watchers conc.WaitGroup
	spread := h.spread()
	for i := range h.config.Nodes.Len() {
		watchers.Go(func() { h.watch(ctx, i, time.Duration(i)*spread) })
	}
	watchers.Go(func() { h.poll(ctx) })
	watchers.Go(func() { h.rerun(ctx) })
	watchers.Wait()
	err := h.save()
	close(stop)
	dispatcher.Wait()
	return err
}

// spread is the pause between the first probes of two nodes: none in a small
// cluster, and enough in a large one for its probes not to come all at once,
// every interval, for ever.
func (h *Watchdog) spread() time.Duration {
	n := h.config.Nodes.Len()
	if n <= 16 {
		return 0
	}
	return min(2*time.Millisecond, h.config.Policy.Interval/time.Duration(2*n))
}

// watch does the operations on one node until ctx ends and no repair is under
// way. What happens to the node meanwhile is applied between two of them.
func (h *Watchdog) watch(ctx context.Context, i int, delay time.Duration) {
	w := worker{healer: h, index: i, node: h.config.Nodes.At(i)}
	defer w.release()
	next := op{kind: opProbe, at: time.Now().Add(delay)}
	for {
		repairing := h.underRepair(i)
		woken, ok := rest(ctx, next.at, h.watchers[i].wake)
		switch {
		case !ok && !repairing:
			return
		case !ok: // stopping: the repair goes on, without its longer pauses
			pause(context.WithoutCancel(ctx), min(time.Until(next.at), awaitPoll))
		case woken || h.waits(i):
			h.applyWaiting(ctx, i)
			next = h.planned(i, next)
			continue
		}
		in, ok := w.do(ctx, next, repairing)
		if !ok {
			return
		}
		next = h.report(i, in)
		if !h.underRepair(i) && !next.changes() {
			w.release()
		}
	}
}

// pause waits, and returns false when ctx ended meanwhile or before.
func pause(ctx context.Context, d time.Duration) bool {
	return nodes.Sleep(ctx, d)
}

func (h *Watchdog) underRepair(i int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fleet.nodes[i].state.UnderRepair()
}

// report applies the result of an operation, and returns the next one.
func (h *Watchdog) report(i int, in input) op {
	h.refresh()
	h.takeOutcomes(i)
	in.node = i
	h.apply(in)
	return h.planned(i, op{kind: opProbe, at: in.at})
}

// planned returns the operation that the node waits for, before its first result
// the given one.
func (h *Watchdog) planned(i int, first op) op {
	h.mu.Lock()
	defer h.mu.Unlock()
	if next := h.fleet.nodes[i].next; next.kind != "" {
		return next
	}
	return first
}

// apply is the only way in which anything changes the state: it makes a step,
// does at once what can't wait, saves what must be saved before the operations,
// and wakes the watchers that have new ones.
func (h *Watchdog) apply(in input) {
	if !h.step(in).save {
		return
	}
	name := "" // of no node in particular
	if in.kind.isResult() {
		name = h.config.Nodes.At(in.node).Name
	}
	h.keep(name)
}

// step is apply without saving, for inputs that come while the state is written.
func (h *Watchdog) step(in input) ready {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := h.fleet.step(in)
	if out.save {
		h.version++
	}
	for _, r := range out.routing {
		if r.model != "" {
			h.route.SetModel(r.node, r.model)
		}
		if r.answered {
			h.route.Reinstate(r.node)
		}
		h.route.Serve(r.node, r.serves)
	}
	for _, e := range out.events {
		h.events.add(e) // inside the lock: the order of the events is that of the steps
	}
	for _, p := range out.ops {
		if !in.kind.isResult() || p.node != in.node { // the watcher that reports is awake
			h.watchers[p.node].rouse()
		}
	}
	if out.rerun != nil {
		h.reruns <- *out.rerun // there is room for the one that may be under way
	}
	for _, i := range out.checked {
		h.watchers[i].answerChecks(h.nodeStatus(i))
	}
	return out
}

// warn tells of trouble of the healer itself.
func (h *Watchdog) warn(r Rule, node, text string) {
	h.events.add(Event{Time: time.Now(), Node: node, Type: EventDegraded, Rule: r, Detail: text})
}

// Tell adds an event of the program around the healer to its own. The facts of
// such an event are its type and node, and its sentence is Detail. It does not
// block, whatever the sinks do.
func (h *Watchdog) Tell(e Event) { h.events.add(e) }

// save makes the state file as new as the state is now.
func (h *Watchdog) save() error {
	h.mu.Lock()
	version := h.version
	h.mu.Unlock()
	warning, err := h.store.save(version, func() (map[string]persisted, uint64) {
		h.mu.Lock()
		defer h.mu.Unlock()
		list := make(map[string]persisted, len(h.fleet.nodes))
		for _, n := range h.fleet.nodes {
			list[n.name] = n.kept
		}
		return list, h.version
	})
	if warning != "" {
		h.warn(RuleStateWarning, "", warning)
	}
	return err
}

// keep saves the state, and tells where that fails.
func (h *Watchdog) keep(node string) {
	if err := h.save(); err != nil {
		h.warn(RuleStateWarning, node, err.Error())
	}
}

// refresh takes over what other processes wrote into the state file.
func (h *Watchdog) refresh() {
	h.mu.Lock()
	version := h.version
	h.mu.Unlock()
	if err := h.store.refresh(); err != nil {
		h.warn(RuleStateWarning, "", err.Error())
	}
	h.mu.Lock()
	changed := h.version != version
	h.mu.Unlock()
	if changed {
		h.keep("")
	}
}

// take applies what other processes changed of what is kept. The store's lock is
// held, so that nothing can be saved here.
func (h *Watchdog) take(changed map[string]persisted) {
	in := input{kind: inState, at: time.Now(), kept: map[int]persisted{}, usual: map[int]time.Duration{}}
	for name, k := range changed {
		i, ok := h.config.Nodes.Index(name)
		if !ok {
			continue
		}
		in.kept[i] = k
		if k.Trial != nil {
			all, _ := h.route.Outcomes(name, 0)
			in.usual[i] = usual(all, k.Trial.Since)
		}
	}
	h.step(in)
}

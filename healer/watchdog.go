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

// Config configures a [Watchdog].
type Config struct {
	// Nodes is the cluster.
	Nodes *nodes.Set
	// Fallback names the nodes in the order in which they take the traffic. Nodes
	// that are not in it come last. Nil means the order of Nodes.
	Fallback []string
	// Policy holds the figures; a zero field means its default.
	Policy Policy
	// StateFile is the path of the state that survives a restart; "" keeps none.
	StateFile string
	// Leases are asked before every operation on a node. Nil means that no other
	// program works on these nodes.
	Leases nodes.Leases
	// Route is the table of the nodes that serve; nil makes one, see
	// [Watchdog.Route].
	Route *route.Table
	// Sinks receive the events.
	Sinks []Sink
	// Champion returns the winner of the latest tournament, for
	// [Watchdog.Status]. Nil, and an error, mean that there is none.
	Champion func(context.Context) (*Champion, error)
	// Rerun makes the run or holds the tournament that OnRegression asks for,
	// under the node's lease, and blocks until it is done or ctx ends. It is
	// called for one node at a time, while no node is under repair and another
	// node serves, and at most once for each alarm. Nil means that none is made.
	Rerun        func(ctx context.Context, node string, kind Rerun) error
	OnRegression OnRegression
	// Version is shown in the status.
	Version string
}

// Watchdog is a [Healer] that watches and repairs the nodes itself. Make one with
// [New].
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

// New checks the configuration and reads the state file. An unreadable state file
// is renamed, and an event says so.
func New(c Config) (*Watchdog, error) {
	if c.StateFile == "" {
		return newHealer(c, nil)
	}
	return newHealer(c, file{c.StateFile})
}

func newHealer(c Config, m medium) (*Watchdog, error) {
	h, err := assemble(c, m)
	if err != nil {
		return nil, err
	}
	saved, warning, err := h.store.load(h.started)
	if err != nil {
		return nil, fmt.Errorf("healer: %w", err)
	}
	if warning != "" {
		h.warn(RuleStateWarning, "", warning)
	}
	h.begin(saved)
	return h, nil
}

// assemble checks the configuration, and makes a watchdog that has not begun. The
// medium is not read.
func assemble(c Config, m medium) (*Watchdog, error) {
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
	states := make([]nodeState, c.Nodes.Len())
	for i, n := range c.Nodes.All() {
		states[i] = newNodeState(n)
	}
	h.fleet = newFleet(c.Policy, states, order)
	h.fleet.onRegression, h.fleet.canRerun = c.OnRegression, c.Rerun != nil
	h.watchers = make([]watcher, len(states))
	for i := range h.watchers {
		h.watchers[i].wake = make(chan struct{}, 1)
	}
	return h, nil
}

// begin takes over what was saved of the nodes, by name.
func (h *Watchdog) begin(saved map[string]persisted) {
	kept := map[int]persisted{}
	for i, n := range h.config.Nodes.All() {
		if k, ok := saved[n.Name]; ok {
			kept[i] = k
		}
	}
	h.step(input{kind: inStart, at: h.started, kept: kept})
	h.route.OnFailure(h.requestFailed)
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

// fallbackOrder returns the places of the names in the set, and then those of the
// other nodes.
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

// Route returns the table of the nodes that serve. A program that sends requests
// itself picks its node there, and reports how the request went.
func (h *Watchdog) Route() *route.Table { return h.route }

// Run implements [Healer]. When ctx ends, checks are cut short, and a repair under
// way continues until its node has a model that answers or is given up on. Run
// returns when every goroutine has ended and every event was passed to the sinks.
// The error is that of the last write of the state file.
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

// spread returns the pause between the first probes of two nodes. It is zero in a
// small cluster; in a large one it keeps the probes from coming all at once, every
// interval.
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
		h.route.SetSleeps(r.node, r.sleeps)
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

// save writes the state file, unless it is up to date.
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

// keep saves the state. An error becomes an event.
func (h *Watchdog) keep(node string) {
	if err := h.save(); err != nil {
		h.warn(RuleStateWarning, node, err.Error())
	}
}

// refresh applies what other processes wrote into the state file.
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

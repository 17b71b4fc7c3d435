package healer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/turbone/jarvis/nodes"
)

// simServer is an engine in memory: it takes virtual time, fails in every way
// that a healer can see, and writes down what must never happen.
type simServer struct {
	name string

	mu      sync.Mutex
	loaded  []nodes.Instance
	files   []nodes.File
	faults  map[simFault]bool
	loading int
	leased  bool
	gpuLost bool
	broken  []string // rules that were broken
	lastOp  string

	attempts []simAttempt // repairs, by when they began
	answers  []time.Time  // when it answered a chat

	answerTime, loadTime time.Duration
	startTime            time.Duration // after a restart it says that it is busy
	ready                time.Time
	inRoute              func() bool
	underRepair          func() int
	rollingBack          func() bool
	mayRepair            int
}

type simFault string

const (
	simDown      simFault = "down"       // the process is gone; a restart brings it back
	simHostDown  simFault = "host down"  // nothing helps but time
	simHung      simFault = "hung"       // accepts, answers nothing; a restart helps
	simWedged    simFault = "wedged"     // lists answer, chats don't; a reload helps
	simCrashed   simFault = "crashed"    // chats fail; a reload helps
	simStuck     simFault = "stuck"      // wedged, and a reload doesn't help; a restart does
	simErrors    simFault = "errors"     // 500 to everything, for a while
	simLoadFails simFault = "load fails" // for a while
	simNoKey     simFault = "401"        // for a while
	simBusy      simFault = "busy"       // for a while
	simWrong     simFault = "wrong"      // wrong answers; a reload helps
	simBad       simFault = "bad"        // the wanted model is bad, whatever is done, for a while
)

const (
	simModel = "good"
	simOther = "other"
)

func newSimServer(name string) *simServer {
	s := &simServer{name: name, faults: map[simFault]bool{}, answerTime: 200 * time.Millisecond, loadTime: 9 * time.Second}
	s.files = []nodes.File{{Name: simModel, Size: 1 << 30, Digest: "d-good"}, {Name: simOther, Size: 1 << 30, Digest: "d-other"}}
	s.loaded = []nodes.Instance{simInstance(simModel)}
	s.inRoute = func() bool { return false }
	s.underRepair = func() int { return 0 }
	s.rollingBack = func() bool { return false }
	return s
}

func simInstance(model string) nodes.Instance {
	return nodes.Instance{ID: model, Model: model, Digest: "d-" + model}
}

func (s *simServer) set(f simFault, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[f] = on
	if on && (f == simDown || f == simHostDown) {
		s.loaded = nil
	}
}

func (s *simServer) has(f ...simFault) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hasLocked(f...)
}

func (s *simServer) hasLocked(f ...simFault) bool {
	return slices.ContainsFunc(f, func(f simFault) bool { return s.faults[f] })
}

func (s *simServer) starting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.ready)
}

func (s *simServer) drop(models ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded = nil
	for _, m := range models {
		s.loaded = append(s.loaded, simInstance(m))
	}
}

func (s *simServer) broke(format string, args ...any) {
	s.broken = append(s.broken, s.name+": "+fmt.Sprintf(format, args...))
}

// reach is what every request to the server begins with.
func (s *simServer) reach(ctx context.Context, action string) error {
	fail := func(f nodes.Fault) error { return &nodes.Error{Node: s.name, Action: action, Fault: f} }
	switch {
	case s.has(simDown, simHostDown):
		return fail(nodes.Refused)
	case s.has(simHung):
		<-ctx.Done()
		return fail(nodes.TimedOut)
	case s.has(simNoKey):
		return fail(nodes.Unauthorized)
	case s.has(simErrors):
		return fail(nodes.ServerFailed)
	case s.starting():
		return fail(nodes.Busy)
	}
	return nil
}

func (s *simServer) Probe(ctx context.Context) (nodes.Snapshot, error) {
	if err := s.reach(ctx, "probe"); err != nil {
		return nodes.Snapshot{}, err
	}
	if !pause(ctx, 5*time.Millisecond) {
		return nodes.Snapshot{}, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return nodes.Snapshot{OnDisk: slices.Clone(s.files), Loaded: slices.Clone(s.loaded)}, nil
}

func (s *simServer) Chat(ctx context.Context, req nodes.ChatRequest) (nodes.ChatReply, error) {
	s.mu.Lock()
	if s.leased {
		s.broke("asked under somebody else's lease")
	}
	s.mu.Unlock()
	fail := func(f nodes.Fault) (nodes.ChatReply, error) {
		return nodes.ChatReply{}, &nodes.Error{Node: s.name, Action: "chat", Fault: f}
	}
	if err := s.reach(ctx, "chat"); err != nil {
		return nodes.ChatReply{}, err
	}
	if s.has(simWedged, simStuck) {
		wait, cancel := context.WithTimeout(ctx, max(req.FirstToken, time.Second))
		defer cancel()
		<-wait.Done()
		return fail(nodes.TimedOut)
	}
	switch {
	case s.has(simBusy):
		return fail(nodes.Busy)
	case s.has(simCrashed):
		return fail(nodes.Crashed)
	}
	if !pause(ctx, s.answerTime) {
		return nodes.ChatReply{}, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.loaded, func(i nodes.Instance) bool { return i.Model == req.Model }) {
		return fail(nodes.NotLoaded)
	}
	s.answers = append(s.answers, time.Now())
	reply := nodes.ChatReply{Model: req.Model, Tokens: 1, Text: "banana"}
	if s.faults[simWrong] || s.faults[simBad] && req.Model == simModel {
		return reply, nil
	}
	for _, q := range DefaultQuestions() {
		if strings.Contains(req.Messages[0].Text, q.Prompt) {
			reply.Text = q.Expect
		}
	}
	return reply, nil
}

func (s *simServer) Load(ctx context.Context, m nodes.Model) (nodes.Instance, error) {
	if err := s.begin("load", false); err != nil {
		return nodes.Instance{}, err
	}
	defer func() {
		s.mu.Lock()
		s.loading--
		s.mu.Unlock()
	}()
	if err := s.reach(ctx, "load"); err != nil {
		return nodes.Instance{}, err
	}
	back := s.rollingBack()
	s.mu.Lock()
	s.attempts[len(s.attempts)-1].rollback = back
	s.mu.Unlock()
	if !pause(ctx, s.loadTime) {
		return nodes.Instance{}, ctx.Err()
	}
	if err := s.reach(ctx, "load"); err != nil {
		return nodes.Instance{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults[simLoadFails] {
		return nodes.Instance{}, &nodes.Error{Node: s.name, Action: "load", Fault: nodes.LoadFailed}
	}
	for _, f := range []simFault{simWedged, simCrashed, simWrong} {
		delete(s.faults, f)
	}
	inst := simInstance(m.Name)
	if s.gpuLost {
		inst.Size = 100
	}
	s.loaded = append(s.loaded, inst)
	return inst, nil
}

// repairs returns how many repairs were begun.
func (s *simServer) repairs() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.attempts)
}

// begin writes down a change of the node, and what it breaks.
func (s *simServer) begin(action string, unload bool) error {
	count := s.underRepair()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case count > s.mayRepair && s.mayRepair > 0:
		s.broke("%d nodes under repair at once, not %d", count, s.mayRepair)
	case s.leased:
		s.broke("%s under somebody else's lease", action)
	case action == "load" && s.loading > 0:
		s.broke("two loads at once")
	case action == "load" && len(s.loaded) > 0:
		s.broke("load while %s is loaded", s.loaded[0].Model)
	case unload && s.lastOp == "unload":
		// several instances
	case s.lastOp == "unload" && action != "load" && !s.hasLocked(simDown, simHostDown, simHung, simErrors, simNoKey):
		s.broke("%s follows an unload", action)
	}
	if action == "load" {
		s.loading++
	}
	if action == "restart" || action == "unload" && s.lastOp != "unload" || action == "load" && s.lastOp == "load" || s.lastOp == "" {
		s.attempts = append(s.attempts, simAttempt{began: time.Now()})
	}
	s.lastOp = action
	return nil
}

// simAttempt is one repair: a restart and a load, or an unload and a load, or
// a load.
type simAttempt struct {
	began    time.Time
	rollback bool
}

func (s *simServer) Unload(ctx context.Context, id string) error {
	if err := s.reach(ctx, "unload"); err != nil {
		return err
	}
	s.mu.Lock()
	extra := 0
	for _, i := range s.loaded {
		if i.ID != id && i.Model == strings.TrimSuffix(id, ":2") {
			extra++
		}
	}
	s.mu.Unlock()
	if extra == 0 { // not the second instance of one that stays
		if s.inRoute() {
			s.mu.Lock()
			s.broke("unloaded %s in the route", id)
			s.mu.Unlock()
		}
		if err := s.begin("unload", true); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded = slices.DeleteFunc(s.loaded, func(i nodes.Instance) bool { return i.ID == id })
	return nil
}

// Restart plays the restart command.
func (s *simServer) Restart(ctx context.Context) (string, error) {
	if err := s.begin("restart", false); err != nil {
		return "", err
	}
	if s.inRoute() {
		s.mu.Lock()
		s.broke("restarted in the route")
		s.mu.Unlock()
	}
	if !pause(ctx, 3*time.Second) {
		return "", ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults[simHostDown] {
		return "", &nodes.Error{Node: s.name, Action: "restart", Fault: nodes.RestartFailed}
	}
	s.loaded = nil
	s.lastOp = "restart"
	s.ready = time.Now().Add(s.startTime)
	for _, f := range []simFault{simDown, simHung, simWedged, simCrashed, simStuck, simWrong} {
		delete(s.faults, f)
	}
	return "", nil
}

// node makes a node of the server.
func (s *simServer) node(canRestart bool) *nodes.Node {
	n := nodes.Node{Name: s.name, Engine: "sim", Backend: s, Wanted: nodes.Model{Name: simModel}, ProbeTimeout: 5 * time.Second}
	if canRestart {
		n.Restarter = s
	}
	made, err := nodes.New(n)
	if err != nil {
		panic(err)
	}
	return made
}

// watchedBy lets the server hold the healer to its rules.
func (s *simServer) watchedBy(h *Watchdog) {
	s.inRoute = func() bool { return h.Route().Serves(s.name) }
	s.underRepair = h.countUnderRepair
	i, _ := h.config.Nodes.Index(s.name)
	s.rollingBack = func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.fleet.nodes[i].state == RollingBack
	}
	s.mayRepair = h.config.Policy.repairsAtOnce(h.config.Nodes.Len())
}

// simCluster is a healer at work on servers in memory, inside a bubble of
// virtual time.
type simCluster struct {
	t       *testing.T
	servers []*simServer
	nodes   []*nodes.Node
	leases  *nodes.MemoryLeases
	events  *recorder
	policy  Policy
	state   string
	healer  *Watchdog
	stop    func()

	rerun        func(context.Context, string, Rerun) error
	onRegression OnRegression
	oneByOne     bool // the leases can't tell of all at once
}

// newSimCluster makes servers M1, M2, …; canRestart says which have a restart
// command.
func newSimCluster(t *testing.T, canRestart ...bool) *simCluster {
	c := &simCluster{t: t, leases: &nodes.MemoryLeases{}, events: &recorder{}, policy: DefaultPolicy()}
	for i, can := range canRestart {
		s := newSimServer(fmt.Sprintf("M%d", i+1))
		c.servers = append(c.servers, s)
		c.nodes = append(c.nodes, s.node(can))
	}
	return c
}

// start runs the healer until the test or stop ends it, and waits until every
// node has been looked at.
func (c *simCluster) start() {
	c.t.Helper()
	set, err := nodes.NewSet(c.nodes...)
	if err != nil {
		c.t.Fatal(err)
	}
	leases := nodes.Leases(c.leases)
	if c.oneByOne {
		leases = struct{ nodes.Leases }{c.leases}
	}
	c.healer, err = New(Config{
		Nodes: set, Policy: c.policy, Leases: leases, StateFile: c.state, Sinks: []Sink{c.events},
		Rerun: c.rerun, OnRegression: c.onRegression,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, s := range c.servers {
		s.watchedBy(c.healer)
	}
	ctx, cancel := context.WithCancel(c.t.Context())
	var running conc.WaitGroup
	running.Go(func() {
		if err := c.healer.Run(ctx); err != nil {
			c.t.Errorf("Run: %v", err)
		}
	})
	var once sync.Once
	c.stop = func() { once.Do(func() { cancel(); running.Wait() }) }
	time.Sleep(2 * time.Second)
}

// end stops the healer and reports what was broken.
func (c *simCluster) end() {
	c.t.Helper()
	c.stop()
	for _, s := range c.servers {
		for _, text := range s.broken {
			c.t.Error(text)
		}
	}
	if c.t.Failed() {
		c.t.Log("\n" + c.events.text())
	}
}

func (c *simCluster) node(name string) NodeStatus {
	for _, n := range c.healer.Now().Nodes {
		if n.Name == name {
			return n
		}
	}
	return NodeStatus{}
}

// until waits for an event and returns how long it took from a time.
func (c *simCluster) until(node string, t EventType, from time.Time, limit time.Duration) (Event, time.Duration) {
	c.t.Helper()
	for time.Since(from) <= limit {
		if e, ok := c.events.first(node, t, from); ok {
			return e, e.Time.Sub(from)
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.t.Fatalf("%s: no %s event within %s:\n%s", node, t, limit, c.events.text())
	return Event{}, 0
}

// recorder is a sink that keeps everything.
type recorder struct {
	mu     sync.Mutex
	events []Event
}

func (r *recorder) Emit(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) all() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

func (r *recorder) text() string {
	var b strings.Builder
	for _, e := range r.all() {
		fmt.Fprintf(&b, "%s %-13s %s\n", e.Time.Format("15:04:05.000"), e.Type, e)
	}
	return b.String()
}

// first returns the first event of a type on a node at or after a time.
func (r *recorder) first(node string, t EventType, after time.Time) (Event, bool) {
	for _, e := range r.all() {
		if e.Node == node && e.Type == t && !e.Time.Before(after) {
			return e, true
		}
	}
	return Event{}, false
}

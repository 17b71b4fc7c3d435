package healer_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
)

// generous is how long a test waits for what must come, however slow the machine.
const generous = 2 * time.Minute

// quickPolicy is the default policy with its times a hundredth or so: faults
// are seen and healed in seconds of real time.
func quickPolicy() healer.Policy {
	p := healer.DefaultPolicy()
	p.Interval = 500 * time.Millisecond
	p.RetryAfter = 100 * time.Millisecond
	p.Grace = 200 * time.Millisecond
	p.CanaryEvery = 500 * time.Millisecond
	p.CanaryTimeout = 2 * time.Second
	p.QuestionTimeout = 4 * time.Second
	p.QuestionsEvery = time.Second
	p.BackoffInitial = 100 * time.Millisecond
	p.BackoffMax = time.Second
	p.Settle = time.Second
	p.RestartWait = 10 * time.Second
	return p
}

// cluster is a healer at work on servers, in real time.
type cluster struct {
	t      *testing.T
	list   []*nodes.Node
	policy healer.Policy
	state  string
	leases nodes.Leases

	healer *healer.Watchdog
	stop   func()

	mu     sync.Mutex
	events []healer.Event
	marked time.Time
	more   chan struct{}
}

func newCluster(t *testing.T, list ...*nodes.Node) *cluster {
	t.Helper()
	return &cluster{
		t: t, list: list, policy: quickPolicy(), more: make(chan struct{}),
		state: filepath.Join(t.TempDir(), "state.json"), leases: &nodes.MemoryLeases{},
	}
}

// Emit implements healer.Sink.
func (c *cluster) Emit(e healer.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, e)
	close(c.more)
	c.more = make(chan struct{})
}

// start runs the healer and waits until every node is healthy.
func (c *cluster) start() {
	c.t.Helper()
	c.run()
	for _, n := range c.list { // on a slow machine after a suspicion, so that no event is sure to come
		c.until(n.Name+" is healthy", generous, func() bool { return c.status(n.Name).State == healer.Healthy })
	}
}

// run runs the healer until stop, or the test's end.
func (c *cluster) run() {
	c.t.Helper()
	set, err := nodes.NewSet(c.list...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.healer, err = healer.New(healer.Config{
		Nodes: set, Policy: c.policy, StateFile: c.state, Leases: c.leases, Sinks: []healer.Sink{c},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running conc.WaitGroup
	running.Go(func() {
		if err := c.healer.Run(ctx); err != nil {
			c.t.Errorf("Run: %v", err)
		}
	})
	var once sync.Once
	c.stop = func() { once.Do(func() { cancel(); running.Wait() }) }
	c.t.Cleanup(func() {
		c.stop()
		if c.t.Failed() {
			c.t.Log("events:\n" + c.story())
		}
	})
}

// settle waits until the node has a last known good model.
func (c *cluster) settle(node string) {
	c.t.Helper()
	c.until(node+" is known good", generous, func() bool { return c.status(node).LastKnownGood != nil })
}

// until waits for a condition, looked at after each event and now and then.
func (c *cluster) until(what string, limit time.Duration, ok func() bool) {
	c.t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			c.t.Fatalf("not within %s: %s", limit, what)
		case <-tick.C:
		}
	}
}

func (c *cluster) status(node string) healer.NodeStatus {
	all := c.healer.Now().Nodes
	i := slices.IndexFunc(all, func(n healer.NodeStatus) bool { return n.Name == node })
	if i < 0 {
		c.t.Fatalf("no node %s", node)
	}
	return all[i]
}

// mark forgets the events so far. Call it just before a fault.
func (c *cluster) mark() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events, c.marked = nil, time.Now()
}

// wait waits for an event since the last mark.
func (c *cluster) wait(node string, t healer.EventType, limit time.Duration) healer.Event {
	c.t.Helper()
	deadline := time.After(limit)
	for {
		c.mu.Lock()
		more := c.more
		i := slices.IndexFunc(c.events, func(e healer.Event) bool { return e.Node == node && e.Type == t })
		if i >= 0 {
			e := c.events[i]
			c.mu.Unlock()
			return e
		}
		c.mu.Unlock()
		select {
		case <-deadline:
			c.t.Fatalf("%s: no %s event within %s", node, t, limit)
		case <-more:
		}
	}
}

// texts returns what was told of a node, by type, since the last mark.
func (c *cluster) texts(node string, types ...healer.EventType) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, e := range c.events {
		if e.Node == node && slices.Contains(types, e.Type) {
			out = append(out, e.Text())
		}
	}
	return out
}

// story is all events since the last mark, a line each.
func (c *cluster) story() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for _, e := range c.events {
		fmt.Fprintf(&b, "%s %-13s %s\n", e.Time.Format("15:04:05.000"), e.Type, e)
	}
	return b.String()
}

// must unwraps what a test can't go on without.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

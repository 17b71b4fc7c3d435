// Package demo shows the healer at work without a cluster: four servers inside
// the process that speak the real protocols on loopback ports, broken one
// after another in each of the ways that servers break in the field.
package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/lmstudio"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/ollama"
)

// The models of the cluster.
const (
	qwen    = "qwen/qwen3-30b-a3b-2507"
	other   = "mistralai/devstral-small-2507"
	llama   = "llama3.1:8b"
	llamaV1 = "llama3.1:8b-2026-01" // the same file under a second tag
)

// policy is the default one with its times a hundredth or so.
func policy() healer.Policy {
	p := healer.DefaultPolicy()
	p.Interval = 600 * time.Millisecond
	p.RetryAfter = 150 * time.Millisecond
	p.Grace = 200 * time.Millisecond
	p.CanaryEvery = 600 * time.Millisecond
	p.CanaryTimeout = 700 * time.Millisecond
	p.QuestionTimeout = time.Second
	p.QuestionsEvery = 1200 * time.Millisecond
	p.BackoffInitial = 150 * time.Millisecond
	p.BackoffMax = time.Second
	p.Settle = 1500 * time.Millisecond
	p.RestartWait = 3 * time.Second
	return p
}

const probeTimeout = 500 * time.Millisecond

// stepLimit is how long one fault may take from its beginning to its end.
const stepLimit = 20 * time.Second

// cluster is the embedded cluster with the healer that watches it.
type cluster struct {
	m1, m2, m3 *nodetest.LMStudio
	ol1        *nodetest.Ollama
	healer     *healer.Watchdog
	leases     *nodes.MemoryLeases
	out        io.Writer
	began      time.Time

	mu     sync.Mutex
	events []healer.Event
	more   chan struct{}
}

// Run plays the demo and writes its time line to out. It returns an error
// where a fault was not healed, rolled back or routed around as announced, and
// ctx's own where that ended it. It takes about half a minute.
func Run(ctx context.Context, out io.Writer) (err error) {
	s := &stage{}
	defer s.close()
	defer func() {
		if r := recover(); r != nil {
			failure, ok := r.(stageFailure)
			if !ok {
				panic(r)
			}
			err = failure.error
		}
	}()
	dir, err := os.MkdirTemp("", "jarvis-demo-*")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	s.Cleanup(func() { _ = os.RemoveAll(dir) })

	c := &cluster{out: &lines{out: out}, leases: &nodes.MemoryLeases{}, more: make(chan struct{}), began: time.Now()}
	set, err := c.open(s)
	if err != nil {
		return err
	}
	c.healer, err = healer.New(healer.Config{
		Nodes: set, Policy: policy(), Leases: c.leases, StateFile: dir + "/state.json",
		Sinks: []healer.Sink{healer.SinkFunc(c.emit)},
	})
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	run, cancel := context.WithCancel(ctx)
	var running conc.WaitGroup
	var runErr error
	running.Go(func() { runErr = c.healer.Run(run) })
	defer func() {
		cancel()
		running.Wait()
		if err == nil {
			err = runErr
		}
	}()
	return c.play(ctx)
}

// open starts the four servers.
func (c *cluster) open(s *stage) (*nodes.Set, error) {
	studio := nodetest.Options{
		Models: []nodetest.Model{
			{Name: qwen, Size: 18 << 30, LoadTime: 400 * time.Millisecond, Thinking: "Let me think."},
			{Name: other, Size: 14 << 30, LoadTime: 300 * time.Millisecond},
		},
	}
	c.m1, c.m2, c.m3 = nodetest.NewLMStudio(s, studio), nodetest.NewLMStudio(s, studio), nodetest.NewLMStudio(s, studio)
	c.ol1 = nodetest.NewOllama(s, nodetest.Options{Models: []nodetest.Model{
		{Name: llama, Size: 5 << 30, Digest: digest("1"), LoadTime: 300 * time.Millisecond},
		{Name: llamaV1, Size: 5 << 30, Digest: digest("1"), LoadTime: 300 * time.Millisecond},
	}})
	var list []*nodes.Node
	for _, n := range []struct {
		name   string
		server *nodetest.Server
	}{{"M1", c.m1.Server}, {"M2", c.m2.Server}, {"M3", c.m3.Server}, {"OL1", c.ol1.Server}} {
		node, err := c.node(n.name, n.server)
		if err != nil {
			return nil, fmt.Errorf("demo: %w", err)
		}
		list = append(list, node)
	}
	return nodes.NewSet(list...)
}

func (c *cluster) node(name string, server *nodetest.Server) (*nodes.Node, error) {
	n := nodes.Node{Name: name, Engine: "lmstudio", Wanted: nodes.Model{Name: qwen}, ProbeTimeout: probeTimeout, Memory: 24 << 30}
	var err error
	if server == c.ol1.Server {
		n.Engine, n.Wanted.Name = "ollama", llama
		n.Backend, err = ollama.New(nodes.Connection{Node: name, URL: server.URL})
	} else {
		n.Backend, err = lmstudio.New(nodes.Connection{Node: name, URL: server.URL})
	}
	if err != nil {
		return nil, err
	}
	if name == "M1" {
		n.Restarter = restarter{server}
	}
	return nodes.New(n)
}

// restarter stands for a node's restart command.
type restarter struct{ server *nodetest.Server }

func (r restarter) Restart(context.Context) (string, error) {
	r.server.Restart()
	return "", nil
}

func digest(s string) string { return strings.Repeat(s, 64) }

// emit takes the healer's events: prints them, and keeps them for the steps.
func (c *cluster) emit(e healer.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, e)
	close(c.more)
	c.more = make(chan struct{})
	name := e.Node
	if name == "" {
		name = "all"
	}
	fmt.Fprintf(c.out, "  %6.1fs  %-4s %-13s %s\n", e.Time.Sub(c.began).Seconds(), name, e.Type, e.Text())
}

// await waits for an event since the step began.
func (c *cluster) await(ctx context.Context, w want) (healer.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	next := 0
	for {
		c.mu.Lock()
		for ; next < len(c.events); next++ {
			if e := c.events[next]; w.matches(e) {
				c.mu.Unlock()
				return e, nil
			}
		}
		more := c.more
		c.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return healer.Event{}, fmt.Errorf("no event %q on %s: %w", w.event, w.node, ctx.Err())
		}
	}
}

// lines lets the steps and the events write one after the other.
type lines struct {
	mu  sync.Mutex
	out io.Writer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

// stage stands where the fakes expect a test.
type stage struct{ cleanups []func() }

type stageFailure struct{ error }

func (s *stage) Helper()          {}
func (s *stage) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }
func (s *stage) Fatalf(format string, args ...any) {
	panic(stageFailure{fmt.Errorf(format, args...)})
}

func (s *stage) close() {
	for i := len(s.cleanups) - 1; i >= 0; i-- {
		s.cleanups[i]()
	}
}

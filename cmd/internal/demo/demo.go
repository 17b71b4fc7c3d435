// Package demo runs the healer on four fake servers inside the process, which
// speak the real protocols on loopback ports and are broken one after another in
// the ways that servers break in the field.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
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

// policy returns the default policy with times of about a hundredth.
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

// stepLimit bounds each wait of a step, also on a slow machine.
const stepLimit = 2 * time.Minute

// nodeNames are the nodes in the order of the fallback.
var nodeNames = [...]string{"M1", "M2", "M3", "OL1"}

// cluster is the embedded cluster with the healer that watches it.
type cluster struct {
	m1, m2, m3 *nodetest.LMStudio
	ol1        *nodetest.Ollama
	servers    []*nodetest.Server // as nodeNames
	noRestart  atomic.Bool        // M1's restart command fails
	network    *nodetest.Network  // nil is the system's
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
// ctx's own if that ended it. It takes about half a minute.
func Run(ctx context.Context, out io.Writer) error { return run(ctx, out, nil) }

// run plays the demo on a network; nil is the system's.
func run(ctx context.Context, out io.Writer, network *nodetest.Network) (err error) {
	dir, err := os.MkdirTemp("", "jarvis-demo-*")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	c := &cluster{network: network, out: &lines{out: out}, leases: &nodes.MemoryLeases{}, more: make(chan struct{}), began: time.Now()}
	defer c.close()
	set, err := c.open()
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	c.healer, err = healer.New(healer.Config{
		Nodes: set, Policy: policy(), Leases: c.leases, StateFile: filepath.Join(dir, "state.json"),
		Sinks: []healer.Sink{healer.SinkFunc(c.emit)},
	})
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	var healing conc.WaitGroup
	var runErr error
	healing.Go(func() { runErr = c.healer.Run(running) })
	all, err := c.play(ctx)
	// The healer ends before the summary: the repairs under way at the end of
	// the last step would print their events after it.
	cancel()
	c.mend()
	healing.Wait()
	if err := errors.Join(err, runErr); err != nil {
		return err
	}
	return all.print(c.out, time.Since(c.began))
}

// open starts the four servers.
func (c *cluster) open() (*nodes.Set, error) {
	studio := nodetest.Options{
		Network: c.network,
		Models: []nodetest.Model{
			{Name: qwen, Size: 18 << 30, LoadTime: 400 * time.Millisecond, Thinking: "Let me think."},
			{Name: other, Size: 14 << 30, LoadTime: 300 * time.Millisecond},
		},
	}
	var err error
	for _, server := range []**nodetest.LMStudio{&c.m1, &c.m2, &c.m3} {
		if *server, err = nodetest.StartLMStudio(studio); err != nil {
			return nil, err
		}
		// With it a canary would load a model that is gone, now and then before
		// anybody sees that it was.
		(*server).Configure(func(s *nodetest.LMStudioSettings) { s.NoJIT = true })
		c.servers = append(c.servers, (*server).Server)
	}
	c.ol1, err = nodetest.StartOllama(nodetest.Options{Network: c.network, Models: []nodetest.Model{
		{Name: llama, Size: 5 << 30, Digest: digest("1"), LoadTime: 300 * time.Millisecond},
		{Name: llamaV1, Size: 5 << 30, Digest: digest("1"), LoadTime: 300 * time.Millisecond},
	}})
	if err != nil {
		return nil, err
	}
	c.servers = append(c.servers, c.ol1.Server)
	var list []*nodes.Node
	for i, name := range nodeNames {
		node, err := c.node(name, c.servers[i])
		if err != nil {
			return nil, err
		}
		list = append(list, node)
	}
	return nodes.NewSet(list...)
}

// mend lets all servers work again.
func (c *cluster) mend() {
	c.noRestart.Store(false)
	for _, s := range c.servers {
		s.Mend()
	}
}

func (c *cluster) close() {
	for _, s := range c.servers {
		s.Close()
	}
}

func (c *cluster) node(name string, server *nodetest.Server) (*nodes.Node, error) {
	n := nodes.Node{Name: name, Engine: "lmstudio", Wanted: nodes.Model{Name: qwen}, ProbeTimeout: probeTimeout, Memory: 24 << 30}
	at := nodes.Connection{Node: name, URL: server.URL}
	if c.network != nil {
		at.Transport = c.network.Transport()
	}
	var err error
	if server == c.ol1.Server {
		n.Engine, n.Wanted.Name = "ollama", llama
		n.Backend, err = ollama.New(at)
	} else {
		n.Backend, err = lmstudio.New(at)
	}
	if err != nil {
		return nil, err
	}
	if name == "M1" {
		n.Restarter = restarter{server, &c.noRestart}
	}
	return nodes.New(n)
}

// restarter is a node's restart command.
type restarter struct {
	server *nodetest.Server
	broken *atomic.Bool
}

func (r restarter) Restart(context.Context) (string, error) {
	if r.broken.Load() {
		return "", errors.New("the machine has no power")
	}
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
	fmt.Fprintf(c.out, "  %6.1fs  %-4s %-13s %s\n", e.Time.Sub(c.began).Seconds(), nameOf(e.Node), e.Type, e.Text())
}

// nameOf returns the name of a node as it is printed.
func nameOf(node string) string {
	if node == "" {
		return "all"
	}
	return node
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
			return healer.Event{}, fmt.Errorf("no event %q on %s: %w", w.event, nameOf(w.node), ctx.Err())
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

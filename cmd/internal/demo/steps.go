package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// step is one fault: how it comes, and how it must end.
type step struct {
	title string
	do    func(*cluster)
	wants []want
	// ending says in the summary what ended it.
	ending string
	// undo is what a person would do in the end, where a person must.
	undo func(*cluster)
	then []want
}

// want is an event that must come.
type want struct {
	node  string
	event healer.EventType
	text  string // part of its text
}

func (w want) matches(e healer.Event) bool {
	return e.Node == w.node && e.Type == w.event && strings.Contains(e.Text(), w.text)
}

// steps are the faults, in the order of the documentation.
func steps() []step {
	return []step{
		{
			title:  "M1: the server process dies (it has a restart command)",
			do:     func(c *cluster) { c.m1.Break(nodetest.Down) },
			wants:  []want{{"M2", healer.EventFailover, "from M1"}, {"M1", healer.EventHealed, "server down"}},
			ending: "restarted, loaded, verified",
		},
		{
			title:  "M1: the server accepts connections and answers nothing",
			do:     func(c *cluster) { c.m1.Break(nodetest.Hang) },
			wants:  []want{{"M1", healer.EventDraining, "server hung"}, {"M1", healer.EventHealed, ""}},
			ending: "restarted, loaded, verified",
		},
		{
			title:  "M2: the model drops out of memory",
			do:     func(c *cluster) { c.m2.Drop() },
			wants:  []want{{"M2", healer.EventHealed, "model missing"}},
			ending: "loaded again",
		},
		{
			title:  "M2: the runner is wedged: every list is healthy, no question is answered",
			do:     func(c *cluster) { c.m2.HangInstances() },
			wants:  []want{{"M2", healer.EventDraining, "wedged"}, {"M2", healer.EventHealed, ""}},
			ending: "found by the canary, unloaded and loaded",
		},
		{
			title:  "OL1: the runner crashed: questions end in an error",
			do:     func(c *cluster) { c.ol1.Break(nodetest.Crashed) },
			wants:  []want{{"OL1", healer.EventHealed, ""}},
			ending: "unloaded and loaded",
		},
		{
			title:  "M3: somebody loaded another model",
			do:     func(c *cluster) { c.m3.Replace(other) },
			wants:  []want{{"M3", healer.EventHealed, "drift"}},
			ending: "the wanted model restored",
		},
		{
			title:  "M3: the model is loaded twice, and eats twice the memory",
			do:     func(c *cluster) { c.m3.AddInstance(qwen) },
			wants:  []want{{"M3", healer.EventRepair, "2 instances"}},
			ending: "second instance unloaded, without leaving the route",
		},
		{
			title: "M2: loads fail for a while, after the model dropped out",
			do: func(c *cluster) {
				c.m2.BreakWith(nodetest.LoadFails, nodetest.Detail{Times: 2})
				c.m2.Drop()
			},
			wants:  []want{{"M2", healer.EventRepair, "repair failed"}, {"M2", healer.EventHealed, ""}},
			ending: "tried again with growing pauses",
		},
		{
			title: "OL1: an update replaced the model's file, and the new one answers wrong",
			do: func(c *cluster) {
				c.ol1.SetModels(
					nodetest.Model{Name: llama, Size: 5 << 30, Digest: digest("2"), Right: -1},
					nodetest.Model{Name: llamaV1, Size: 5 << 30, Digest: digest("1")},
				)
				c.ol1.Drop()
			},
			wants:  []want{{"OL1", healer.EventRollback, llamaV1}, {"OL1", healer.EventHealed, "going back to " + llamaV1}},
			ending: "reloaded twice, then rolled back to the last known good file",
		},
		{
			title:  "M3: the key is wrong",
			do:     func(c *cluster) { c.m3.Break(nodetest.Unauthorized) },
			wants:  []want{{"M3", healer.EventMisconfigured, "api_key"}},
			ending: "told as what it is, not repaired; back when the key is right",
			undo:   func(c *cluster) { c.m3.Mend(nodetest.Unauthorized) },
			then:   []want{{"M3", healer.EventHealed, ""}},
		},
		{
			title: "M3: the model was deleted from the disk",
			do: func(c *cluster) {
				c.m3.SetModels(nodetest.Model{Name: other})
				c.m3.Drop()
			},
			wants:  []want{{"M3", healer.EventOffline, "not on the node's disk"}},
			ending: "offline and told once, the others serve; back when it is downloaded",
			undo:   func(c *cluster) { c.m3.SetModels(nodetest.Model{Name: qwen}, nodetest.Model{Name: other}) },
			then:   []want{{"M3", healer.EventHealed, ""}},
		},
		{
			title:  "M1: a tournament takes the node's lease",
			do:     func(c *cluster) { c.lease() },
			wants:  []want{{"M1", healer.EventMaintenance, "hands off"}, {"M1", healer.EventMaintenance, "free again"}, {"M1", healer.EventHealthy, ""}},
			ending: "left alone, and taken back when the lease was free",
		},
		{
			title: "All four servers are cut off, M2 comes back first",
			do: func(c *cluster) {
				for _, s := range c.all() {
					s.BreakWith(nodetest.Status500, nodetest.Detail{Text: "out of order"})
				}
			},
			wants:  []want{{"", healer.EventCritical, "no node serves"}},
			ending: "critical alert; service resumed with the first that returned",
			undo:   func(c *cluster) { c.m2.Mend() },
			then:   []want{{"", healer.EventRecovered, "M2 takes the traffic"}},
		},
	}
}

func (c *cluster) all() []*nodetest.Server {
	return []*nodetest.Server{c.m1.Server, c.m2.Server, c.m3.Server, c.ol1.Server}
}

// lease holds M1's lease for a moment, as a tournament does. Until the healer
// has let go of the node itself, it is asked for again.
func (c *cluster) lease() {
	var held nodes.Lease
	for held == nil {
		held, _ = c.leases.Acquire(context.Background(), "M1", nodes.Holder{Name: "a tournament"})
	}
	time.AfterFunc(1500*time.Millisecond, func() { _ = held.Release() })
}

// play plays all steps and prints the summary.
func (c *cluster) play(ctx context.Context) error {
	fmt.Fprintln(c.out, "Four servers on this machine: M1, M2, M3 speak LM Studio's protocol, OL1 speaks Ollama's.")
	fmt.Fprintln(c.out, "Times are a hundredth of the defaults: a probe every 0.6 s instead of every 60 s.")
	fmt.Fprintln(c.out)
	for _, name := range []string{"M1", "M2", "M3", "OL1"} {
		if _, err := c.await(ctx, want{name, healer.EventHealthy, ""}); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	if err := c.settled(ctx); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	list := steps()
	var failed []string
	summary := make([]string, 0, len(list))
	for i, s := range list {
		fmt.Fprintf(c.out, "\n%d/%d  %s\n", i+1, len(list), s.title)
		took, err := c.playStep(ctx, s)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		line := fmt.Sprintf("  ok    %5.1fs  %s\n                 %s", took.Seconds(), s.title, s.ending)
		if err != nil {
			line = fmt.Sprintf("  FAILED        %s\n                 %v", s.title, err)
			failed = append(failed, s.title)
		}
		summary = append(summary, line)
	}
	fmt.Fprintf(c.out, "\nSummary, after %.0f s\n%s\n", time.Since(c.began).Seconds(), strings.Join(summary, "\n"))
	if len(failed) > 0 {
		return fmt.Errorf("demo: %d of %d faults did not end as they should: %s", len(failed), len(list), strings.Join(failed, "; "))
	}
	fmt.Fprintf(c.out, "\nAll %d faults ended as they should.\n", len(list))
	return nil
}

// settled waits until every node has a last known good model.
func (c *cluster) settled(ctx context.Context) error {
	return c.until(ctx, func(n healer.NodeStatus) bool { return n.LastKnownGood != nil })
}

func (c *cluster) allServe(ctx context.Context) error {
	return c.until(ctx, func(n healer.NodeStatus) bool { return n.State == healer.Healthy })
}

// until waits until something holds for every node.
func (c *cluster) until(ctx context.Context, ok func(healer.NodeStatus) bool) error {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		waiting := ""
		status, err := c.healer.Status(ctx)
		if err != nil {
			return err
		}
		for _, n := range status.Nodes {
			if !ok(n) {
				waiting = n.Name
			}
		}
		if waiting == "" {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s did not settle: %w", waiting, ctx.Err())
		}
	}
}

// playStep breaks, waits for what must come, and returns how long that took.
func (c *cluster) playStep(ctx context.Context, s step) (time.Duration, error) {
	if err := c.allServe(ctx); err != nil {
		return 0, err
	}
	c.mu.Lock()
	c.events = nil
	c.mu.Unlock()
	began := time.Now()
	s.do(c)
	last := began
	for _, w := range s.wants {
		e, err := c.await(ctx, w)
		if err != nil {
			return 0, err
		}
		last = e.Time
	}
	if s.undo != nil {
		s.undo(c)
		for _, w := range s.then {
			if _, err := c.await(ctx, w); err != nil {
				return 0, err
			}
		}
	}
	return last.Sub(began), nil
}

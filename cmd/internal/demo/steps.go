package demo

import (
	"context"
	"fmt"
	"io"
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

// want is an event that must come. Empty facts match any.
type want struct {
	node     string // empty is the cluster itself
	event    healer.EventType
	rule     healer.Rule
	cause    healer.Cause
	from, to string
}

func (w want) matches(e healer.Event) bool {
	return e.Node == w.node && e.Type == w.event &&
		(w.rule == "" || e.Rule == w.rule) && (w.cause == "" || e.Cause == w.cause) &&
		(w.from == "" || e.From == w.from) && (w.to == "" || e.To == w.to)
}

// steps are the faults, in the order of the documentation.
func steps() []step {
	return []step{
		{
			title:  "M1: the server process dies (it has a restart command)",
			do:     func(c *cluster) { c.m1.Break(nodetest.Down) },
			wants:  []want{{node: "M2", event: healer.EventFailover, from: "M1"}, {node: "M1", event: healer.EventHealed, cause: healer.CauseServerDown}},
			ending: "restarted, loaded, verified",
		},
		{
			title:  "M1: the server accepts connections and answers nothing",
			do:     func(c *cluster) { c.m1.Break(nodetest.Hang) },
			wants:  []want{{node: "M1", event: healer.EventDraining, cause: healer.CauseServerHung}, {node: "M1", event: healer.EventHealed}},
			ending: "restarted, loaded, verified",
		},
		{
			title:  "M2: the model drops out of memory",
			do:     func(c *cluster) { c.m2.Drop() },
			wants:  []want{{node: "M2", event: healer.EventHealed, cause: healer.CauseModelMissing}},
			ending: "loaded again",
		},
		{
			title:  "M2: the runner is wedged: every list is healthy, no question is answered",
			do:     func(c *cluster) { c.m2.HangInstances() },
			wants:  []want{{node: "M2", event: healer.EventDraining, cause: healer.CauseWedged}, {node: "M2", event: healer.EventHealed}},
			ending: "found by the canary, unloaded and loaded",
		},
		{
			title:  "OL1: the runner crashed: questions end in an error",
			do:     func(c *cluster) { c.ol1.Break(nodetest.Crashed) },
			wants:  []want{{node: "OL1", event: healer.EventHealed}},
			ending: "unloaded and loaded",
		},
		{
			title:  "M3: somebody loaded another model",
			do:     func(c *cluster) { c.m3.Replace(other) },
			wants:  []want{{node: "M3", event: healer.EventHealed, cause: healer.CauseDrift}},
			ending: "the wanted model restored",
		},
		{
			title:  "M3: the model is loaded twice, and eats twice the memory",
			do:     func(c *cluster) { c.m3.AddInstance(qwen) },
			wants:  []want{{node: "M3", event: healer.EventRepair, rule: healer.RuleTrim}},
			ending: "second instance unloaded, without leaving the route",
		},
		{
			title: "M2: loads fail for a while, after the model dropped out",
			do: func(c *cluster) {
				c.m2.BreakWith(nodetest.LoadFails, nodetest.Detail{Times: 2})
				c.m2.Drop()
			},
			wants:  []want{{node: "M2", event: healer.EventRepair, rule: healer.RuleRepairFailed}, {node: "M2", event: healer.EventHealed}},
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
			wants:  []want{{node: "OL1", event: healer.EventRollback, to: llamaV1}, {node: "OL1", event: healer.EventHealed, rule: healer.RuleHealedByBack, to: llamaV1}},
			ending: "reloaded twice, then rolled back to the last known good file",
		},
		{
			title:  "M3: the key is wrong",
			do:     func(c *cluster) { c.m3.Break(nodetest.Unauthorized) },
			wants:  []want{{node: "M3", event: healer.EventMisconfigured}},
			ending: "told as what it is, not repaired; back when the key is right",
			undo:   func(c *cluster) { c.m3.Mend(nodetest.Unauthorized) },
			then:   []want{{node: "M3", event: healer.EventHealed}},
		},
		{
			title: "M3: the model was deleted from the disk",
			do: func(c *cluster) {
				c.m3.SetModels(nodetest.Model{Name: other})
				c.m3.Drop()
			},
			wants:  []want{{node: "M3", event: healer.EventOffline, rule: healer.RuleFutile}},
			ending: "offline and told once, the others serve; back when it is downloaded",
			undo:   func(c *cluster) { c.m3.SetModels(nodetest.Model{Name: qwen}, nodetest.Model{Name: other}) },
			then:   []want{{node: "M3", event: healer.EventHealed}},
		},
		{
			title:  "M1: a tournament takes the node's lease",
			do:     func(c *cluster) { c.lease() },
			wants:  []want{{node: "M1", event: healer.EventMaintenance, rule: healer.RuleLeased}, {node: "M1", event: healer.EventMaintenance, rule: healer.RuleLeaseFree}, {node: "M1", event: healer.EventHealthy}},
			ending: "left alone, and taken back when the lease was free",
		},
		{
			title: "All four servers are cut off, M2 comes back first",
			do: func(c *cluster) {
				c.noRestart.Store(true) // else M1 would be back first
				for _, s := range c.servers {
					s.BreakWith(nodetest.Status500, nodetest.Detail{Text: "out of order"})
				}
			},
			wants:  []want{{event: healer.EventCritical, rule: healer.RuleNoneServes}},
			ending: "critical alert; service resumed with the first that returned",
			undo:   func(c *cluster) { c.m2.Mend() },
			then:   []want{{event: healer.EventRecovered, rule: healer.RuleServiceBack, to: "M2"}},
		},
	}
}

// leaseFor is how long the tournament of a step holds M1's lease.
const leaseFor = 1500 * time.Millisecond

// lease holds M1's lease for a moment, as a tournament does. While the healer
// holds it itself, it is asked for again.
func (c *cluster) lease() {
	var held nodes.Lease
	for held == nil {
		held, _ = c.leases.Acquire(context.Background(), "M1", nodes.Holder{Name: "a tournament"})
	}
	time.AfterFunc(leaseFor, func() { _ = held.Release() })
}

// summary is how the steps ended.
type summary struct {
	lines  []string
	failed []string
}

// play plays all steps.
func (c *cluster) play(ctx context.Context) (summary, error) {
	fmt.Fprintln(c.out, "Four servers on this machine: M1, M2, M3 speak LM Studio's protocol, OL1 speaks Ollama's.")
	fmt.Fprintln(c.out, "Times are a hundredth of the defaults: a probe every 0.6 s instead of every 60 s.")
	fmt.Fprintln(c.out)
	if err := c.settled(ctx); err != nil {
		return summary{}, fmt.Errorf("demo: %w", err)
	}
	list := steps()
	var all summary
	for i, s := range list {
		fmt.Fprintf(c.out, "\n%d/%d  %s\n", i+1, len(list), s.title)
		took, err := c.playStep(ctx, s)
		if ctx.Err() != nil {
			return all, context.Cause(ctx)
		}
		line := fmt.Sprintf("  ok    %5.1fs  %s\n                 %s", took.Seconds(), s.title, s.ending)
		if err != nil {
			line = fmt.Sprintf("  FAILED        %s\n                 %v", s.title, err)
			all.failed = append(all.failed, s.title)
		}
		all.lines = append(all.lines, line)
	}
	return all, nil
}

// print prints the summary, and returns an error if a fault did not end as
// announced.
func (s summary) print(out io.Writer, took time.Duration) error {
	fmt.Fprintf(out, "\nSummary, after %.0f s\n%s\n", took.Seconds(), strings.Join(s.lines, "\n"))
	if len(s.failed) > 0 {
		return fmt.Errorf("demo: %d of %d faults did not end as they should: %s", len(s.failed), len(s.lines), strings.Join(s.failed, "; "))
	}
	fmt.Fprintf(out, "\nAll %d faults ended as they should.\n", len(s.lines))
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

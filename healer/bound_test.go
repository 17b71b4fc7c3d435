package healer

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// bound is the longest that a fault may take from its beginning to the end of
// its repair, where a probe can see it.
func bound(p Policy, probe, load, questions time.Duration) time.Duration {
	return p.Interval + p.RetryAfter + 2*probe + p.Grace + load + questions + time.Second
}

// TestTimeFromFaultToHealed breaks a node at every phase of the interval, in
// each way that one repair cures, and holds the time until it is healed to the
// bound; with the default figures that is under two minutes. What only a
// canary can see has the canary's own interval and time-outs on top.
func TestTimeFromFaultToHealed(t *testing.T) {
	const questions = 3 * 200 * time.Millisecond
	faults := []struct {
		name    string
		restart bool
		extra   func(Policy) time.Duration // beyond the bound, and why
		do      func(*simServer)
	}{
		{"model dropped", false, nil, func(s *simServer) { s.drop() }},
		{"another model loaded", false, nil, func(s *simServer) { s.drop(simOther) }},
		{"server killed", true, restartTime, func(s *simServer) { s.set(simDown, true) }},
		{"server stopped", true, restartTime, func(s *simServer) { s.set(simHung, true) }},
		{"wedged runner", false, canaryTime, func(s *simServer) { s.set(simWedged, true) }},
		{"crashed runner", false, canaryTime, func(s *simServer) { s.set(simCrashed, true) }},
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			var worst time.Duration
			var limit time.Duration
			for phase := time.Duration(0); phase < time.Minute; phase += 2500 * time.Millisecond {
				synctest.Test(t, func(t *testing.T) {
					c := newSimCluster(t, f.restart, f.restart, f.restart)
					limit = bound(c.policy, c.nodes[0].ProbeTimeout, c.servers[0].loadTime, questions)
					if f.extra != nil {
						limit += f.extra(c.policy)
					}
					c.start()
					time.Sleep(12*time.Minute + phase)
					from := time.Now()
					f.do(c.servers[0])
					_, took := c.until("M1", EventHealed, from, time.Hour)
					worst = max(worst, took)
					if took > limit {
						t.Errorf("phase %s: healed after %s, bound %s", phase, took, limit)
					}
					c.end()
				})
			}
			t.Logf("worst of 24 phases: %s, bound %s", worst, limit)
			if f.extra == nil && worst >= 2*time.Minute {
				t.Errorf("worst of 24 phases: %s, not under 2 minutes", worst)
			}
		})
	}
}

func restartTime(Policy) time.Duration { return 3 * time.Second } // the command itself

func canaryTime(p Policy) time.Duration { return p.CanaryEvery + 2*p.CanaryTimeout }

// TestHungNodeDelaysNobody hangs one node for good, and shows that the others
// are probed as often as before, and that one of them is healed as fast.
func TestHungNodeDelaysNobody(t *testing.T) {
	heal := func(t *testing.T, hang bool) (took time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			c := newSimCluster(t, false, false, false)
			c.start()
			if hang {
				c.servers[0].set(simHung, true)
			}
			time.Sleep(5 * time.Minute)
			before := c.node("M2").LastCheck
			from := time.Now()
			c.servers[2].drop()
			_, took = c.until("M3", EventHealed, from, time.Hour)
			if age := time.Since(c.node("M2").LastCheck); age > c.policy.Interval || !c.node("M2").LastCheck.After(before) {
				t.Errorf("M2 was last checked %s ago", age)
			}
			c.end()
		})
		return took
	}
	alone, beside := heal(t, false), heal(t, true)
	t.Logf("healed in %s; beside a hung node in %s", alone, beside)
	if beside != alone {
		t.Errorf("healed in %s beside a hung node, %s without", beside, alone)
	}
}

// TestHealedFromEveryFault shows each kind of fault healed, and by what.
func TestHealedFromEveryFault(t *testing.T) {
	tests := []struct {
		name    string
		restart bool
		do      func(*simServer)
		want    string // the repair event
	}{
		{"refused, with a restart command", true, func(s *simServer) { s.set(simDown, true) }, "server down: restarting the server"},
		{"hung, with a restart command", true, func(s *simServer) { s.set(simHung, true) }, "server hung: restarting the server"},
		{"model missing", false, func(s *simServer) { s.drop() }, "model missing: loading good"},
		{"drift", false, func(s *simServer) { s.drop(simOther) }, "drift: loading good"},
		{"wedged", false, func(s *simServer) { s.set(simWedged, true) }, "wedged: unloading and loading good"},
		{"wedged beyond a reload", true, func(s *simServer) { s.set(simStuck, true) }, "wedged: restarting the server"},
		{"crashed runner", false, func(s *simServer) { s.set(simCrashed, true) }, "erroring: unloading and loading good"},
		{"wrong answers", false, func(s *simServer) { s.set(simWrong, true) }, "bad model: unloading and loading good"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t, tt.restart, false, false)
				c.start()
				from := time.Now()
				tt.do(c.servers[0])
				_, took := c.until("M1", EventHealed, from, 45*time.Minute)
				found := false
				for _, e := range c.events.all() {
					found = found || e.Node == "M1" && e.Text() == tt.want
				}
				if !found {
					t.Errorf("no event %q", tt.want)
				}
				if n := c.node("M1"); n.State != Healthy {
					t.Errorf("M1 is %s", n.State)
				}
				t.Logf("healed after %s", took)
				c.end()
			})
		})
	}
}

// TestRouteMovesAndComesBack shows the traffic move with the fault, and the
// critical event when nobody serves.
func TestRouteMovesAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.start()
		if got := c.healer.Now().Serving; got != "M1" {
			t.Fatalf("serving %q, want M1", got)
		}
		from := time.Now()
		c.servers[0].set(simHostDown, true)
		c.until("M2", EventFailover, from, 2*time.Minute)
		c.servers[1].set(simHostDown, true)
		c.until("", EventCritical, from, 4*time.Minute)
		if n := c.healer.Route().Pick(); n != nil {
			t.Errorf("route picks %s while nobody serves", n.Name)
		}
		back := time.Now()
		c.servers[1].set(simHostDown, false)
		e, _ := c.until("", EventRecovered, back, 4*time.Minute)
		if got := c.healer.Now().Serving; got != "M2" {
			t.Errorf("serving %q after %q, want M2", got, e.Text())
		}
		c.servers[0].set(simHostDown, false)
		c.until("M1", EventFailover, back, 4*time.Minute)
		c.end()
	})
}

// TestNobodyServesFromTheStart tells a cluster that is down when the healer
// starts, once, and its return.
func TestNobodyServesFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		for _, s := range c.servers {
			s.set(simHostDown, true)
		}
		from := time.Now()
		c.start()
		c.until("", EventCritical, from, time.Minute)
		time.Sleep(10 * time.Minute)
		if told := c.texts("", EventCritical); len(told) != 1 {
			t.Errorf("told %d times", len(told))
		}
		c.servers[1].set(simHostDown, false)
		c.until("", EventRecovered, time.Now(), 2*time.Minute)
		c.end()
	})
}

// TestSlowStartIsNotRestartedAgain has a server that loads its model for eight
// minutes before it answers, as large ones do: one restart is enough.
func TestSlowStartIsNotRestartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, true, false)
		c.servers[0].startTime = 8 * time.Minute
		c.start()
		from := time.Now()
		c.servers[0].set(simDown, true)
		c.until("M1", EventHealed, from, 15*time.Minute)
		if n := len(c.servers[0].attempts); n != 1 {
			t.Errorf("%d repairs, want one restart", n)
		}
		c.end()
	})
}

// TestRepairBudget breaks all of seven nodes at once: never more than two are
// under repair, and all of them come back.
func TestRepairBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, make([]bool, 7)...)
		c.start()
		from := time.Now()
		for _, s := range c.servers {
			s.drop()
		}
		for i := range c.servers {
			c.until(fmt.Sprintf("M%d", i+1), EventHealed, from, 10*time.Minute)
		}
		c.end() // the servers report more than two at once
	})
}

// TestLeasedNodeIsLeftAlone shows maintenance, and the node looked at anew
// when the lease is free.
func TestLeasedNodeIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.start()
		lease, err := c.leases.Acquire(t.Context(), "M1", nodes.Holder{Name: "a tournament"})
		if err != nil {
			t.Fatal(err)
		}
		from := time.Now()
		c.until("M1", EventMaintenance, from, 2*time.Minute)
		c.servers[0].drop(simOther)
		time.Sleep(10 * time.Minute)
		if len(c.servers[0].attempts) > 0 {
			t.Errorf("%d repairs under somebody else's lease", len(c.servers[0].attempts))
		}
		if got := c.healer.Now().Serving; got != "M2" {
			t.Errorf("serving %q, want M2", got)
		}
		if err := lease.Release(); err != nil {
			t.Fatal(err)
		}
		c.until("M1", EventHealed, time.Now(), 2*time.Minute)
		c.end()
	})
}

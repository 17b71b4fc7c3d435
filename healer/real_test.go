package healer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest/realollama"
	"github.com/turbone/jarvis/nodes/ollama"
)

const (
	good  = "good:latest"
	wrong = "wrong:latest"
	spare = "spare:latest"
)

// realNodes starts two real Ollama servers, O1 and O2, with the model "good"
// loaded on each, and "wrong" and "spare" on disk.
func realNodes(t *testing.T) ([]*realollama.Server, []*nodes.Node) {
	t.Helper()
	servers := realollama.StartCluster(t, 2)
	var list []*nodes.Node
	for i, s := range servers {
		s.AddModel(good, realollama.Right())
		other := realollama.Right()
		other.Name = spare
		s.AddModel(spare, other)
		s.AddModel(wrong, realollama.Wrong())
		list = append(list, realNode(t, s, []string{"O1", "O2"}[i], good, nil))
		s.LoadBehindBack(good, nil, -1)
	}
	return servers, list
}

func realNode(t *testing.T, s *realollama.Server, name, model string, restart []string) *nodes.Node {
	t.Helper()
	n := nodes.Node{
		Name: name, Engine: "ollama", Wanted: nodes.Model{Name: model}, ProbeTimeout: 3 * time.Second,
		Backend: must[*ollama.Backend](t)(ollama.New(nodes.Connection{Node: name, URL: s.URL})),
	}
	if restart != nil {
		n.Restarter = nodes.Command{Node: name, Args: restart, Timeout: 30 * time.Second}
	}
	return must[*nodes.Node](t)(nodes.New(n))
}

// realBound is the promise of the design for quickPolicy, with a second for
// the restart command, and what a real load and three real answers take.
func realBound(p healer.Policy) time.Duration {
	const probe, load, questions, restart = time.Second, 2 * time.Second, time.Second, 2 * time.Second
	return p.Interval + p.RetryAfter + 2*probe + p.Grace + load + questions + time.Second + restart
}

// healedAfter waits for the end of the incident, and logs the time since the
// fault beside the bound. TestTimeFromFaultToHealed holds the healer to the
// bound, in virtual time: this test must not depend on the machine.
func (c *cluster) healedAfter(node string, limit time.Duration) {
	c.t.Helper()
	e := c.wait(node, healer.EventHealed, generous)
	took := e.Time.Sub(c.marked)
	c.t.Logf("%s; %s after the fault, bound %s", e, took.Round(time.Millisecond), limit)
	if got := c.status(node); got.State != healer.Healthy {
		c.t.Errorf("%s is %s after it was healed", node, got.State)
	}
}

func TestRealServerKilledIsRestartedAndHealed(t *testing.T) {
	servers, list := realNodes(t)
	list[0] = realNode(t, servers[0], "O1", good, servers[0].RestartCommand())
	c := newCluster(t, list...)
	c.start()
	c.mark()
	servers[0].Kill()
	c.healedAfter("O1", realBound(c.policy))
	if told := strings.Join(c.texts("O1", healer.EventRepair), "\n"); !strings.Contains(told, "server down: restarting the server") {
		t.Errorf("repairs: %s", told)
	}
	if got := servers[0].Loaded(); len(got) != 1 || got[0].Name != good {
		t.Errorf("loaded: %v", got)
	}
}

func TestRealServerStoppedLeavesTheRouteAndIsHealed(t *testing.T) {
	servers, list := realNodes(t)
	list[0] = realNode(t, servers[0], "O1", good, servers[0].RestartCommand())
	c := newCluster(t, list...)
	c.start()
	c.mark()
	stopped := time.Now()
	servers[0].Stop()
	out := c.wait("O1", healer.EventDraining, generous).Time.Sub(stopped)
	t.Logf("out of the route after %s", out)
	if e := c.wait("O2", healer.EventFailover, time.Second); e.Text() != "takes the traffic from O1" {
		t.Errorf("failover: %s", e)
	}
	c.healedAfter("O1", realBound(c.policy))
	t.Logf("out of the route after %s", out)
}

func TestRealRunnerKilledIsHealed(t *testing.T) {
	servers, list := realNodes(t)
	c := newCluster(t, list...)
	c.start()
	c.mark()
	servers[0].KillRunner()
	// The server goes on listing the model; the next question finds its runner
	// gone. Ollama starts another by itself for the one after that.
	c.until("O1 answers again", generous, func() bool {
		return len(servers[0].Runners()) == 1 && c.status("O1").State == healer.Healthy &&
			c.status("O1").LastOK.After(time.Now().Add(-c.policy.Interval))
	})
	t.Logf("events:\n%s", c.story())
}

func TestRealRunnerStoppedIsHealed(t *testing.T) {
	servers, list := realNodes(t)
	c := newCluster(t, list...)
	c.start()
	c.mark()
	before := servers[0].Runners()
	servers[0].StopRunner()
	e := c.wait("O1", healer.EventDraining, generous)
	if !strings.HasPrefix(e.Text(), "out of the route: wedged") {
		t.Errorf("diagnosis: %s", e)
	}
	c.healedAfter("O1", realBound(c.policy)+c.policy.CanaryEvery+2*c.policy.CanaryTimeout)
	if after := servers[0].Runners(); len(after) != 1 || after[0] == before[0] {
		t.Errorf("runners before %v, after %v", before, after)
	}
}

func TestRealModelUnloadedIsLoadedAgain(t *testing.T) {
	servers, list := realNodes(t)
	c := newCluster(t, list...)
	c.start()
	c.mark()
	servers[0].UnloadBehindBack(good)
	c.healedAfter("O1", realBound(c.policy))
	if diff := cmp.Diff([]string{"model missing: loading " + good}, c.texts("O1", healer.EventRepair)); diff != "" {
		t.Errorf("repairs (-want +got):\n%s", diff)
	}
}

func TestRealOtherModelLoadedIsReplaced(t *testing.T) {
	servers, list := realNodes(t)
	c := newCluster(t, list...)
	c.start()
	c.mark()
	servers[0].UnloadBehindBack(good)
	servers[0].LoadBehindBack(spare, nil, -1)
	c.healedAfter("O1", realBound(c.policy))
	if got := servers[0].Loaded(); len(got) != 1 || got[0].Name != good {
		t.Errorf("loaded: %v", got)
	}
}

func TestRealWantedModelAnswersWrongIsRolledBack(t *testing.T) {
	servers, list := realNodes(t)
	c := newCluster(t, list...)
	c.start()
	c.settle("O1")
	c.stop()
	c.mark()
	c.list[0] = realNode(t, servers[0], "O1", wrong, nil) // the config edited to a bad model
	c.run()
	e := c.wait("O1", healer.EventHealed, generous)
	t.Log(e)
	if diff := cmp.Diff([]string{"rolling back from " + wrong + " to " + good}, c.texts("O1", healer.EventRollback)); diff != "" {
		t.Errorf("rollbacks (-want +got):\n%s", diff)
	}
	want := []string{
		"drift: loading " + wrong,
		"verification failed: 0 of 3 answers right",
		"bad model: unloading and loading " + wrong,
		"verification failed: 0 of 3 answers right",
	}
	if diff := cmp.Diff(want, c.texts("O1", healer.EventRepair)); diff != "" {
		t.Errorf("repairs: a wrong answerer is reloaded twice, then rolled back (-want +got):\n%s", diff)
	}
	if got := servers[0].Loaded(); len(got) != 1 || got[0].Name != good {
		t.Errorf("loaded: %v", got)
	}
}

func TestRealTagOverwrittenIsRolledBackToItsOldFile(t *testing.T) {
	servers, list := realNodes(t)
	c := newCluster(t, list...)
	servers[0].CopyModel(good, "good:before")
	c.start()
	c.settle("O1")
	c.mark()
	servers[0].ReplaceModel(good, realollama.Wrong())
	c.wait("O1", healer.EventRollback, generous)
	c.wait("O1", healer.EventHealed, generous)
	if got := c.status("O1"); got.Wanted != "good:before" || got.State != healer.Healthy {
		t.Errorf("O1 is %s and wants %s", got.State, got.Wanted)
	}
}

func TestRealModelDeletedGoesOfflineOthersServe(t *testing.T) {
	servers, list := realNodes(t)
	c := newCluster(t, list...)
	c.start()
	c.mark()
	servers[0].DeleteModel(good)
	servers[0].KillRunner() // or it would go on serving from memory
	e := c.wait("O1", healer.EventOffline, generous)
	t.Log(e)
	if got := c.healer.Now().Serving; got != "O2" {
		t.Errorf("serving %q, want O2", got)
	}
	servers[0].AddModel(good, realollama.Right()) // downloaded again: it comes back by itself
	c.wait("O1", healer.EventHealed, generous)
}

func TestRealHealerKeepsKeepAlive(t *testing.T) {
	servers, list := realNodes(t)
	servers[0].LoadBehindBack(good, nil, "1h")
	before := servers[0].Loaded()[0]
	runner := servers[0].Runners()
	c := newCluster(t, list...)
	c.start()
	c.until("several canaries passed", generous, func() bool {
		return c.status("O1").LastOK.After(time.Now().Add(-time.Second)) && c.status("O1").LastKnownGood != nil
	})
	after := servers[0].Loaded()[0]
	was, is := must[time.Time](t)(time.Parse(time.RFC3339Nano, before.ExpiresAt)), must[time.Time](t)(time.Parse(time.RFC3339Nano, after.ExpiresAt))
	if moved := is.Sub(was); moved < -5*time.Second || moved > 5*time.Second {
		t.Errorf("the model's expiry moved by %s", moved)
	}
	if diff := cmp.Diff(runner, servers[0].Runners()); diff != "" {
		t.Errorf("the questions reloaded the runner (-before +after):\n%s", diff)
	}
}

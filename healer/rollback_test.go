package healer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
)

// settled starts a cluster and lets it become known good.
func (c *simCluster) settled() {
	c.t.Helper()
	c.start()
	time.Sleep(c.policy.Settle + 2*c.policy.Interval)
	for _, n := range c.nodes {
		if lkg := c.node(n.Name).LastKnownGood; lkg == nil {
			c.t.Fatalf("%s has no last known good model after %s", n.Name, c.policy.Settle)
		}
	}
}

// want makes the config ask for another model, as an edited file does.
func (c *simCluster) want(i int, model string) {
	n := *c.nodes[i]
	n.Wanted = nodes.Model{Name: model}
	made, err := nodes.New(n)
	if err != nil {
		c.t.Fatal(err)
	}
	c.nodes[i] = made
}

// texts returns the events of a node of some types.
func (c *simCluster) texts(node string, types ...EventType) []string {
	var out []string
	for _, e := range c.events.all() {
		for _, t := range types {
			if e.Node == node && e.Type == t {
				out = append(out, e.Text())
			}
		}
	}
	return out
}

// TestLastKnownGoodOnlyAfterSettling shows that a verified node alone sets no
// last known good, and one that stayed healthy does.
func TestLastKnownGoodOnlyAfterSettling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.start()
		time.Sleep(c.policy.Settle / 2)
		if lkg := c.node("M1").LastKnownGood; lkg != nil {
			t.Errorf("last known good %v after half the time", lkg)
		}
		time.Sleep(c.policy.Settle)
		want := &nodes.Model{Name: simModel, Digest: "d-good"}
		if diff := cmp.Diff(want, c.node("M1").LastKnownGood); diff != "" {
			t.Errorf("last known good (-want +got):\n%s", diff)
		}
		c.end()
	})
}

// TestWantedModelThatAnswersWrongIsRolledBack edits the config to a bad model:
// it is loaded, fails its questions twice, and the last known good comes back,
// stays, and survives a restart of the healer.
func TestWantedModelThatAnswersWrongIsRolledBack(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.json")
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.state = state
		c.servers[0].files[1].Digest = "d-other"
		c.want(0, simOther) // what is good at first
		c.servers[0].drop(simOther)
		c.settled()
		c.stop()

		c.want(0, simModel) // the edited config: a bad model
		c.servers[0].set(simBad, true)
		from := time.Now()
		c.start()
		c.until("M1", EventHealed, from, 10*time.Minute)
		if diff := cmp.Diff([]string{"rolling back from good to other"}, c.texts("M1", EventRollback)); diff != "" {
			t.Errorf("rollbacks (-want +got):\n%s", diff)
		}
		if got := c.node("M1"); got.Wanted != simOther || got.State != Healthy {
			t.Errorf("M1 is %s and wants %s, not healthy with %s", got.State, got.Wanted, simOther)
		}
		c.stop()

		again := len(c.servers[0].attempts)
		c.start()
		time.Sleep(time.Hour)
		if now := len(c.servers[0].attempts); now != again {
			t.Errorf("%d repairs after the restart: the rejected model was tried again", now-again)
		}
		c.stop()

		c.servers[0].set(simBad, false)
		c.servers[0].files[0].Digest = "d-good-2" // a new download under the same name
		c.start()
		c.until("M1", EventHealed, time.Now(), 10*time.Minute)
		if got := c.node("M1").Wanted; got != simModel {
			t.Errorf("with a new file M1 wants %s, not %s", got, simModel)
		}
		c.end()
	})
}

// TestWrongAnswererReloadedTwiceIsRolledBack drops a model whose wanted
// replacement answers wrong: load, questions, reload, questions, rollback.
func TestWrongAnswererReloadedTwiceIsRolledBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.want(0, simOther)
		c.servers[0].drop(simOther)
		c.state = filepath.Join(t.TempDir(), "state.json")
		c.settled()
		c.stop()
		c.want(0, simModel)
		c.servers[0].drop()
		c.servers[0].set(simBad, true)
		from := time.Now()
		c.start()
		c.until("M1", EventHealed, from, 10*time.Minute)
		want := []string{
			"model missing: loading good",
			"verification failed: 0 of 3 answers right",
			"bad model: unloading and loading good",
			"verification failed: 0 of 3 answers right",
			"rolling back from good to other",
		}
		if diff := cmp.Diff(want, c.texts("M1", EventRepair, EventRollback)); diff != "" {
			t.Errorf("repairs (-want +got):\n%s", diff)
		}
		c.end()
	})
}

// TestBadModelWithoutWayBackGoesOffline has no last known good: offline, told
// once, and taken back by itself when the model answers right again.
func TestBadModelWithoutWayBackGoesOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.servers[0].set(simBad, true)
		from := time.Now()
		c.start()
		c.until("M1", EventOffline, from, 10*time.Minute)
		time.Sleep(time.Hour)
		if told := c.texts("M1", EventOffline); len(told) != 1 {
			t.Errorf("offline was told %d times: %q", len(told), told)
		}
		back := time.Now()
		c.servers[0].set(simBad, false)
		_, took := c.until("M1", EventHealed, back, 10*time.Minute)
		if took > c.policy.Interval+2*time.Second {
			t.Errorf("taken back after %s", took)
		}
		c.end()
	})
}

// TestModelDeletedFromDisk serves from memory while it can, and is offline when
// the model is gone from there too; the other node serves.
func TestModelDeletedFromDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.settled()
		from := time.Now()
		c.servers[0].mu.Lock()
		c.servers[0].files = c.servers[0].files[1:]
		c.servers[0].mu.Unlock()
		c.until("M1", EventDegraded, from, 2*time.Minute)
		c.servers[0].drop()
		e, _ := c.until("M1", EventOffline, from, 10*time.Minute)
		if !strings.Contains(e.Text(), "is not loaded") {
			t.Errorf("offline says %q", e.Text())
		}
		if got := c.healer.Now().Serving; got != "M2" {
			t.Errorf("serving %q, want M2", got)
		}
		c.end()
	})
}

// TestDriftAdopted takes what somebody loaded, and goes on wanting it after a
// restart, until the config is edited.
func TestDriftAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.policy.AdoptDrift = true
		c.state = filepath.Join(t.TempDir(), "state.json")
		c.start()
		c.servers[0].drop(simOther)
		time.Sleep(2 * time.Minute)
		if got := c.node("M1"); got.Wanted != simOther || got.State != Healthy || len(c.servers[0].attempts) != 0 {
			t.Errorf("M1 is %s, wants %s after %d repairs", got.State, got.Wanted, len(c.servers[0].attempts))
		}
		c.stop()
		c.start()
		if got := c.node("M1").Wanted; got != simOther {
			t.Errorf("after a restart M1 wants %s", got)
		}
		c.stop()
		c.want(0, "edited")
		c.start()
		if got := c.node("M1").Wanted; got != "edited" {
			t.Errorf("after an edit of the config M1 wants %s", got)
		}
		c.end()
	})
}

// TestPromotedModelIsRestored writes a promotion into the state file: the
// healer restores the new champion, until the config is edited.
func TestPromotedModelIsRestored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	promoted := `{"version":1,"nodes":{"M1":{"override":{"model":"other","load":{"context_length":4096},"why":"promoted","replaces":{"model":"good"}}}}}`
	if err := os.WriteFile(path, []byte(promoted), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.state = path
		c.servers[0].drop()
		c.start()
		c.until("M1", EventHealed, time.Now().Add(-time.Minute), 5*time.Minute)
		if got := c.servers[0].loaded[0].Model; got != simOther {
			t.Errorf("%s was loaded, not the promoted %s", got, simOther)
		}
		c.end()
	})
}

// TestLastServingNodeIsHeld lets the last serving node drift: it is left in the
// route, told as critical, and repaired when another node serves again.
func TestLastServingNodeIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.start()
		c.servers[1].set(simHostDown, true)
		time.Sleep(3 * time.Minute)
		from := time.Now()
		c.servers[0].drop(simOther)
		c.until("M1", EventCritical, from, 2*time.Minute)
		time.Sleep(20 * time.Minute)
		if got := c.node("M1"); got.State != Degraded || c.healer.Now().Serving != "M1" || len(c.servers[0].attempts) != 0 {
			t.Errorf("M1 is %s after %d repairs, serving %q", got.State, len(c.servers[0].attempts), c.healer.Now().Serving)
		}
		if told := c.texts("M1", EventCritical); len(told) != 1 {
			t.Errorf("told %d times: %q", len(told), told)
		}
		c.servers[1].set(simHostDown, false)
		c.until("M1", EventHealed, time.Now(), 5*time.Minute)
		c.end()
	})
}

// TestOnlyNodeIsRepaired has a cluster of one: nobody else will ever serve, so
// waiting for one would be for ever.
func TestOnlyNodeIsRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false)
		c.start()
		from := time.Now()
		c.servers[0].drop(simOther)
		c.until("M1", EventHealed, from, 2*time.Minute)
		c.end()
	})
}

// TestSecondInstanceIsTrimmed unloads key:2 and leaves key in the route.
func TestSecondInstanceIsTrimmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.start()
		c.servers[0].mu.Lock()
		c.servers[0].loaded = append(c.servers[0].loaded, nodes.Instance{ID: "good:2", Model: simModel})
		c.servers[0].mu.Unlock()
		time.Sleep(2 * time.Minute)
		if diff := cmp.Diff([]string{"good"}, c.node("M1").Loaded); diff != "" {
			t.Errorf("loaded (-want +got):\n%s", diff)
		}
		if left := c.texts("M1", EventDraining, EventSuspect); len(left) != 0 {
			t.Errorf("it left the route: %q", left)
		}
		c.end()
	})
}

// TestLostGPUIsReloadedThenTold moves the model to the CPU: reloaded once, and
// degraded where that changes nothing, without a loop of reloads.
func TestLostGPUIsReloadedThenTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		for i := range c.servers[0].loaded {
			c.servers[0].loaded[i].Size, c.servers[0].loaded[i].VRAM = 100, 100
		}
		c.settled()
		from := time.Now()
		c.servers[0].mu.Lock()
		c.servers[0].loaded[0].VRAM = 0
		c.servers[0].gpuLost = true
		c.servers[0].mu.Unlock()
		c.until("M1", EventDegraded, from, 5*time.Minute)
		time.Sleep(time.Hour)
		if n := len(c.servers[0].attempts); n != 1 {
			t.Errorf("%d repairs, want 1", n)
		}
		if got := c.node("M1").State; got != Degraded {
			t.Errorf("M1 is %s", got)
		}
		c.end()
	})
}

// TestBusyNodeIsLeftAlone asks again later, and takes an endless busy without
// a token for what it is.
func TestBusyNodeIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.start()
		from := time.Now()
		c.servers[0].set(simBusy, true)
		c.until("M1", EventBusy, from, 6*time.Minute)
		time.Sleep(c.policy.BusyLimit / 2)
		if len(c.servers[0].attempts) != 0 || !c.healer.Route().Serves("M1") {
			t.Errorf("a busy node was repaired or left the route")
		}
		c.until("M1", EventDraining, from, 2*c.policy.BusyLimit)
		c.servers[0].set(simBusy, false)
		c.until("M1", EventHealed, from, time.Hour)
		c.end()
	})
}

// TestTrafficProvesHealth lets tokens flow on a node that is too busy to
// answer a probe: it is not taken down.
func TestTrafficProvesHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, true, false)
		c.start()
		r := c.healer.Route().Begin("M1")
		defer r.Done()
		c.servers[0].set(simHung, true)
		for range 20 * 60 {
			time.Sleep(time.Second)
			r.Token()
		}
		if left := c.texts("M1", EventDraining, EventSuspect); len(left) != 0 {
			t.Errorf("it left the route: %q", left)
		}
		c.servers[0].set(simHung, false)
		c.end()
	})
}

// TestWrongKeyIsMisconfigured is out of the route, not repaired, and back when
// the key is right.
func TestWrongKeyIsMisconfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, true, false)
		c.start()
		from := time.Now()
		c.servers[0].set(simNoKey, true)
		c.until("M1", EventMisconfigured, from, 2*time.Minute)
		time.Sleep(10 * time.Minute)
		if len(c.servers[0].attempts) != 0 || c.healer.Route().Serves("M1") {
			t.Errorf("a misconfigured node was repaired, or is in the route")
		}
		c.servers[0].set(simNoKey, false)
		c.until("M1", EventHealed, time.Now(), 2*time.Minute)
		c.end()
	})
}

// TestHistoryDegrades marks a node that serves, and takes the mark back.
func TestHistoryDegrades(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.start()
		c.healer.Judge([]Judgement{{Node: "M1", Alarm: "1", Reason: "score 9.2 → 7.8 (-15%)"}})
		c.until("M1", EventDegraded, time.Now(), 2*time.Minute)
		if !c.healer.Route().Serves("M1") {
			t.Error("a degraded node left the route")
		}
		c.healer.Judge(nil)
		c.until("M1", EventRecovered, time.Now(), 2*time.Minute)
		c.end()
	})
}

// TestOtherSettingsAreTold has a client that reloads the model with a context
// of its own: told, and not fought over.
func TestOtherSettingsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		n := *c.nodes[0]
		n.Wanted.Settings = nodes.Settings{"num_ctx": 8192}
		made, err := nodes.New(n)
		if err != nil {
			t.Fatal(err)
		}
		c.nodes[0] = made
		c.start()
		from := time.Now()
		c.servers[0].mu.Lock()
		c.servers[0].loaded[0].Settings = nodes.Settings{"num_ctx": 2048.0}
		c.servers[0].mu.Unlock()
		e, _ := c.until("M1", EventDegraded, from, 2*time.Minute)
		if want := "degraded: good runs with num_ctx 2048, not 8192"; e.Text() != want {
			t.Errorf("told %q, want %q", e.Text(), want)
		}
		time.Sleep(time.Hour)
		if len(c.servers[0].attempts) != 0 || !c.healer.Route().Serves("M1") {
			t.Errorf("it was fought over: %d repairs", len(c.servers[0].attempts))
		}
		c.end()
	})
}

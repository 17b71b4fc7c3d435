package healer

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
)

// simPrevious and simWon are the two models of a tournament.
var (
	simPrevious = nodes.Model{Name: simModel, Digest: "d-good"}
	simWon      = nodes.Model{Name: simOther, Settings: nodes.Settings{"context_length": 8192}}
)

// lease takes a node's lease as a tournament does.
func (c *simCluster) lease(node string) nodes.Lease {
	c.t.Helper()
	lease, err := c.leases.Acquire(c.t.Context(), node, nodes.Holder{Name: "jarvis-arena", Why: "tournament of other"})
	if err != nil {
		c.t.Fatal(err)
	}
	return lease
}

func (c *simCluster) release(lease nodes.Lease) {
	c.t.Helper()
	if err := lease.Release(); err != nil {
		c.t.Fatal(err)
	}
}

// promote writes a promotion of simWon as a tournament does.
func (c *simCluster) promote(i int) {
	c.t.Helper()
	err := OpenState(c.state).Promote(c.t.Context(), c.nodes[i], nodes.Promotion{
		Model: simWon, Previous: simPrevious, FirstToken: 300 * time.Millisecond, ErrorRate: 0.01,
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

func (s *simServer) served() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, i := range s.loaded {
		list = append(list, i.Model)
	}
	return strings.Join(list, ",")
}

// TestServing: what a node is meant to serve, by what is kept of it.
func TestServing(t *testing.T) {
	good, other, third := nodes.Model{Name: "good"}, nodes.Model{Name: "other"}, nodes.Model{Name: "third"}
	node := func(wanted nodes.Model) *nodes.Node {
		n, err := nodes.New(nodes.Node{Name: "M1", Backend: newSimServer("M1"), Wanted: wanted})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	promoted := func(t *testing.T, f *StateFile, when nodes.Model) {
		if err := f.Promote(t.Context(), node(when), nodes.Promotion{Model: other, Previous: good}); err != nil {
			t.Fatal(err)
		}
	}
	remember := func(t *testing.T, f *StateFile, m *nodes.Model) {
		if err := f.Remember(t.Context(), node(good), m); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		wanted nodes.Model
		write  func(*testing.T, *StateFile)
		want   string
	}{
		{"nothing known", nodes.Model{}, nil, ""},
		{"the config's", good, nil, "good"},
		{"promoted", good, func(t *testing.T, f *StateFile) { promoted(t, f, good) }, "other"},
		{"promoted, and the config edited since", third, func(t *testing.T, f *StateFile) { promoted(t, f, good) }, "third"},
		{"promoted where nothing is configured", nodes.Model{}, func(t *testing.T, f *StateFile) { promoted(t, f, nodes.Model{}) }, "other"},
		{"remembered, and the config says another", good, func(t *testing.T, f *StateFile) { remember(t, f, &third) }, "good"},
		{"remembered where nothing is configured", nodes.Model{}, func(t *testing.T, f *StateFile) { remember(t, f, &third) }, "third"},
		{"remembered and forgotten", nodes.Model{}, func(t *testing.T, f *StateFile) { remember(t, f, &third); remember(t, f, nil) }, ""},
		{"a promotion forgets what was remembered", nodes.Model{}, func(t *testing.T, f *StateFile) {
			remember(t, f, &third)
			promoted(t, f, nodes.Model{})
		}, "other"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := OpenState(filepath.Join(t.TempDir(), "state.json"))
			if c.write != nil {
				c.write(t, f)
			}
			m, ok, err := f.Serving(t.Context(), node(c.wanted))
			if err != nil || m.Name != c.want || ok != (c.want != "") {
				t.Errorf("serving %q, %t, %v; want %q", m.Name, ok, err, c.want)
			}
		})
	}
	t.Run("no state is kept", func(t *testing.T) {
		f := OpenState("")
		if m, ok, err := f.Serving(t.Context(), node(good)); m.Name != "good" || !ok || err != nil {
			t.Errorf("serving %v, %t, %v", m, ok, err)
		}
		if err := f.Remember(t.Context(), node(good), &other); !errors.Is(err, ErrNoState) {
			t.Errorf("remember: %v", err)
		}
		if err := f.Promote(t.Context(), node(good), nodes.Promotion{Model: other}); !errors.Is(err, ErrNoState) {
			t.Errorf("promote: %v", err)
		}
	})
	t.Run("unreadable", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "state.json")
		if err := os.WriteFile(path, []byte(`{"version":1,"no`), 0o600); err != nil {
			t.Fatal(err)
		}
		err := OpenState(path).Remember(t.Context(), node(good), &other)
		if b, _ := os.ReadFile(path); err == nil || !strings.Contains(err.Error(), "unreadable") || string(b) != `{"version":1,"no` {
			t.Errorf("remember: %v; the file is %q", err, b)
		}
	})
}

// TestPromotionWhileTheHealerRuns holds a tournament as another process would:
// the healer keeps off within a second, takes the promotion over, asks the
// promoted model its questions, serves it, and restores it when it is lost.
func TestPromotionWhileTheHealerRuns(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.json")
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.state = state
		c.settled()
		lease := c.lease("M1")
		from := time.Now()
		e, took := c.until("M1", EventMaintenance, from, time.Minute)
		if took > pollEvery || e.Text() != "leased by jarvis-arena (tournament of other): hands off" {
			t.Errorf("after %s: %q", took, e.Text())
		}
		if c.healer.Route().Serves("M1") {
			t.Error("it is in the route under a lease")
		}
		c.servers[0].drop(simOther)
		time.Sleep(10 * time.Minute)
		c.promote(0)
		e, took = c.until("M1", EventPromoted, time.Now(), time.Minute)
		if want := "[PROMOTION] other won its tournament, and serves in place of good; its first 20 answers are watched"; took > pollEvery || e.Text() != want {
			t.Errorf("after %s: %q, want %q", took, e.Text(), want)
		}
		c.release(lease)
		_, took = c.until("M1", EventHealthy, time.Now(), time.Minute)
		if took > c.policy.RetryAfter+2*time.Second {
			t.Errorf("back in service after %s", took)
		}
		from = time.Now()
		c.servers[0].drop(simModel) // what served before: drift now
		c.until("M1", EventHealed, from, 3*time.Minute)
		if got := c.servers[0].served(); got != simOther {
			t.Errorf("%s was restored", got)
		}
		if got := c.node("M1").LastKnownGood.Name; got != simModel {
			t.Errorf("last known good is %s before it settled", got)
		}
		time.Sleep(c.policy.Settle + 2*c.policy.Interval)
		if got := c.node("M1").LastKnownGood.Name; got != simOther {
			t.Errorf("last known good is %s after it settled", got)
		}
		c.stop()
		c.start()
		time.Sleep(10 * time.Minute)
		if got := c.texts("M1", EventPromoted); len(got) != 1 {
			t.Errorf("promotion told %d times: %q", len(got), got)
		}
		if got := c.node("M1"); got.Wanted != simOther || got.State != Healthy {
			t.Errorf("after a restart M1 is %s and wants %s", got.State, got.Wanted)
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

// TestPromotionWithoutAHealer makes the same promotion while no healer runs: the
// next one takes it over at its start.
func TestPromotionWithoutAHealer(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.json")
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.state = state
		c.servers[0].drop(simOther)
		c.promote(0)
		c.start()
		time.Sleep(10 * time.Minute)
		if got := c.node("M1"); got.Wanted != simOther || got.State != Healthy || len(c.servers[0].attempts) != 0 {
			t.Errorf("M1 is %s and wants %s after %d repairs", got.State, got.Wanted, len(c.servers[0].attempts))
		}
		if got := c.texts("M1", EventPromoted); len(got) != 1 {
			t.Errorf("told %q", got)
		}
		c.end()
	})
}

// TestPromotionOfAnotherConfig is made by a tournament that read a config which
// asks for another model: the healer's own config wins, and that is told once.
func TestPromotionOfAnotherConfig(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.json")
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.state = state
		c.start()
		elsewhere := *c.nodes[0]
		elsewhere.Wanted = nodes.Model{Name: simThird}
		if err := OpenState(state).Promote(t.Context(), &elsewhere, nodes.Promotion{Model: simWon}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		c.stop()
		c.start()
		time.Sleep(5 * time.Minute)
		want := []string{"[PROMOTION] other won in place of third, and the config asks for good: the config wins"}
		if diff := cmp.Diff(want, c.texts("M1", EventDegraded, EventPromoted)); diff != "" || c.servers[0].served() != simModel {
			t.Errorf("%s serves; told (-want +got):\n%s", c.servers[0].served(), diff)
		}
		c.end()
	})
}

// TestPromotionBehindTheHealersBack lets a whole tournament pass between two
// looks at the leases: what it promoted is no drift, and is asked its questions
// all the same.
func TestPromotionBehindTheHealersBack(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.json")
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.state = state
		c.settled()
		time.Sleep(pollEvery / 2)
		asked := len(c.servers[0].answers)
		lease := c.lease("M1")
		c.servers[0].drop(simOther)
		c.promote(0)
		c.release(lease)
		time.Sleep(10 * time.Minute)
		if got := c.texts("M1", EventSuspect, EventDraining, EventMaintenance); len(got) != 0 || c.servers[0].served() != simOther {
			t.Errorf("%s serves after %q", c.servers[0].served(), got)
		}
		if now := len(c.servers[0].answers); now < asked+3 {
			t.Errorf("asked %d questions", now-asked)
		}
		c.end()
	})
}

// TestProbeIsJudgedByTheLatestPromotion has a promotion written while a probe
// is under way, and while the repair of a drift waits for its turn: neither is
// carried on for the model that was to be served before.
func TestProbeIsJudgedByTheLatestPromotion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newSimServer("M1")
		set, err := nodes.NewSet(server.node(false))
		if err != nil {
			t.Fatal(err)
		}
		state := &inMemory{}
		h, err := newHealer(Config{Nodes: set}, state)
		if err != nil {
			t.Fatal(err)
		}
		w := worker{healer: h, node: set.At(0)}
		step := func(o op) op {
			s, _ := w.do(t.Context(), o, false)
			return h.report(0, s)
		}
		server.drop(simOther)
		suspect := step(op{kind: opProbe})
		drain := step(suspect) // the second one in a row
		ensure := step(drain)
		if ensure.kind != opEnsure || ensure.model.Name != simModel {
			t.Fatalf("the drift leads to %+v", ensure)
		}
		promote := func() {
			t.Helper()
			if err := (&StateFile{state}).Promote(t.Context(), set.At(0), nodes.Promotion{Model: simWon, Previous: simPrevious}); err != nil {
				t.Fatal(err)
			}
		}
		promote()
		if next := step(ensure); next.kind != opProbe || server.served() != simOther || len(server.attempts) != 0 {
			t.Errorf("%s is loaded after %d repairs; next is %+v", server.served(), len(server.attempts), next)
		}
		w.release()

		h.fleet.nodes[0] = newNodeState(set.At(0))
		promote()
		if next := step(op{kind: opProbe}); next.kind != opQuestions || next.model.Name != simOther {
			t.Errorf("the probe leads to %+v", next)
		}
	})
}

// TestKilledTournament drops the lease at once, with the wrong model loaded: the
// champion comes back, also where the config names none, where the other node
// is down, and where only the settings differ; the note is forgotten then.
func TestKilledTournament(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(c *simCluster)
		left  func(s *simServer)
		note  nodes.Model
	}{
		{"model configured", func(*simCluster) {}, func(s *simServer) { s.drop(simOther) }, simPrevious},
		{"nothing loaded", func(*simCluster) {}, func(s *simServer) { s.drop() }, simPrevious},
		{"no model configured", func(c *simCluster) { c.want(0, "") }, func(s *simServer) { s.drop(simOther) }, simPrevious},
		{"the other node is down", func(c *simCluster) { c.servers[1].set(simHostDown, true) }, func(s *simServer) { s.drop(simOther) }, simPrevious},
		{"its settings are another's", func(c *simCluster) { c.want(0, "") }, func(s *simServer) {
			s.drop(simModel)
			s.loaded[0].Settings = nodes.Settings{"context_length": 512}
		}, nodes.Model{Name: simModel, Settings: nodes.Settings{"context_length": 8192}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			state := filepath.Join(t.TempDir(), "state.json")
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t, false, false)
				c.state = state
				test.spoil(c)
				c.start()
				lease := c.lease("M1")
				if err := OpenState(state).Remember(t.Context(), c.nodes[0], &test.note); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
				test.left(c.servers[0])
				time.Sleep(time.Minute)
				c.release(lease)
				c.until("M1", EventHealed, time.Now(), 2*time.Minute)
				if got := c.servers[0].served(); got != simModel {
					t.Errorf("%s is loaded", got)
				}
				list, err := OpenState(state).load(t.Context())
				if err != nil || list["M1"].Restore != nil {
					t.Errorf("still noted: %v, %v", list["M1"].Restore, err)
				}
				c.end()
			})
		})
	}
}

// TestLeaseEndsTheCheck takes the lease while the node is asked, with a question
// that would go on for long: hands off within a second all the same.
func TestLeaseEndsTheCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.servers[0].answerTime = 20 * time.Second
		c.start() // the first questions are under way
		lease := c.lease("M1")
		from := time.Now()
		if _, took := c.until("M1", EventMaintenance, from, time.Minute); took > pollEvery {
			t.Errorf("after %s", took)
		}
		c.release(lease)
		c.until("M1", EventHealthy, from, 3*time.Minute)
		c.end()
	})
}

// TestLeasesOneByOne has leases that can only be asked for node by node.
func TestLeasesOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.oneByOne = true
		c.start()
		lease := c.lease("M2")
		if _, took := c.until("M2", EventMaintenance, time.Now(), time.Minute); took > pollEvery {
			t.Errorf("after %s", took)
		}
		c.release(lease)
		c.end()
	})
}

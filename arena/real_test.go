package arena_test

import (
	"testing"
	"time"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/arena/suite/suitetest"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest/realollama"
	"github.com/turbone/jarvis/nodes/ollama"
	"github.com/turbone/jarvis/scoring"
)

// realTasks are drawn from the built-in suite: as many as a tournament and the
// selection before it need. A tiny model gets slower with what it knows.
const realTasks = 80

// onRealOllama sets the stage on a real Ollama with tasks of the built-in suite.
// The models know a share of them; the champion is loaded.
func onRealOllama(t *testing.T, champion string, shares map[string]float64) (*stage, *realollama.Server) {
	t.Helper()
	tasks, err := suite.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	tasks = tasks.Draw(realTasks, 0)
	server := realollama.Start(t, realollama.Options{})
	for name, share := range shares {
		server.AddModel(name, suitetest.Model(suitetest.Knowing(tasks, share)))
	}
	backend, err := ollama.New(nodes.Connection{Node: "M1", URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	s := onStage(t, "ollama", backend, champion)
	s.tasks = tasks
	s.figures.Timeout, s.weights = 20*time.Second, scoring.Default()
	server.LoadBehindBack(champion, nil, -1)
	return s, server
}

// told logs how a tournament ended and how long it took.
func told(t *testing.T, r arena.Result, began time.Time) {
	t.Helper()
	t.Logf("%s in %s, %d tests of the candidate: %s", r.Verdict, time.Since(began).Round(10*time.Millisecond), r.TestsUsed, r.Sentence())
}

// TestRealTournaments: on a real Ollama, with models that know 50, 70 and 95 %
// of the tasks, the better one is crowned and serves, the worse and
// the equal one are not.
func TestRealTournaments(t *testing.T) {
	for _, test := range []struct {
		name                string
		champion, candidate float64
		promoted            bool
	}{
		{"better", 0.7, 0.95, true},
		{"much better", 0.5, 0.95, true},
		{"worse", 0.7, 0.5, false},
		{"equal", 0.7, 0.7, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, _ := onRealOllama(t, "old:latest", map[string]float64{"old:latest": test.champion, "new:latest": test.candidate})
			began := time.Now()
			r, err := s.arena().Hold(t.Context(), challenge(s, "new:latest"))
			if err != nil {
				t.Fatal(err)
			}
			told(t, r, began)
			want, loaded := arena.VerdictRetained, "old:latest"
			if test.promoted {
				want, loaded = arena.VerdictPromoted, "new:latest"
			}
			if r.Verdict != want && (test.promoted || r.Verdict == arena.VerdictPromoted) {
				t.Errorf("%s, want %s", r.Verdict, want)
			}
			s.serves(loaded)
			champion, crowned, err := s.store.Champion(t.Context())
			if err != nil || crowned != test.promoted || crowned && champion.Model != "new:latest" {
				t.Errorf("champion %+v, %t, %v", champion, crowned, err)
			}
		})
	}
}

// TestRealBestOfFour: --all finds the best of four candidates and crowns it.
func TestRealBestOfFour(t *testing.T) {
	s, _ := onRealOllama(t, "old:latest", map[string]float64{
		"old:latest": 0.7, "a:latest": 0.5, "b:latest": 0.8, "best:latest": 0.95, "c:latest": 0.6,
	})
	began := time.Now()
	ranking, err := s.arena().HoldAll(t.Context(), arena.Request{Node: s.node, Contest: arena.Field{
		{Name: "a:latest"}, {Name: "b:latest"}, {Name: "best:latest"}, {Name: "c:latest"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	told(t, ranking.Final, began)
	if ranking.Final.Verdict != arena.VerdictPromoted || ranking.Final.Candidate.Model != "best:latest" {
		t.Errorf("%s %s, want best:latest promoted; %+v", ranking.Final.Candidate.Model, ranking.Final.Verdict, ranking.Table)
	}
	s.serves("best:latest")
}

// TestRealCandidateThatNeverLoads: the champion is back, and nothing was
// recorded of a model that was never asked.
func TestRealCandidateThatNeverLoads(t *testing.T) {
	s, server := onRealOllama(t, "old:latest", map[string]float64{"old:latest": 0.7})
	server.Add(realollama.Model{Name: "broken:latest", Spec: realollama.Right(), Broken: true})
	r, err := s.arena().Hold(t.Context(), challenge(s, "broken:latest"))
	if err == nil && r.Verdict != arena.VerdictFailed {
		t.Errorf("%s without an error", r.Verdict)
	}
	t.Log(r.Reason, err)
	s.serves("old:latest")
	if _, crowned, err := s.store.Champion(t.Context()); err != nil || crowned {
		t.Errorf("a champion was crowned (%v)", err)
	}
}

// TestRealServerKilledInATournament: with the server killed in the middle, and
// started again by somebody, the champion is back on the node.
func TestRealServerKilledInATournament(t *testing.T) {
	s, server := onRealOllama(t, "old:latest", map[string]float64{"old:latest": 0.7, "new:latest": 0.95})
	killed := false
	s.heard = func(e arena.Event) {
		if e.Type == arena.EventTest && e.Role == arena.Candidate && !killed {
			killed = true
			server.Kill()
			if err := server.Restart(); err != nil {
				t.Error(err)
			}
		}
	}
	r, err := s.arena().Hold(t.Context(), challenge(s, "new:latest"))
	t.Log(r.Verdict, r.Reason, err)
	if !killed {
		t.Fatal("the candidate was never asked")
	}
	loaded := "old:latest"
	if err == nil && r.Verdict == arena.VerdictPromoted {
		loaded = "new:latest"
	}
	set, err := nodes.NewSet(s.node)
	if err != nil {
		t.Fatal(err)
	}
	unfinished, err := s.arena().Recover(t.Context(), set)
	if err != nil {
		t.Error(err)
	}
	for _, u := range unfinished {
		if u.Err != nil {
			t.Error(u.Err)
		}
	}
	s.serves(loaded)
	if _, err := s.store.Runs(t.Context()); err != nil {
		t.Error(err)
	}
}

package arena_test

import (
	"slices"
	"strings"
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
	s.figures.Timeout, s.weights = time.Minute, scoring.Default()
	if !full() {
		s.figures.Tasks, s.figures.Cycles = 20, 2
	}
	server.LoadBehindBack(champion, nil, -1)
	return s, server
}

// told logs how a tournament ended and how long it took.
func told(t *testing.T, r arena.Result, began time.Time) {
	t.Helper()
	t.Logf("%s in %s, %d tests of the candidate: %s", r.Verdict, time.Since(began).Round(10*time.Millisecond), r.TestsUsed, r.Sentence())
}

// TestRealTournaments: on a real Ollama, with models that know shares of the
// tasks, the better one is promoted and serves; a worse and an equal one are not,
// and their tests are in the history.
func TestRealTournaments(t *testing.T) {
	for _, test := range []struct {
		name                string
		champion, candidate float64
		want                []arena.Verdict
	}{
		{"better", 0.7, 0.95, []arena.Verdict{arena.VerdictPromoted}},
		{"much better", 0.5, 0.95, []arena.Verdict{arena.VerdictPromoted}},
		{"worse", 0.7, 0.5, []arena.Verdict{arena.VerdictRetained}},
		{"equal", 0.7, 0.7, []arena.Verdict{arena.VerdictRetained, arena.VerdictInconclusive}},
	} {
		if !full() && test.name != "much better" {
			continue // the others in full only: each takes a minute on a busy machine
		}
		t.Run(test.name, func(t *testing.T) {
			s, _ := onRealOllama(t, "old:latest", map[string]float64{"old:latest": test.champion, "new:latest": test.candidate})
			began := time.Now()
			r, err := s.arena().Hold(t.Context(), challenge(s, "new:latest"))
			if err != nil {
				t.Fatal(err)
			}
			told(t, r, began)
			if !slices.Contains(test.want, r.Verdict) {
				t.Errorf("%s, want %s", r.Verdict, test.want)
			}
			loaded := "old:latest"
			if r.Verdict == arena.VerdictPromoted {
				loaded = "new:latest"
			}
			s.serves(loaded)
			if r.TestsUsed < 20 || r.Candidate.Errors > 0 || r.Champion.Errors > 0 {
				t.Errorf("%d tests of the candidate, %d and %d without an answer", r.TestsUsed, r.Champion.Errors, r.Candidate.Errors)
			}
			runs, err := s.store.Runs(t.Context())
			if err != nil || len(runs) != 2 || len(runs[1].Results) != r.TestsUsed {
				t.Errorf("%d runs, %v", len(runs), err)
			}
			champion, crowned, err := s.store.Champion(t.Context())
			if err != nil || crowned != (r.Verdict == arena.VerdictPromoted) || crowned && champion.Model != "new:latest" {
				t.Errorf("champion %+v, %t, %v", champion, crowned, err)
			}
		})
	}
}

// TestRealBestOfFour finds the best of four candidates and promotes it.
func TestRealBestOfFour(t *testing.T) {
	if !full() {
		t.Skip("loads nine models on a real engine; JARVIS_FULL=1 runs it")
	}
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

// TestRealCandidateThatNeverLoads: the tournament has failed because of the load,
// the champion is back, and nothing is recorded of a model that was never asked.
func TestRealCandidateThatNeverLoads(t *testing.T) {
	s, server := onRealOllama(t, "old:latest", map[string]float64{"old:latest": 0.7})
	server.Add(realollama.Model{Name: "broken:latest", Spec: realollama.Right(), Broken: true})
	r := challenge(s, "broken:latest")
	r.Budget = arena.Quick
	result, err := s.arena().Hold(t.Context(), r)
	if err != nil || result.Verdict != arena.VerdictFailed || !strings.Contains(result.Reason, "broken:latest could not be loaded") {
		t.Errorf("%s: %s, %v", result.Verdict, result.Reason, err)
	}
	if result.TestsUsed > 0 || result.Champion.Tests == 0 {
		t.Errorf("%d tests of the candidate, %d of the champion", result.TestsUsed, result.Champion.Tests)
	}
	s.serves("old:latest")
	if _, crowned, err := s.store.Champion(t.Context()); err != nil || crowned {
		t.Errorf("a champion was crowned (%v)", err)
	}
	runs, err := s.store.Runs(t.Context())
	if err != nil || len(runs) != 1 || runs[0].Model != "old:latest" {
		t.Errorf("%d runs, %v; want the champion's alone", len(runs), err)
	}
}

// TestRealServerKilledInATournament: the server is killed in the middle and
// started again by somebody. The tests without an answer are asked anew after the
// candidate is loaded again, and the tournament comes to a verdict.
func TestRealServerKilledInATournament(t *testing.T) {
	s, server := onRealOllama(t, "old:latest", map[string]float64{"old:latest": 0.5, "new:latest": 0.95})
	s.afterTest(arena.Candidate, 3, func() {
		server.Kill()
		if err := server.Restart(); err != nil {
			t.Error(err)
		}
	})
	r, err := s.arena().Hold(t.Context(), challenge(s, "new:latest"))
	if err != nil || r.Verdict != arena.VerdictPromoted || r.Gap == nil || r.Gap.Low <= 0 {
		t.Errorf("%s: %s, %v", r.Verdict, r.Reason, err)
	}
	if reloads := s.count(arena.EventReloading); reloads != 1 || r.Candidate.Errors != 0 {
		t.Errorf("%d tests without an answer, loaded again %d times; want 0, 1", r.Candidate.Errors, reloads)
	}
	loaded := "old:latest"
	if r.Verdict == arena.VerdictPromoted {
		loaded = "new:latest"
	}
	s.serves(loaded)
	if left := files(t, s.journal); len(left) > 0 {
		t.Errorf("journals are left: %q", left)
	}
}

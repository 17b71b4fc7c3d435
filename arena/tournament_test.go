package arena_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/scoring"
)

// full reports whether campaigns run in full.
func full() bool { return os.Getenv("JARVIS_FULL") == "1" }

func model(name string, share float64) nodetest.Model {
	return nodetest.Model{Name: name, Knowledge: knowing(share)}
}

// challenge is the request of a tournament of one candidate.
func challenge(s *stage, candidate string) arena.Request {
	return arena.Request{Node: s.node, Contest: arena.Challenge{Name: candidate}}
}

// TestTheBetterModelServesAfterwards holds tournaments on servers that speak
// HTTP: which model is loaded, and what the history has of it.
func TestTheBetterModelServesAfterwards(t *testing.T) {
	engines := map[string]func(*testing.T, ...nodetest.Model) *stage{"ollama": onOllama, "lmstudio": onLMStudio}
	for engine, on := range engines {
		for _, test := range []struct {
			name      string
			candidate float64
			want      arena.Verdict
			loaded    string
		}{
			{"better", 0.95, arena.VerdictPromoted, "new"},
			{"worse", 0.3, arena.VerdictRetained, "old"},
		} {
			t.Run(engine+" "+test.name, func(t *testing.T) {
				s := on(t, model("old", 0.7), model("new", test.candidate))
				s.playsToTheEnd(test.want, test.loaded)
			})
		}
	}
}

// TestVerdicts holds tournaments between models that know shares of the tasks.
func TestVerdicts(t *testing.T) {
	for _, test := range []struct {
		name      string
		candidate float64
		want      arena.Verdict
		loaded    string
	}{
		{"better", 0.95, arena.VerdictPromoted, "new"},
		{"worse", 0.5, arena.VerdictRetained, "old"},
		{"equal", 0.7, arena.VerdictRetained, "old"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := onEngine(t, knows("old", 0.7), knows("new", test.candidate))
				s.playsToTheEnd(test.want, test.loaded)
				// Before a promotion the champion is asked once more.
				want := 1
				if test.loaded == "new" {
					want = 2
				}
				if loads := s.engine.loads; loads["new"] != want || loads["old"] != 1 {
					t.Errorf("loads: %v", loads)
				}
			})
		})
	}
}

// playsToTheEnd holds a tournament of the model new and checks all that it
// leaves behind.
func (s *stage) playsToTheEnd(want arena.Verdict, loaded string) {
	t := s.t
	t.Helper()
	result, err := s.arena().Hold(t.Context(), challenge(s, "new"))
	if err != nil {
		t.Fatal(err)
	}
	if result.Verdict != want || !s.node.Same(result.Loaded, loaded) {
		t.Errorf("%s, loaded %s: %s; want %s, %s", result.Verdict, result.Loaded, result.Reason, want, loaded)
	}
	s.serves(loaded)
	runs, err := s.store.Runs(t.Context())
	if err != nil || len(runs) != 2 {
		t.Fatalf("%d runs recorded (%v), want the champion's and the candidate's", len(runs), err)
	}
	if len(runs[1].Results) != result.TestsUsed || runs[1].Suite == "" || runs[1].Digest == "" && s.node.Engine != "lmstudio" {
		t.Errorf("the candidate's run lacks something: %d results, suite %q, digest %q", len(runs[1].Results), runs[1].Suite, runs[1].Digest)
	}
	champion, crowned, err := s.store.Champion(t.Context())
	if err != nil || crowned != (want == arena.VerdictPromoted) || crowned && champion.RunID != runs[1].ID {
		t.Errorf("champion %+v, %t, %v; the run is %s", champion, crowned, err, runs[1].ID)
	}
	if promoted := len(s.keeper.promotions) == 1 && s.keeper.promotions[0].Run == runs[1].ID; promoted != crowned {
		t.Errorf("the keeper has %+v", s.keeper.promotions)
	}
	if left := files(t, s.journal); len(left) > 0 {
		t.Errorf("journals are left: %q", left)
	}
	end := s.last(arena.EventRetained)
	if crowned {
		end = s.last(arena.EventPromoted)
	}
	if end.Result == nil || end.Result.Verdict != want || end.Done == 0 || end.Done > end.Most {
		t.Errorf("the end is told as %+v", end)
	}
}

// TestWhatCannotBeLoadedChangesNothing: a candidate that can't be loaded is
// refused before anything is asked, as far as that can be known.
func TestWhatCannotBeLoadedChangesNothing(t *testing.T) {
	large, broken := knows("large", 0.9), knows("broken", 0.9)
	large.size, broken.broken = 20<<30, true
	for _, test := range []struct {
		candidate string
		refused   error
	}{
		{"large", nodes.TooLarge},
		{"absent", nodes.ModelNotFound},
		{"broken", nil}, // which only a load tells
	} {
		t.Run(test.candidate, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := onEngine(t, knows("old", 0.7), large, broken)
				result, err := s.arena().Hold(t.Context(), challenge(s, test.candidate))
				switch {
				case test.refused != nil && (!errors.Is(err, test.refused) || s.count(arena.EventTest) > 0):
					t.Errorf("%v after %d tests, want %v before any", err, s.count(arena.EventTest), test.refused)
				case test.refused == nil && (err != nil || result.Verdict != arena.VerdictFailed || !strings.Contains(result.Reason, "load")):
					t.Errorf("%s: %s, %v", result.Verdict, result.Reason, err)
				case test.refused == nil && s.last(arena.EventDropped).Model != "broken":
					t.Errorf("dropped: %+v", s.last(arena.EventDropped))
				}
				if _, err := s.arena().Estimate(t.Context(), challenge(s, test.candidate)); !errors.Is(err, test.refused) {
					t.Errorf("the estimate says %v, want %v", err, test.refused)
				}
				s.serves("old")
			})
		})
	}
}

// TestOfSeveralWhatCannotBeLoadedIsOut leaves out candidates that are too large,
// gone or broken, and promotes the best of the others.
func TestOfSeveralWhatCannotBeLoadedIsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		large, broken := knows("large", 1), knows("broken", 1)
		large.size, broken.broken = 20<<30, true
		s := onEngine(t, knows("old", 0.5), knows("new", 0.95), large, broken)
		r, err := s.arena().HoldAll(t.Context(), arena.Request{Node: s.node, Contest: arena.Field{{Name: "large"}, {Name: "gone"}, {Name: "new"}, {Name: "broken"}}})
		if err != nil || r.Verdict != arena.VerdictPromoted || r.Winner != "new" || len(r.Table) != 4 || r.Table[0].Model != "new" {
			t.Fatalf("%s: %s, %v; %+v", r.Winner, r.Verdict, err, r.Table)
		}
		for _, standing := range r.Table {
			if out := standing.Model != "new"; out != (standing.Out != "") || out && standing.Tests > 0 {
				t.Errorf("%s: %d tests, out: %q", standing.Model, standing.Tests, standing.Out)
			}
		}
		if dropped := s.count(arena.EventDropped); dropped != 3 {
			t.Errorf("%d were dropped, want 3", dropped)
		}
		s.serves("new")
	})
}

// TestNoneOfSeveralCanBeLoaded: the tournament has failed, and says why.
func TestNoneOfSeveralCanBeLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onEngine(t, knows("old", 0.5))
		r, err := s.arena().HoldAll(t.Context(), arena.Request{Node: s.node, Contest: arena.Field{{Name: "gone"}, {Name: "lost"}}})
		if err != nil || r.Verdict != arena.VerdictFailed || !strings.Contains(r.Final.Reason, "none of the candidates") || !strings.Contains(r.Final.Reason, "lost") {
			t.Errorf("%+v, %v", r, err)
		}
		if _, err := s.arena().HoldAll(t.Context(), arena.Request{Node: s.node, Contest: arena.Field{{Name: "old"}}}); !errors.Is(err, arena.ErrNoCandidate) {
			t.Errorf("the champion as the only candidate: %v", err)
		}
		s.serves("old")
	})
}

// TestTheBestOfFour promotes the best of several candidates. The champion is
// none of them, and smaller files come first.
func TestTheBestOfFour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		models := []engineModel{knows("old", 0.6), knows("a", 0.5), knows("b", 0.7), knows("c", 0.95), knows("d", 0.3)}
		models[4].size = 1 << 20
		s := onEngine(t, models...)
		ranking, err := s.arena().HoldAll(t.Context(), arena.Request{
			Node: s.node, Contest: arena.Field{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}, {Name: "old"}, {Name: "a"}, {Name: "absent"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if ranking.Verdict != arena.VerdictPromoted || ranking.Winner != "c" || len(ranking.Table) != 5 || ranking.TestsUsed <= 4*40 {
			t.Errorf("%+v", ranking)
		}
		if ranking.Table[4].Out == "" || ranking.Table[0].Model != "c" {
			t.Errorf("the best is not first, or the absent not last: %+v", ranking.Table)
		}
		for _, e := range s.events {
			if e.Type == arena.EventLoading {
				if e.Model != "d" {
					t.Errorf("%s is loaded first, want the smallest file", e.Model)
				}
				break
			}
		}
		if chosen := s.last(arena.EventChosen); chosen.Model != "c" {
			t.Errorf("chosen: %+v", chosen)
		}
		s.serves("c")
	})
}

// TestInterruptedAnywhere ends a tournament at each of its events in turn; the
// node has its champion afterwards, and the tournament goes on to the verdict
// that it would have come to. The models are so far apart that no draw of tasks
// makes them equal. Without JARVIS_FULL it is a sample.
func TestInterruptedAnywhere(t *testing.T) {
	total := 0
	synctest.Test(t, func(t *testing.T) {
		s := onEngine(t, knows("old", 0.2), knows("new", 1))
		if _, err := s.arena().Hold(t.Context(), challenge(s, "new")); err != nil {
			t.Fatal(err)
		}
		total = len(s.events)
	})
	step := 1 + total/25
	if full() {
		step = 1
	}
	resumed := 0
	for at := 0; at < total; at += step {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { resumed += interruptedAt(t, at) })
		})
	}
	if resumed < total/step/2 {
		t.Errorf("%d of %d tournaments were resumed", resumed, total/step)
	}
}

// interruptedAt returns how many tournaments were resumed: 1 or 0.
func interruptedAt(t *testing.T, at int) (resumed int) {
	s := onEngine(t, knows("old", 0.2), knows("new", 1))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	heard := 0
	s.heard = func(arena.Event) {
		if heard++; heard == at+1 {
			cancel()
		}
	}
	result, err := s.arena().Hold(ctx, challenge(s, "new"))
	if err == nil { // the last events come after the last question
		if result.Verdict != arena.VerdictPromoted {
			t.Errorf("%s: %s", result.Verdict, result.Reason)
		}
		s.serves("new")
		return 0
	}
	if !errors.Is(err, arena.ErrInterrupted) && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	s.serves("old")
	s.heard = nil
	before := s.count(arena.EventTest)
	ranking, err := s.arena().Resume(t.Context(), s.node, "")
	if errors.Is(err, arena.ErrNothingToResume) {
		ranking.Final, err = s.arena().Hold(t.Context(), challenge(s, "new"))
	} else {
		resumed = 1
		if total := len(ranking.Final.ChampionTests) + len(ranking.Final.CandidateTests); total != s.count(arena.EventTest) {
			t.Errorf("%d tests count, %d were made, %d of them before", total, s.count(arena.EventTest), before)
		}
	}
	if err != nil || ranking.Final.Verdict != arena.VerdictPromoted {
		t.Errorf("resumed: %s %s %v", ranking.Final.Verdict, ranking.Final.Reason, err)
	}
	s.serves("new")
	return resumed
}

// TestTheChampionAgainstItself loads nothing and promotes nothing.
func TestTheChampionAgainstItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onEngine(t, knows("old", 0.7))
		result, err := s.arena().Hold(t.Context(), arena.Request{Node: s.node, Contest: arena.SelfTest{}, Budget: arena.Quick})
		if err != nil || result.Verdict == arena.VerdictPromoted || result.Smallest <= 0 {
			t.Fatalf("%+v, %v", result, err)
		}
		s.serves("old")
		if len(s.engine.loads) > 0 {
			t.Errorf("loads: %v", s.engine.loads)
		}
	})
}

// TestBudgets measures the champion with each budget: 2, 5 and 10 cycles of 40
// tasks. Its run is in the history.
func TestBudgets(t *testing.T) {
	for budget, tests := range map[arena.Budget]int{arena.Quick: 80, arena.Full: 200, arena.Extended: 400} {
		synctest.Test(t, func(t *testing.T) {
			s := onEngine(t, knows("old", 0.7))
			r := challenge(s, "old")
			r.Budget = budget
			result, err := s.arena().Hold(t.Context(), r)
			if err != nil || result.Verdict != arena.VerdictRetained || result.Method != arena.MethodMeasured || result.TestsUsed != tests {
				t.Errorf("%q: %s %s, %d tests, %v", budget, result.Verdict, result.Reason, result.TestsUsed, err)
			}
			if runs, err := s.store.Runs(t.Context()); err != nil || len(runs) != 1 || len(runs[0].Results) != tests {
				t.Errorf("%q: %d runs, %v", budget, len(runs), err)
			}
			s.serves("old")
		})
	}
}

// TestTheChampionsOwnRunsCount: with four runs of its own the champion is asked
// each task once. Runs under other conditions don't count.
func TestTheChampionsOwnRunsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onEngine(t, knows("old", 0.7), knows("new", 0.7))
		for range 4 {
			r := challenge(s, "old")
			r.Budget = arena.Quick
			if _, err := s.arena().Hold(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		e, err := s.arena().Estimate(t.Context(), challenge(s, "new"))
		if err != nil || e.Evidence != 4 || !e.Measured {
			t.Fatalf("%+v, %v; want four runs to count", e, err)
		}
		result, err := s.arena().Hold(t.Context(), challenge(s, "new"))
		if err != nil {
			t.Fatal(err)
		}
		if len(result.ChampionTests) != 40 {
			t.Errorf("the champion was asked %d tests, want 40: its own runs tell the rest", len(result.ChampionTests))
		}
		if result.Verdict == arena.VerdictPromoted {
			t.Errorf("an equal model was promoted: %s", result.Reason)
		}
		// Under other conditions they don't.
		s.figures.Temperature = arena.ZeroTemperature
		if e, err := s.arena().Estimate(t.Context(), challenge(s, "new")); err != nil || e.Evidence != 0 {
			t.Errorf("at another temperature %d runs count, %v", e.Evidence, err)
		}
	})
}

// TestRules: the same candidate by each rule.
func TestRules(t *testing.T) {
	for rule, want := range map[arena.Rule]arena.Method{
		arena.Sequential: arena.MethodPaired, arena.Strict: arena.MethodPaired, arena.Plain: arena.MethodPlain,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := onEngine(t, knows("old", 0.6), knows("new", 0.95))
			r := challenge(s, "new")
			r.Rule = rule
			result, err := s.arena().Hold(t.Context(), r)
			if err != nil || result.Verdict != arena.VerdictPromoted || result.Method != want {
				t.Errorf("%q: %s by %s: %s, %v", rule, result.Verdict, result.Method, result.Reason, err)
			}
			if looks := len(result.Looks); want == arena.MethodPlain && (looks != 1 || result.TestsUsed != 200) {
				t.Errorf("%q: %d looks, %d tests", rule, looks, result.TestsUsed)
			}
			s.serves("new")
		})
	}
}

// TestParallelJudgesNoSpeed promotes a better model that is slow, since several
// tests at once tell nothing of the speed, and not when it is asked alone.
func TestParallelJudgesNoSpeed(t *testing.T) {
	for parallel, want := range map[int]arena.Verdict{1: arena.VerdictRetained, 4: arena.VerdictPromoted} {
		synctest.Test(t, func(t *testing.T) {
			slow := knows("new", 0.95)
			slow.pace = 4 * time.Second
			s := onEngine(t, knows("old", 0.3), slow)
			s.weights = scoring.Composite{Quality: 0.3, Speed: 0.6, Reliability: 0.1}
			r := challenge(s, "new")
			r.Parallel = parallel
			began := time.Now()
			result, err := s.arena().Hold(t.Context(), r)
			if err != nil || result.Verdict != want {
				t.Errorf("%d at once: %s %s %v", parallel, result.Verdict, result.Reason, err)
			}
			tests := result.ChampionTests
			if took, least := time.Since(began), time.Duration(len(tests))*time.Second/time.Duration(parallel); took < least {
				t.Errorf("%d at once: %s for %d tests", parallel, took, len(tests))
			}
		})
	}
}

// TestWarmup discards answers after a load until the speed is steady.
func TestWarmup(t *testing.T) {
	jumpy := knows("new", 0.9)
	jumpy.jumpy = true
	for name, test := range map[string]struct {
		candidate engineModel
		warmup    int
		discarded int
		unsteady  bool
	}{
		"none":      {knows("new", 0.9), arena.NoWarmup, 0, false},
		"usual":     {knows("new", 0.9), 0, 3, false},
		"longer":    {knows("new", 0.9), 5, 5, false},
		"up to ten": {jumpy, 3, 13, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := onEngine(t, knows("old", 0.9), test.candidate)
				s.figures.Warmup = test.warmup
				discarded, asking := 0, true
				s.heard = func(e arena.Event) {
					asking = asking && (e.Type != arena.EventTest || e.Role != arena.Candidate)
					if e.Type == arena.EventWarming && e.Model == "new" && asking {
						discarded++
					}
				}
				r := challenge(s, "new")
				r.Budget = arena.Quick
				result, err := s.arena().Hold(t.Context(), r)
				if err != nil || discarded != test.discarded || (result.Candidate.Unsteady != "") != test.unsteady {
					t.Errorf("%d answers discarded, unsteady %q, %v; want %d, %t", discarded, result.Candidate.Unsteady, err, test.discarded, test.unsteady)
				}
				if told := s.last(arena.EventUnsteady); test.unsteady && !strings.Contains(told.Text(), "not steady after 13 answers") {
					t.Errorf("told: %s", told)
				}
			})
		})
	}
}

// TestFigures refuses figures below zero that have no name.
func TestFigures(t *testing.T) {
	s := onEngine(t, knows("old", 0.7))
	for _, f := range []arena.Figures{
		{Tasks: -1}, {Cycles: -1}, {QuickCycles: -1}, {Warmup: -2}, {Temperature: -0.5}, {MaxTokens: -1},
		{Timeout: -1}, {Grace: -1}, {Patience: -1},
	} {
		if _, err := arena.New(arena.Config{History: s.store, Suite: s.tasks, Figures: f}); err == nil {
			t.Errorf("%+v is taken", f)
		}
	}
	if _, err := arena.New(arena.Config{Suite: s.tasks}); err == nil {
		t.Error("an arena without a history")
	}
	if _, err := arena.New(arena.Config{History: s.store}); err == nil {
		t.Error("an arena without tasks")
	}
}

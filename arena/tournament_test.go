package arena_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
)

func model(name string, share float64) nodetest.Model {
	return nodetest.Model{Name: name, Knowledge: knowing(share)}
}

func hold(s *stage, candidate string) arena.Request {
	return arena.Request{Node: s.node, Contest: arena.Challenge{Name: candidate}}
}

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
			{"worse", 0.5, arena.VerdictRetained, "old"},
			{"equal", 0.7, arena.VerdictRetained, "old"},
		} {
			t.Run(engine+" "+test.name, func(t *testing.T) {
				s := on(t, model("old", 0.7), model("new", test.candidate))
				result, err := s.arena().Hold(t.Context(), hold(s, "new"))
				if err != nil {
					t.Fatal(err)
				}
				if result.Verdict != test.want || !s.node.Same(result.Loaded, test.loaded) {
					t.Errorf("%s, loaded %s: %s; want %s, %s", result.Verdict, result.Loaded, result.Reason, test.want, test.loaded)
				}
				s.serves(test.loaded)
				runs, err := s.store.Runs(t.Context())
				if err != nil || len(runs) != 2 {
					t.Fatalf("%d runs recorded (%v), want the champion's and the candidate's", len(runs), err)
				}
				if len(runs[1].Results) != result.TestsUsed || runs[1].Suite == "" || runs[1].Digest == "" && engine == "ollama" {
					t.Errorf("the candidate's run lacks something: %d results, suite %q, digest %q", len(runs[1].Results), runs[1].Suite, runs[1].Digest)
				}
				champion, crowned, err := s.store.Champion(t.Context())
				if err != nil || crowned != (test.want == arena.VerdictPromoted) {
					t.Errorf("champion %+v, %t, %v", champion, crowned, err)
				}
				if crowned && champion.RunID != runs[1].ID {
					t.Errorf("the champion's run is %s, not %s", champion.RunID, runs[1].ID)
				}
			})
		}
	}
}

func TestWhatCannotBeLoadedChangesNothing(t *testing.T) {
	large := model("large", 0.9)
	large.Size = 20 << 30
	broken := model("broken", 0.9)
	broken.Broken = true
	for _, test := range []struct {
		candidate string
		refused   error
	}{
		{"large", nodes.TooLarge},
		{"absent", nodes.ModelNotFound},
		{"broken", nil}, // which only a load tells
	} {
		t.Run(test.candidate, func(t *testing.T) {
			s := onOllama(t, model("old", 0.7), large, broken)
			result, err := s.arena().Hold(t.Context(), hold(s, test.candidate))
			switch {
			case test.refused != nil && (!errors.Is(err, test.refused) || s.count(arena.EventTest) > 0):
				t.Errorf("%v after %d tests, want %v before any", err, s.count(arena.EventTest), test.refused)
			case test.refused == nil && (err != nil || result.Verdict != arena.VerdictFailed || !strings.Contains(result.Reason, "load")):
				t.Errorf("%s: %s, %v", result.Verdict, result.Reason, err)
			}
			if _, err := s.arena().Estimate(t.Context(), hold(s, test.candidate)); !errors.Is(err, test.refused) {
				t.Errorf("the estimate says %v, want %v", err, test.refused)
			}
			s.serves("old")
		})
	}
}

// TestOfSeveralWhatCannotBeLoadedIsOut leaves a candidate out that is too large,
// and one that is gone, and crowns the best of the others.
func TestOfSeveralWhatCannotBeLoadedIsOut(t *testing.T) {
	large := model("large", 1)
	large.Size = 20 << 30
	s := onOllama(t, model("old", 0.5), model("new", 0.95), large)
	r, err := s.arena().HoldAll(t.Context(), arena.Request{Node: s.node, Contest: arena.Field{{Name: "large"}, {Name: "gone"}, {Name: "new"}}})
	if err != nil || r.Verdict != arena.VerdictPromoted || !s.node.Same(r.Winner, "new") {
		t.Fatalf("%s: %s, %v", r.Winner, r.Verdict, err)
	}
	for _, standing := range r.Table {
		if out := !s.node.Same(standing.Model, "new"); out != (standing.Out != "") || out && standing.Tests > 0 {
			t.Errorf("%s: %d tests, out: %q", standing.Model, standing.Tests, standing.Out)
		}
	}
	s.serves("new")
}

// TestInterruptedAnywhere ends a tournament at each of its events in turn; the
// node has its champion afterwards, and the tournament goes on to the verdict
// that it would have come to.
func TestInterruptedAnywhere(t *testing.T) {
	s := onOllama(t, model("old", 0.7), model("new", 0.95))
	if _, err := s.arena().Hold(t.Context(), hold(s, "new")); err != nil {
		t.Fatal(err)
	}
	total := len(s.events)
	for at := 0; at < total; at += 1 + total/25 {
		s := onOllama(t, model("old", 0.7), model("new", 0.95))
		ctx, cancel := context.WithCancel(t.Context())
		heard := 0
		s.heard = func(arena.Event) {
			if heard++; heard == at+1 {
				cancel()
			}
		}
		result, err := s.arena().Hold(ctx, hold(s, "new"))
		cancel()
		if err == nil { // the last events come after the last question
			if result.Verdict != arena.VerdictPromoted {
				t.Errorf("event %d: %s: %s", at, result.Verdict, result.Reason)
			}
			s.serves("new")
			continue
		}
		if !errors.Is(err, arena.ErrInterrupted) && !errors.Is(err, context.Canceled) {
			t.Errorf("event %d: %v", at, err)
		}
		s.serves("old")
		s.heard = nil
		ranking, err := s.arena().Resume(t.Context(), s.node, "")
		result = ranking.Final
		if errors.Is(err, arena.ErrNothingToResume) {
			result, err = s.arena().Hold(t.Context(), hold(s, "new"))
		}
		if err != nil || result.Verdict != arena.VerdictPromoted {
			t.Errorf("event %d: resumed: %s %s %v", at, result.Verdict, result.Reason, err)
		}
		s.serves("new")
	}
}

func TestTheChampionAgainstItself(t *testing.T) {
	s := onOllama(t, model("old", 0.7))
	result, err := s.arena().Hold(t.Context(), arena.Request{Node: s.node, Contest: arena.SelfTest{}, Budget: arena.Quick})
	if err != nil || result.Verdict == arena.VerdictPromoted {
		t.Fatalf("%s %s %v", result.Verdict, result.Reason, err)
	}
	s.serves("old")
	if loads := s.count(arena.EventLoading); loads > 2 {
		t.Errorf("%d loads for a model that is loaded", loads)
	}
}

func TestTheChampionIsMeasuredOnly(t *testing.T) {
	s := onOllama(t, model("old", 0.7))
	result, err := s.arena().Hold(t.Context(), arena.Request{Node: s.node, Contest: arena.Challenge{Name: "old"}, Budget: arena.Quick})
	if err != nil || result.Verdict != arena.VerdictRetained || result.TestsUsed != 80 {
		t.Fatalf("%s %s, %d tests, %v", result.Verdict, result.Reason, result.TestsUsed, err)
	}
	s.serves("old")
}

func TestTheChampionsOwnRunsCount(t *testing.T) {
	s := onOllama(t, model("old", 0.7), model("new", 0.7))
	for range 4 {
		if _, err := s.arena().Hold(t.Context(), arena.Request{Node: s.node, Contest: arena.Challenge{Name: "old"}, Budget: arena.Quick}); err != nil {
			t.Fatal(err)
		}
	}
	e, err := s.arena().Estimate(t.Context(), hold(s, "new"))
	if err != nil || e.Evidence != 4 || !e.Measured {
		t.Fatalf("%+v, %v; want four runs to count", e, err)
	}
	result, err := s.arena().Hold(t.Context(), hold(s, "new"))
	if err != nil {
		t.Fatal(err)
	}
	if len(result.ChampionTests) != 40 {
		t.Errorf("the champion was asked %d tests, want 40: its own runs tell the rest", len(result.ChampionTests))
	}
	if result.Verdict == arena.VerdictPromoted {
		t.Errorf("an equal model was promoted: %s", result.Reason)
	}
}

func TestPlainRule(t *testing.T) {
	s := onOllama(t, model("old", 0.7), model("new", 0.8))
	result, err := s.arena().Hold(t.Context(), arena.Request{Node: s.node, Contest: arena.Challenge{Name: "new"}, Rule: arena.Plain, Budget: arena.Quick})
	if err != nil || result.Verdict != arena.VerdictPromoted {
		t.Fatalf("%s %s %v", result.Verdict, result.Reason, err)
	}
	s.serves("new")
}

func TestTheBestOfFour(t *testing.T) {
	s := onOllama(t, model("old", 0.6), model("a", 0.5), model("b", 0.7), model("c", 0.95), model("d", 0.3))
	ranking, err := s.arena().HoldAll(t.Context(), arena.Request{Node: s.node, Contest: arena.Field{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}, {Name: "old"}, {Name: "absent"}}})
	if err != nil {
		t.Fatal(err)
	}
	if ranking.Verdict != arena.VerdictPromoted || !s.node.Same(ranking.Winner, "c") || len(ranking.Table) != 5 {
		t.Errorf("%+v", ranking)
	}
	if ranking.Table[4].Out == "" {
		t.Errorf("the model that is not there comes not last: %+v", ranking.Table)
	}
	s.serves("c")
}

func TestANodeThatDiesGetsItsModelBack(t *testing.T) {
	s := onOllama(t, model("old", 0.7), model("new", 0.95))
	tests := 0
	s.heard = func(e arena.Event) {
		if e.Type == arena.EventTest && e.Role == arena.Candidate {
			switch tests++; tests {
			case 5:
				s.fake.Break(nodetest.Down)
			case 8:
				s.fake.Mend()
			}
		}
	}
	result, err := s.arena().Hold(t.Context(), hold(s, "new"))
	if err != nil {
		t.Fatal(err)
	}
	if result.Candidate.Errors < 3 {
		t.Errorf("%d tests without an answer were counted, want at least 3", result.Candidate.Errors)
	}
	s.serves(result.Loaded)
}

func TestABusyLeaseIsRespected(t *testing.T) {
	s := onOllama(t, model("old", 0.7), model("new", 0.95))
	lease, err := s.leases.Acquire(t.Context(), "M1", nodes.Holder{Name: "somebody"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.heard = func(arena.Event) { cancel() } // the first event says that it waits
	if _, err := s.arena().Hold(ctx, hold(s, "new")); err == nil {
		t.Error("a leased node was worked on")
	}
	if err := lease.Release(); err != nil {
		t.Fatal(err)
	}
	s.serves("old")
}

func TestParallelJudgesNoSpeed(t *testing.T) {
	s := onOllama(t, model("old", 0.7), model("new", 0.95))
	result, err := s.arena().Hold(t.Context(), arena.Request{Node: s.node, Contest: arena.Challenge{Name: "new"}, Parallel: 4})
	if err != nil || result.Verdict != arena.VerdictPromoted {
		t.Fatalf("%s %s %v", result.Verdict, result.Reason, err)
	}
	if look := result.Looks[0]; look.Tests != 20 {
		t.Errorf("the first look came after %d tests", look.Tests)
	}
}

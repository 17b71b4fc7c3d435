package arena_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/nodes"
)

// afterTest calls do once after so many tests of a role.
func (s *stage) afterTest(role arena.Role, count int, do func()) {
	tests := 0
	s.heard = func(e arena.Event) {
		if e.Type == arena.EventTest && e.Role == role {
			if tests++; tests == count {
				do()
			}
		}
	}
}

// TestAServerThatDiesIsWaitedFor: the candidate is loaded again once the server is
// back, and the tests without an answer are asked anew.
func TestAServerThatDiesIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onEngine(t, knows("old", 0.2), knows("new", 1))
		s.afterTest(arena.Candidate, 5, func() {
			s.engine.set(func(e *engine) { e.down, e.loaded = true, nil })
			time.AfterFunc(20*time.Second, func() { s.engine.set(func(e *engine) { e.down = false }) })
		})
		result, err := s.arena().Hold(t.Context(), challenge(s, "new"))
		if err != nil || result.Verdict != arena.VerdictPromoted {
			t.Fatalf("%s: %s, %v", result.Verdict, result.Reason, err)
		}
		if result.Candidate.Errors != 0 {
			t.Errorf("%d tests without an answer were counted", result.Candidate.Errors)
		}
		if e := s.last(arena.EventRepeating); e.Count != 3 || e.Role != arena.Candidate {
			t.Errorf("told: %+v", e)
		}
		if note := "3 tests of the candidate were asked anew after it had stopped answering"; !slices.Equal(result.Notes, []string{note}) || !strings.HasSuffix(result.Sentence(), "; "+note) {
			t.Errorf("notes: %q; %s", result.Notes, result.Sentence())
		}
		if e := s.last(arena.EventReloading); e.Model != "new" || e.Count != 3 || !strings.Contains(e.Cause, "refused") {
			t.Errorf("told: %+v", e)
		}
		s.serves("new")
	})
}

// TestAServerThatStaysDown: the tournament is cut short once the patience is over,
// the node is left to the healer with what has to be on it remembered, and the
// session goes on once the server is back.
func TestAServerThatStaysDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onEngine(t, knows("old", 0.2), knows("new", 1))
		s.afterTest(arena.Candidate, 5, func() { s.engine.set(func(e *engine) { e.down, e.loaded = true, nil }) })
		began := time.Now()
		result, err := s.arena().Hold(t.Context(), challenge(s, "new"))
		if !errors.Is(err, nodes.Refused) || !errors.Is(err, arena.ErrCutShort) || result.Verdict != arena.VerdictFailed || result.Loaded != "" {
			t.Errorf("%+v, %v", result, err)
		}
		tests := time.Duration(s.count(arena.EventTest)+s.count(arena.EventWarming)) * time.Second
		if waited := time.Since(began) - tests; waited < 5*time.Minute-10*time.Second || waited > 5*time.Minute+10*time.Second {
			t.Errorf("waited for %s, want five minutes once", waited)
		}
		if e := s.last(arena.EventAway); s.count(arena.EventAway) != 1 || !strings.HasPrefix(e.Text(), "waiting for the server, up to 5 min: probe: connection refused") {
			t.Errorf("told %d times: %s", s.count(arena.EventAway), e)
		}
		if s.count(arena.EventDropped) > 0 {
			t.Errorf("the candidate is out: %+v", s.last(arena.EventDropped))
		}
		if m := s.keeper.remembered["M1"]; m.Name != "old" {
			t.Errorf("to be restored: %+v", m)
		}
		if _, held, _ := s.leases.Holder(t.Context(), "M1"); held {
			t.Error("the lease is still held")
		}
		// The next one ends it.
		s.engine.set(func(e *engine) { e.down = false })
		set, err := nodes.NewSet(s.node)
		if err != nil {
			t.Fatal(err)
		}
		list, err := s.arena().Recover(t.Context(), set)
		if err != nil || len(list) != 1 || list[0].Err != nil {
			t.Errorf("recovered: %+v, %v", list, err)
		}
		s.serves("old")
		ranking, err := s.arena().Resume(t.Context(), s.node, result.Session)
		if err != nil || ranking.Verdict != arena.VerdictPromoted || ranking.Final.Candidate.Errors != 0 {
			t.Errorf("resumed: %s, %v", ranking.Final.Reason, err)
		}
		s.serves("new")
	})
}

// TestAServerIsRestarted where the node has a way to, once for each load.
func TestAServerIsRestarted(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := onEngine(t, knows("old", 0.2), knows("new", 1))
			s.node.Restarter = s.engine
			s.engine.stuck = stuck
			s.afterTest(arena.Candidate, 5, func() { s.engine.set(func(e *engine) { e.down, e.loaded = true, nil }) })
			result, err := s.arena().Hold(t.Context(), challenge(s, "new"))
			if !stuck {
				if err != nil || result.Verdict != arena.VerdictPromoted || s.engine.restarts != 1 || s.count(arena.EventRestarting) != 1 {
					t.Errorf("%s: %s, %v, %d restarts", result.Verdict, result.Reason, err, s.engine.restarts)
				}
				s.serves("new")
				return
			}
			if !errors.Is(err, nodes.RestartFailed) || !strings.Contains(result.Reason, "no such unit") || s.engine.restarts != 1 {
				t.Errorf("%s, %v, %d restarts; want one", result.Reason, err, s.engine.restarts)
			}
		})
	}
}

// TestAModelThatGoesAgainAndAgain: a candidate that is unloaded three times within
// 40 tests is out; a champion that is ends the tournament for now.
func TestAModelThatGoesAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onEngine(t, knows("old", 0.2), knows("new", 1))
		s.heard = func(e arena.Event) {
			if e.Type == arena.EventLoaded && e.Model == "new" {
				s.engine.set(func(e *engine) { e.forgets = 8 })
			}
		}
		result, err := s.arena().Hold(t.Context(), challenge(s, "new"))
		if err != nil || result.Verdict != arena.VerdictFailed || !strings.Contains(result.Reason, "3 tests in a row without an answer, 3 times within 40 tests: it is no longer loaded") {
			t.Errorf("%s: %s, %v", result.Verdict, result.Reason, err)
		}
		if s.engine.loads["new"] != 3 {
			t.Errorf("it was loaded %d times", s.engine.loads["new"])
		}
		s.serves("old")
	})
	synctest.Test(t, func(t *testing.T) {
		s := onEngine(t, knows("old", 0.2), knows("new", 1))
		s.heard = func(e arena.Event) {
			if e.Type == arena.EventLoaded && e.Model == "old" {
				s.engine.set(func(e *engine) { e.forgets = 10 })
			}
		}
		result, err := s.arena().Hold(t.Context(), challenge(s, "new"))
		if !errors.Is(err, arena.ErrCutShort) || result.Verdict != arena.VerdictFailed || !strings.Contains(err.Error(), "no longer loaded") {
			t.Errorf("%s: %s, %v", result.Verdict, result.Reason, err)
		}
		s.heard = nil
		s.engine.set(func(e *engine) { e.forgets = 0 })
		ranking, err := s.arena().Resume(t.Context(), s.node, "")
		if err != nil || ranking.Verdict != arena.VerdictPromoted {
			t.Errorf("resumed: %s, %v", ranking.Final.Reason, err)
		}
		s.serves("new")
	})
}

// TestAMuteCandidate: a candidate that is loaded and never answers is waited for
// and loaded again; that it still doesn't answer is no verdict.
func TestAMuteCandidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mute := knows("new", 1)
		mute.mute = true
		s := onEngine(t, knows("old", 0.7), mute)
		result, err := s.arena().Hold(t.Context(), challenge(s, "new"))
		if err != nil || result.Verdict != arena.VerdictFailed || !strings.Contains(result.Reason, "it is loaded and does not answer") {
			t.Errorf("%s: %s, %+v, %v", result.Verdict, result.Reason, result.Candidate, err)
		}
		if s.count(arena.EventReloading) != 1 || s.count(arena.EventPaused) != 2 || !strings.Contains(result.Candidate.Unsteady, "no answer whose speed") {
			t.Errorf("loaded again %d times, unsteady: %q", s.count(arena.EventReloading), result.Candidate.Unsteady)
		}
		s.serves("old")
	})
}

// TestABurstIsOneEvent: while a loaded model gives no answer the tournament waits,
// and the tests without an answer are asked anew.
func TestABurstIsOneEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onEngine(t, knows("old", 0.2), knows("new", 1))
		mute := func(is bool) func(e *engine) { return func(e *engine) { e.models[1].mute = is } }
		s.afterTest(arena.Candidate, 15, func() {
			s.engine.set(mute(true))
			time.AfterFunc(220*time.Second, func() { s.engine.set(mute(false)) })
		})
		result, err := s.arena().Hold(t.Context(), challenge(s, "new"))
		if err != nil || result.Verdict != arena.VerdictPromoted || result.Candidate.Errors != 0 {
			t.Errorf("%s: %s, %d errors, %v", result.Verdict, result.Reason, result.Candidate.Errors, err)
		}
		if s.count(arena.EventPaused) != 1 || s.count(arena.EventReloading) != 0 || s.last(arena.EventRepeating).Count != 3 {
			t.Errorf("paused %d times, loaded again %d times, %d asked anew", s.count(arena.EventPaused), s.count(arena.EventReloading), s.last(arena.EventRepeating).Count)
		}
	})
}

// TestABusyServerIsAskedAgain: that others are being served is no fault of the
// model.
func TestABusyServerIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onEngine(t, knows("old", 0.2), knows("new", 1))
		s.afterTest(arena.Candidate, 5, func() { s.engine.set(func(e *engine) { e.busy = 4 }) })
		result, err := s.arena().Hold(t.Context(), challenge(s, "new"))
		if err != nil || result.Candidate.Errors != 0 {
			t.Errorf("%d tests without an answer, %v", result.Candidate.Errors, err)
		}
	})
}

// TestAWinnerThatForgets: a candidate that answers nothing right when it is to
// serve for good is not promoted, and the champion is back.
func TestAWinnerThatForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onEngine(t, knows("old", 0.2), knows("new", 1))
		s.heard = func(e arena.Event) {
			if e.Type == arena.EventConfirmed {
				s.engine.set(func(e *engine) { e.models[1].know = nil })
			}
		}
		result, err := s.arena().Hold(t.Context(), challenge(s, "new"))
		if err != nil || result.Verdict != arena.VerdictFailed || !strings.Contains(result.Reason, "won and could not be put into service") {
			t.Errorf("%s: %s, %v", result.Verdict, result.Reason, err)
		}
		if len(s.keeper.promotions) > 0 {
			t.Errorf("promoted: %+v", s.keeper.promotions)
		}
		s.serves("old")
	})
}

// TestTheChampionIsVerified: a champion that doesn't answer as before is loaded
// four times, and then left to the healer.
func TestTheChampionIsVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onEngine(t, knows("old", 0.7), knows("new", 0.2))
		s.heard = func(e arena.Event) {
			if e.Type == arena.EventLook {
				s.engine.set(func(e *engine) { e.models[0].know = nil })
			}
		}
		result, err := s.arena().Hold(t.Context(), challenge(s, "new"))
		if err == nil || !strings.Contains(err.Error(), "0 of 3 questions right that it answered before") || result.Loaded != "" {
			t.Errorf("loaded %q, %v", result.Loaded, err)
		}
		if s.count(arena.EventRestored) > 0 || s.keeper.remembered["M1"].Name != "old" {
			t.Errorf("restored %d times, to be restored: %v", s.count(arena.EventRestored), s.keeper.remembered)
		}
	})
}

// TestABusyLeaseIsRespected: it is waited for, up to half a minute.
func TestABusyLeaseIsRespected(t *testing.T) {
	for held, want := range map[time.Duration]string{
		10 * time.Second: "", 29 * time.Second: "", 31 * time.Second: "leased", 0: "interrupted",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := onEngine(t, knows("old", 0.7))
			lease, err := s.leases.Acquire(t.Context(), "M1", nodes.Holder{Name: "somebody"})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if held == 0 {
				s.heard = func(arena.Event) { cancel() } // the first event says that it waits
			}
			time.AfterFunc(max(held, time.Minute*time.Duration(min(1, len(want)))), func() { _ = lease.Release() })
			if want == "" {
				time.AfterFunc(held, func() { _ = lease.Release() })
			}
			began := time.Now()
			result, err := s.arena().Hold(ctx, challenge(s, "old"))
			switch want {
			case "":
				if err != nil || result.Verdict != arena.VerdictRetained {
					t.Errorf("held for %s: %s, %v", held, result.Verdict, err)
				}
			case "leased":
				if took := time.Since(began); !errors.Is(err, nodes.Leased) || took < 30*time.Second || took > 31*time.Second {
					t.Errorf("%v after %s, want the lease's holder after 30 s", err, took)
				}
			case "interrupted":
				if !errors.Is(err, arena.ErrInterrupted) {
					t.Errorf("%v, want ErrInterrupted", err)
				}
			}
			if e := s.last(arena.EventWaiting); s.count(arena.EventWaiting) != 1 || !strings.Contains(e.Cause, "somebody") || e.Limit != 30*time.Second {
				t.Errorf("told %d times: %+v", s.count(arena.EventWaiting), e)
			}
			if want != "" && s.engine.asked > 0 {
				t.Error("a leased node was worked on")
			}
			time.Sleep(time.Minute)
			s.serves("old")
		})
	}
}

// TestTrafficIsDrained: the node is worked on once it gets no more requests and
// those in flight are done, or the grace is over.
func TestTrafficIsDrained(t *testing.T) {
	for name, test := range map[string]struct {
		others int
		drain  error
		tells  arena.EventType
	}{
		"idle":           {0, nil, ""},
		"soon idle":      {8, nil, ""},
		"never idle":     {1 << 20, nil, arena.EventBusy},
		"still in route": {0, errors.New("the healer does not answer"), arena.EventTraffic},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := onEngine(t, knows("old", 0.7))
				s.engine.others = test.others
				drained := ""
				s.drain = func(_ context.Context, node string) error { drained = node; return test.drain }
				began := time.Now()
				var waited time.Duration
				s.heard = func(e arena.Event) {
					if e.Type == arena.EventStarted {
						waited = time.Since(began)
					}
				}
				if _, err := s.arena().Hold(t.Context(), challenge(s, "old")); err != nil {
					t.Fatal(err)
				}
				for _, tells := range []arena.EventType{arena.EventBusy, arena.EventTraffic} {
					if count := s.count(tells); count > 1 || (count == 1) != (tells == test.tells) {
						t.Errorf("%s was told %d times", tells, count)
					}
				}
				grace := 10 * time.Second
				if drained != "M1" || waited > grace+time.Second || (waited >= grace) != (test.tells == arena.EventBusy) {
					t.Errorf("drained %q, waited %s", drained, waited)
				}
			})
		})
	}
}

// TestWhatTheNodeServes: what it is meant to serve, else what is loaded, else the
// history's champion.
func TestWhatTheNodeServes(t *testing.T) {
	estimate := func(s *stage) (string, error) {
		e, err := s.arena().Estimate(s.t.Context(), challenge(s, "new"))
		return e.Champion, err
	}
	synctest.Test(t, func(t *testing.T) {
		s := onEngine(t, knows("old", 0.7), knows("new", 0.9), knows("third", 0.9))
		if got, err := estimate(s); got != "old" || err != nil {
			t.Errorf("%q is the champion, %v; want the configured model", got, err)
		}
		s.keeper.serves["M1"] = nodes.Model{Name: "third"}
		if got, err := estimate(s); got != "third" || err != nil {
			t.Errorf("%q is the champion, %v; want the promoted one", got, err)
		}
		delete(s.keeper.serves, "M1")
		s.node.Wanted = nodes.Model{}
		if got, err := estimate(s); got != "old" || err != nil {
			t.Errorf("%q is the champion, %v; want what is loaded", got, err)
		}
		s.engine.set(func(e *engine) { e.loaded = nil })
		if _, err := estimate(s); !errors.Is(err, nodes.NotLoaded) {
			t.Errorf("nothing is known: %v, want NotLoaded", err)
		}
	})
}

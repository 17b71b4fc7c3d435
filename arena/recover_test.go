package arena_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/nodes"
)

// killedAt holds a tournament of the model new and puts its journals aside at
// the first event that is meant, as if the process had been killed there. Then
// the candidate is loaded, and the stage has the journals of that moment.
func killedAt(t *testing.T, s *stage, meant func(arena.Event) bool) {
	t.Helper()
	left := t.TempDir()
	s.heard = func(e arena.Event) {
		if meant(e) && len(files(t, left)) == 0 {
			if err := os.CopyFS(left, os.DirFS(s.journal)); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := s.arena().Hold(t.Context(), challenge(s, "new")); err != nil {
		t.Fatal(err)
	}
	s.heard = nil
	if _, err := s.node.Ensure(t.Context(), nodes.Model{Name: "new"}, nodes.EnsureOptions{}); err != nil {
		t.Fatal(err)
	}
	s.journal = left
}

func testOf(role arena.Role) func(arena.Event) bool {
	return func(e arena.Event) bool { return e.Type == arena.EventTest && e.Role == role }
}

// recovered calls Recover for the stage's node.
func recovered(t *testing.T, s *stage) []arena.Unfinished {
	t.Helper()
	set, err := nodes.NewSet(s.node)
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.arena().Recover(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func oneRecovered(t *testing.T, s *stage) arena.Unfinished {
	t.Helper()
	list := recovered(t, s)
	if len(list) != 1 {
		t.Fatalf("%+v; want one session", list)
	}
	return list[0]
}

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestRecover ends what a killed process left: the candidate is loaded and its
// journal says so. A node that doesn't answer is told, and not waited for; once
// it answers it gets its champion back.
func TestRecover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onEngine(t, knows("old", 0.7), knows("new", 0.2))
		killedAt(t, s, testOf(arena.Candidate))
		s.engine.set(func(e *engine) { e.down = true })
		left := files(t, s.journal)
		list, err := arena.ReadUnfinished(s.journal)
		if err != nil || len(list) != 1 || list[0].Node != "M1" || list[0].Candidate.Name != "new" || list[0].Tests == 0 || list[0].Err != nil {
			t.Errorf("read: %+v, %v", list, err)
		}
		if now := files(t, s.journal); !slices.Equal(now, left) {
			t.Errorf("reading left %v of %v", now, left)
		}
		began := time.Now()
		if u := oneRecovered(t, s); !errors.Is(u.Err, nodes.Refused) || !strings.Contains(u.Err.Error(), "old") || u.Node != "M1" {
			t.Errorf("of a node that is down: %+v", u)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("a node that is down was waited for, for %s", took)
		}
		s.engine.set(func(e *engine) { e.down = false })
		for range 2 { // the second time there is nothing to do
			if u := oneRecovered(t, s); u.Err != nil || u.Tests == 0 || u.Candidate.Name != "new" || u.Champion.Name != "old" {
				t.Errorf("of a node that answers: %+v", u)
			}
			s.serves("old")
		}
		if told := s.count(arena.EventRecovering); told != 1 || s.last(arena.EventRecovering).Model != "new" {
			t.Errorf("told %d times: %+v", told, s.last(arena.EventRecovering))
		}
	})
}

// TestRecoverLeavesAlone what another holds, and what it doesn't know.
func TestRecoverLeavesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onEngine(t, knows("old", 0.7), knows("new", 0.2))
		killedAt(t, s, testOf(arena.Candidate))
		lease, err := s.leases.Acquire(t.Context(), "M1", nodes.Holder{Name: "somebody"})
		if err != nil {
			t.Fatal(err)
		}
		if list := recovered(t, s); len(list) > 0 || s.engine.loaded[0] != "new" {
			t.Errorf("a leased node was worked on: %+v, %v", list, s.engine.loaded)
		}
		if err := lease.Release(); err != nil {
			t.Fatal(err)
		}
		other, err := nodes.New(nodes.Node{Name: "M2", Backend: s.engine})
		if err != nil {
			t.Fatal(err)
		}
		set, err := nodes.NewSet(other)
		if err != nil {
			t.Fatal(err)
		}
		list, err := s.arena().Recover(t.Context(), set)
		if err != nil || len(list) != 1 || list[0].Err == nil || !strings.Contains(list[0].Err.Error(), "M1") {
			t.Errorf("of an unknown node: %+v, %v", list, err)
		}
		if err := os.WriteFile(filepath.Join(s.journal, files(t, s.journal)[0]), []byte("{}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if u := oneRecovered(t, s); u.Err == nil || u.Node != "" {
			t.Errorf("of a journal that isn't one: %+v", u)
		}
	})
}

// TestReadUnfinished: a journal that can't be read is told, and a folder that is
// not there holds none.
func TestReadUnfinished(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "M1-x.session.jsonl"), []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := arena.ReadUnfinished(dir)
	if err != nil || len(list) != 1 || list[0].Err == nil || !strings.Contains(list[0].Err.Error(), "the first line is no session") {
		t.Errorf("of a broken one: %+v, %v", list, err)
	}
	for _, none := range []string{"", filepath.Join(dir, "none")} {
		if list, err := arena.ReadUnfinished(none); len(list) > 0 || err != nil {
			t.Errorf("of %q: %+v, %v", none, list, err)
		}
	}
}

// TestRecoverAnEmptyJournal removes it once it is too old to belong to a process
// that is about to write to it.
func TestRecoverAnEmptyJournal(t *testing.T) {
	s := onEngine(t, knows("old", 0.7))
	s.arena() // makes the folder
	path := filepath.Join(s.journal, "M1-x.session.jsonl")
	for age, left := range map[time.Duration]int{time.Second: 1, 2 * time.Minute: 0} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-age)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
		if list, err := arena.ReadUnfinished(s.journal); len(list) > 0 || err != nil || len(files(t, s.journal)) != 1 {
			t.Errorf("%s old, read: %+v, %v", age, list, err)
		}
		if list := recovered(t, s); len(list) > 0 {
			t.Errorf("%s old: %+v", age, list)
		}
		if got := len(files(t, s.journal)); got != left {
			t.Errorf("%s old: %d files are left, want %d", age, got, left)
		}
	}
}

// TestAPromotionThatWasNotRecorded is recorded by the next process.
func TestAPromotionThatWasNotRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onEngine(t, knows("old", 0.2), knows("new", 1))
		full := &brokenStore{HistoryStore: s.store, broken: true}
		a, err := arena.New(arena.Config{
			History: full, Suite: s.tasks, Leases: s.leases, Keeper: s.keeper, Journal: s.journal, Weights: s.weights,
		})
		if err != nil {
			t.Fatal(err)
		}
		result, err := a.Hold(t.Context(), challenge(s, "new"))
		if !errors.Is(err, errDiskFull) || result.Verdict != arena.VerdictPromoted {
			t.Fatalf("%s, %v", result.Verdict, err)
		}
		s.serves("new")
		full.broken = false
		if u := oneRecovered(t, s); u.Err != nil || u.Ended == nil || u.Ended.Verdict != arena.VerdictPromoted || u.Ended.Final.Loaded != "new" {
			t.Errorf("ended: %+v, %v", u.Ended, u.Err)
		}
		if list := recovered(t, s); len(list) > 0 {
			t.Errorf("unfinished: %+v", list)
		}
		champion, ok, err := s.store.Champion(t.Context())
		if err != nil || !ok || champion.Model != "new" || champion.RunID != s.keeper.promotions[0].Run {
			t.Errorf("champion %+v, %t, %v", champion, ok, err)
		}
		if runs, err := s.store.Runs(t.Context()); err != nil || len(runs) != 2 {
			t.Errorf("%d runs, %v", len(runs), err)
		}
		s.serves("new")
	})
}

var errDiskFull = errors.New("no space left on device")

// brokenStore keeps no runs while it is broken.
type brokenStore struct {
	history.HistoryStore
	broken bool
}

func (b *brokenStore) Append(ctx context.Context, r history.Run) (history.Appended, error) {
	if b.broken {
		return history.Appended{}, errDiskFull
	}
	return b.HistoryStore.Append(ctx, r)
}

// TestResumeOnlyWhatIsTheSame: a session whose tasks, champion or candidate
// changed can't go on, and changes nothing.
func TestResumeOnlyWhatIsTheSame(t *testing.T) {
	for name, change := range map[string]func(*stage){
		"tasks":     func(s *stage) { s.figures.Tasks = 20 },
		"champion":  func(s *stage) { s.keeper.serves["M1"] = nodes.Model{Name: "third"} },
		"candidate": func(s *stage) { s.engine.models[1].digest = "sha256:another" },
		"nothing":   func(*stage) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := onEngine(t, knows("old", 0.7), knows("new", 0.2), knows("third", 0.5))
				killedAt(t, s, testOf(arena.Candidate))
				u := oneRecovered(t, s)
				change(s)
				asked := s.engine.asked
				ranking, err := s.arena().Resume(t.Context(), s.node, u.Session)
				if name == "nothing" {
					if err != nil || ranking.Verdict != arena.VerdictRetained || s.last(arena.EventResumed).Model != "new" {
						t.Errorf("%+v, %v", ranking, err)
					}
					return
				}
				if !errors.Is(err, arena.ErrChanged) || s.engine.asked > asked {
					t.Errorf("%v after %d questions, want ErrChanged", err, s.engine.asked-asked)
				}
				if len(files(t, s.journal)) != 1 {
					t.Error("the session is gone")
				}
			})
		})
	}
}

// TestResumeTheLatest: of several sessions the latest goes on, unless one is
// named.
func TestResumeTheLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onEngine(t, knows("old", 0.7), knows("new", 0.2), knows("third", 0.3))
		var sessions []string
		for i, candidate := range []string{"new", "third"} {
			ctx, cancel := context.WithCancel(t.Context())
			s.afterTest(arena.Candidate, 5, cancel)
			r, err := s.arena().Hold(ctx, challenge(s, candidate))
			if !errors.Is(err, arena.ErrInterrupted) {
				t.Fatal(err)
			}
			sessions = append(sessions, r.Session)
			for _, name := range files(t, s.journal) { // files made in one moment have one time
				if strings.Contains(name, r.Session) {
					when := time.Now().Add(time.Duration(i) * time.Hour)
					if err := os.Chtimes(filepath.Join(s.journal, name), when, when); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		s.heard = nil
		if _, err := s.arena().Resume(t.Context(), s.node, "unknown"); !errors.Is(err, arena.ErrNothingToResume) {
			t.Errorf("an unknown session: %v", err)
		}
		if r, err := s.arena().Resume(t.Context(), s.node, ""); err != nil || r.Final.Session != sessions[1] {
			t.Errorf("session %s went on, %v; want the latest, %s", r.Final.Session, err, sessions[1])
		}
		if r, err := s.arena().Resume(t.Context(), s.node, sessions[0]); err != nil || r.Final.Candidate.Model != "new" {
			t.Errorf("%s went on, %v", r.Final.Candidate.Model, err)
		}
	})
}

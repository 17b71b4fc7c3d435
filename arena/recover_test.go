package arena_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// TestRecover ends what a killed process left: the candidate is loaded and its
// journal says so. A node that doesn't answer is told, and waited for by nobody;
// once it answers it gets its champion back.
func TestRecover(t *testing.T) {
	s := onOllama(t, model("old", 0.7), model("new", 0.2))
	left := t.TempDir() // the journals as they were at that moment
	s.heard = func(e arena.Event) {
		if e.Type == arena.EventTest && e.Role == arena.Candidate && len(files(t, left)) == 0 {
			if err := os.CopyFS(left, os.DirFS(s.journal)); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := s.arena().Hold(t.Context(), hold(s, "new")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.node.Ensure(t.Context(), nodes.Model{Name: "new"}, nodes.EnsureOptions{}); err != nil {
		t.Fatal(err)
	}
	s.journal = left
	set, err := nodes.NewSet(s.node)
	if err != nil {
		t.Fatal(err)
	}
	recovered := func() arena.Unfinished {
		t.Helper()
		list, err := s.arena().Recover(t.Context(), set)
		if err != nil || len(list) != 1 {
			t.Fatalf("%+v, %v; want one session", list, err)
		}
		return list[0]
	}
	s.fake.Break(nodetest.Down)
	if u := recovered(); !errors.Is(u.Err, nodes.Refused) || !strings.Contains(u.Err.Error(), "old") || u.Node != "M1" {
		t.Errorf("of a node that is down: %+v", u)
	}
	s.fake.Mend()
	for range 2 { // the second time there is nothing to do
		if u := recovered(); u.Err != nil || u.Tests == 0 || u.Candidate.Name == "" {
			t.Errorf("of a node that answers: %+v", u)
		}
		s.serves("old")
	}
	if err := os.WriteFile(filepath.Join(left, files(t, left)[0]), []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if u := recovered(); u.Err == nil || u.Node != "" {
		t.Errorf("of a journal that isn't one: %+v", u)
	}
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

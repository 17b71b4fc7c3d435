package arena_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/history/filestore"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/scoring"
)

// TestTheSmallestGapByWeights: what a typical node can show is nearly all of the
// quality, and grows with its weight.
func TestTheSmallestGapByWeights(t *testing.T) {
	find := func(t *testing.T, w scoring.Composite) (gap float64) {
		synctest.Test(t, func(t *testing.T) {
			s := onEngine(t, knows("old", 0.7), knows("new", 0.7))
			s.weights = w
			e, err := s.arena().Estimate(t.Context(), challenge(s, "new"))
			if err != nil || e.Method != arena.MethodPaired {
				t.Fatalf("%+v, %v", e, err)
			}
			gap = e.Smallest
		})
		return gap
	}
	usual := find(t, scoring.Default())
	if usual <= 0 {
		t.Fatalf("with the default weights %.2f", usual)
	}
	if got, want := find(t, scoring.Composite{Quality: 1}), usual/0.6; math.Abs(got-want) > 0.01 {
		t.Errorf("by quality alone %.2f, want %.2f", got, want)
	}
	if got := find(t, scoring.Composite{Speed: 1}); got != 0 {
		t.Errorf("by speed alone %.2f, want 0: it is not known", got)
	}
}

// TestWrongSettingsAreToldBeforeAnythingIsAsked: of one candidate they are an
// error, of several one is out.
func TestWrongSettingsAreToldBeforeAnythingIsAsked(t *testing.T) {
	s := onOllama(t, nodetest.Model{Name: "old:latest"}, nodetest.Model{Name: "new:latest"})
	wrong := nodes.Model{Name: "new", Settings: nodes.Settings{"num_ctx": "abc"}}
	r := arena.Request{Node: s.node, Contest: arena.Challenge(wrong)}
	if _, err := s.arena().Estimate(t.Context(), r); !errors.Is(err, nodes.BadRequest) {
		t.Errorf("the estimate says %v", err)
	}
	if _, err := s.arena().Hold(t.Context(), r); !errors.Is(err, nodes.BadRequest) {
		t.Errorf("the tournament says %v", err)
	}
	if s.count(arena.EventTest) > 0 || s.count(arena.EventLoading) > 0 {
		t.Error("something was asked or loaded")
	}
	r.Contest = arena.Field{wrong, {Name: "absent"}}
	e, err := s.arena().Estimate(t.Context(), r)
	if err != nil || len(e.Out) != 2 || !strings.Contains(strings.Join(e.Out, "\n"), "num_ctx") || !strings.Contains(strings.Join(e.Out, "\n"), "not on the node") {
		t.Errorf("out %q, %v; want both", e.Out, err)
	}
}

// TestAHistoryThatCannotBeWritten is told before anything is done.
func TestAHistoryThatCannotBeWritten(t *testing.T) {
	s := onEngine(t, knows("old", 0.7), knows("new", 0.7))
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.store = filestore.Open(filepath.Join(file, "history.json"))
	if _, err := s.arena().Hold(t.Context(), challenge(s, "new")); !errors.Is(err, arena.ErrHistory) {
		t.Errorf("%v, want ErrHistory", err)
	}
	if len(s.events) > 0 {
		t.Errorf("%d things were done, the first is %s", len(s.events), s.events[0])
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.arena().Hold(ended, challenge(s, "new")); errors.Is(err, arena.ErrHistory) {
		t.Errorf("%v after the context ended", err)
	}
}

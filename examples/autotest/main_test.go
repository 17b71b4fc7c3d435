package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/arena/suite/suitetest"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// TestAutotest runs the example against a fake server: one run for all of its
// cycles, the same one where it is repeated, another for another start.
func TestAutotest(t *testing.T) {
	all, err := suite.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	server := nodetest.NewOllama(t, nodetest.Options{Models: []nodetest.Model{{Name: "good", Knowledge: suitetest.Knowing(all, 1)}}})
	store := history.NewFile(filepath.Join(t.TempDir(), "history.json"))
	started := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for i, want := range []int{1, 1, 2} {
		if i == 2 {
			started = started.Add(time.Hour)
		}
		if err := autotest(t.Context(), server.URL, "good", store, started); err != nil {
			t.Fatal(err)
		}
		runs, err := store.Runs(t.Context())
		if err != nil || len(runs) != want {
			t.Fatalf("%d runs, %v; want %d", len(runs), err, want)
		}
		last := runs[len(runs)-1]
		if last.Tests != tasks*cycles || last.PassRate != 100 || last.Node != "OL1" || last.Model != "good" || len(last.Results) != tasks*cycles {
			t.Errorf("run %d: %d tests, %.0f %% passed, %s on %s, %d single results", i, last.Tests, last.PassRate, last.Model, last.Node, len(last.Results))
		}
	}
}

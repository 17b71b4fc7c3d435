package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/arena/suite/suitetest"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/filestore"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// TestAutotest runs the example against a fake server: one run for all of its
// cycles, the same one where it is repeated, another for another start.
func TestAutotest(t *testing.T) {
	server := knowingServer(t)
	store := filestore.Open(filepath.Join(t.TempDir(), "history.json"))
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
		if last.ID == "" || want == 2 && last.ID == runs[0].ID {
			t.Errorf("run %d is named %q, the first %q", i, last.ID, runs[0].ID)
		}
	}
}

// TestCutShort: a run that ends in its second cycle has left its first in the
// history, and the whole run takes that one's place.
func TestCutShort(t *testing.T) {
	server := knowingServer(t)
	file := filestore.Open(filepath.Join(t.TempDir(), "history.json"))
	started := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := autotest(ctx, server.URL, "good", after{file, cancel}, started); !errors.Is(err, context.Canceled) {
		t.Fatalf("it ended with %v", err)
	}
	var tests []int
	for range 2 {
		runs, err := file.Runs(t.Context())
		if err != nil || len(runs) != 1 {
			t.Fatalf("%d runs, %v; want one", len(runs), err)
		}
		tests = append(tests, runs[0].Tests)
		if err := autotest(t.Context(), server.URL, "good", file, started); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]int{tasks, tasks * cycles}, tests); diff != "" {
		t.Errorf("tests in the history before and after (-want +got):\n%s", diff)
	}
}

// TestServerGone: no answer is an error, not a wrong answer.
func TestServerGone(t *testing.T) {
	server := knowingServer(t)
	store := filestore.Open(filepath.Join(t.TempDir(), "history.json"))
	gone := after{store, func() { server.Break(nodetest.Down) }}
	if err := autotest(t.Context(), server.URL, "good", gone, time.Now()); err != nil {
		t.Fatal(err)
	}
	runs, err := store.Runs(t.Context())
	if err != nil || len(runs) != 1 || runs[0].Tests != tasks*cycles || runs[0].ErrorCount() != tasks*(cycles-1) {
		t.Errorf("%v, runs: %+v", err, runs)
	}
}

// after is a history that does something after each record.
type after struct {
	history.HistoryStore
	do func()
}

func (a after) Append(ctx context.Context, run history.Run) (history.Appended, error) {
	defer a.do()
	return a.HistoryStore.Append(ctx, run)
}

// TestReadme runs the README's line for Python as it stands, with the README's
// results file, and with one that a real autotest wrote.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	call := regexp.MustCompile(`subprocess\.run\((\[.*\]), check=True\)`).FindSubmatch(readme)
	results := regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(readme)
	if call == nil || results == nil {
		t.Fatal("the README has no call for Python, or no results file")
	}
	var words []string
	if err := json.Unmarshal(call[1], &words); err != nil {
		t.Fatal(err)
	}
	real, err := os.ReadFile("../../history/testdata/autotest_results_50.json")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/jarvis-arena").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, text := range map[string][]byte{"README": results[1], "real": real} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "results.json"), text, 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 { // recorded once
				cmd := exec.Command(filepath.Join(bin, words[0]), words[1:]...)
				cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "AppData="+dir)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v: %v\n%s", words, err, out)
				}
			}
			runs, err := filestore.Open(filepath.Join(dir, "jarvis_benchmark_history.json")).Runs(t.Context())
			if err != nil || len(runs) != 1 {
				t.Fatalf("%d runs, %v; want one", len(runs), err)
			}
			got := []any{runs[0].Model, runs[0].Tests, runs[0].PassRate, runs[0].ErrorCount()}
			if diff := cmp.Diff([]any{words[3], 50, 92., 2}, got); diff != "" {
				t.Errorf("model, tests, passed, errors (-want +got):\n%s", diff)
			}
		})
	}
}

// knowingServer has a model that knows all answers.
func knowingServer(t *testing.T) *nodetest.Ollama {
	t.Helper()
	all, err := suite.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return nodetest.NewOllama(t, nodetest.Options{Models: []nodetest.Model{{Name: "good", Knowledge: suitetest.Knowing(all, 1)}}})
}

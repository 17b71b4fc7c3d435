// Package historytest contains the conformance test of [history.HistoryStore], for
// implementations of one's own, and runs to test with.
package historytest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sourcegraph/conc/pool"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/scoring"
)

// Conformance tests a store. open returns a new, empty store that keeps at least 100
// runs, and a function that returns another handle on the same store, such as another
// process would have.
func Conformance(t *testing.T, open func(*testing.T) (store history.HistoryStore, reopen func() history.HistoryStore)) {
	t.Helper()
	tests := []struct {
		name string
		run  func(*testing.T, history.HistoryStore, func() history.HistoryStore)
	}{
		{"empty", empty},
		{"runs come back as they were appended, in order", order},
		{"a run without an ID is given one", identity},
		{"a run with the ID of another replaces it in its place", replacement},
		{"members that nobody knows are kept", unknown},
		{"the tests of a run come back", results},
		{"the champion is replaced", champion},
		{"what cannot be recorded changes nothing", unrecordable},
		{"an ended context changes nothing", cancelled},
		{"concurrent appends lose nothing", concurrent},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			store, reopen := open(t)
			test.run(t, store, reopen)
		})
	}
}

// Run returns a run that is different for each number. The fields of a tournament
// are not set; see [Results] for single tests.
func Run(number int) history.Run {
	errorCount, latency := number%3, time.Duration(number)*time.Millisecond
	return history.Run{
		ID:       fmt.Sprintf("run-%d", number),
		Time:     time.Date(2026, 3, 7, 18, 0, number, 0, time.FixedZone("", 3600)),
		Type:     "autotest",
		Model:    "qwen/qwen3-8b",
		Config:   map[string]any{"context_length": json.Number("8192"), "temperature": json.Number("0.2"), "flash_attention": true},
		Score:    9.24,
		PassRate: 97.5,
		Latency:  2527 * time.Millisecond,
		Tests:    30 + number,
		ByNode:   map[string]history.Tally{"M1": {Pass: 29, Total: 30 + number, Latency: &latency}},
		ByDomain: map[string]history.Tally{"système": {Pass: 29, Total: 30}},
		Node:     "M1", Errors: &errorCount, Suite: "5f1c", Digest: "sha256:ab", Quantization: "Q4_K_M",
		Engine: "lmstudio", EngineVersion: "0.4.2", P95: 4 * time.Second,
	}
}

// Results returns a number of single tests of a run, different for each run. Every
// outcome and anomaly occurs.
func Results(number, tests int) []scoring.Test {
	domains := []string{"code", "math", "système"}
	var list []scoring.Test
	for i := range tests {
		task := (number + i) % 40
		t := scoring.Test{
			Task: fmt.Sprintf("task-%02d", task), Domain: domains[task%len(domains)], Cycle: i / 40, Outcome: scoring.Answered,
			Passed:  (i+number)%7 > 0,
			Latency: 2*time.Second + time.Duration(i*1234567+number)*time.Microsecond%(3*time.Second), FirstToken: time.Duration(250_123+i) * time.Microsecond, Tokens: 100 + i,
		}
		switch i % 50 {
		case 17:
			t = scoring.Test{Task: t.Task, Domain: t.Domain, Cycle: t.Cycle, Outcome: scoring.TimedOut, Latency: 30 * time.Second}
		case 33:
			t = scoring.Test{Task: t.Task, Domain: t.Domain, Cycle: t.Cycle, Outcome: scoring.Failed}
		case 44:
			t.Passed, t.Anomaly, t.Latency = false, scoring.AnomalyCut, 250*time.Microsecond
		}
		list = append(list, t)
	}
	return list
}

func empty(t *testing.T, store history.HistoryStore, _ func() history.HistoryStore) {
	runs, err := store.Runs(t.Context())
	if err != nil || len(runs) != 0 {
		t.Errorf("Runs = %v, %v; want none", runs, err)
	}
	if champion, there, err := store.Champion(t.Context()); err != nil || there {
		t.Errorf("Champion = %v, %v, %v; want none", champion, there, err)
	}
}

func order(t *testing.T, store history.HistoryStore, reopen func() history.HistoryStore) {
	var want []history.Run
	for number := range 10 {
		want = append(want, Run(number))
		done, err := store.Append(t.Context(), Run(number))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(history.Appended{ID: Run(number).ID, Total: number + 1}, done); diff != "" {
			t.Errorf("Append (-want +got):\n%s", diff)
		}
	}
	same(t, store, want)
	same(t, reopen(), want)
}

func identity(t *testing.T, store history.HistoryStore, _ func() history.HistoryStore) {
	ids := map[string]bool{}
	for range 3 {
		done, err := store.Append(t.Context(), history.Run{Type: "autotest"})
		if err != nil {
			t.Fatal(err)
		}
		ids[done.ID] = true
	}
	runs, err := store.Runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range runs {
		if run.ID == "" || !ids[run.ID] {
			t.Errorf("a run is called %q, Append said %v", run.ID, ids)
		}
		delete(ids, run.ID)
	}
}

func replacement(t *testing.T, store history.HistoryStore, reopen func() history.HistoryStore) {
	for number := range 3 {
		appended(t, store, Run(number))
	}
	again := Run(7)
	again.ID = Run(1).ID
	done, err := store.Append(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(history.Appended{ID: again.ID, Replaced: true, Total: 3}, done); diff != "" {
		t.Errorf("Append (-want +got):\n%s", diff)
	}
	same(t, reopen(), []history.Run{Run(0), again, Run(2)})
}

func unknown(t *testing.T, store history.HistoryStore, reopen func() history.HistoryStore) {
	const row = `{"zeta":[1.0,{"b":1e2,"a":null}],"timestamp":"2026-02-25T20:23:57","total_tests":10,"by_node":{"M2":{"odd":1.50,"pass":1,"total":2},"M1":{"total":1,"pass":1,"avg_latency":7.0}},"score_composite":7.0,"run_id":"r","alpha":"<é>"}`
	var run history.Run
	if err := json.Unmarshal([]byte(row), &run); err != nil {
		t.Fatal(err)
	}
	appended(t, store, run)
	runs, err := reopen().Runs(t.Context())
	if err != nil || len(runs) != 1 {
		t.Fatalf("Runs = %v, %v", runs, err)
	}
	// Missing members may be added at the end; everything else is unchanged.
	got := text(t, runs[0])
	if start := strings.TrimSuffix(row, "}"); !strings.HasPrefix(got, start) {
		t.Errorf("the row isn't kept (-want +got):\n%s", cmp.Diff(start, got))
	}
}

func results(t *testing.T, store history.HistoryStore, reopen func() history.HistoryStore) {
	whole := Run(0)
	whole.FirstToken, whole.Session, whole.Crowned, whole.Unsteady = 251*time.Millisecond, "2026-03-07-M1", true, "the warm-up didn't settle"
	whole.Results = Results(0, 200)
	// A run that was cut short: cycles are missing, and the last is incomplete.
	partial := Run(1)
	for _, t := range Results(1, 97) {
		if t.Cycle != 1 {
			partial.Results = append(partial.Results, t)
		}
	}
	want := []history.Run{whole, partial, Run(2)}
	for _, run := range want {
		appended(t, store, run)
	}
	same(t, reopen(), want)
	runs, err := reopen().Runs(t.Context())
	if err != nil || len(runs) != len(want) {
		t.Fatalf("Runs = %d, %v", len(runs), err)
	}
	for i, run := range runs {
		// The tests of a task keep their order.
		byTask := func(tests []scoring.Test) []scoring.Test {
			return slices.SortedStableFunc(slices.Values(tests), func(a, b scoring.Test) int { return strings.Compare(a.Task, b.Task) })
		}
		if diff := cmp.Diff(byTask(want[i].Results), byTask(run.Results)); diff != "" {
			t.Errorf("tests of run %d (-want +got):\n%s", i, diff)
		}
		if diff := cmp.Diff([]any{want[i].FirstToken, want[i].Session, want[i].Crowned, want[i].Unsteady}, []any{run.FirstToken, run.Session, run.Crowned, run.Unsteady}); diff != "" {
			t.Errorf("run %d (-want +got):\n%s", i, diff)
		}
	}
}

func champion(t *testing.T, store history.HistoryStore, reopen func() history.HistoryStore) {
	appended(t, store, Run(0))
	for _, want := range []history.Champion{
		{Model: "qwen/qwen3-8b", Score: 9.24, Since: time.Date(2026, 2, 26, 0, 0, 0, 0, time.UTC), Config: map[string]any{"context_length": json.Number("8192")}},
		{Model: "devstral", Score: 9.5, Since: time.Date(2026, 3, 26, 0, 0, 0, 0, time.UTC), Node: "M1", RunID: "run-0"},
	} {
		if err := store.SetChampion(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		got, there, err := reopen().Champion(t.Context())
		if err != nil || !there {
			t.Fatalf("Champion: %v, %v", there, err)
		}
		if diff := cmp.Diff(text(t, want), text(t, got)); diff != "" {
			t.Errorf("champion (-want +got):\n%s", diff)
		}
	}
	same(t, store, []history.Run{Run(0)})
}

func unrecordable(t *testing.T, store history.HistoryStore, _ func() history.HistoryStore) {
	appended(t, store, Run(0))
	bad := Run(1)
	bad.Config = map[string]any{"callback": func() {}}
	if _, err := store.Append(t.Context(), bad); err == nil {
		t.Error("a run with a function among its settings was recorded")
	}
	if err := store.SetChampion(t.Context(), history.Champion{Config: bad.Config}); err == nil {
		t.Error("a champion with a function among its settings was recorded")
	}
	same(t, store, []history.Run{Run(0)})
}

func cancelled(t *testing.T, store history.HistoryStore, _ func() history.HistoryStore) {
	appended(t, store, Run(0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Append(ctx, Run(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Append = %v, want the context's error", err)
	}
	if err := store.SetChampion(ctx, history.Champion{Model: "x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("SetChampion = %v, want the context's error", err)
	}
	if _, err := store.Runs(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Runs = %v, want the context's error", err)
	}
	if _, _, err := store.Champion(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Champion = %v, want the context's error", err)
	}
	same(t, store, []history.Run{Run(0)})
}

func concurrent(t *testing.T, store history.HistoryStore, reopen func() history.HistoryStore) {
	const writers, each = 6, 5
	work := pool.New().WithContext(t.Context())
	for writer := range writers {
		handle := store
		if writer%2 == 1 {
			handle = reopen()
		}
		work.Go(func(ctx context.Context) error {
			for number := range each {
				if _, err := handle.Append(ctx, Run(writer*each+number)); err != nil {
					return err
				}
				if _, err := handle.Runs(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	work.Go(func(ctx context.Context) error { return store.SetChampion(ctx, history.Champion{Model: "devstral"}) })
	if err := work.Wait(); err != nil {
		t.Fatal(err)
	}
	runs, err := store.Runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	last := map[int]int{}
	for _, run := range runs {
		seen[run.ID]++
		var number int
		if _, err := fmt.Sscanf(run.ID, "run-%d", &number); err != nil {
			t.Fatal(err)
		}
		if writer := number / each; number < last[writer] {
			t.Errorf("run %d of one writer comes after run %d", number, last[writer])
		} else {
			last[writer] = number
		}
	}
	for number := range writers * each {
		if got := seen[Run(number).ID]; got != 1 {
			t.Errorf("run %d is there %d times", number, got)
		}
	}
	if champion, there, err := store.Champion(t.Context()); err != nil || !there || champion.Model != "devstral" {
		t.Errorf("Champion = %v, %v, %v", champion, there, err)
	}
}

func appended(t *testing.T, store history.HistoryStore, run history.Run) {
	t.Helper()
	if _, err := store.Append(t.Context(), run); err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, store history.HistoryStore, want []history.Run) {
	t.Helper()
	runs, err := store.Runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(texts(t, want), texts(t, runs)); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
}

func texts(t *testing.T, runs []history.Run) []string {
	t.Helper()
	var list []string
	for _, run := range runs {
		list = append(list, text(t, run))
	}
	return list
}

func text(t *testing.T, value any) string {
	t.Helper()
	written, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	// json.Marshal escapes what only HTML needs escaped.
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(written))
}

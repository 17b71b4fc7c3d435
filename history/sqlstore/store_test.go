package sqlstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/historytest"
	"github.com/turbone/jarvis/history/sqlstore"
	"github.com/turbone/jarvis/scoring"
)

func TestConformance(t *testing.T) {
	historytest.Conformance(t, func(t *testing.T) (history.HistoryStore, func() history.HistoryStore) {
		path := filepath.Join(t.TempDir(), "new folder", "100% of #1?.db")
		open := func() history.HistoryStore { return opened(t, path) }
		return open(), open
	})
}

func TestConformanceWhereFewerRunsAreKept(t *testing.T) {
	historytest.Conformance(t, func(t *testing.T) (history.HistoryStore, func() history.HistoryStore) {
		path := filepath.Join(t.TempDir(), "history.db")
		open := func() history.HistoryStore { return opened(t, path, sqlstore.Keep(100)) }
		return open(), open
	})
}

func TestOlderRunsStayForQueries(t *testing.T) {
	store := opened(t, filepath.Join(t.TempDir(), "history.db"), sqlstore.Keep(3))
	for number := range 8 {
		done, err := store.Append(t.Context(), historytest.Run(number))
		if err != nil {
			t.Fatal(err)
		}
		if want := min(number+1, 3); done.Total != want {
			t.Errorf("%d runs are kept, want %d", done.Total, want)
		}
	}
	if diff := cmp.Diff([]string{"run-5", "run-6", "run-7"}, ids(t, store.Runs)); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"run-0", "run-1", "run-2", "run-3", "run-4"}, ids(t, store.Archived)); diff != "" {
		t.Errorf("archived (-want +got):\n%s", diff)
	}
	last := func(ctx context.Context) ([]history.Run, error) { return store.Last(ctx, 4) }
	if diff := cmp.Diff([]string{"run-4", "run-5", "run-6", "run-7"}, ids(t, last)); diff != "" {
		t.Errorf("last (-want +got):\n%s", diff)
	}
	content, err := store.Content(t.Context())
	if err != nil || len(content.Runs) != 8 {
		t.Errorf("Content has %d runs, %v; want 8", len(content.Runs), err)
	}
}

func TestScores(t *testing.T) {
	store := opened(t, filepath.Join(t.TempDir(), "history.db"))
	start := time.Date(2026, 3, 7, 23, 30, 0, 0, time.FixedZone("", -3600))
	for number := range 12 {
		run := historytest.Run(number)
		run.Time, run.Model, run.Node = start.Add(time.Duration(number)*24*time.Hour), []string{"a", "b"}[number%2], "M1"
		run.Score = 5 + 0.25*float64(number)
		run.Crowned = number == 4
		if _, err := store.Append(t.Context(), run); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name   string
		filter sqlstore.Filter
		n      int
		want   []string
	}{
		{"all", sqlstore.Filter{}, 0, []string{"run-0", "run-1", "run-2", "run-3", "run-4", "run-5", "run-6", "run-7", "run-8", "run-9", "run-10", "run-11"}},
		{"the last", sqlstore.Filter{}, 3, []string{"run-9", "run-10", "run-11"}},
		{"of a model", sqlstore.Filter{Model: "a"}, 3, []string{"run-6", "run-8", "run-10"}},
		{"of a node that has none", sqlstore.Filter{Node: "M2"}, 3, nil},
		{"by several columns", sqlstore.Filter{Model: "a", Node: "M1", Type: "autotest", Suite: "5f1c", Digest: "sha256:ab"}, 1, []string{"run-10"}},
		{"since, to the moment", sqlstore.Filter{Since: start.Add(10 * 24 * time.Hour)}, 0, []string{"run-10", "run-11"}},
		{"until, which is out", sqlstore.Filter{Until: start.Add(2 * 24 * time.Hour)}, 0, []string{"run-0", "run-1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			points, err := store.Scores(t.Context(), test.filter, test.n)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range points {
				got = append(got, p.ID)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("runs (-want +got):\n%s", diff)
			}
		})
	}
	points, err := store.Scores(t.Context(), sqlstore.Filter{Until: start.Add(5 * 24 * time.Hour)}, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := []sqlstore.Point{{Position: 5, ID: "run-4", Type: "autotest", Model: "a", Node: "M1", Time: time.Date(2026, 3, 12, 0, 30, 0, 0, time.UTC),
		Score: 6, PassRate: 97.5, Latency: 2527 * time.Millisecond, Tests: 34, Errors: 1, Crowned: true}}
	if diff := cmp.Diff(want, points); diff != "" {
		t.Errorf("a point (-want +got):\n%s", diff)
	}
}

func TestTasksCanBeQueried(t *testing.T) {
	store := opened(t, filepath.Join(t.TempDir(), "history.db"))
	run := withResults(0, 6)
	for range 2 { // the second report replaces the first with all its tests
		if _, err := store.Append(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		run.Results[3].Passed = false
	}
	got := asked(t, store, `SELECT task || ' ' || domain || ' ' || cycle || ' ' || passed || ' ' || outcome || ' ' || latency_us || ' ' ||
		coalesce(first_token_us, '-') || ' ' || coalesce(tokens, '-') || ' ' || coalesce(mark, '-') FROM tests WHERE number < 4 ORDER BY number`)
	want := []string{
		"task-000 math 0 0 timed_out 30000000 - - -",
		"task-001 math 0 1 answered 1001500 250000 64 -",
		"task-002 math 0 1 answered 1002500 250000 64 -",
		"task-003 math 0 0 answered 1003500 250000 64 -",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tests (-want +got):\n%s", diff)
	}
	short, err := store.Last(t.Context(), 1)
	if err != nil || len(short) != 1 || short[0].Results != nil {
		t.Errorf("Last = %v, %v; want a run without its tests", short, err)
	}
	without := run
	without.Results = nil
	if diff := cmp.Diff(texts(t, []history.Run{without}), texts(t, short)); diff != "" {
		t.Errorf("Last (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"6"}, asked(t, store, "SELECT count(*) FROM tests")); diff != "" {
		t.Errorf("count (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"domain système 29 30", "node M1 29 30"}, asked(t, store, "SELECT kind || ' ' || name || ' ' || pass || ' ' || total FROM parts ORDER BY kind")); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"2026-03-07T17:00:00.000000Z"}, asked(t, store, "SELECT time FROM runs WHERE time >= date('2026-03-07')")); diff != "" {
		t.Errorf("time (-want +got):\n%s", diff)
	}
	if _, err := store.Query(t.Context(), "DELETE FROM runs RETURNING position"); err == nil {
		t.Error("a query deleted the runs")
	}
	if got := ids(t, store.Runs); len(got) != 1 {
		t.Errorf("runs are %v", got)
	}
}

func TestFormerChampionsStay(t *testing.T) {
	store := opened(t, filepath.Join(t.TempDir(), "history.db"))
	for _, model := range []string{"a", "b", "a"} {
		if err := store.SetChampion(t.Context(), history.Champion{Model: model}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"a", "b", "a"}, asked(t, store, "SELECT model FROM champions ORDER BY position")); diff != "" {
		t.Errorf("champions (-want +got):\n%s", diff)
	}
}

func opened(t testing.TB, path string, options ...sqlstore.Option) *sqlstore.Store {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), path, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func asked(t *testing.T, store *sqlstore.Store, query string) (answers []string) {
	t.Helper()
	rows, err := store.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var answer string
		if err := rows.Scan(&answer); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return answers
}

func ids(t *testing.T, read func(context.Context) ([]history.Run, error)) (list []string) {
	t.Helper()
	runs, err := read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range runs {
		list = append(list, run.ID)
	}
	return list
}

func texts(t *testing.T, runs []history.Run) (list []string) {
	t.Helper()
	for _, run := range runs {
		text, err := history.Text(run)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(text))
	}
	return list
}

// withResults is a run with its tests one by one.
func withResults(number, tests int) history.Run {
	run := historytest.Run(number)
	run.Extra = map[string]json.RawMessage{"note": []byte(`"<é>"`)}
	for i := range tests {
		test := scoring.Test{
			Task: fmt.Sprintf("task-%03d", i%40), Domain: "math", Cycle: i / 40, Outcome: scoring.Answered, Passed: i%4 > 0,
			Latency: time.Second + time.Duration(i)*time.Millisecond + 500*time.Microsecond, FirstToken: 250 * time.Millisecond, Tokens: 64,
		}
		if i%50 == 0 {
			test = scoring.Test{Task: test.Task, Domain: test.Domain, Cycle: test.Cycle, Outcome: scoring.TimedOut, Latency: 30 * time.Second}
		}
		run.Results = append(run.Results, test)
	}
	return run
}

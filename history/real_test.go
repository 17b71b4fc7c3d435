package history_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/filestore"
	"github.com/turbone/jarvis/scoring"
)

// TestRealHistory reads what a real cluster's autotest wrote in a month: 104
// rows of 16 runs.
//
// Why 16: each run begins with a row of few tests (8, 10, 30 or 40) and grows
// row by row. On 2026-03-07 at 18:16 and at 22:41 two programs wrote at the same
// time; the counts by node keep them apart, since none of them ever falls within
// a run. Ten rows repeat the one before.
//
// Why these alarms and no others: a person who looks at the scores sees two
// kinds of trouble, and both are that nobody answered. On March 7, from 18:16
// to 23:08, between 66 and 86 % of all tests of qwen3-8b got no answer (M1 and
// M2 passed none of theirs), and on March 27 at 04:00 none got one: one outage
// from the first to the last, since no run between them was good. On March 27
// at 04:24 M2 left 19 of 50 tests of qwen3.5-9b unanswered: an outage of that
// run. No model has four good runs before a bad one, so that nobody could say
// of any that it got worse.
func TestRealHistory(t *testing.T) {
	rows, err := filestore.Open(filepath.Join("testdata", "benchmark_history_104.json")).Runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	folded := history.Fold(rows)
	var got []string
	duplicates, covered := 0, 0
	for _, f := range folded {
		duplicates += f.Duplicates
		covered += len(f.Rows)
		got = append(got, fmt.Sprintf("%s %d tests, %d rows, %d errors", f.Time.Format("01-02 15:04"), f.Tests, len(f.Rows), f.ErrorCount()))
	}
	want := []string{
		"02-25 20:27 20 tests, 3 rows, 0 errors",
		"02-26 00:44 120 tests, 4 rows, 0 errors",
		"02-26 00:45 30 tests, 2 rows, 0 errors",
		"03-07 18:21 72 tests, 9 rows, 55 errors",
		"03-07 18:24 80 tests, 11 rows, 62 errors",
		"03-07 18:31 80 tests, 11 rows, 64 errors",
		"03-07 20:39 80 tests, 11 rows, 65 errors",
		"03-07 22:41 16 tests, 2 rows, 16 errors",
		"03-07 22:47 64 tests, 8 rows, 53 errors",
		"03-07 22:59 64 tests, 8 rows, 53 errors",
		"03-07 23:02 32 tests, 4 rows, 26 errors",
		"03-07 23:07 56 tests, 7 rows, 44 errors",
		"03-27 04:01 50 tests, 6 rows, 50 errors",
		"03-27 04:13 50 tests, 6 rows, 2 errors",
		"03-27 04:33 50 tests, 6 rows, 19 errors",
		"03-27 04:57 50 tests, 6 rows, 2 errors",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if duplicates != 10 || covered != len(rows) {
		t.Errorf("%d duplicates, %d of %d rows belong to a run; want 10, and all", duplicates, covered, len(rows))
	}

	var alarms []string
	for _, a := range history.Alarms(history.Judge(rows, scoring.Composite{})) {
		alarms = append(alarms, fmt.Sprintf("%s %s %s", a.Time.Format("01-02 15:04"), a.Kind, a.Model))
		t.Log(a.Text)
	}
	if diff := cmp.Diff([]string{"03-07 18:21 outage qwen/qwen3-8b", "03-27 04:33 outage qwen/qwen3.5-9b"}, alarms); diff != "" {
		t.Error(diff)
	}
}

package sqlstore_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/historytest"
	"github.com/turbone/jarvis/history/sqlstore"
)

// BenchmarkLastAndScores reads what the history's page shows from 100,000 runs,
// the last 500 of them with 200 tests each.
func BenchmarkLastAndScores(b *testing.B) {
	const all, full = 100_000, 500
	store := opened(b, filepath.Join(b.TempDir(), "history.db"))
	start := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	content := history.Content{Champion: &history.Champion{Model: "m0"}}
	for number := range all {
		run := historytest.Run(number)
		if number >= all-full {
			run = withResults(number, 200)
		}
		run.Time, run.Model = start.Add(time.Duration(number)*time.Minute), []string{"m0", "m1", "m2", "m3"}[number%4]
		content.Runs = append(content.Runs, run)
	}
	if _, err := store.Import(b.Context(), content); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		runs, err := store.Last(b.Context(), 10)
		if err != nil || len(runs) != 10 {
			b.Fatal(len(runs), err)
		}
		if _, err := store.Scores(b.Context(), sqlstore.Filter{Model: "m3"}, 100); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppend records runs with 200 tests each, durably.
func BenchmarkAppend(b *testing.B) {
	store := opened(b, filepath.Join(b.TempDir(), "history.db"))
	number := 0
	for b.Loop() {
		if _, err := store.Append(b.Context(), withResults(number, 200)); err != nil {
			b.Fatal(err)
		}
		number++
	}
}

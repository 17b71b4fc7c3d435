package sqlstore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/filestore"
	"github.com/turbone/jarvis/history/sqlstore"
	"github.com/turbone/jarvis/scoring"
)

// The history of a JSON file is copied into a database and queried there.
func Example() {
	if err := example(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 3 runs copied
	// the last: friday 9.1
	// the scores of devstral: 8.7 8.9 9.1, +0.2 a run
	// M1 passed 27 of 30 tests on friday
}

func example(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "history")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	file := filestore.Open(filepath.Join(folder, "history.json"))
	for i, day := range []string{"monday", "wednesday", "friday"} {
		run := history.Run{
			ID: day, Time: time.Date(2026, 3, 9+2*i, 4, 0, 0, 0, time.UTC), Model: "devstral", Node: "M1", Score: 8.7 + 0.2*float64(i),
			PassRate: 90, Tests: 30, ByNode: map[string]history.Tally{"M1": {Pass: 27, Total: 30}},
		}
		if _, err := file.Append(ctx, run); err != nil {
			return err
		}
	}

	store, err := sqlstore.Open(ctx, filepath.Join(folder, "history.db"))
	if err != nil {
		return err
	}
	defer store.Close()
	done, err := history.Copy(ctx, store, file)
	if err != nil {
		return err
	}
	fmt.Println(done.Added, "runs copied")

	last, err := store.Last(ctx, 1)
	if err != nil {
		return err
	}
	fmt.Println("the last:", last[0].ID, last[0].Score)

	points, err := store.Scores(ctx, sqlstore.Filter{Model: "devstral"}, 10)
	if err != nil {
		return err
	}
	var scores []float64
	for _, p := range points {
		scores = append(scores, p.Score)
	}
	trend, _, _ := scoring.Trend(scores)
	fmt.Printf("the scores of devstral: %.1f %.1f %.1f, %+.1f a run\n", scores[0], scores[1], scores[2], trend)

	rows, err := store.Query(ctx, "SELECT name, pass, total FROM parts JOIN runs ON run = position WHERE id = ?", "friday")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var node string
		var pass, total int
		if err := rows.Scan(&node, &pass, &total); err != nil {
			return err
		}
		fmt.Printf("%s passed %d of %d tests on friday\n", node, pass, total)
	}
	return rows.Err()
}

package history_test

import (
	"fmt"
	"time"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/scoring"
)

// The score of the crowning run is biased upwards: the champion was crowned because
// it was high. The runs since then say how good it is.
func ExampleScoreChampion() {
	crowned := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	champion := history.Champion{Model: "devstral", Score: 9.8, Since: crowned, RunID: "0"}
	var runs []history.Run
	for day, wrong := range []int{0, 2, 3, 2} {
		tests := make([]scoring.Test, 20)
		for i := range tests {
			tests[i] = scoring.Test{Task: fmt.Sprint(i), Outcome: scoring.Answered, Passed: i >= wrong, Latency: 2 * time.Second}
		}
		runs = append(runs, history.Run{
			ID: fmt.Sprint(day), Time: crowned.AddDate(0, 0, day), Model: "devstral", Suite: "5f1c", Results: tests, Crowned: day == 0,
		})
	}
	score := history.ScoreChampion(runs, champion, scoring.Composite{})
	fmt.Printf("crowned with %.1f, %.2f in the %d runs since (%.2f to %.2f)\n", champion.Score, score.Mean, score.Runs, score.Low, score.High)
	// Output: crowned with 9.8, 8.70 in the 3 runs since (8.27 to 9.13)
}

// Some programs record a run after each of its cycles.
func ExampleFold() {
	start := time.Date(2026, 3, 7, 18, 16, 0, 0, time.UTC)
	rows := []history.Run{
		{Time: start, Model: "qwen3-8b", Tests: 10, PassRate: 80},
		{Time: start.Add(4 * time.Minute), Model: "qwen3-8b", Tests: 20, PassRate: 85},
		{Time: start.Add(8 * time.Minute), Model: "devstral", Tests: 10, PassRate: 90},
	}
	for _, run := range history.Fold(rows) {
		fmt.Println(run.Model, run.Tests, "tests, rows", run.Rows)
	}
	// Output:
	// qwen3-8b 20 tests, rows [0 1]
	// devstral 10 tests, rows [2]
}

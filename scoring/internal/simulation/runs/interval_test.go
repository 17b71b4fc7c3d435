package runs_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/turbone/jarvis/scoring"
	"github.com/turbone/jarvis/scoring/internal/simulation/runs"
)

// aim is a shown interval, and the figure that it is of.
type aim struct {
	shown            bool
	truth, low, high float64
}

// rightOf returns the interval of the share of right answers in one run of a model on
// tasks of its own.
func rightOf(w runs.World, seed uint64) aim {
	b := runs.New(w, seed)
	tests := b.Run(runs.Change{}).Tests
	burst := len(scoring.WithoutBursts(tests)) < len(tests)
	_, low, high := scoring.ShareInterval(tests, func(t scoring.Test) bool { return t.Passed && !t.Error() }, 0.95)
	return aim{!burst && (w.Tasks == 0 || w.Tasks >= scoring.ShareTasks), b.Share(), low, high}
}

// covered returns the percentage of the shown intervals that hold the truth, and how
// many are shown.
func covered(list []aim) (percent, shown float64) {
	held := 0.0
	for _, a := range list {
		if a.shown {
			shown++
			if a.low <= a.truth && a.truth <= a.high {
				held++
			}
		}
	}
	return 100 * held / max(shown, 1), shown
}

// claimed reports whether a share of intervals is 94 to 98 %, or misses that by less
// than two standard errors of so many.
func claimed(percent, shown float64) bool {
	miss := func(p float64) float64 { return 200 * math.Sqrt(p*(1-p)/shown) }
	return percent >= 94-miss(0.94) && percent <= 98+miss(0.98)
}

// The interval of a run's share of right answers is the only one of a single run that
// is shown. It holds that of endless tasks like its own in 94 to 98 of 100 runs, in
// each world.
func TestIntervalsCover(t *testing.T) {
	typical := with(runs.Typical(), "other tasks", func(w *runs.World) { w.Drawn = true })
	type row struct {
		world  runs.World
		sample bool
	}
	var rows []row
	for _, tasks := range []int{20, 40, 80} {
		for _, right := range []float64{0.5, 0.85, 0.95, 0.99} {
			for _, difficulty := range []float64{0, 2} {
				name := fmt.Sprintf("%d tasks, %.0f %% right, difficulty %.0f", tasks, 100*right, difficulty)
				rows = append(rows, row{with(typical, name, func(w *runs.World) { w.Tasks, w.Right, w.Difficulty = tasks, right, difficulty }), tasks == 20 && right == 0.85})
			}
		}
	}
	first := with(runs.First(), "other tasks", func(w *runs.World) { w.Drawn = true })
	rows = append(rows,
		row{typical, true}, row{first, true},
		row{with(typical, "80 tests", func(w *runs.World) { w.Cycles = 2 }), false},
		row{with(first, "80 tests", func(w *runs.World) { w.Cycles = 2 }), false},
		row{with(typical, "repeats alike", func(w *runs.World) { w.Alike = 0.9 }), true},
		row{with(typical, "tails", func(w *runs.World) { w.Tail = 0.03 }), false},
		row{with(typical, "a second user", func(w *runs.World) { w.Guest = 0.5 }), false},
		row{with(typical, "days, sd 20 %", func(w *runs.World) { w.Day, w.Kept = 0.2, 0.8 }), false},
		row{with(typical, "weekdays +60 %", func(w *runs.World) { w.Weekday = 0.6 }), false},
		row{with(typical, "bursts of 10", func(w *runs.World) { w.Lost, w.Burst = 0.01, 10 }), false},
		row{with(typical, "bursts of 30", func(w *runs.World) { w.Lost, w.Burst = 0.01, 30 }), false},
		row{with(typical, "12 % unanswered on a tenth of days", func(w *runs.World) { w.BadDays, w.BadErrors = 0.1, 0.12 }), true},
		row{with(typical, "an ability of its own in each run", func(w *runs.World) { w.Common = 0.2 }), true},
		row{with(typical, "days, tails, a second user, bursts", func(w *runs.World) { w.Day, w.Tail, w.Guest, w.Lost = 0.1, 0.02, 0.2, 0.01 }), true},
	)
	for _, r := range rows {
		if !r.sample && !full() {
			continue
		}
		percent, shown := covered(each(count(4000, 400), func(seed uint64) aim { return rightOf(r.world, seed) }))
		t.Logf("%-75s right: %.1f %% of %.0f", r.world.Name, percent, shown)
		if !claimed(percent, shown) {
			t.Errorf("%s: the interval of the right answers holds in %.1f %% of %.0f", r.world.Name, percent, shown)
		}
	}
}

// The interval of a trend holds the true slope, however long a score lasts.
func TestTrendsCover(t *testing.T) {
	for _, length := range []int{scoring.TrendRuns, 60, 100} {
		for _, kept := range []float64{0, 0.3, 0.6, 0.8} {
			number := count(4000, 200)
			share, _ := covered(each(number, func(seed uint64) aim {
				random := rand.New(rand.NewPCG(seed, 3))
				luck := random.NormFloat64()
				var scores []float64
				for i := range length {
					scores = append(scores, 7+0.3*luck+0.01*float64(i))
					luck = kept*luck + math.Sqrt(1-kept*kept)*random.NormFloat64()
				}
				_, low, high := scoring.Trend(scores)
				return aim{true, 0.01, low, high}
			}))
			t.Logf("%3d runs, autocorrelation %.1f: the interval of the trend holds in %.1f %%", length, kept, share)
			if miss := 300 * math.Sqrt(0.05*0.95/float64(number)); share < 94-miss || share > 98+miss {
				t.Errorf("%d runs, autocorrelation %.1f: %.1f %%", length, kept, share)
			}
		}
	}
}

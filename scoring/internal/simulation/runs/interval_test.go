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

// The intervals of a run.
var shown = []string{"composite", "latency", "right", "answered"}

// aims returns the intervals of one run of a model on tasks of its own.
func aims(w runs.World, seed uint64) []aim {
	b := runs.New(w, seed)
	tests := b.Run(runs.Change{}).Tests
	composite, right, latency := b.Means()
	burst := len(scoring.WithoutBursts(tests)) < len(tests)
	low, high := scoring.Interval(tests, scoring.Default())
	fast, slow, known := scoring.LatencyInterval(tests)
	_, rightLow, rightHigh := scoring.ShareInterval(tests, func(t scoring.Test) bool { return t.Passed }, 0.95)
	_, thereLow, thereHigh := scoring.ShareInterval(tests, func(t scoring.Test) bool { return !t.Error() }, 0.95)
	return []aim{
		{!burst, composite, low, high}, {known, latency, fast.Seconds(), slow.Seconds()},
		{!burst, right, rightLow, rightHigh}, {!burst, 1 - w.Errors, thereLow, thereHigh},
	}
}

// covered returns the percentage of the shown intervals that hold the truth.
func covered(list []aim) float64 {
	made, held := 0, 0
	for _, a := range list {
		if a.shown {
			made++
			if a.low <= a.truth && a.truth <= a.high {
				held++
			}
		}
	}
	return 100 * float64(held) / float64(max(made, 1))
}

// Each interval of a run that is shown holds the figure of endless tasks like its own
// in 94 to 98 of 100 runs. That of the answered share holds it more often, since with
// one error in 200 tests there is no interval between, and so do those of ten tasks.
func TestIntervalsCover(t *testing.T) {
	typical := with(runs.Typical(), "other tasks", func(w *runs.World) { w.Drawn, w.Lost = true, 0 })
	type row struct {
		world  runs.World
		sample bool
	}
	var rows []row
	for _, tasks := range []int{10, 20, 40, 80} {
		for _, right := range []float64{0.5, 0.85, 0.95, 0.99} {
			for _, difficulty := range []float64{0, 2} {
				name := fmt.Sprintf("%d tasks, %.0f %% right, difficulty %.0f", tasks, 100*right, difficulty)
				rows = append(rows, row{with(typical, name, func(w *runs.World) { w.Tasks, w.Right, w.Difficulty = tasks, right, difficulty }), tasks == 20 && right == 0.85})
			}
		}
	}
	rows = append(rows,
		row{with(typical, "repeats alike", func(w *runs.World) { w.Alike = 0.9 }), true},
		row{with(typical, "tails", func(w *runs.World) { w.Tail = 0.03 }), true},
		row{with(typical, "a second user", func(w *runs.World) { w.Guest = 0.5 }), false},
		row{with(typical, "days, sd 20 %", func(w *runs.World) { w.Day = 0.2 }), true},
		row{with(typical, "days, tails, a second user, bursts", func(w *runs.World) { w.Day, w.Tail, w.Guest, w.Lost = 0.1, 0.02, 0.2, 0.01 }), true},
	)
	for _, r := range rows {
		if !r.sample && !full() {
			continue
		}
		number := count(4000, 300)
		var lists [4][]aim
		for _, list := range each(number, func(seed uint64) []aim { return aims(r.world, seed) }) {
			for k, a := range list {
				lists[k] = append(lists[k], a)
			}
		}
		line := ""
		for k, name := range shown {
			share := covered(lists[k])
			line += fmt.Sprintf("  %s %.1f", name, share)
			most := 98.0
			if name == "answered" || r.world.Tasks == 10 {
				most = 100
			}
			// Of so many runs a share may miss its claim by three standard errors.
			miss := 300 * math.Sqrt(0.05*0.95/float64(number))
			if share < 94-miss || share > most+miss {
				t.Errorf("%s: the interval of %s holds in %.1f %%", r.world.Name, name, share)
			}
		}
		t.Logf("%-75s%s", r.world.Name, line)
	}
}

// The interval of a trend holds the true slope, however long a score lasts.
func TestTrendsCover(t *testing.T) {
	for _, length := range []int{scoring.TrendRuns, 60, 100} {
		for _, kept := range []float64{0, 0.3, 0.6, 0.8} {
			number := count(4000, 200)
			share := covered(each(number, func(seed uint64) aim {
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

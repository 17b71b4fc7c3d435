package runs_test

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"testing"

	"github.com/sourcegraph/conc/pool"

	"github.com/turbone/jarvis/scoring"
	"github.com/turbone/jarvis/scoring/internal/simulation/runs"
)

func full() bool { return os.Getenv("JARVIS_FULL") == "1" }

// count is how often a row is played: as often as it claims something of with
// JARVIS_FULL=1, else a part of that, with the same seeds each time.
func count(all, part int) int {
	if full() {
		return all
	}
	return part
}

// slack is what a share may miss its claim by in so many repetitions: nothing in a
// full campaign, else three standard errors.
func slack(share float64, repetitions int) float64 {
	if full() {
		return 0
	}
	return 3 * math.Sqrt(share*(1-share)/float64(repetitions))
}

// each plays numbered series, and returns what they gave in any order.
func each[T any](number int, play func(seed uint64) T) []T {
	work := pool.NewWithResults[T]().WithMaxGoroutines(runtime.GOMAXPROCS(0))
	for seed := range uint64(number) {
		work.Go(func() T { return play(seed) })
	}
	return work.Wait()
}

// told counts the regressions of a report by their causes.
func told(alarms []scoring.Alarm) map[scoring.Cause]int {
	counts := map[scoring.Cause]int{}
	for _, a := range alarms {
		if a.Kind == scoring.Regression {
			counts[a.Cause]++
		}
	}
	return counts
}

// falseAlarms plays series in which nothing changes, and returns the regressions
// per 1,000 runs after the first 30, in all and by their causes, and the
// suspicions.
func falseAlarms(w runs.World, series, length int) (all float64, causes string, suspicions float64) {
	const warm = 30
	type figures struct {
		causes     map[scoring.Cause]int
		suspicions int
	}
	sum := map[scoring.Cause]int{}
	suspected := 0
	for _, f := range each(series, func(seed uint64) figures {
		b := runs.New(w, seed)
		watch := scoring.NewWatch(scoring.Default())
		for range warm {
			watch.Add(b.Run(runs.Change{}))
		}
		before := len(watch.Report().Alarms)
		f := figures{}
		for range length {
			watch.Add(b.Run(runs.Change{}))
		}
		r := watch.Report()
		for _, p := range r.Points[warm:] {
			if p.Mark == scoring.RunSuspect {
				f.suspicions++
			}
		}
		f.causes = told(r.Alarms[before:])
		return f
	}) {
		for cause, n := range f.causes {
			sum[cause] += n
		}
		suspected += f.suspicions
	}
	per := 1000 / float64(series*length)
	for _, n := range sum {
		all += per * float64(n)
	}
	return all, fmt.Sprintf("quality %.2f, speed %.2f, errors %.2f", per*float64(sum[scoring.CauseQuality]), per*float64(sum[scoring.CauseSpeed]), per*float64(sum[scoring.CauseErrors])), per * float64(suspected)
}

// found plays series that change after warm runs, and returns the shares of those
// in which an alarm came within so many runs. With confirm a suspicion is measured
// again at once.
func found(w runs.World, series, warm int, confirm bool, change func(b *runs.Bench, number int) (runs.Change, func(*scoring.Observation)), within ...int) []float64 {
	shares := make([]float64, len(within))
	for _, at := range each(series, func(seed uint64) int {
		b := runs.New(w, 1_000_000+seed)
		watch := scoring.NewWatch(scoring.Default())
		for i := 0; i < warm || watch.Report().State == scoring.Suspect; i++ {
			watch.Add(b.Run(runs.Change{}))
		}
		before := len(watch.Report().Alarms)
		for i := 1; i <= within[len(within)-1]; i++ {
			bad, edit := change(b, i)
			add := func(o scoring.Observation) bool {
				if edit != nil {
					edit(&o)
				}
				watch.Add(o)
				return len(told(watch.Report().Alarms[before:])) > 0
			}
			if add(b.Run(bad)) || confirm && watch.Report().Rerun && add(b.Again(bad)) {
				return i
			}
		}
		return math.MaxInt
	}) {
		for k, limit := range within {
			if at <= limit {
				shares[k] += 100 / float64(series)
			}
		}
	}
	return shares
}

func fall(share float64) func(*runs.Bench, int) (runs.Change, func(*scoring.Observation)) {
	var c = map[*runs.Bench]runs.Change{}
	_ = c
	return func(b *runs.Bench, _ int) (runs.Change, func(*scoring.Observation)) { return b.Fall(share), nil }
}

func slower(share float64) func(*runs.Bench, int) (runs.Change, func(*scoring.Observation)) {
	return func(*runs.Bench, int) (runs.Change, func(*scoring.Observation)) { return runs.Change{Latency: share}, nil }
}

func upgraded(share float64) func(*runs.Bench, int) (runs.Change, func(*scoring.Observation)) {
	return func(b *runs.Bench, _ int) (runs.Change, func(*scoring.Observation)) {
		return b.Fall(share), func(o *scoring.Observation) { o.Version = "2" }
	}
}

var (
	typical = runs.World{Name: "typical", Difficulty: 2, Call: 0.25, Run: 0.05, Busy: 0.03, Slowdown: 1.4, Errors: 0.005, Lost: 0.005}
	first   = runs.World{Name: "first", Difficulty: 2.15, Right: 0.68, Alike: 0.3, Call: 0.25, Run: 0.05, Busy: 0.03, Slowdown: 1.4, Errors: 0.01}
)

func with(w runs.World, name string, change func(*runs.World)) runs.World {
	w.Name = name
	change(&w)
	return w
}

var worlds = []runs.World{
	typical,
	with(typical, "typical, 80 tests", func(w *runs.World) { w.Cycles = 2 }),
	first,
	with(first, "first, 80 tests", func(w *runs.World) { w.Cycles = 2 }),
	with(typical, "life", func(w *runs.World) {
		w.Day, w.Kept, w.Tail, w.Guest, w.Lost = 0.1, 0.5, 0.02, 0.1, 0.01
	}),
	with(typical, "weekdays +25 %", func(w *runs.World) { w.Weekday = 0.25 }),
	with(typical, "weekdays +60 %", func(w *runs.World) { w.Weekday = 0.6 }),
	with(typical, "weekdays +60 %, 4 a day", func(w *runs.World) { w.Weekday = 0.6; w.PerDay = 4 }),
	with(typical, "nightly +50 %, 4 a day", func(w *runs.World) { w.Nightly = 0.5; w.PerDay = 4 }),
	with(typical, "days sd 10 %, kept 0.6", func(w *runs.World) { w.Day, w.Kept = 0.1, 0.6 }),
	with(typical, "days sd 10 %, kept 0.8", func(w *runs.World) { w.Day, w.Kept = 0.1, 0.8 }),
	with(typical, "days sd 10 %, kept 0.9", func(w *runs.World) { w.Day, w.Kept = 0.1, 0.9 }),
	with(typical, "days sd 10 %, kept 0.5, 4 a day", func(w *runs.World) { w.Day, w.Kept, w.PerDay = 0.1, 0.5, 4 }),
	with(typical, "days sd 20 %, kept 0.8", func(w *runs.World) { w.Day, w.Kept = 0.2, 0.8 }),
	with(typical, "bursts of 10", func(w *runs.World) { w.Lost, w.Burst = 0.01, 10 }),
	with(typical, "bursts of 30", func(w *runs.World) { w.Lost, w.Burst = 0.01, 30 }),
	with(typical, "12 % unanswered on a tenth of days", func(w *runs.World) { w.BadDays, w.BadErrors = 0.1, 0.12 }),
	with(typical, "common ability", func(w *runs.World) { w.Common = 0.2 }),
}

func TestFalse(t *testing.T) {
	for _, w := range worlds {
		all, causes, suspicions := falseAlarms(w, count(1000, 100), 100)
		t.Logf("%-38s %6.2f (%s), suspicions %.1f", w.Name, all, causes, suspicions)
	}
}

func TestFound(t *testing.T) {
	for _, row := range []struct {
		name    string
		w       runs.World
		confirm bool
		change  func(*runs.Bench, int) (runs.Change, func(*scoring.Observation))
	}{
		{"-10 % confirm", typical, true, fall(0.1)},
		{"-10 % alert", typical, false, fall(0.1)},
		{"-10 % confirm", first, true, fall(0.1)},
		{"-10 % alert", first, false, fall(0.1)},
		{"-5 % confirm", typical, true, fall(0.05)},
		{"-5 % alert", typical, false, fall(0.05)},
		{"-5 % confirm", first, true, fall(0.05)},
		{"-20 % new version alert", typical, false, upgraded(0.2)},
		{"-20 % new version alert", first, false, upgraded(0.2)},
		{"-20 % new version confirm", first, true, upgraded(0.2)},
		{"x1.25 alert", typical, false, slower(0.25)},
		{"x2 alert", typical, false, slower(1)},
		{"x2 confirm", first, true, slower(1)},
		{"x2 alert", first, false, slower(1)},
	} {
		got := found(row.w, count(1000, 200), 30, row.confirm, row.change, 1, 2, 3, 5)
		t.Logf("%-38s %-20s %5.1f", row.name, row.w.Name, got)
	}
}

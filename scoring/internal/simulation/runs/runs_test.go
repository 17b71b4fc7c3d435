package runs_test

import (
	"fmt"
	"maps"
	"math"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/sourcegraph/conc/pool"

	"github.com/turbone/jarvis/scoring"
	"github.com/turbone/jarvis/scoring/internal/simulation/runs"
)

// warm is the number of runs before those that are counted.
const warm = 30

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
	return 3 * math.Sqrt(max(share*(1-share), 0)/float64(repetitions))
}

// each plays numbered series, and returns what they gave in any order.
func each[T any](number int, play func(seed uint64) T) []T {
	work := pool.NewWithResults[T]().WithMaxGoroutines(runtime.GOMAXPROCS(0))
	for seed := range uint64(number) {
		work.Go(func() T { return play(seed) })
	}
	return work.Wait()
}

// regressions counts the regressions among alarms by their causes.
func regressions(alarms []scoring.Alarm) map[scoring.Cause]int {
	counts := map[scoring.Cause]int{}
	for _, a := range alarms {
		if a.Kind == scoring.Regression {
			counts[a.Cause]++
		}
	}
	return counts
}

// falseAlarms plays series of 50 runs after some in which nothing changes, and returns
// the regressions per 1,000 of them, in all and in words by their causes. With confirm a
// suspicion is measured again at once.
func falseAlarms(w runs.World, warm, series int, confirm bool) (all float64, causes string) {
	const length = 50
	sum := map[scoring.Cause]int{}
	for _, counts := range each(series, func(seed uint64) map[scoring.Cause]int {
		b := runs.New(w, seed)
		watch := scoring.NewWatch(scoring.Default())
		for range warm {
			watch.Add(b.Run(runs.Change{}))
		}
		before := len(watch.Report().Alarms)
		for range length {
			watch.Add(b.Run(runs.Change{}))
			if confirm && watch.Report().Rerun {
				watch.Add(b.Again(runs.Change{}))
			}
		}
		return regressions(watch.Report().Alarms[before:])
	}) {
		for cause, n := range counts {
			sum[cause] += n
		}
	}
	per := 1000 / float64(series*length)
	for _, cause := range slices.Sorted(maps.Keys(sum)) {
		all += per * float64(sum[cause])
		causes += fmt.Sprintf(" %s %.2f", cause, per*float64(sum[cause]))
	}
	return all, causes
}

func with(w runs.World, name string, change func(*runs.World)) runs.World {
	w.Name += ", " + name
	change(&w)
	return w
}

// days is a typical machine whose speed differs from day to day.
func days(deviation, kept float64, perDay int) runs.World {
	name := fmt.Sprintf("days of their own speed, sd %.0f %%, %.1f kept, %d a day", 100*deviation, kept, perDay)
	return with(runs.Typical(), name, func(w *runs.World) { w.Day, w.Kept, w.PerDay = deviation, kept, perDay })
}

// Where nothing changes, a regression is told in at most so many of 1,000 runs.
//
//	JARVIS_FULL=1 go test -v ./scoring/internal/simulation/runs
func TestFalseAlarms(t *testing.T) {
	typical, first := runs.Typical(), runs.First()
	for _, row := range []struct {
		world   runs.World
		most    float64 // of 1,000 runs; 0: nothing is claimed
		confirm bool
		before  int
	}{
		{typical, 3, false, warm},
		{typical, 3, true, warm},
		{typical, 4, false, 4},
		{with(typical, "80 tests", func(w *runs.World) { w.Cycles = 2 }), 3, false, warm},
		{first, 3, false, warm},
		{with(first, "80 tests", func(w *runs.World) { w.Cycles = 2 }), 3, false, warm},
		{with(typical, "another version after each 10 runs", func(w *runs.World) { w.Upgrade = 10 }), 3, false, warm},
		{with(typical, "weekdays +25 %", func(w *runs.World) { w.Weekday = 0.25 }), 10, false, warm},
		{with(typical, "weekdays +60 %", func(w *runs.World) { w.Weekday = 0.6 }), 10, false, warm},
		{with(typical, "weekdays +60 %, 4 a day", func(w *runs.World) { w.Weekday, w.PerDay = 0.6, 4 }), 10, false, warm},
		{with(typical, "the first of 4 a day +50 %", func(w *runs.World) { w.Nightly, w.PerDay = 0.5, 4 }), 10, false, warm},
		{days(0.1, 0.6, 1), 10, false, warm},
		{days(0.1, 0.8, 1), 10, false, warm},
		{days(0.1, 0.8, 1), 10, true, warm},
		{days(0.1, 0.5, 4), 10, false, warm},
		{days(0.1, 0.9, 1), 0, false, warm},
		{days(0.2, 0.8, 1), 0, false, warm},
		{with(typical, "bursts of 10", func(w *runs.World) { w.Lost, w.Burst = 0.01, 10 }), 10, false, warm},
		{with(typical, "bursts of 30", func(w *runs.World) { w.Lost, w.Burst = 0.01, 30 }), 10, false, warm},
		{with(typical, "12 % unanswered on a tenth of days", func(w *runs.World) { w.BadDays, w.BadErrors = 0.1, 0.12 }), 0, false, warm},
		{with(typical, "an ability of its own in each run", func(w *runs.World) { w.Common = 0.2 }), 10, false, warm},
		{with(typical, "days, tails, a second user, bursts", func(w *runs.World) {
			w.Day, w.Kept, w.Tail, w.Guest, w.Lost = 0.1, 0.5, 0.02, 0.1, 0.01
		}), 10, false, warm},
	} {
		series := count(1000, 24)
		if row.most == 0 && !full() {
			continue
		}
		all, causes := falseAlarms(row.world, row.before, series, row.confirm)
		if row.confirm {
			causes += "; suspicions are measured again at once"
		}
		if row.before != warm {
			causes += fmt.Sprintf("; %d runs before", row.before)
		}
		t.Logf("%-70s %6.2f of 1,000:%s", row.world.Name, all, causes)
		if most := row.most + 1000*slack(row.most/1000, 50*series); row.most > 0 && all > most {
			t.Errorf("%s: %.2f false alarms per 1,000 runs, more than %.2f", row.world.Name, all, most)
		}
	}
}

// step is what happens to a model with one run and those after it; at is the number
// of the run since then, from 1 on.
type step func(b *runs.Bench, at int) runs.Change

func fallBy(share float64) step {
	return func(b *runs.Bench, _ int) runs.Change { return b.Fall(share) }
}

func slowerBy(share float64) step {
	return func(*runs.Bench, int) runs.Change { return runs.Change{Latency: share} }
}

// drift is a little more with each run.
func drift(c runs.Change) step {
	return func(_ *runs.Bench, at int) runs.Change {
		return runs.Change{Ability: c.Ability * float64(at), Latency: c.Latency * float64(at)}
	}
}

// found plays series that change after some runs, and returns the percentage of those
// in which a regression is told within so many runs. With confirm a suspicion is
// measured again at once. The regression is told as one since that version.
func found(w runs.World, series, before int, confirm bool, version string, change step, within ...int) []float64 {
	shares := make([]float64, len(within))
	for _, at := range each(series, func(seed uint64) int {
		b := runs.New(w, 1_000_000+seed)
		watch := scoring.NewWatch(scoring.Default())
		for i := 0; i < before || watch.Report().State != scoring.Normal; i++ {
			watch.Add(b.Run(runs.Change{}))
		}
		known := len(watch.Report().Alarms)
		told := func(o scoring.Observation) bool {
			if version != "" {
				o.Engine, o.Version = "Ollama", version
			}
			watch.Add(o)
			return slices.ContainsFunc(watch.Report().Alarms[known:], func(a scoring.Alarm) bool {
				return a.Kind == scoring.Regression && (version == "" || a.Change == "Ollama "+version)
			})
		}
		for i := 1; i <= within[len(within)-1]; i++ {
			bad := change(b, i)
			if told(b.Run(bad)) || confirm && watch.Report().Rerun && told(b.Again(bad)) {
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

// What gets worse is told within so many runs.
func TestFound(t *testing.T) {
	typical, first := runs.Typical(), runs.First()
	quick := with(first, "80 tests", func(w *runs.World) { w.Cycles = 2 })
	small := with(typical, "20 tasks twice", func(w *runs.World) { w.Tasks, w.Cycles = 20, 2 })
	for _, row := range []struct {
		name    string
		world   runs.World
		before  int
		confirm bool
		version string
		change  step
		within  [4]int
		least   [4]float64 // in per cent; 0: nothing is claimed
	}{
		{"-10 % by quality, alert", typical, warm, false, "", fallBy(0.1), [4]int{1, 2, 3, 5}, [4]float64{60, 97, 97, 97}},
		{"-10 % by quality, confirm", typical, warm, true, "", fallBy(0.1), [4]int{1, 2, 3, 5}, [4]float64{83, 97, 97, 99}},
		{"-10 % by quality, alert", first, warm, false, "", fallBy(0.1), [4]int{1, 2, 3, 5}, [4]float64{0, 75, 0, 97}},
		{"-10 % by quality, confirm", first, warm, true, "", fallBy(0.1), [4]int{1, 2, 3, 5}, [4]float64{80, 0, 0, 98}},
		{"-10 % by quality, confirm", quick, warm, true, "", fallBy(0.1), [4]int{1, 2, 3, 5}, [4]float64{0, 0, 0, 90}},
		{"-5 % by quality, alert", typical, warm, false, "", fallBy(0.05), [4]int{1, 2, 3, 5}, [4]float64{0, 0, 0, 95}},
		{"-5 % by quality, confirm", typical, warm, true, "", fallBy(0.05), [4]int{1, 2, 3, 5}, [4]float64{0, 0, 0, 97}},
		{"-5 % by quality, confirm", small, warm, true, "", fallBy(0.05), [4]int{1, 2, 3, 5}, [4]float64{}},
		{"-20 % with another version, alert", typical, warm, false, "2", fallBy(0.2), [4]int{1, 2, 3, 5}, [4]float64{0, 95, 95, 95}},
		{"-20 % with another version, alert", first, warm, false, "2", fallBy(0.2), [4]int{1, 2, 3, 5}, [4]float64{0, 95, 95, 95}},
		{"-20 % with another version, alert", first, 5, false, "2", fallBy(0.2), [4]int{1, 2, 3, 5}, [4]float64{0, 90, 0, 0}},
		{"half the speed, alert", typical, warm, false, "", slowerBy(1), [4]int{1, 2, 3, 5}, [4]float64{0, 0, 99, 99}},
		{"half the speed, confirm", first, warm, true, "", slowerBy(1), [4]int{1, 2, 3, 5}, [4]float64{95, 0, 99, 99}},
		{"half the speed, confirm", first, 5, true, "", slowerBy(1), [4]int{1, 2, 3, 5}, [4]float64{0, 0, 93, 94}},
		{"half the speed, alert", days(0.1, 0.8, 1), warm, false, "", slowerBy(1), [4]int{1, 2, 3, 5}, [4]float64{}},
		{"latency x 1.25, alert", typical, warm, false, "", slowerBy(0.25), [4]int{1, 2, 3, 5}, [4]float64{}},
		{"1 % slower with each run", typical, warm, false, "", drift(runs.Change{Latency: 0.01}), [4]int{10, 20, 30, 40}, [4]float64{0, 0, 80, 90}},
		{"1 % slower with each run", days(0.1, 0.6, 1), warm, false, "", drift(runs.Change{Latency: 0.01}), [4]int{10, 20, 30, 40}, [4]float64{}},
		{"a bit worse with each run", typical, warm, false, "", drift(runs.Change{Ability: 0.02}), [4]int{10, 20, 30, 40}, [4]float64{0, 0, 75, 90}},
	} {
		if row.least == [4]float64{} && !full() {
			continue
		}
		series := count(1000, 40)
		got := found(row.world, series, row.before, row.confirm, row.version, row.change, row.within[:]...)
		t.Logf("%-35s %-70s %d before: within %v runs %5.1f %%", row.name, row.world.Name, row.before, row.within, got)
		for k, least := range row.least {
			if got[k] < least-100*slack(least/100, series) {
				t.Errorf("%s, %s: %.1f %% within %d runs, less than %v", row.name, row.world.Name, got[k], row.within[k], least)
			}
		}
	}
}

package runs_test

import (
	"testing"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/scoring"
	"github.com/turbone/jarvis/scoring/internal/simulation/runs"
)

// beforeBad is the number of runs of a history before those that are worse.
const beforeBad = 40

// recorded returns a run as a program records it, the counts alone without single.
func recorded(o scoring.Observation, single bool) history.Run {
	sample := scoring.Measure(o.Tests)
	r := history.Run{
		ID: o.ID, Time: o.Time, Type: "autotest", Model: o.Model, Engine: "ollama", EngineVersion: o.Version, Score: scoring.Default().Score(sample).Composite,
		PassRate: 100 * float64(sample.Passed) / float64(sample.Tests), Latency: sample.Latency, Tests: sample.Tests, Errors: &sample.Errors,
	}
	if single {
		r.Node, r.Suite, r.Results = "M1", "s", o.Tests
	}
	return r
}

// judged returns the percentage of histories in which a regression is told by the
// run after bad ones that get worse, and the regressions of 1,000 runs before.
func judged(w runs.World, series, bad int, single bool, change func(b *runs.Bench) runs.Change, edit func(number int, r *history.Run)) (found, wrong float64) {
	type told struct{ found, wrong int }
	for _, one := range each(series, func(seed uint64) (t told) {
		other := w
		other.Right, other.Name = 0.6, "another"
		benches := []*runs.Bench{runs.New(w, seed), runs.New(other, seed+1e6)}
		var rows []history.Run
		for i := range beforeBad + bad {
			b, c := benches[0], runs.Change{}
			if i >= beforeBad {
				c = change(b)
			}
			r := recorded(b.Run(c), single)
			if edit != nil {
				// A second series of runs that do worse, one after each of these.
				rows = append(rows, recorded(benches[1].Run(runs.Change{}), single))
				rows[len(rows)-1].ID += "-other"
				edit(1, &rows[len(rows)-1])
				edit(0, &r)
			}
			rows = append(rows, r)
		}
		for _, a := range history.Alarms(history.Judge(rows, scoring.Composite{})) {
			switch {
			case a.Kind != scoring.Regression:
			case a.Time.Before(rows[len(rows)-bad].Time) || edit != nil:
				t.wrong++
			default:
				t.found = 1
			}
		}
		return t
	}) {
		found += 100 * float64(one.found) / float64(series)
		wrong += 1000 * float64(one.wrong) / float64(series*judgedRuns(edit != nil))
	}
	return found, wrong
}

// judgedRuns is the number of runs with a baseline in a history, before the bad ones.
func judgedRuns(two bool) int {
	if two {
		return 2 * (beforeBad - 4)
	}
	return beforeBad - 4
}

// What history.Judge makes of rows: of counts alone, of suites and nodes that only
// the counts tell apart.
func TestHistories(t *testing.T) {
	none := func(*runs.Bench) runs.Change { return runs.Change{} }
	tenth := func(b *runs.Bench) runs.Change { return b.Fall(0.1) }
	tally := map[string]history.Tally{"": {Total: 200}}
	parts := func(names ...string) map[string]history.Tally {
		list := map[string]history.Tally{}
		for _, name := range names {
			list[name] = tally[""]
		}
		return list
	}
	for _, row := range []struct {
		name        string
		bad         int
		single      bool
		change      func(*runs.Bench) runs.Change
		edit        func(int, *history.Run)
		least, most float64 // found in per cent; wrong of 1,000 runs
	}{
		{"single results, -10 % in 2 runs", 2, true, tenth, nil, 97, 10},
		{"counts alone, -10 % in 5 runs", 5, false, tenth, nil, 90, 3},
		{"counts of two suites", 1, false, none, func(i int, r *history.Run) { r.Suite = string(rune('a' + i)) }, 0, 3},
		{"counts of two suites without a name", 1, false, none, func(i int, r *history.Run) { r.ByDomain = parts("code", string(rune('a'+i))) }, 0, 3},
		{"counts of two nodes", 1, false, none, func(i int, r *history.Run) { r.ByNode = parts(string(rune('a' + i))) }, 0, 3},
		{"single results of two nodes", 1, true, none, func(i int, r *history.Run) { r.Node, r.ByNode = "", parts(string(rune('a'+i))) }, 0, 10},
	} {
		series := count(1000, 15)
		found, wrong := judged(runs.Typical(), series, row.bad, row.single, row.change, row.edit)
		t.Logf("%-40s told in %5.1f %%, wrong ones of 1,000 runs: %.2f", row.name, found, wrong)
		if found < row.least-100*slack(row.least/100, series) {
			t.Errorf("%s: told in %.1f %%, less than %v", row.name, found, row.least)
		}
		if wrong > row.most+1000*slack(row.most/1000, series*judgedRuns(row.edit != nil)) {
			t.Errorf("%s: %.2f wrong regressions of 1,000 runs, more than %v", row.name, wrong, row.most)
		}
	}
}

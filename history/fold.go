package history

import (
	"maps"
	"math"
	"slices"
	"time"
)

// growthPause is the longest time between two reports of one run.
const growthPause = time.Hour

// Folded is a run with the rows that report it.
type Folded struct {
	// Run is the last report.
	Run
	// Rows are the indexes of the reports among the rows, ascending.
	Rows []int
	// Duplicates is the number of reports that repeat the one before.
	Duplicates int
}

// Fold combines the rows that report the same run, and returns the runs in the
// order of their first rows.
//
// Some programs append a row after each cycle of a run, with the counts so far.
// Two such programs may run at the same time, and the last row may be repeated. A
// row continues a run if it can have grown out of the run's last row: the type,
// model, node, suite and settings are equal, no count of a node or domain
// decreased, and at most an hour has passed. If it can continue several runs, it
// continues the one with the most tests.
//
// Rows with an ID belong together if their IDs are equal.
func Fold(rows []Run) []Folded {
	var runs []Folded
	for i, row := range rows {
		at := -1
		for k := range runs {
			if grew(runs[k].Run, row) && (at < 0 || runs[k].Tests >= runs[at].Tests) {
				at = k
			}
		}
		if at < 0 {
			runs = append(runs, Folded{Run: row, Rows: []int{i}})
			continue
		}
		if runs[at].Tests == row.Tests {
			runs[at].Duplicates++
		}
		runs[at].Run = row
		runs[at].Rows = append(runs[at].Rows, i)
	}
	return runs
}

// grew reports whether row can be a later report of run, or a copy.
func grew(run, row Run) bool {
	if run.ID != "" || row.ID != "" {
		return run.ID != "" && run.ID == row.ID
	}
	pause := row.Time.Sub(run.Time)
	switch {
	case !sameKind(run, row):
		return false
	case pause < 0 || pause > growthPause || row.Tests < run.Tests:
		return false
	case row.Tests == run.Tests:
		return pause == 0 && row.Score == run.Score && sameTallies(run.ByNode, row.ByNode) && sameTallies(run.ByDomain, row.ByDomain)
	}
	if passed(row) < passed(run) || row.Tests-passed(row) < run.Tests-passed(run) {
		return false
	}
	return talliesGrew(run.ByNode, row.ByNode) && talliesGrew(run.ByDomain, row.ByDomain)
}

// talliesGrew reports whether neither the passed nor the failed tests decreased in
// any part.
func talliesGrew(before, after map[string]Tally) bool {
	for name, was := range before {
		is, ok := after[name]
		if !ok || is.Pass < was.Pass || is.Total-is.Pass < was.Total-was.Pass || !longer(was, is) {
			return false
		}
	}
	return true
}

// longer reports whether the total latency of a part can have increased, or stayed
// equal if there are no new tests.
func longer(was, is Tally) bool {
	if was.Latency == nil || is.Latency == nil {
		return true
	}
	// Means are recorded in whole milliseconds, rounded or truncated.
	const rounded = time.Millisecond
	if was.Total == is.Total {
		return (*was.Latency - *is.Latency).Abs() <= rounded
	}
	least := float64(was.Total) * float64(*was.Latency-rounded)
	most := float64(is.Total) * float64(*is.Latency+rounded)
	return most >= least
}

// sameKind reports whether two rows have the same type, model and conditions.
func sameKind(a, b Run) bool {
	return a.Type == b.Type && a.Model == b.Model && a.Node == b.Node && a.Suite == b.Suite && sameConfig(a.Config, b.Config)
}

// passed returns the number of tests that passed.
func passed(r Run) int { return int(math.Round(r.PassRate / 100 * float64(r.Tests))) }

// sameTallies reports whether the counts of all parts are equal as recorded.
func sameTallies(a, b map[string]Tally) bool {
	return maps.EqualFunc(a, b, func(x, y Tally) bool {
		if x.Pass != y.Pass || x.Total != y.Total || x.Latency == nil || y.Latency == nil {
			return x.Pass == y.Pass && x.Total == y.Total && x.Latency == y.Latency
		}
		return x.Latency.Round(time.Millisecond) == y.Latency.Round(time.Millisecond) // as they are recorded
	})
}

// Runs returns the runs without their rows, sorted by time.
func Runs(folded []Folded) []Run {
	runs := make([]Run, len(folded))
	for i, f := range folded {
		runs[i] = f.Run
	}
	slices.SortStableFunc(runs, func(a, b Run) int { return a.Time.Compare(b.Time) })
	return runs
}

package history

import (
	"maps"
	"math"
	"slices"
	"time"
)

// growthPause is how long a run may take from one report to the next.
const growthPause = time.Hour

// Folded is a run with the rows that told of it.
type Folded struct {
	// Run is its last report.
	Run
	// Rows are the places of its reports among the rows, in order.
	Rows []int
	// Duplicates is how many of them repeat the one before.
	Duplicates int
}

// Fold turns rows into runs, in the order of their first rows.
//
// A program may append the state of a run after each of its cycles, so that
// each row holds those before it; two such programs may do so at the same time;
// and the last row may be there twice. A row belongs to a run where it could
// have grown out of the run's last row: the same type, model and settings, no
// count less than it was, on any node or domain, within an hour. Where it could
// have grown out of several, it belongs to the one that had come furthest.
//
// Rows with an ID of their own or with single results are runs as they stand.
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

// grew reports whether a row may be a later report, or a copy, of a run.
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

// talliesGrew reports whether nothing became less: neither what passed nor what
// didn't.
func talliesGrew(before, after map[string]Tally) bool {
	for name, was := range before {
		is, ok := after[name]
		if !ok || is.Pass < was.Pass || is.Total-is.Pass < was.Total-was.Pass || !longer(was, is) {
			return false
		}
	}
	return true
}

// longer reports whether the tests of a part can have taken more time, or just
// as much where there are no new ones.
func longer(was, is Tally) bool {
	if was.Latency == nil || is.Latency == nil {
		return true
	}
	// Means are recorded in whole milliseconds, rounded or cut.
	const rounded = time.Millisecond
	if was.Total == is.Total {
		return (*was.Latency - *is.Latency).Abs() <= rounded
	}
	least := float64(was.Total) * float64(*was.Latency-rounded)
	most := float64(is.Total) * float64(*is.Latency+rounded)
	return most >= least
}

// sameKind reports whether rows are about the same thing.
func sameKind(a, b Run) bool {
	return a.Type == b.Type && a.Model == b.Model && a.Node == b.Node && a.Suite == b.Suite && sameConfig(a.Config, b.Config)
}

// passed is how many tests of a run passed.
func passed(r Run) int { return int(math.Round(r.PassRate / 100 * float64(r.Tests))) }

func sameTallies(a, b map[string]Tally) bool {
	return maps.EqualFunc(a, b, func(x, y Tally) bool {
		if x.Pass != y.Pass || x.Total != y.Total || x.Latency == nil || y.Latency == nil {
			return x.Pass == y.Pass && x.Total == y.Total && x.Latency == y.Latency
		}
		return x.Latency.Round(time.Millisecond) == y.Latency.Round(time.Millisecond) // as they are recorded
	})
}

// Runs returns the runs alone.
func Runs(folded []Folded) []Run {
	runs := make([]Run, len(folded))
	for i, f := range folded {
		runs[i] = f.Run
	}
	slices.SortStableFunc(runs, func(a, b Run) int { return a.Time.Compare(b.Time) })
	return runs
}

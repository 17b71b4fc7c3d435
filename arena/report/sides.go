package report

import (
	"cmp"
	"time"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/scoring"
)

// side is one of the two models of a tournament, or else the model of the latest
// run with tests.
type side struct {
	Model, Class, Role string
	When               string
	Tests              []scoring.Test
	Domains            map[string]history.Tally // if the tests are unknown
	measured
}

// sidesOf returns the sides to show: two, one or none.
func sidesOf(d Data) []side {
	if t := d.Tournament; t != nil {
		return []side{
			{
				Model: cmp.Or(clean(t.Champion), "the champion"), Class: "s0", Role: "champion",
				Tests: t.ChampionTests, measured: measure(t.ChampionTests, d.Weights),
			},
			{
				Model: cmp.Or(clean(t.Candidate), "the candidate"), Class: "s1", Role: "candidate",
				Tests: t.CandidateTests, measured: measure(t.CandidateTests, d.Weights),
			},
		}
	}
	for i := len(d.Runs) - 1; i >= 0; i-- {
		if r := d.Runs[i]; len(r.Results) > 0 {
			return []side{lastRun(r, measure(r.Results, d.Weights))}
		}
	}
	for i := len(d.Runs) - 1; i >= 0; i-- {
		if r := d.Runs[i]; len(r.ByDomain) > 0 {
			return []side{lastRun(r, measureCounts(sampleOf(r), d.Weights))}
		}
	}
	return nil
}

// lastRun returns a run as a side.
func lastRun(r history.Run, m measured) side {
	return side{
		Model: cmp.Or(clean(r.Model), "a model without a name"), Class: "s0", Role: "last run",
		When: date(r.Time), Tests: r.Results, Domains: r.ByDomain, measured: m,
	}
}

// sampleOf returns the sample of a run of the history.
func sampleOf(r history.Run) scoring.Sample {
	rate := r.PassRate
	if !finite(rate) {
		rate = 0
	}
	return scoring.Sample{
		Tests: r.Tests, Passed: int(inside(rate/100, 0, 1)*float64(r.Tests) + 0.5),
		Errors: r.ErrorCount(), Latency: max(r.Latency, 0),
	}
}

// leastTasks is the least number of tasks to judge a difference by: the intervals
// are approximations that need more than a few tests.
const leastTasks = 5

// tasks returns the number of tasks that were asked.
func (s side) tasks() int {
	named := map[string]bool{}
	for _, t := range s.Tests {
		named[t.Task] = true
	}
	return len(named)
}

// sideHead is a side in the head of a table.
type sideHead struct{ Model, Class, Role string }

// comparisonRow is a figure of both models and their difference.
type comparisonRow struct {
	Name       string
	Cells      []string
	Difference string // noClaim if its interval has zero in it
	Class      string // better, worse, none: of the candidate
	Interval   string
}

// compare returns the table of the comparison and its note.
func compare(sides []side, t Tournament) ([]comparisonRow, string) {
	if len(sides) == 0 {
		return nil, ""
	}
	var rows []comparisonRow
	add := func(name string, of func(side) interval, show, showDifference func(float64) string, sign int) {
		row := comparisonRow{Name: name}
		for _, s := range sides {
			if s.Sample.Tests == 0 {
				row.Cells = append(row.Cells, "not measured")
				continue
			}
			if v := of(s); !v.known() {
				why := " (a burst of errors: no interval)"
				if len(s.Tests) == 0 {
					why = " (how it varied is not recorded)"
				}
				row.Cells = append(row.Cells, show(v.Value)+why)
				continue
			}
			row.Cells = append(row.Cells, ranged(of(s), show))
		}
		switch {
		case len(sides) < 2 || sides[0].Sample.Tests == 0 || sides[1].Sample.Tests == 0:
		case min(sides[0].tasks(), sides[1].tasks()) < leastTasks:
			row.Difference, row.Class, row.Interval = noClaim, "none", "too few tasks"
		case !of(sides[0]).known() || !of(sides[1]).known():
			row.Difference, row.Class, row.Interval = noClaim, "none", "no interval"
		default:
			row.differ(difference(of(sides[0]), of(sides[1])), showDifference, sign)
		}
		rows = append(rows, row)
	}
	add("Score (composite)", func(s side) interval { return s.Composite }, figure, signed, 1)
	if look, ok := t.last(); ok && len(rows[0].Cells) == 2 {
		rows[0].differ(interval{look.Low, look.Estimate, look.High}, signed, 1)
	}
	add("Quality", func(s side) interval { return s.Quality }, figure, signed, 1)
	add("Speed", func(s side) interval { return s.Speed }, figure, signed, 1)
	add("Reliability", func(s side) interval { return s.Reliability }, figure, signed, 1)
	add("Mean latency", func(s side) interval { return s.Latency }, seconds, signedSeconds, -1)

	counts := comparisonRow{Name: "Tests: passed, without an answer, of all"}
	for _, s := range sides {
		counts.Cells = append(counts.Cells, itoa(s.Sample.Passed)+", "+itoa(s.Sample.Errors)+", "+itoa(s.Sample.Tests))
	}
	rows = append(rows, counts)

	note := "Intervals of single models are 95 %, for tasks like these on the machine as it was. A difference that is not shown by its interval is written " + noClaim + "."
	if _, ok := t.last(); ok {
		note += " The difference of the scores is the tournament's own: it compares the models task by task, and its interval holds at all looks together."
	}
	return rows, note
}

// differ sets the difference; sign is -1 if less is better.
func (r *comparisonRow) differ(d interval, show func(float64) string, sign int) {
	if !finite(d.Low, d.Value, d.High) {
		r.Difference, r.Class, r.Interval = noClaim, "none", "no interval"
		return
	}
	if !d.known() { // by the plain rule
		r.Difference, r.Class, r.Interval = show(d.Value), "none", "no interval"
		return
	}
	r.Interval = "[" + show(d.Low) + " … " + show(d.High) + "]"
	switch d.shown() * sign {
	case 1:
		r.Difference, r.Class = show(d.Value), "better"
	case -1:
		r.Difference, r.Class = show(d.Value), "worse"
	default:
		r.Difference, r.Class = noClaim, "none"
	}
}

func signedSeconds(s float64) string {
	if s > 0 {
		return "+" + seconds(s)
	}
	return seconds(s)
}

// last returns the look that decided; ok is false if there is none.
func (t Tournament) last() (look scoring.Look, ok bool) {
	for i := len(t.Looks) - 1; i >= 0; i-- {
		if l := t.Looks[i]; finite(l.Estimate, l.Low, l.High) {
			return l, true
		}
	}
	return scoring.Look{}, false
}

// worth returns Worth or its default.
func (t Tournament) worth() float64 {
	if t.Worth > 0 && finite(t.Worth) {
		return t.Worth
	}
	return 0.5
}

// durations returns a time of each test that has one, in seconds.
func durations(tests []scoring.Test, of func(scoring.Test) (time.Duration, bool)) []float64 {
	var list []float64
	for _, t := range tests {
		if d, ok := of(t); ok && d >= 0 {
			list = append(list, d.Seconds())
		}
	}
	return list
}

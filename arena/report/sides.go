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

// tasksOf returns the number of tasks that were asked.
func tasksOf(tests []scoring.Test) int {
	named := map[string]bool{}
	for _, t := range tests {
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
	add := func(name string, of func(side) interval, show func(float64) string) {
		row := comparisonRow{Name: name}
		for _, s := range sides {
			text := "not measured"
			if s.Sample.Tests > 0 {
				text = ranged(of(s), show)
			}
			row.Cells = append(row.Cells, text)
		}
		rows = append(rows, row)
	}
	add("Score (composite)", func(s side) interval { return s.Composite }, figure)
	if look, ok := t.last(); ok && len(rows[0].Cells) == 2 {
		rows[0].differ(interval{look.Low, look.Estimate, look.High})
	}
	add("Quality", func(s side) interval { return s.Quality }, figure)
	add("Speed", func(s side) interval { return s.Speed }, figure)
	add("Reliability", func(s side) interval { return s.Reliability }, figure)
	add("Mean latency", func(s side) interval { return s.Latency }, seconds)

	counts := comparisonRow{Name: "Tests: passed, without an answer, of all"}
	for _, s := range sides {
		counts.Cells = append(counts.Cells, itoa(s.Sample.Passed)+", "+itoa(s.Sample.Errors)+", "+itoa(s.Sample.Tests))
	}
	rows = append(rows, counts)

	note := "The interval of the quality is 95 %, for tasks like these. " + noSpread
	if _, ok := t.last(); ok {
		note += " The difference of the scores is the tournament's own: it compares the models task by task. The parts are not compared by themselves."
	}
	return rows, note
}

// noSpread says which figures of a single run have no interval, and why.
const noSpread = "Score, speed and latency have none: how much the machine differs from run to run no single run tells. " +
	"Nor has the quality of fewer than 20 tasks, of counts alone, or with a burst of errors."

// differ sets the difference.
func (r *comparisonRow) differ(d interval) {
	r.Difference, r.Class, r.Interval = signed(d.Value), "none", "no interval"
	if !finite(d.Low, d.Value, d.High) {
		r.Difference = noClaim
		return
	}
	if !d.known() { // by the plain rule
		return
	}
	r.Interval = "[" + signed(d.Low) + " … " + signed(d.High) + "]"
	switch d.shown() {
	case 1:
		r.Class = "better"
	case -1:
		r.Class = "worse"
	default:
		r.Difference = noClaim
	}
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

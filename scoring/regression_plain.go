package scoring

import "time"

// PlainRow is a run of which only the sums are known.
type PlainRow struct {
	// ID tells the run from every other, "" where it has none; Time is when it
	// ended.
	ID   string
	Time time.Time
	// Model is what was measured; another one has a history of its own.
	Model string
	// Score is the composite, 0 to 10, PassRate the share of tests that passed,
	// 0 to 100.
	Score, PassRate float64
	// Latency is the mean.
	Latency time.Duration
	// Tests is how many there were, 0 where unknown; Errors how many of them
	// got no answer.
	Tests, Errors int
}

const (
	// plainRuns is how many rows the median is made of at most; at least it is
	// enoughRuns.
	plainRuns = 20
	// plainFall is the part of the median that must be missing, twice in a row.
	plainFall = 0.1
)

// answers is how many tests of a row got an answer.
func (r PlainRow) answers() int { return r.Tests - min(max(r.Errors, 0), r.Tests) }

// outage reports whether too many tests got no answer.
func (r PlainRow) outage() bool {
	return r.Errors > 0 && float64(r.Errors) >= outageShare*float64(r.Tests)
}

// right is the share of right answers among the answers; where nobody counted
// the tests, among the tests.
func (r PlainRow) right() float64 {
	if r.Tests <= 0 {
		return min(max(r.PassRate/100, 0), 1)
	}
	if r.answers() == 0 {
		return 0
	}
	return min(max(r.PassRate/100*float64(r.Tests)/float64(r.answers()), 0), 1)
}

// plainWatch is the fold over rows.
type plainWatch struct {
	report Report
	model  string
	// before are the rows that count of the same model, without those of low.
	before []PlainRow
	// low are the last rows in a row that lie below the median of those before
	// them: one makes suspect, two an alarm.
	low    []PlainRow
	alarm  int // the number of the alarm that lasts, else -1
	outage int // that of the outage, else -1
}

// PlainRegressions judges rows of one series, oldest first, of which single
// results aren't known, by a plain rule: two consecutive runs, both more than
// 10 % below the median of the up to 20 runs before them, at least 4. Snapshots
// of growing runs must have been folded into runs before.
//
// A row with fewer than 20 answers is not judged, and is in no median. A row in
// which a fifth of the tests or more got no answer is an outage; it is judged
// by the share of right answers among its answers alone.
func PlainRegressions(rows []PlainRow) Report {
	w := newPlainWatch()
	for i := range rows {
		w.add(rows[i])
	}
	r := w.report
	r.Outage = w.outage >= 0
	r.Baseline = w.median()
	switch {
	case w.alarm >= 0:
		r.State = Regressed
	case len(w.low) > 0:
		r.State, r.Rerun = Suspect, !r.Outage
	case len(w.before) < enoughRuns:
		r.State = TooFewRuns
	default:
		r.State = Normal
	}
	return r
}

func newPlainWatch() *plainWatch { return &plainWatch{alarm: -1, outage: -1} }

func (w *plainWatch) add(row PlainRow) {
	point := Point{ID: row.ID, Time: row.Time, Score: row.Score, Mark: RunNormal}
	if row.Model != "" {
		if w.model != "" && row.Model != w.model {
			w.end(row)
			w.before, w.low = nil, nil
			point.Fresh = true
		}
		w.model = row.Model
	}
	point.Baseline = w.median()

	broken := row.outage()
	judged := finite(row.Score) && finite(row.PassRate) && (row.Tests <= 0 || row.answers() >= leastTests)
	switch {
	case !judged:
		point.Mark = RunUnjudged
	case point.Baseline.Runs < enoughRuns:
		point.Mark = RunLearning
		if !broken {
			w.before = append(w.before, row)
		}
	case w.below(row, point.Baseline):
		point.Mark = w.fell(row, point.Baseline)
	default:
		w.end(row)
		w.before = append(w.before, w.low...)
		w.low = nil
		if !broken {
			w.before = append(w.before, row)
		}
	}
	w.tellOutage(row, broken)
	if broken {
		point.Mark = RunOutage
	}
	w.report.Points = append(w.report.Points, point)
}

// median is what a row is compared with: the rows before those that are low.
func (w *plainWatch) median() Baseline {
	rows := w.before[max(0, len(w.before)-plainRuns):]
	scores := make([]float64, len(rows))
	for i, row := range rows {
		scores[i] = row.Score
	}
	b := Baseline{Runs: len(rows), Mean: median(scores)}
	if len(rows) > 0 {
		// The rule has no limit above; the band is drawn as wide on both sides.
		b.Low, b.High = (1-plainFall)*b.Mean, (1+plainFall)*b.Mean
	}
	return b
}

// rightBefore is the median share of right answers.
func (w *plainWatch) rightBefore() float64 {
	rows := w.before[max(0, len(w.before)-plainRuns):]
	shares := make([]float64, len(rows))
	for i, row := range rows {
		shares[i] = row.right()
	}
	return median(shares)
}

// below reports whether a row is more than a tenth below the median.
func (w *plainWatch) below(row PlainRow, b Baseline) bool {
	if row.outage() {
		return row.right() < (1-plainFall)*w.rightBefore()
	}
	return row.Score < b.Low
}

// fell takes in a row below the median.
func (w *plainWatch) fell(row PlainRow, b Baseline) RunMark {
	w.low = append(w.low, row)
	if w.alarm >= 0 {
		w.report.Alarms[w.alarm].Runs++
		// What lasts becomes the new normal: the median moves on.
		w.before = append(w.before, w.low[0])
		w.low = w.low[1:]
		return RunRegressed
	}
	if len(w.low) < 2 {
		return RunSuspect
	}
	first := w.low[0]
	for i := len(w.report.Points) - 1; i >= 0; i-- {
		if w.report.Points[i].Mark == RunSuspect {
			w.report.Points[i].Mark = RunRegressed
			break
		}
	}
	w.alarm = len(w.report.Alarms)
	w.report.Alarms = append(w.report.Alarms, w.describe(first, row, b))
	return RunRegressed
}

// describe says what two rows show.
func (w *plainWatch) describe(first, second PlainRow, b Baseline) Alarm {
	var latencies, errors []float64
	for _, row := range w.before[max(0, len(w.before)-plainRuns):] {
		latencies = append(latencies, row.Latency.Seconds())
		errors = append(errors, row.errorShare())
	}
	alarm := Alarm{
		Kind: Regression, ID: second.ID, Time: second.Time, Since: first.Time, Runs: 2,
		From: b.Mean, To: (first.Score + second.Score) / 2,
		Quality: Change{Known: true, From: w.rightBefore(), To: (first.right() + second.right()) / 2},
		Latency: Change{Known: true, From: median(latencies), To: (first.Latency + second.Latency).Seconds() / 2},
		Errors:  Change{Known: true, From: median(errors), To: (first.errorShare() + second.errorShare()) / 2},
	}
	weights := Default()
	failing := 10 * (alarm.Errors.To - alarm.Errors.From) * (weights.Reliability + weights.Quality*alarm.Quality.From)
	wrong := 10 * weights.Quality * (alarm.Quality.From - alarm.Quality.To) * (1 - alarm.Errors.To)
	slower := weights.Speed * (min(alarm.Latency.To, 10) - min(alarm.Latency.From, 10))
	switch {
	case first.outage() || second.outage():
		// An outage is told by itself; what is told here is about its answers.
		alarm.Cause = CauseQuality
		alarm.To = alarm.From - 10*weights.Quality*(alarm.Quality.From-alarm.Quality.To)
		alarm.Latency, alarm.Errors = Change{}, Change{}
	case wrong >= slower && wrong >= failing:
		alarm.Cause = CauseQuality
	case slower >= failing:
		alarm.Cause = CauseSpeed
	default:
		alarm.Cause = CauseErrors
	}
	alarm.Drop = share(alarm.From, alarm.To)
	alarm.Major = alarm.Drop >= majorFall-tiny || share(alarm.Quality.From, alarm.Quality.To) >= majorFall-tiny
	return alarm
}

func (r PlainRow) errorShare() float64 {
	if r.Tests <= 0 {
		return 0
	}
	return 1 - float64(r.answers())/float64(r.Tests)
}

// end ends the regression that lasts.
func (w *plainWatch) end(row PlainRow) {
	if w.alarm >= 0 {
		w.report.Alarms[w.alarm].Ended = row.Time
		w.alarm = -1
	}
}

// tellOutage begins, prolongs or ends an outage.
func (w *plainWatch) tellOutage(row PlainRow, broken bool) {
	alarms := &w.report.Alarms
	if !broken {
		if w.outage >= 0 {
			(*alarms)[w.outage].Ended = row.Time
			w.outage = -1
		}
		return
	}
	if w.outage < 0 {
		w.outage = len(*alarms)
		*alarms = append(*alarms, Alarm{Kind: Outage, ID: row.ID, Time: row.Time, Since: row.Time, From: row.Score, To: row.Score})
		if b := w.median(); b.Runs >= enoughRuns {
			alarm := &(*alarms)[w.outage]
			alarm.From = b.Mean
			alarm.Drop = share(b.Mean, row.Score)
		}
	}
	alarm := &(*alarms)[w.outage]
	alarm.Runs++
	alarm.Tests += row.Tests
	alarm.Unanswered += row.Tests - row.answers()
	alarm.Quality = Change{}
	if row.answers() >= leastTests && len(w.before) >= enoughRuns {
		alarm.Quality = Change{Known: true, From: w.rightBefore(), To: row.right()}
		if w.below(row, w.median()) {
			alarm.Quality.Z = qualityAspect.limits().together
		}
	}
}

package scoring

import (
	"strings"
	"time"
)

// PlainRow is a run without the results of its single tests.
type PlainRow struct {
	// ID identifies the run, "" where unknown; Time is when it ended.
	ID   string
	Time time.Time
	// Model identifies what was measured, "" where unknown. The baseline starts
	// anew with another one.
	Model string
	// Version is the engine's version, "" where unknown. Engine is its name, for
	// the words of an alarm.
	Version, Engine string
	// Score is the composite, 0 to 10, PassRate the share of tests that passed,
	// 0 to 100.
	Score, PassRate float64
	// Latency is the mean latency.
	Latency time.Duration
	// Tests is the number of tests, 0 where unknown; Errors is the number of
	// them without an answer.
	Tests, Errors int
}

const (
	// plainRuns is the greatest number of rows in a median; the least is
	// enoughRuns.
	plainRuns = 20
	// plainFall is the decline from the median that two rows in a row must
	// show, as a share. With plainKnown rows or more it is plainWidth standard
	// deviations of their scores, at least plainLeast and at most plainFall.
	plainFall              = 0.1
	plainKnown             = 8
	plainWidth, plainLeast = 3.0, 0.03
)

// answers returns the number of tests with an answer.
func (r PlainRow) answers() int { return r.Tests - min(max(r.Errors, 0), r.Tests) }

// outage reports whether too many tests got no answer.
func (r PlainRow) outage() bool {
	return r.Errors > 0 && float64(r.Errors) >= outageShare*float64(r.Tests)
}

// right returns the share of right answers among the answers; where the number
// of tests is unknown, among the tests.
func (r PlainRow) right() float64 {
	if r.Tests <= 0 {
		return min(max(r.PassRate/100, 0), 1)
	}
	if r.answers() == 0 {
		return 0
	}
	return min(max(r.PassRate/100*float64(r.Tests)/float64(r.answers()), 0), 1)
}

// plainWatch judges rows one after another.
type plainWatch struct {
	report         Report
	model, version string
	// change is what changed, in words, since the last row that was not low.
	change string
	// before are the rows of the same model that count for the median, without
	// those of low.
	before []PlainRow
	// low are the last consecutive rows below the median of those before them.
	// One makes the series suspect, two raise an alarm.
	low    []PlainRow
	alarm  int // index of the alarm that lasts, else -1
	outage int // index of the outage's alarm, else -1
}

// PlainRegressions judges the rows of one series, oldest first, where the results
// of single tests are unknown. Two consecutive rows more than 10 % below the
// median of the rows before them, up to 20 and at least 4, are a regression; from 8
// rows on, more than three standard deviations of their scores are enough, if that is
// less. Each row must be a whole run, not a snapshot of a growing one.
//
// A row with fewer than 20 answers is not judged, and counts in no median. A row
// in which a fifth or more of the tests got no answer is an outage, and is judged
// only by the share of right answers among its answers.
//
// Rows of another version of the engine are compared with those before it.
func PlainRegressions(rows []PlainRow) Report { return PlainRegressionsSince("", nil, rows) }

// PlainRegressionsSince judges rows as [PlainRegressions] does, and compares the
// first ones with those of the series before it. change says in words what is
// different.
func PlainRegressionsSince(change string, before, rows []PlainRow) Report {
	w := newPlainWatch()
	for _, row := range before {
		w.add(row)
	}
	w.follow(change)
	for _, row := range rows {
		w.add(row)
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

// follow makes the rows so far the ones that the next rows are compared with, and
// takes them out of the report.
func (w *plainWatch) follow(change string) {
	before, model, version := w.before, w.model, w.version
	*w = *newPlainWatch()
	w.before, w.model, w.version, w.change = before, model, version, change
}

// add judges the next row.
func (w *plainWatch) add(row PlainRow) {
	point := Point{ID: row.ID, Time: row.Time, Score: row.Score, Mark: RunNormal}
	if row.Model != "" {
		if w.model != "" && row.Model != w.model {
			w.end(row)
			w.before, w.low, w.change = nil, nil, ""
			point.Fresh = true
		}
		w.model = row.Model
	}
	if row.Version != "" {
		if w.version != "" && row.Version != w.version {
			w.change = strings.TrimSpace(row.Engine + " " + row.Version)
		}
		w.version = row.Version
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
			w.before, w.change = append(w.before, row), ""
		}
	case w.below(row, point.Baseline):
		point.Mark = w.fell(row, point.Baseline)
	default:
		w.end(row)
		w.before = append(w.before, w.low...)
		w.low, w.change = nil, ""
		if !broken {
			w.before = append(w.before, row)
		}
	}
	w.recordOutage(row, broken)
	if broken {
		point.Mark = RunOutage
	}
	w.report.Points = append(w.report.Points, point)
}

// median returns the baseline of the next row: the rows before the low ones.
func (w *plainWatch) median() Baseline {
	rows := w.before[max(0, len(w.before)-plainRuns):]
	scores := make([]float64, len(rows))
	for i, row := range rows {
		scores[i] = row.Score
	}
	b := Baseline{Runs: len(rows), Mean: median(scores)}
	fall := plainFall
	if len(rows) >= plainKnown && b.Mean > 0 {
		fall = min(fall, max(plainLeast, plainWidth*max(spread(scores), standardDeviation(scores))/b.Mean))
	}
	// The rule has no limit above; the band is drawn as wide on both sides.
	b.Low, b.High = (1-fall)*b.Mean, (1+fall)*b.Mean
	return b
}

// rightBefore returns the baseline's median share of right answers.
func (w *plainWatch) rightBefore() float64 {
	rows := w.before[max(0, len(w.before)-plainRuns):]
	shares := make([]float64, len(rows))
	for i, row := range rows {
		shares[i] = row.right()
	}
	return median(shares)
}

// below reports whether a row is below the band around the median; the answers of an
// outage, whether they are a tenth below.
func (w *plainWatch) below(row PlainRow, b Baseline) bool {
	if row.outage() {
		return row.right() < (1-plainFall)*w.rightBefore()
	}
	return row.Score < b.Low
}

// fell adds a row below the median, and returns its mark.
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

// describe returns the alarm that two rows raise.
func (w *plainWatch) describe(first, second PlainRow, b Baseline) Alarm {
	var latencies, errors []float64
	for _, row := range w.before[max(0, len(w.before)-plainRuns):] {
		latencies = append(latencies, row.Latency.Seconds())
		errors = append(errors, row.errorShare())
	}
	alarm := Alarm{
		Kind: Regression, ID: second.ID, Time: second.Time, Since: first.Time, Runs: 2,
		From: b.Mean, To: (first.Score + second.Score) / 2, Change: w.change,
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
		// The outage has an alarm of its own; this one is about its answers.
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

// errorShare returns the share of tests without an answer.
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

// recordOutage begins, prolongs or ends an outage.
func (w *plainWatch) recordOutage(row PlainRow, broken bool) {
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

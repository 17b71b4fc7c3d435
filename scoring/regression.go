package scoring

import (
	"slices"
	"time"
)

// Observation is one run of a series. All runs of a series are comparable: the
// same suite, node, type and settings.
type Observation struct {
	// ID identifies the run within its series; Time is when it ended.
	ID   string
	Time time.Time
	// Model identifies what was measured: the model's digest, or else its name;
	// "" where unknown.
	Model string
	// Version is the engine's version, "" where unknown. Engine is its name, for
	// the words of an alarm.
	Version, Engine string
	// Tests are the run's tests.
	Tests []Test
	// Reset starts the baseline anew with this run: the model is accepted as it
	// is now.
	Reset bool
	// Crowned says that this run made its model the champion. The baseline
	// starts anew after the run, without it: its score is biased upwards by the
	// selection (winner's curse).
	Crowned bool
}

// State is the judgement of a model after the last run of its series.
type State string

// The states of a series.
const (
	// TooFewRuns: the baseline has fewer than 4 runs.
	TooFewRuns State = "too few runs"
	// Normal: no regression was found.
	Normal State = "normal"
	// Suspect: the last run shows a regression that no second run has confirmed
	// yet.
	Suspect State = "suspect"
	// Regressed: a regression is confirmed and has not ended.
	Regressed State = "regressed"
)

// Report is the judgement of a series of runs.
type Report struct {
	// State is the state after the last run.
	State State
	// Rerun asks for another run of the suite at once, to confirm a suspicion.
	Rerun bool
	// Outage says that the last run was an outage; State is then the state
	// before it.
	Outage bool
	// Alarms are all regressions and outages, oldest first.
	Alarms []Alarm
	// Improvements are the confirmed rises, in the shape of alarms, oldest
	// first.
	Improvements []Alarm
	// Baseline is the baseline of the next run.
	Baseline Baseline
	// Points are the judgements of the single runs in their order, for a
	// control chart.
	Points []Point
}

// Baseline is the reference of a run, in points of the composite.
type Baseline struct {
	// Runs is the number of runs in the baseline; below 4 no run is compared
	// with it.
	Runs int
	// Mean is the mean composite of its runs. Low and High are the limits that
	// 95 of 100 runs stay within if nothing changes. All three are 0 without
	// runs.
	Mean, Low, High float64
}

// RunMark is the judgement of a single run.
type RunMark string

// The judgements of a run.
const (
	// RunLearning: the baseline was too small for a judgement.
	RunLearning RunMark = "learning"
	// RunUnjudged: the run has too few tests, or too few in common with its
	// baseline.
	RunUnjudged RunMark = "unjudged"
	// RunNormal: no worse than its baseline.
	RunNormal RunMark = "normal"
	// RunSuspect: worse than chance explains, and not confirmed by the next run.
	RunSuspect RunMark = "suspect"
	// RunRegressed: part of a confirmed regression.
	RunRegressed RunMark = "regressed"
	// RunOutage: too many of its tests got no answer.
	RunOutage RunMark = "outage"
)

// Point is one run with its judgement.
type Point struct {
	// ID and Time are those of the run.
	ID   string
	Time time.Time
	// Score is the run's composite, 0 to 10, unrounded.
	Score float64
	// Mark is the judgement.
	Mark RunMark
	// Fresh says that the baseline starts anew with this run.
	Fresh bool
	// Z is the run's difference from its baseline in standard errors, negative
	// where the run is worse, 0 where it was not compared.
	Z float64
	// Baseline is the baseline that the run was compared with.
	Baseline Baseline
	// Decline is the sum that detects slow declines (CUSUM); above 6 the suite
	// is run again.
	Decline float64
}

// Regressions judges the runs of one series, oldest first.
//
// Four aspects of a run are compared with the baseline, each for itself: the
// composite, the quality, the speed and the errors. A run worse than chance
// explains makes the series suspect. The next run confirms the regression or
// clears the suspicion, judged together with the first one. A decline too slow
// for a single run to show is summed up over the runs (CUSUM, Page 1954).
//
// The baseline is the last 10 unsuspicious runs, at least 4, of the same model
// on the same version of the engine. It stands still while anything is
// suspicious. It starts anew with another model, another version, a run that
// crowned its model, or a Reset. After another model or version the first five
// runs are compared with the baseline before, too; a regression that these show is
// told as one since that change, and ends after ten runs at the latest, when the new
// runs are the usual ones.
//
// A fall of the quality by more than a twentieth that is far beyond chance needs no
// second run.
//
// The variance between runs is estimated from up to 30 unsuspicious runs: within the
// tasks, of what the tasks of a run have in common, and of the speed with its
// autocorrelation. A burst of errors (see [MarkBursts]) counts as one error, and its
// tests in nothing else.
//
// A run in which a fifth or more of the tests got no answer is an outage and
// has an alarm of its own. Of such a run only the quality is judged, by the
// answers that came, if these are at least 20.
//
// The zero value of the weights stands for [Default]. Regressions is a pure
// function: equal series give equal reports.
func Regressions(series []Observation, weights Composite) Report {
	w := newWatch(weights)
	for i := range series {
		w.add(&series[i])
	}
	return w.report()
}

// RegressionsSince judges a series as [Regressions] does, and compares its first runs
// with those of the series before it. change says in words what is different: "other
// settings".
func RegressionsSince(change string, before, series []Observation, weights Composite) Report {
	w := newWatch(weights)
	for i := range before {
		w.add(&before[i])
	}
	w.follow(change)
	for i := range series {
		w.add(&series[i])
	}
	return w.report()
}

// Watch judges the runs of one series as they come, by the rules of
// [Regressions]. It is not safe for concurrent use.
type Watch struct{ watch *watch }

// NewWatch returns a watch that has seen no run. The zero value of the weights
// stands for [Default].
func NewWatch(weights Composite) *Watch { return &Watch{newWatch(weights)} }

// Add judges the next run.
func (w *Watch) Add(o Observation) { w.watch.add(&o) }

// Report returns the judgement of the runs so far.
func (w *Watch) Report() Report {
	r := w.watch.report()
	r.Alarms, r.Improvements, r.Points = slices.Clone(r.Alarms), slices.Clone(r.Improvements), slices.Clone(r.Points)
	return r
}

package scoring

import "time"

// Observation is one run of a series. All runs of a series are comparable: the
// same suite, node, type and settings.
type Observation struct {
	// ID tells the run from every other, Time is when it ended.
	ID   string
	Time time.Time
	// Model tells what was measured: the model's digest, or else its name.
	Model string
	// Version is the engine's version, "" where unknown.
	Version string
	// Tests are the run's tests.
	Tests []Test
	// Confirms says that the run was made to confirm the run before it. It is
	// judged no differently: where nobody makes such a run, the next ordinary
	// one plays its part.
	Confirms bool
	// Reset says that things are accepted as they are: the baseline starts anew
	// with this run.
	Reset bool
	// Crowned says that this run made its model the champion. The baseline
	// starts anew after it, without it: who is crowned was lucky, too.
	Crowned bool
}

// State is what a series of runs says of its model now.
type State string

// The states.
const (
	// TooFewRuns: there is nothing yet to compare with.
	TooFewRuns State = "too few runs"
	// Normal: the model answers as it always did.
	Normal State = "normal"
	// Suspect: the last run says that the model got worse; a second one has to
	// confirm it.
	Suspect State = "suspect"
	// Regressed: the model got worse, and has not recovered since.
	Regressed State = "regressed"
)

// Report is what a series of runs says.
type Report struct {
	// State is that after the last run.
	State State
	// Rerun says that the suite should be run again at once, to confirm a
	// suspicion.
	Rerun bool
	// Outage says that the last run was one: the state is that before it.
	Outage bool
	// Alarms are all that were raised, oldest first.
	Alarms []Alarm
	// Improvements are the confirmed rises, in the shape of alarms.
	Improvements []Alarm
	// Baseline is what the next run is compared with.
	Baseline Baseline
	// Points are the runs one by one, in their order, for a control chart.
	Points []Point
}

// Baseline is what runs are compared with, in points of the composite.
type Baseline struct {
	// Runs is how many it is made of; below 4 nothing is compared with it.
	Runs int
	// Mean is theirs, Low and High the limits that one run stays within in 95 of
	// 100 cases where nothing changed. All are 0 without runs.
	Mean, Low, High float64
}

// RunMark is the judgement of one run.
type RunMark string

// The marks.
const (
	// RunLearning: too few runs before it to judge it.
	RunLearning RunMark = "learning"
	// RunUnjudged: too few tests in common with the runs before it.
	RunUnjudged RunMark = "unjudged"
	// RunNormal: as the runs before it.
	RunNormal RunMark = "normal"
	// RunSuspect: worse than chance explains; where a later run is normal, that
	// one did not confirm it.
	RunSuspect RunMark = "suspect"
	// RunRegressed: part of a confirmed regression.
	RunRegressed RunMark = "regressed"
	// RunOutage: too many of its tests got no answer.
	RunOutage RunMark = "outage"
)

// Point is one run with its judgement.
type Point struct {
	// ID and Time are the run's.
	ID   string
	Time time.Time
	// Score is the run's composite, 0 to 10, unrounded.
	Score float64
	// Mark says what the run was taken for.
	Mark RunMark
	// Fresh says that the baseline starts anew here.
	Fresh bool
	// Z is how far the run lies from its baseline, in standard errors, negative
	// where it is worse; 0 where it was not compared.
	Z float64
	// Baseline is what it was compared with.
	Baseline Baseline
	// Decline is the sum in which slow declines add up; above 6 the suite is
	// run again.
	Decline float64
}

// Regressions judges the runs of one series, oldest first.
//
// A run that is worse than its baseline by more than chance explains makes the
// series suspect; the next run, together with it, confirms the regression or
// clears it. A decline too slow for that adds up over the runs. The composite,
// the quality, the speed and the errors are looked at, each for itself. The
// baseline is the last 10 unsuspicious runs, at least 4, of the same model on
// the same version of the engine; it stands still while anything is
// suspicious, and starts anew with another model, another version, a
// coronation, or by hand.
//
// A run in which a fifth of the tests or more got no answer is an outage, and
// told as one: only its quality is judged, by the answers that came, where
// there are at least 20.
//
// The weights are the composite's; the zero value means [Default]. The same
// series gives the same report: nothing is remembered between calls.
func Regressions(series []Observation, weights Composite) Report {
	w := newWatch(weights)
	for i := range series {
		w.add(&series[i])
	}
	return w.report()
}

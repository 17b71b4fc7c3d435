package scoring

import (
	"math"
	"slices"
)

const (
	// baselineRuns is the greatest number of runs in a baseline; the least is
	// enoughRuns.
	baselineRuns = 10
	// A slow decline is measured against up to sumRuns runs that precede the
	// last sumLag runs, since the decline may already be in the latter.
	sumRuns, sumLag = 20, 5
	// majorFall is the least fall of a major regression, as a share.
	majorFall = 0.1
	// tiny is the tolerance for rounding errors in sums of many figures.
	tiny = 1e-9
	// outageShare is the least share of tests without an answer that makes a
	// run an outage, if it is also twice the usual share.
	outageShare = 0.2
)

// limits are the thresholds of one aspect's decisions.
type limits struct {
	// suspect is the bound of z for a first run, together the bound for the
	// first and the second run pooled, alone the bound for the second run by
	// itself.
	suspect, together, alone float64
	// suspectFall, confirmFall and slowFall are the least falls of a suspicion,
	// of a regression and of a slow regression, as shares.
	suspectFall, confirmFall, slowFall float64
}

// limits returns the thresholds of the aspect. Those of the parts are stricter
// than those of the composite, because four aspects are tested. The latency of
// a run has the widest tails, because a machine that is busy for an hour slows
// a whole run: there the second run must be suspicious by itself, and less than
// a tenth of the speed raises no alarm.
func (a aspect) limits() limits {
	switch a {
	case wholeAspect:
		return limits{suspect: -2, together: -3, alone: -1.5, suspectFall: 0.02, confirmFall: 0.03, slowFall: 0.02}
	case speedAspect:
		return limits{suspect: -2.3, together: -3.4, alone: -2.3, suspectFall: 0.1, confirmFall: 0.1, slowFall: 0.1}
	default:
		return limits{suspect: -2.3, together: -3.4, alone: -1.5, suspectFall: 0.02, confirmFall: 0.03, slowFall: 0.02}
	}
}

// aspectState is the state of one aspect between two runs.
type aspectState struct {
	// state is Normal, Suspect or Regressed.
	state State
	// decline is the CUSUM of the aspect.
	decline cusum
	// first is the run that made the aspect suspect, point its index in points.
	// quick and slow tell which rules did; slowBase is the baseline of the slow
	// rule.
	first       *measured
	point       int
	quick, slow bool
	slowBase    []*measured
	// after are the last two runs since the regression; alarm is the index of
	// its alarm, -1 for none.
	after []*measured
	alarm int
}

// watch judges the runs of a series one after another.
type watch struct {
	weights Composite

	// A task's index in the figures of a run is its position in names: tasks
	// are numbered in the order of their first occurrence.
	places         map[string]int
	names, domains []string
	tallies        []tally

	// clean are the last unsuspicious runs; pending are the runs since a
	// suspicion that is not decided yet.
	clean, pending []*measured
	states         [aspects]aspectState
	// rise is the last run, if it was better than chance explains, riseBase its
	// baseline. risen says that the improvement is recorded.
	rise     *measured
	riseBase []*measured
	risen    bool

	model, version string // the last known ones
	outage         int    // index of the alarm of the outage that lasts, else -1

	points               []Point
	alarms, improvements []Alarm
}

func newWatch(weights Composite) *watch {
	w := &watch{weights: weights.orDefault(), places: map[string]int{}, outage: -1}
	w.restart()
	return w
}

// restart discards the baseline and the state of every aspect.
func (w *watch) restart() {
	w.clean, w.pending, w.rise, w.riseBase, w.risen = nil, nil, nil, nil, false
	for i := range w.states {
		w.states[i] = aspectState{state: Normal, alarm: -1}
	}
}

// tail returns the last n of the runs.
func tail(runs []*measured, n int) []*measured { return runs[max(0, len(runs)-n):] }

// add judges the next run.
func (w *watch) add(o *Observation) {
	run := w.measure(o)
	point := Point{ID: o.ID, Time: o.Time, Score: run.score, Mark: RunLearning}
	if w.changed(o) {
		w.endAlarms(o)
		w.restart()
		point.Fresh = len(w.points) > 0
	}

	base := tail(w.clean, baselineRuns)
	broken := isOutage(run, base)
	if len(base) < enoughRuns {
		point.Baseline = Baseline{Runs: len(base)}
		if run.sample.Tests < leastTests {
			point.Mark = RunUnjudged
		}
		if !broken && !o.Crowned && run.sample.Tests >= leastTests {
			w.clean = append(w.clean, run)
		}
		w.record(point, run, broken, contrasts{})
		return
	}

	now := w.contrast([]*measured{run}, base)
	if broken {
		now = contrasts{qualityAspect: now[qualityAspect]}
	}
	point.Baseline = w.baseline(base, now[wholeAspect])
	point.Z = now[wholeAspect].z
	point.Mark = w.judge(run, base, now)
	if point.Mark == RunUnjudged && !broken && run.sample.Tests >= leastTests {
		w.clean = append(w.clean, run) // other tasks: the baseline of theirs begins here
	}
	point.Decline = w.states[wholeAspect].decline.sum
	w.record(point, run, broken, now)
}

// changed reports whether the baseline starts anew with a run. An unknown model
// or version counts as the same.
func (w *watch) changed(o *Observation) bool {
	other := o.Model != "" && w.model != "" && o.Model != w.model ||
		o.Version != "" && w.version != "" && o.Version != w.version
	if o.Model != "" {
		w.model = o.Model
	}
	if o.Version != "" {
		w.version = o.Version
	}
	return other || o.Reset || o.Crowned
}

// record appends the run's point, and updates the outage.
func (w *watch) record(point Point, run *measured, broken bool, now contrasts) {
	if broken {
		point.Mark = RunOutage
		w.recordOutage(run, now[qualityAspect])
	} else if w.outage >= 0 {
		w.alarms[w.outage].Ended = run.from.Time
		w.outage = -1
	}
	w.points = append(w.points, point)
	if len(w.clean) > 2*(sumRuns+sumLag) {
		w.clean = slices.Clone(tail(w.clean, sumRuns+sumLag))
	}
}

// judge updates the states of all aspects with a run and returns its mark.
func (w *watch) judge(run *measured, base []*measured, now contrasts) RunMark {
	judged := false
	for _, c := range now {
		judged = judged || c.known
	}
	if !judged {
		return RunUnjudged
	}

	// The runs before the last five, of which this one is the last.
	slowBase := w.clean[:max(0, len(w.clean)-(sumLag-1))]
	slowBase = tail(slowBase, sumRuns)
	var slow contrasts
	if len(slowBase) >= enoughRuns {
		slow = w.contrast([]*measured{run}, slowBase)
	}

	var confirmed []aspect
	for a := range aspects {
		l := &w.states[a]
		if !now[a].known {
			continue
		}
		switch l.state {
		case Regressed:
			w.recovers(a, run, base)
		case Suspect:
			if w.confirm(a, run, base, now[a]) {
				confirmed = append(confirmed, a)
			} else {
				w.clear(l, run, slow[a])
			}
		default:
			w.suspect(a, run, now[a], slow[a], slowBase)
		}
	}
	for number := range w.alarms {
		if w.open(number) {
			w.alarms[number].Runs++
		}
	}
	if len(confirmed) > 0 {
		w.raise(confirmed, run, base)
	}
	w.improve(run, base, now[wholeAspect])
	return w.settle(run)
}

// suspect applies the limits of a first run.
func (w *watch) suspect(a aspect, run *measured, now, slow contrast, slowBase []*measured) {
	l := &w.states[a]
	if slow.known {
		l.decline.add(run, slow.z)
	}
	l.quick = now.z < a.limits().suspect && now.fall > a.limits().suspectFall
	l.slow = l.decline.sum > sumLimit
	if l.quick || l.slow {
		l.state, l.first, l.point, l.slowBase = Suspect, run, len(w.points), slowBase
	}
}

// confirm reports whether the run confirms the suspicion.
func (w *watch) confirm(a aspect, run *measured, base []*measured, now contrast) bool {
	l := &w.states[a]
	if l.quick {
		both := w.contrast([]*measured{l.first, run}, base)[a]
		if both.z < a.limits().together && both.fall >= a.limits().confirmFall-tiny && now.z < a.limits().alone {
			return true
		}
	}
	if !l.slow || w.contrast([]*measured{run}, l.slowBase)[a].z >= sumConfirm {
		return false
	}
	return w.contrast(append(l.decline.recent(), run), l.slowBase)[a].fall >= a.limits().slowFall-tiny
}

// clear ends a suspicion. The run that cleared it is not tested for a suspicion
// of its own, or a model that is worse by too little for an alarm would be run
// again and again; but it counts in the CUSUM.
func (w *watch) clear(l *aspectState, run *measured, slow contrast) {
	if l.slow {
		l.decline.restart(sumKept)
	} else if slow.known {
		l.decline.add(run, slow.z)
	}
	l.state, l.first, l.quick, l.slow, l.slowBase = Normal, nil, false, false, nil
}

// recovers ends a regression that the last two runs together don't show.
func (w *watch) recovers(a aspect, run *measured, base []*measured) {
	l := &w.states[a]
	l.after = tail(append(l.after, run), 2)
	if len(l.after) < 2 {
		return
	}
	if both := w.contrast(l.after, base)[a]; !both.known || both.z < a.limits().alone {
		return
	}
	alarm := l.alarm
	*l = aspectState{state: Normal, alarm: -1}
	if !w.open(alarm) {
		w.alarms[alarm].Ended = run.from.Time
	}
}

// open reports whether an aspect still shows the alarm with that index.
func (w *watch) open(number int) bool {
	for i := range w.states {
		if w.states[i].alarm == number {
			return true
		}
	}
	return false
}

// settle adds the run to the baseline unless any aspect is suspicious, and
// returns the run's mark.
func (w *watch) settle(run *measured) RunMark {
	state := w.state()
	if !isOutage(run, tail(w.clean, baselineRuns)) {
		w.pending = append(w.pending, run)
	}
	switch state {
	case Regressed:
		w.pending = tail(w.pending, 1) // if the next one ends it, both are good
		return RunRegressed
	case Suspect:
		return RunSuspect
	}
	w.clean = append(w.clean, w.pending...)
	w.pending = nil
	return RunNormal
}

// state returns the gravest state of all aspects.
func (w *watch) state() State {
	state := Normal
	for i := range w.states {
		switch w.states[i].state {
		case Regressed:
			return Regressed
		case Suspect:
			state = Suspect
		}
	}
	return state
}

// improve records rises of the composite, by the rules for a fall with the sign
// turned. It asks for no rerun: the next run confirms the rise or not.
func (w *watch) improve(run *measured, base []*measured, now contrast) {
	if !now.known {
		return
	}
	bound := wholeAspect.limits()
	first, before := w.rise, w.riseBase
	w.rise, w.riseBase = nil, nil
	if first != nil && !w.risen {
		both := w.contrast([]*measured{first, run}, before)[wholeAspect]
		alone := w.contrast([]*measured{run}, before)[wholeAspect]
		if both.z > -bound.together && both.fall <= tiny-bound.confirmFall && alone.z > -bound.alone {
			w.improvements = append(w.improvements, w.describe(Improvement, []aspect{wholeAspect}, []*measured{first, run}, before))
			w.risen = true
			return
		}
	}
	if now.z > -bound.suspect && now.fall < -bound.suspectFall {
		w.rise, w.riseBase = run, base
	} else if now.z < 1 {
		w.risen = false
	}
}

// isOutage reports whether too many of the tests got no answer.
func isOutage(run *measured, base []*measured) bool {
	tests, errors := float64(run.sample.Tests), float64(run.sample.Errors)
	return errors > 0 && errors >= outageShare*tests && (len(base) < enoughRuns || errors >= 2*errorShare(base)*tests)
}

// baseline returns the mean and the limits of a baseline, for the run whose
// contrast is c; c may be unknown.
func (w *watch) baseline(base []*measured, c contrast) Baseline {
	b := Baseline{Runs: len(base)}
	if len(base) == 0 {
		return b
	}
	if c.known {
		b.Mean = c.before
		b.Low, b.High = b.Mean-1.96*c.deviation, b.Mean+1.96*c.deviation
		return b
	}
	var scores series
	for _, run := range base {
		scores.add(run.score)
	}
	b.Mean = scores.mean()
	deviation := leastError
	if scores.count > 1 {
		deviation = max(deviation, math.Sqrt(scores.around()/(scores.count-1)*(1+1/scores.count)))
	}
	b.Low, b.High = b.Mean-1.96*deviation, b.Mean+1.96*deviation
	return b
}

// rerun reports whether the suite should be run again now. After an outage it
// should not: the node may still be down.
func (w *watch) rerun() bool {
	if w.outage >= 0 {
		return false
	}
	for i := range w.states {
		if w.states[i].state == Suspect {
			return true
		}
	}
	return false
}

// report returns the judgement after the last run.
func (w *watch) report() Report {
	base := tail(w.clean, baselineRuns)
	r := Report{State: w.state(), Outage: w.outage >= 0, Alarms: w.alarms, Improvements: w.improvements, Points: w.points}
	if r.State == Normal && len(base) < enoughRuns {
		r.State = TooFewRuns
	}
	r.Rerun = w.rerun()
	var next contrast
	if len(base) >= enoughRuns {
		next = w.contrast(base[len(base)-1:], base)[wholeAspect]
	}
	r.Baseline = w.baseline(base, next)
	return r
}

package scoring

import (
	"math"
	"slices"
	"strings"
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
	// itself. clear is the bound for a first run that needs no second one.
	suspect, together, alone, clear float64
	// suspectFall, confirmFall, slowFall and clearFall are the least falls of a
	// suspicion, of a regression, of a slow regression and of a clear one, as
	// shares.
	suspectFall, confirmFall, slowFall, clearFall float64
}

// unreached is a bound that no z is beyond.
const unreached = -2 * surest

// limits returns the thresholds of the aspect. Those of the parts are stricter
// than those of the composite, because four aspects are tested. The latency of
// a run has the widest tails, because a machine that is busy for an hour slows
// a whole run: there the second run must be suspicious by itself, and less than
// a tenth of the speed raises no alarm. For the same reason only the quality can
// fall clearly: what slows down or breaks a whole run is often over at the next.
func (a aspect) limits() limits {
	switch a {
	case wholeAspect:
		return limits{suspect: -2, together: -3.1, alone: -1.5, clear: unreached, suspectFall: 0.02, confirmFall: 0.03, slowFall: 0.02}
	case speedAspect:
		return limits{suspect: -2.3, together: -3.4, alone: -2.3, clear: unreached, suspectFall: 0.1, confirmFall: 0.1, slowFall: 0.1}
	case qualityAspect:
		return limits{suspect: -2.3, together: -3.4, alone: -1.5, clear: -3.5, suspectFall: 0.02, confirmFall: 0.03, slowFall: 0.02, clearFall: 0.05}
	default:
		return limits{suspect: -2.3, together: -3.4, alone: -1.5, clear: unreached, suspectFall: 0.02, confirmFall: 0.03, slowFall: 0.02}
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

// aspectStates are the states of all aspects.
type aspectStates [aspects]aspectState

// normal returns the states of a new baseline.
func normal() (s aspectStates) {
	for i := range s {
		s[i] = aspectState{state: Normal, alarm: -1}
	}
	return s
}

// gravest returns the gravest of the states.
func (s *aspectStates) gravest() State {
	state := Normal
	for i := range s {
		switch s[i].state {
		case Regressed:
			return Regressed
		case Suspect:
			state = Suspect
		}
	}
	return state
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
	states         aspectStates
	// since is the comparison with the runs before the last change, nil for none.
	since *since
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
	w.states = normal()
}

// tail returns the last n of the runs.
func tail(runs []*measured, n int) []*measured { return runs[max(0, len(runs)-n):] }

// add judges the next run.
func (w *watch) add(o *Observation) {
	run := w.measure(o)
	point := Point{ID: o.ID, Time: o.Time, Score: run.score, Mark: RunLearning}
	if what, fresh := w.changed(o); fresh {
		before := w.former(what)
		if o.Reset || o.Crowned {
			before = nil
		}
		w.endAlarms(o, before)
		w.restart()
		w.since = before
		point.Fresh = len(w.points) > 0
	}

	base := tail(w.clean, baselineRuns)
	broken := isOutage(run, base)
	now, mark := contrasts{}, RunLearning
	if len(base) < enoughRuns {
		point.Baseline = Baseline{Runs: len(base)}
		if run.sample.Tests < leastTests {
			mark = RunUnjudged
		}
		if !broken && !o.Crowned && run.sample.Tests >= leastTests {
			w.clean = append(w.clean, run)
		}
	} else {
		now = w.contrast([]*measured{run}, base)
		if broken {
			now = contrasts{qualityAspect: now[qualityAspect]}
		}
		point.Baseline = w.baseline(base, now[wholeAspect])
		point.Z = now[wholeAspect].z
		mark = w.judge(run, base, now)
		if mark == RunUnjudged && !broken && run.sample.Tests >= leastTests {
			w.clean = append(w.clean, run) // other tasks: the baseline of theirs begins here
		}
		point.Decline = w.states[wholeAspect].decline.sum
	}
	point.Mark = w.compare(run, broken, mark)
	w.record(point, run, broken, now)
}

// changed reports whether the baseline starts anew with a run, and because of
// what. An unknown model or version counts as the same.
func (w *watch) changed(o *Observation) (what string, fresh bool) {
	if o.Version != "" && w.version != "" && o.Version != w.version {
		what, fresh = strings.TrimSpace(o.Engine+" "+o.Version), true
	}
	if o.Model != "" && w.model != "" && o.Model != w.model {
		what, fresh = "another file of the model", true
	}
	if o.Model != "" {
		w.model = o.Model
	}
	if o.Version != "" {
		w.version = o.Version
	}
	return what, fresh || o.Reset || o.Crowned
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
		slow = w.contrasted([]*measured{run}, slowBase, true)
		for a := range slow {
			// The sum of correlated figures varies as that of fewer ones.
			slow[a].z *= math.Sqrt((1 - slow[a].kept) / (1 + slow[a].kept))
		}
	}

	if confirmed := w.decide(&w.states, run, base, now, slow, slowBase); len(confirmed) > 0 {
		against, slow := w.raise(&w.states, confirmed, run, base, "")
		if slow {
			w.clean = slices.Clone(against) // the runs after it are part of the decline
		}
		w.pending = nil
	}
	w.improve(run, base, now[wholeAspect])
	return w.settle(run)
}

// decide updates the states with a run, and returns the aspects in which it
// confirms a regression.
func (w *watch) decide(states *aspectStates, run *measured, base []*measured, now, slow contrasts, slowBase []*measured) (confirmed []aspect) {
	for a := range aspects {
		l := &states[a]
		if !now[a].known {
			continue
		}
		switch l.state {
		case Regressed:
			w.recovers(l, a, run, base)
		case Suspect:
			if w.confirm(l, a, run, base, now[a]) {
				confirmed = append(confirmed, a)
			} else {
				w.clear(l, run, slow[a])
			}
		default:
			if w.suspect(l, a, run, now[a], slow[a], slowBase) {
				confirmed = append(confirmed, a)
			}
		}
	}
	for number := range w.alarms {
		if states.show(number) {
			w.alarms[number].Runs++
		}
	}
	return confirmed
}

// suspect applies the limits of a first run, and reports whether it needs no
// second one.
func (w *watch) suspect(l *aspectState, a aspect, run *measured, now, slow contrast, slowBase []*measured) bool {
	if slow.known {
		l.decline.add(run, slow.z)
	}
	bounds := a.limits()
	l.quick = now.z < bounds.suspect && now.fall > bounds.suspectFall
	l.slow = l.decline.sum > sumLimit
	if l.quick || l.slow {
		l.state, l.first, l.point, l.slowBase = Suspect, run, len(w.points), slowBase
	}
	return now.z < bounds.clear && now.fall > bounds.clearFall+tiny && !run.torn()
}

// confirm reports whether the run confirms the suspicion.
func (w *watch) confirm(l *aspectState, a aspect, run *measured, base []*measured, now contrast) bool {
	if l.quick {
		both := w.contrast([]*measured{l.first, run}, base)[a]
		if both.z < a.limits().together && both.fall >= a.limits().confirmFall-tiny && now.z < a.limits().alone {
			return true
		}
	}
	if !l.slow || w.contrasted([]*measured{run}, l.slowBase, true)[a].z >= sumConfirm {
		return false
	}
	return w.contrast(append(l.decline.recent(), run), l.slowBase)[a].fall >= a.limits().slowFall-tiny
}

// clear ends a suspicion. The run that cleared it is not tested for a suspicion
// of its own, or a model that is worse by too little for an alarm would be run
// again and again; but it counts in the CUSUM.
func (w *watch) clear(l *aspectState, run *measured, slow contrast) {
	if l.slow {
		l.decline.restart()
	} else if slow.known {
		l.decline.add(run, slow.z)
	}
	l.state, l.first, l.slowBase = Normal, nil, nil
}

// recovers ends a regression that the last two runs together don't show.
func (w *watch) recovers(l *aspectState, a aspect, run *measured, base []*measured) {
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
	return w.states.show(number) || w.since != nil && w.since.states.show(number)
}

// show reports whether an aspect shows the alarm with that index.
func (s *aspectStates) show(number int) bool {
	for i := range s {
		if s[i].alarm == number {
			return true
		}
	}
	return false
}

// settle adds the run to the baseline unless any aspect is suspicious, and
// returns the run's mark.
func (w *watch) settle(run *measured) RunMark {
	state := w.states.gravest()
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
	state := w.states.gravest()
	if w.since != nil && state != Regressed {
		if since := w.since.states.gravest(); since != Normal {
			return since
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

// torn reports whether a fifth or more of the tests got no answer.
func (m *measured) torn() bool {
	return m.sample.Errors > 0 && float64(m.sample.Errors) >= outageShare*float64(m.sample.Tests)
}

// isOutage reports whether too many of the tests got no answer.
func isOutage(run *measured, base []*measured) bool {
	tests, errors := float64(run.sample.Tests), float64(run.sample.Errors)
	return run.torn() && (len(base) < enoughRuns || errors >= 2*errorShare(base)*tests)
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
	suspect := func(l aspectState) bool { return l.state == Suspect }
	return slices.ContainsFunc(w.states[:], suspect) || w.since != nil && slices.ContainsFunc(w.since.states[:], suspect)
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

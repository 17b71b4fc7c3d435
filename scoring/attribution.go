package scoring

import (
	"slices"
	"time"
)

// AlarmKind is the kind of an alarm.
type AlarmKind string

// The kinds.
const (
	// Regression: the answers got worse, slower or rarer.
	Regression AlarmKind = "regression"
	// Outage: many tests got no answer, which says nothing about the model.
	Outage AlarmKind = "outage"
	// Improvement: the opposite of a regression.
	Improvement AlarmKind = "improvement"
)

// Cause is the part of the composite that contributes most to a change.
type Cause string

// The causes.
const (
	// CauseQuality: fewer answers are right.
	CauseQuality Cause = "quality"
	// CauseSpeed: answers take longer.
	CauseSpeed Cause = "speed"
	// CauseErrors: more tests get no answer.
	CauseErrors Cause = "errors"
)

// Change is a figure before and after.
type Change struct {
	// Known says that the figure is known before and after.
	Known bool
	// From and To are the figure before and after; Z is their difference in
	// standard errors, negative where the figure got worse.
	From, To, Z float64
}

// DomainChange is the share of right answers in one domain, before and after.
type DomainChange struct {
	// Domain is the domain's name.
	Domain string
	// From and To are shares, 0 to 1; Z is their difference in standard errors,
	// negative.
	From, To, Z float64
}

// Alarm is a change that the runs of a series show.
type Alarm struct {
	// Kind is the kind of the change.
	Kind AlarmKind
	// Cause is the part of the composite that contributes most to the change;
	// "" for an outage.
	Cause Cause
	// ID and Time are those of the run that confirmed the change, or of the
	// first run of an outage.
	ID   string
	Time time.Time
	// Since is the time of the first run that showed the change.
	Since time.Time
	// Ended is the time of the second good run after the change, of the run that
	// began a new baseline, or of the tenth since Change; zero while the change
	// lasts.
	Ended time.Time
	// Runs is the number of runs that showed the change so far.
	Runs int
	// From and To are the composite before and after, 0 to 10, unrounded, on the
	// tasks in both. Drop is the decline as a share of From, negative for an
	// improvement.
	From, To, Drop float64
	// Change is what changed with the first of these runs, in words: "Ollama
	// 0.33.0"; "" for nothing known.
	Change string
	// Major: the composite or the quality fell by a tenth or more, the errors
	// rose by a tenth of the tests or more, or the speed fell by a third or
	// more.
	Major bool
	// Slow: only the sum over several runs showed the change.
	Slow bool
	// Z is the difference in standard errors, negative where worse; Chance is
	// the probability of such a Z by noise alone.
	Z, Chance float64
	// Quality is the share of right answers among the answers, Latency the mean
	// latency in seconds, Errors the share of tests without an answer. Shares
	// are from 0 to 1.
	Quality, Latency, Errors Change
	// Tasks are the tasks that always passed before and never do now, sorted.
	Tasks []string
	// Domains are the domains whose quality fell, the greatest fall first.
	Domains []DomainChange
	// Prefill is the median time to the first token, Decoding the median time
	// per token after it, in seconds. Each is known only where it clearly got
	// slower.
	Prefill, Decoding Change
	// Tests is the number of tests in an outage's runs, Unanswered the number
	// of them without an answer. Both are 0 for other kinds.
	Tests, Unanswered int
}

// raise records the alarm of the aspects that a run confirmed, unless an alarm of
// the same cause lasts that is as grave. what is the change that the run came with,
// "" for none. It returns the baseline that shows the fall, and whether only the
// slow rule did.
func (w *watch) raise(states *aspectStates, confirmed []aspect, run *measured, base []*measured, what string) (against []*measured, slow bool) {
	var runs []*measured
	runs, against, slow = nil, base, true
	for _, a := range confirmed {
		l := &states[a]
		if l.quick {
			runs, against, slow = []*measured{l.first, run}, base, false
			if l.first == run {
				runs = runs[:1]
			}
			break
		}
		runs, against = append(l.decline.recent(), run), l.slowBase
	}
	alarm := w.describe(Regression, confirmed, runs, against)
	alarm.Slow, alarm.Change = slow, what

	number := -1
	for i := range states {
		if open := states[i].alarm; open >= 0 && w.alarms[open].Cause == alarm.Cause && (w.alarms[open].Major || !alarm.Major) {
			number = open
		}
	}
	if number < 0 {
		number = len(w.alarms)
		w.alarms = append(w.alarms, alarm)
	}
	for _, a := range confirmed {
		l := &states[a]
		if l.point < len(w.points) && w.points[l.point].Mark == RunSuspect {
			w.points[l.point].Mark = RunRegressed
		}
		*l = aspectState{state: Regressed, alarm: number}
	}
	return against, slow
}

// endAlarms ends all alarms but those of the comparison that stays, because the
// baseline starts anew with a run.
func (w *watch) endAlarms(o *Observation, stays *since) {
	for number := range w.alarms {
		if w.open(number) && (stays == nil || !stays.states.show(number)) {
			w.alarms[number].Ended = o.Time
		}
	}
}

// recordOutage begins an outage, or prolongs the one that lasts.
func (w *watch) recordOutage(run *measured, answers contrast) {
	o := run.from
	if w.outage < 0 {
		w.outage = len(w.alarms)
		alarm := Alarm{Kind: Outage, ID: o.ID, Time: o.Time, Since: o.Time, From: run.score, To: run.score}
		if base := tail(w.clean, baselineRuns); len(base) >= enoughRuns {
			alarm.From = w.baseline(base, contrast{}).Mean
			alarm.Drop = share(alarm.From, alarm.To)
		}
		w.alarms = append(w.alarms, alarm)
	}
	alarm := &w.alarms[w.outage]
	alarm.Runs++
	alarm.Tests += run.sample.Tests
	alarm.Unanswered += run.sample.Errors
	alarm.Quality = changed(answers)
}

// changed returns a contrast as a change.
func changed(c contrast) Change { return Change{c.known, c.before, c.after, c.z} }

// describe returns the alarm of runs compared with a baseline.
func (w *watch) describe(kind AlarmKind, shown []aspect, runs, base []*measured) Alarm {
	c := w.contrast(runs, base)
	if slices.ContainsFunc(runs, func(r *measured) bool { return isOutage(r, base) }) {
		// The outage has an alarm of its own; this one is about its answers.
		fell := c[qualityAspect]
		c[wholeAspect].after = c[wholeAspect].before - 10*w.weights.Quality*(fell.before-fell.after)
		c[wholeAspect].fall = share(c[wholeAspect].before, c[wholeAspect].after)
		c[speedAspect], c[errorsAspect] = contrast{}, contrast{}
	}
	first, last := runs[0].from, runs[len(runs)-1].from
	alarm := Alarm{
		Kind: kind, ID: last.ID, Time: last.Time, Since: first.Time, Runs: len(runs),
		From: c[wholeAspect].before, To: c[wholeAspect].after, Drop: c[wholeAspect].fall,
		Quality: changed(c[qualityAspect]), Latency: changed(c[speedAspect]), Errors: changed(c[errorsAspect]),
	}
	alarm.Cause = w.cause(c, shown, kind)
	for _, a := range shown {
		if z := c[a].z; z*sign(kind) < alarm.Z*sign(kind) {
			alarm.Z = z
		}
	}
	alarm.Chance = chance(alarm.Z)
	if kind != Regression {
		return alarm
	}
	alarm.Major = c[wholeAspect].fall >= majorFall-tiny || c[qualityAspect].fall >= majorFall-tiny ||
		c[errorsAspect].fall >= majorFall-tiny || c[speedAspect].fall >= 1.0/3-tiny
	alarm.Tasks = w.flipped(runs, base)
	alarm.Domains = w.fallen(runs, base)
	alarm.Prefill, alarm.Decoding = slower(runs, base)
	return alarm
}

// sign returns 1 for a fall, -1 for a rise.
func sign(kind AlarmKind) float64 {
	if kind == Improvement {
		return -1
	}
	return 1
}

// cause returns the part that contributes most to the composite's change: among
// the parts in shown, where there is any, else among all.
func (w *watch) cause(c contrasts, shown []aspect, kind AlarmKind) Cause {
	answered := 1 - c[errorsAspect].after
	// A test without an answer is not passed either.
	errors := c[errorsAspect].fall * 10 * (w.weights.Reliability + w.weights.Quality*c[qualityAspect].before)
	answers := 10 * w.weights.Quality * (c[qualityAspect].before - c[qualityAspect].after) * answered
	speed := c[wholeAspect].before - c[wholeAspect].after - errors - answers
	if !c[wholeAspect].known {
		speed = 0
	}
	parts := []struct {
		aspect aspect
		cause  Cause
		weight float64
	}{{qualityAspect, CauseQuality, answers}, {speedAspect, CauseSpeed, speed}, {errorsAspect, CauseErrors, errors}}

	byItself := slices.ContainsFunc(shown, func(a aspect) bool { return a != wholeAspect })
	best, found := CauseQuality, false
	most := 0.0
	for _, p := range parts {
		if byItself && !slices.Contains(shown, p.aspect) {
			continue
		}
		if weight := p.weight * sign(kind); !found || weight > most {
			best, most, found = p.cause, weight, true
		}
	}
	return best
}

// flipped returns the tasks that always passed in the baseline, with at least
// four answers, and never in the new runs, with at least two.
func (w *watch) flipped(runs, base []*measured) []string {
	var names []string
	eachTask(runs, func(task int) {
		before, passed := answersOf(base, task)
		now, still := answersOf(runs, task)
		if before >= 4 && passed == before && now >= 2 && still == 0 {
			names = append(names, w.names[task])
		}
	})
	slices.Sort(names)
	return names
}

// answersOf counts a task's answers, and the right ones among them.
func answersOf(runs []*measured, task int) (answers, passed int) {
	for _, run := range runs {
		if right, ok := taskFigure(run.quality, task); ok {
			answers += run.answers[task]
			passed += int(right*float64(run.answers[task]) + 0.5)
		}
	}
	return answers, passed
}

// fallen returns the domains whose quality fell by more than chance explains, the
// greatest fall first.
func (w *watch) fallen(runs, base []*measured) []DomainChange {
	var domains []string
	eachTask(runs, func(task int) {
		if domain := w.domains[task]; domain != "" && !slices.Contains(domains, domain) {
			domains = append(domains, domain)
		}
	})
	var list []DomainChange
	known := w.known(base)
	for _, domain := range domains {
		c := w.quality(runs, base, known, domain)
		if c.known && c.z < qualityAspect.limits().suspect && c.fall > qualityAspect.limits().suspectFall {
			list = append(list, DomainChange{Domain: domain, From: c.before, To: c.after, Z: c.z})
		}
	}
	slices.SortStableFunc(list, func(a, b DomainChange) int {
		switch fallA, fallB := a.From-a.To, b.From-b.To; {
		case fallA > fallB:
			return -1
		case fallA < fallB:
			return 1
		}
		return 0
	})
	return list
}

// The thresholds for slower calls: the z of the rank test, and the ratio of the
// medians. The ratio is needed because the calls of a run are correlated, so
// that their great number makes a trifle significant.
const (
	callsZ     = 3.3
	callsRatio = 1.1
)

// slower compares the single calls: the time to the first token, spent on
// reading the prompt (prefill), and the time per token after it (decoding).
func slower(runs, base []*measured) (prefill, decoding Change) {
	before, perToken := calls(base)
	after, perTokenNow := calls(runs)
	return shifted(before, after), shifted(perToken, perTokenNow)
}

// calls returns the times to the first token and the times per token after it,
// in seconds, of all answers.
func calls(runs []*measured) (first, perToken []float64) {
	for _, run := range runs {
		for _, t := range run.from.Tests {
			if t.Error() {
				continue
			}
			if t.FirstToken > 0 {
				first = append(first, t.FirstToken.Seconds())
			}
			if rest := t.Latency - t.FirstToken; t.Tokens > 1 && rest > 0 {
				tokens := float64(t.Tokens)
				if t.FirstToken > 0 {
					tokens--
				}
				perToken = append(perToken, rest.Seconds()/tokens)
			}
		}
	}
	return first, perToken
}

// shifted returns the change of the median, if it clearly grew.
func shifted(before, after []float64) Change {
	z := mannWhitney(before, after)
	from, to := median(before), median(after)
	if z < callsZ || from <= 0 || to < callsRatio*from {
		return Change{}
	}
	return Change{Known: true, From: from, To: to, Z: -z}
}

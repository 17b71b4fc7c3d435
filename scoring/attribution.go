package scoring

import (
	"slices"
	"time"
)

// AlarmKind says what an alarm is about.
type AlarmKind string

// The kinds.
const (
	// Regression: the model answers worse, slower or less often than it did.
	Regression AlarmKind = "regression"
	// Outage: many tests got no answer. That says nothing of the model.
	Outage AlarmKind = "outage"
	// Improvement: the opposite of a regression. No cause for alarm.
	Improvement AlarmKind = "improvement"
)

// Cause is what weighs most in a change.
type Cause string

// The causes.
const (
	// CauseQuality: fewer of its answers are right.
	CauseQuality Cause = "quality"
	// CauseSpeed: its answers take longer.
	CauseSpeed Cause = "speed"
	// CauseErrors: fewer tests get an answer.
	CauseErrors Cause = "errors"
)

// Change is a figure before and after.
type Change struct {
	// Known says that it could be compared.
	Known bool
	// From and To are the figure, Z is how far apart, in standard errors,
	// negative where it got worse.
	From, To, Z float64
}

// DomainChange is the share of right answers in one domain, before and after.
type DomainChange struct {
	// Domain is its name.
	Domain string
	// From and To are shares, 0 to 1; Z is negative.
	From, To, Z float64
}

// Alarm is something that the runs of a series show.
type Alarm struct {
	Kind AlarmKind
	// Cause is what weighs most; "" for an outage.
	Cause Cause
	// ID and Time are those of the run that confirmed it, or of an outage's
	// first run.
	ID   string
	Time time.Time
	// Since is when it showed first.
	Since time.Time
	// Ended is when it was over: the second good run after it, or the run that
	// began a new baseline. Zero while it lasts.
	Ended time.Time
	// Runs is how many runs showed it so far.
	Runs int
	// From and To are the composite, 0 to 10, unrounded, before and after, on
	// the tasks that both have. Drop is the part of From that is missing,
	// negative for an improvement.
	From, To, Drop float64
	// Major: a tenth or more of the composite or of the quality is missing, a
	// tenth or more of the tests lost their answers, or a third or more of the
	// speed is gone.
	Major bool
	// Slow: no single run showed it, all of them together did.
	Slow bool
	// Z is how far apart, in standard errors, negative where worse; Chance how
	// often noise alone does as much.
	Z, Chance float64
	// Quality is the share of right answers among the answers, 0 to 1, Latency
	// the mean in seconds, Errors the share of tests without an answer.
	Quality, Latency, Errors Change
	// Tasks are those that always passed before and never do now, sorted.
	Tasks []string
	// Domains are those whose quality fell, the greatest fall first.
	Domains []DomainChange
	// Prefill is the median time to the first token, Decoding that per token
	// after it, in seconds; known only where it clearly got slower.
	Prefill, Decoding Change
	// Tests is how many tests the runs had that showed it, Unanswered how many
	// of them got no answer. Counted for outages alone.
	Tests, Unanswered int
}

// raise makes an alarm of the aspects that this run confirmed, unless it is one
// of the alarms that last: of the same cause, and not graver.
func (w *watch) raise(confirmed []aspect, run *measured, base []*measured) {
	runs, against, slow := []*measured{w.states[confirmed[0]].first, run}, base, true
	for _, a := range confirmed {
		l := &w.states[a]
		if l.quick {
			runs, against, slow = []*measured{l.first, run}, base, false
			break
		}
		runs, against = append(l.decline.recent(), run), l.slowBase
	}
	alarm := w.describe(Regression, confirmed, runs, against)
	alarm.Slow = slow

	number := -1
	for i := range w.states {
		if open := w.states[i].alarm; open >= 0 && w.alarms[open].Cause == alarm.Cause && (w.alarms[open].Major || !alarm.Major) {
			number = open
		}
	}
	if number < 0 {
		number = len(w.alarms)
		w.alarms = append(w.alarms, alarm)
	}
	for _, a := range confirmed {
		l := &w.states[a]
		if point := &w.points[l.point]; point.Mark == RunSuspect {
			point.Mark = RunRegressed
		}
		*l = aspectState{state: Regressed, alarm: number}
	}
	if slow {
		w.clean = slices.Clone(against) // the runs after it are part of the decline
	}
	w.pending = nil
}

// endAlarms ends what lasts, because the baseline starts anew with a run.
func (w *watch) endAlarms(o *Observation) {
	for i := range w.states {
		if open := w.states[i].alarm; open >= 0 {
			w.alarms[open].Ended = o.Time
		}
	}
}

// tellOutage begins an outage, or prolongs the one that lasts.
func (w *watch) tellOutage(run *measured, answers contrast) {
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

func changed(c contrast) Change { return Change{c.known, c.before, c.after, c.z} }

// describe says what runs show against a baseline.
func (w *watch) describe(kind AlarmKind, shown []aspect, runs, base []*measured) Alarm {
	c := w.contrast(runs, base)
	if slices.ContainsFunc(runs, func(r *measured) bool { return isOutage(r, base) }) {
		// An outage is told by itself; what is told here is about its answers.
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

// sign is 1 where a fall is told, -1 where a rise is.
func sign(kind AlarmKind) float64 {
	if kind == Improvement {
		return -1
	}
	return 1
}

// cause returns the part that weighs most in the composite's change, among
// those that show it where any does by itself.
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

// flipped returns the tasks that always passed in the baseline, four answers at
// least, and never since, two at least.
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
		if right, ok := known(run.quality, task); ok {
			answers += run.answers[task]
			passed += int(right*float64(run.answers[task]) + 0.5)
		}
	}
	return answers, passed
}

// fallen returns the domains whose quality fell by more than chance explains.
func (w *watch) fallen(runs, base []*measured) []DomainChange {
	var domains []string
	eachTask(runs, func(task int) {
		if domain := w.domains[task]; domain != "" && !slices.Contains(domains, domain) {
			domains = append(domains, domain)
		}
	})
	var list []DomainChange
	for _, domain := range domains {
		c := w.quality(runs, base, domain)
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

// Single calls are slower where their ranks say so surely, and by as much as is
// worth telling: the calls of a run have its circumstances in common, so that
// their great number makes a trifle look sure.
const (
	callsZ     = 3.3
	callsRatio = 1.1
)

// slower compares the single calls: the time to the first token, which is
// spent on reading the question, and that per token after it.
func slower(runs, base []*measured) (prefill, decoding Change) {
	before, perToken := calls(base)
	after, perTokenNow := calls(runs)
	return shifted(before, after), shifted(perToken, perTokenNow)
}

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

func shifted(before, after []float64) Change {
	z := mannWhitney(before, after)
	from, to := median(before), median(after)
	if z < callsZ || from <= 0 || to < callsRatio*from {
		return Change{}
	}
	return Change{Known: true, From: from, To: to, Z: -z}
}

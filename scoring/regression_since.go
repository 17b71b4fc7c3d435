package scoring

// firstRuns is the number of runs after a change that are compared with the runs
// before it.
const firstRuns = 5

// since compares the first runs after a change with the runs before it: with a
// new version of the engine, with another file of the model, or with other
// settings. The new runs have a baseline of their own meanwhile.
type since struct {
	// what changed, in words.
	what string
	// base are the last runs before the change.
	base   []*measured
	states aspectStates
	// runs is the number of runs compared so far.
	runs int
}

// former returns the comparison with the runs so far, nil if they are too few.
// Where the last change is so young that its runs are no baseline yet, it stays
// with the one before. A regression that lasts goes on: the change is not its
// cause.
func (w *watch) former(what string) *since {
	base := tail(w.clean, baselineRuns)
	if len(base) < enoughRuns {
		return w.since
	}
	s := &since{what: what, base: base, states: normal()}
	for i := range w.states {
		if w.states[i].state == Regressed {
			s.what, s.states[i] = "", w.states[i]
		}
	}
	return s
}

// compare judges a run by the runs before the last change, and returns its mark:
// by the baseline of its own it has the one given. The comparison ends after the
// first runs, unless they are suspicious. An alarm ends with two good runs, or once
// the new runs are a whole baseline: then they are what is usual.
func (w *watch) compare(run *measured, broken bool, mark RunMark) RunMark {
	s := w.since
	if s == nil {
		return mark
	}
	now := w.contrast([]*measured{run}, s.base)
	if broken {
		now = contrasts{qualityAspect: now[qualityAspect]}
	}
	s.runs++
	if confirmed := w.decide(&s.states, run, s.base, now, contrasts{}, nil); len(confirmed) > 0 {
		w.raise(&s.states, confirmed, run, s.base, s.what)
	}
	state := s.states.gravest()
	if state == Normal && s.runs >= firstRuns {
		w.since = nil
	}
	if state == Regressed && len(w.clean) >= baselineRuns {
		w.since = nil
		for i := range s.states {
			if number := s.states[i].alarm; number >= 0 {
				w.alarms[number].Ended = run.from.Time
			}
		}
	}
	switch {
	case mark == RunUnjudged:
	case state == Regressed:
		return RunRegressed
	case state == Suspect && mark != RunRegressed:
		return RunSuspect
	}
	return mark
}

// follow makes the runs so far the ones that the next runs are compared with, and
// takes them out of the report.
func (w *watch) follow(what string) {
	before := w.former(what)
	w.restart()
	if w.since = before; before != nil {
		before.states = normal()
	}
	w.points, w.alarms, w.improvements, w.outage = nil, nil, nil, -1
}

package scoring

import (
	"math"
)

// measured holds the figures of one run, indexed by task.
type measured struct {
	from *Observation
	// tasks are the indexes of the run's tasks.
	tasks []int
	// value is a task's mean contribution to the composite, quality the share
	// of right answers among its answers, seconds its mean latency. Each is NaN
	// where unknown.
	value, quality, seconds []float64
	// tests and answers are the numbers of a task's tests and answers.
	tests, answers []int
	// sample and score are those of all tests; lost is the number of tests lost in
	// bursts of errors, which count nowhere else, and bursts that of the bursts.
	sample       Sample
	score        float64
	lost, bursts int
	// speedy says that the run's speed is above 0, so that latency counts in
	// its composite.
	speedy bool
}

// taskFigure returns a task's figure; ok is false where the run has none.
func taskFigure(figures []float64, task int) (figure float64, ok bool) {
	if task >= len(figures) || math.IsNaN(figures[task]) {
		return 0, false
	}
	return figures[task], true
}

// tally sums up the tests of one task.
type tally struct {
	tests, answered, passed, timed int
	seconds, counted               float64
}

// measure returns the figures of a run, and numbers the tasks that are new.
func (w *watch) measure(o *Observation) *measured {
	run := &measured{from: o, sample: Measure(o.Tests)}
	run.score = w.weights.Score(run.sample).Composite
	var burst []int
	burst, run.bursts = bursts(o.Tests)
	for i, t := range o.Tests {
		if burst != nil && burst[i] > 0 {
			run.lost++
			continue
		}
		place, there := w.places[t.Task]
		if !there {
			place = len(w.names)
			w.places[t.Task] = place
			w.names = append(w.names, t.Task)
			w.domains = append(w.domains, t.Domain)
			w.tallies = append(w.tallies, tally{})
		}
		sum := &w.tallies[place]
		if sum.tests == 0 {
			run.tasks = append(run.tasks, place)
		}
		sum.tests++
		if !t.Error() {
			sum.answered++
			if t.Passed {
				sum.passed++
			}
		}
		if t.Timed() {
			seconds := max(0, t.Latency.Seconds())
			sum.timed++
			sum.seconds += seconds
			sum.counted += min(seconds, longest)
		}
	}

	size := len(w.names)
	figures := make([]float64, 3*size)
	for i := range figures {
		figures[i] = math.NaN()
	}
	counts := make([]int, 2*size)
	run.value, run.quality, run.seconds = figures[:size:size], figures[size:2*size:2*size], figures[2*size:]
	run.tests, run.answers = counts[:size:size], counts[size:]

	mean := run.sample.Latency.Seconds()
	run.speedy = mean < 10 && run.sample.Errors < run.sample.Tests
	for _, place := range run.tasks {
		sum := &w.tallies[place]
		tests := float64(sum.tests)
		value := 10 * (w.weights.Quality*float64(sum.passed) + w.weights.Reliability*float64(sum.answered)) / tests
		if run.speedy {
			// A task without any latency counts with the mean of the run.
			latency := mean
			if sum.timed > 0 {
				latency = sum.counted / float64(sum.timed)
			}
			value += w.weights.Speed * (10 - latency)
		}
		run.value[place] = value
		run.quality[place] = float64(sum.passed) / float64(sum.answered) // NaN without answers
		if sum.seconds > 0 {
			run.seconds[place] = sum.seconds / float64(sum.timed)
		}
		run.tests[place], run.answers[place] = sum.tests, sum.answered
		*sum = tally{}
	}
	return run
}

// errorShare returns the share of the runs' tests that got no answer.
func errorShare(runs []*measured) float64 {
	tests, errors := 0, 0
	for _, run := range runs {
		tests += run.sample.Tests
		errors += run.sample.Errors
	}
	if tests == 0 {
		return 0
	}
	return float64(errors) / float64(tests)
}

package report

import (
	"math"

	"github.com/turbone/jarvis/scoring"
)

// confidence is the confidence of all intervals but the tournament's own.
const confidence = 0.95

// interval is a figure with its confidence interval. One without length is not
// known.
type interval struct{ Low, Value, High float64 }

// known reports whether the interval is known.
func (i interval) known() bool { return i.Low < i.High }

// unknown returns a figure whose interval is not known.
func unknown(value float64) interval { return interval{value, value, value} }

// scaled returns the interval times by.
func (i interval) scaled(by float64) interval {
	return interval{i.Low * by, i.Value * by, i.High * by}
}

// shown returns 1 if the interval lies above zero, -1 if it lies below, and 0 if
// it has zero in it, which shows no difference.
func (i interval) shown() int {
	switch {
	case i.Low > 0:
		return 1
	case i.High < 0:
		return -1
	}
	return 0
}

// measured holds what tests measured. Only the share of right answers and the quality
// have an interval, for tasks like these: how much the machine's speed differs from run
// to run no single run tells, and errors come in bursts.
type measured struct {
	Sample         scoring.Sample
	Pass, Answered interval // shares
	Latency        interval // seconds
	Quality        interval // parts of the composite, 0 to 10
	Speed          interval
	Reliability    interval
	Composite      interval
}

// measure returns what the tests measured.
func measure(tests []scoring.Test, weights scoring.Composite) measured {
	m := measureCounts(scoring.Measure(tests), weights)
	m.Pass = share(tests)
	m.Quality = m.Pass.scaled(10)
	return m
}

// burst reports whether tests were lost in a burst of errors.
func burst(tests []scoring.Test) bool { return len(scoring.WithoutBursts(tests)) < len(tests) }

// measureCounts returns what a run measured whose tests were not recorded. Nothing
// has an interval: the number of tasks and how they varied are unknown.
func measureCounts(sample scoring.Sample, weights scoring.Composite) measured {
	n := max(float64(sample.Tests), 1)
	m := measured{
		Sample:   sample,
		Latency:  unknown(sample.Latency.Seconds()),
		Pass:     unknown(inside(float64(sample.Passed)/n, 0, 1)),
		Answered: unknown(inside(1-float64(sample.Errors)/n, 0, 1)),
	}
	score := weights.Score(sample)
	m.Quality, m.Speed, m.Reliability = m.Pass.scaled(10), unknown(score.Speed), unknown(score.Reliability)
	m.Composite = unknown(score.Composite)
	return m
}

// share returns the share of right answers. Of fewer tasks than [scoring.ShareTasks],
// or with a burst of errors, which says nothing of how often there is one, it has no
// interval.
func share(tests []scoring.Test) interval {
	value, low, high := scoring.ShareInterval(tests, passed, confidence)
	if tasksOf(tests) < scoring.ShareTasks || burst(tests) {
		return unknown(value)
	}
	return interval{low, value, high}
}

func inside(v, low, high float64) float64 { return min(max(v, low), high) }

func finite(figures ...float64) bool {
	for _, f := range figures {
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return false
		}
	}
	return true
}

package report

import (
	"math"

	"github.com/turbone/jarvis/scoring"
)

// confidence is that of every interval on the page, but the tournament's own.
const confidence = 0.95

// interval is a figure and where it may truly lie.
type interval struct{ Low, Value, High float64 }

func (i interval) scaled(by float64) interval {
	return interval{i.Low * by, i.Value * by, i.High * by}
}

// shown reports whether the interval leaves out zero: 1 above, -1 below, 0 no
// difference shown.
func (i interval) shown() int {
	switch {
	case i.Low > 0:
		return 1
	case i.High < 0:
		return -1
	}
	return 0
}

// wilson is the interval of a share of n independent tests.
func wilson(share, n, confidence float64) interval {
	low, high := scoring.WilsonInterval(share, n, confidence)
	return interval{low, share, high}
}

// sum is the interval of a sum of independent figures from theirs (the method
// of variance estimates recovery, Zou and Donner 2008): the distances add as
// squares, each side on its own.
func sum(parts ...interval) interval {
	var total interval
	var low, high float64
	for _, p := range parts {
		total.Value += p.Value
		low += (p.Value - p.Low) * (p.Value - p.Low)
		high += (p.High - p.Value) * (p.High - p.Value)
	}
	total.Low, total.High = total.Value-math.Sqrt(low), total.Value+math.Sqrt(high)
	return total
}

// difference is the interval of b - a. Of two shares it is Newcombe's (1998).
// The two models answered the same tasks; not to use that makes it wider, not
// narrower.
func difference(a, b interval) interval {
	return sum(b, interval{-a.High, -a.Value, -a.Low})
}

// measured is what tests say, with intervals for tasks like these.
type measured struct {
	Sample scoring.Sample
	// Tests is how much the tests are worth as independent ones: between the
	// number of tasks and that of tests.
	Pass, Answered interval // shares
	Latency        interval // seconds
	Quality        interval // parts of the composite, 0 to 10
	Speed          interval
	Reliability    interval
	Composite      interval
}

func measure(tests []scoring.Test, weights scoring.Composite) measured {
	sample := scoring.Measure(tests)
	score := weights.Score(sample)
	m := measured{
		Sample:   sample,
		Pass:     share(tests, func(t scoring.Test) bool { return t.Passed && !t.Error() }, confidence),
		Answered: share(tests, func(t scoring.Test) bool { return !t.Error() }, confidence),
		Latency:  meanLatency(tests, sample.Latency.Seconds()),
	}
	m.parts(score, weights)
	low, high := scoring.Interval(tests, weights)
	m.Composite = interval{low, score.Composite, high}
	return m
}

// measureCounts is what is known of a run whose single tests weren't recorded:
// nothing of how the latency varied, nor which tests were of one task.
func measureCounts(sample scoring.Sample, weights scoring.Composite) measured {
	n := float64(sample.Tests)
	seconds := sample.Latency.Seconds()
	m := measured{
		Sample:  sample,
		Latency: interval{seconds, seconds, seconds},
	}
	if sample.Tests > 0 {
		m.Pass = wilson(inside(float64(sample.Passed)/n, 0, 1), n, confidence)
		m.Answered = wilson(inside(1-float64(sample.Errors)/n, 0, 1), n, confidence)
	} else {
		m.Pass, m.Answered = interval{0, 0, 1}, interval{0, 0, 1}
	}
	m.parts(weights.Score(sample), weights)
	return m
}

func (m *measured) parts(score scoring.Score, weights scoring.Composite) {
	m.Quality = m.Pass.scaled(10)
	m.Reliability = m.Answered.scaled(10)
	speed := func(seconds float64) float64 { return min(max(0, 10-seconds), 10) }
	m.Speed = interval{
		min(score.Speed, speed(m.Latency.High)), score.Speed, max(score.Speed, speed(m.Latency.Low)),
	}
	m.Composite = sum(m.Quality.scaled(weights.Quality), m.Speed.scaled(weights.Speed), m.Reliability.scaled(weights.Reliability))
	m.Composite.Value = score.Composite
	m.Composite.Low = min(m.Composite.Low, score.Composite)
	m.Composite.High = min(max(m.Composite.High, score.Composite), 10*(weights.Quality+weights.Speed+weights.Reliability))
	m.Composite.Low = max(m.Composite.Low, 0)
}

// share is the share of tests for which is holds.
func share(tests []scoring.Test, is func(scoring.Test) bool, confidence float64) interval {
	value, low, high := scoring.ShareInterval(tests, is, confidence)
	return interval{low, value, high}
}

// meanLatency is the mean time in seconds; one task says nothing of how much
// tasks vary.
func meanLatency(tests []scoring.Test, mean float64) interval {
	low, high, ok := scoring.LatencyInterval(tests)
	if !ok {
		return interval{0, mean, math.Inf(1)}
	}
	return interval{low.Seconds(), mean, high.Seconds()}
}

// quantile is a quantile of times in ascending order.
func quantile(sorted []float64, p float64) interval {
	value, low, high := scoring.QuantileInterval(sorted, p)
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

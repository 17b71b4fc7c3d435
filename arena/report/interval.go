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

// sum returns the sum of independent figures. Its interval is recovered from
// theirs: the squares of the distances to the limits add up, on each side by
// itself (Zou and Donner 2008).
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

// difference returns b - a; for two shares its interval is that of Newcombe
// (1998). It is wider than needed, because it does not use that both models
// answered the same tasks.
func difference(a, b interval) interval {
	return sum(b, interval{-a.High, -a.Value, -a.Low})
}

// measured holds what tests measured, with intervals for tasks like these, on the
// machine as it was.
type measured struct {
	Sample         scoring.Sample
	Pass, Answered interval // shares
	Latency        interval // seconds
	Quality        interval // parts of the composite, 0 to 10
	Speed          interval
	Reliability    interval
	Composite      interval
}

// measure returns what the tests measured. A burst of errors is one event, and says
// nothing of how often there is one: with it only the latency has an interval.
func measure(tests []scoring.Test, weights scoring.Composite) measured {
	sample := scoring.Measure(tests)
	score := weights.Score(sample)
	m := measured{
		Sample:   sample,
		Pass:     share(tests, passed, confidence),
		Answered: share(tests, func(t scoring.Test) bool { return !t.Error() }, confidence),
		Latency:  meanLatency(tests, sample.Latency.Seconds()),
	}
	if burst(tests) {
		m.Pass, m.Answered = unknown(m.Pass.Value), unknown(m.Answered.Value)
		m.parts(score, weights)
		m.Composite = unknown(score.Composite)
		return m
	}
	m.parts(score, weights)
	low, high := scoring.Interval(tests, weights)
	m.Composite = interval{low, score.Composite, high}
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
	m.parts(weights.Score(sample), weights)
	m.Composite = unknown(m.Composite.Value)
	return m
}

// parts sets the parts of the composite and their sum.
func (m *measured) parts(score scoring.Score, weights scoring.Composite) {
	m.Quality = m.Pass.scaled(10)
	m.Reliability = m.Answered.scaled(10)
	m.Speed = unknown(score.Speed)
	speed := func(seconds float64) float64 { return min(max(0, 10-seconds), 10) }
	if m.Latency.known() {
		m.Speed = interval{
			min(score.Speed, speed(m.Latency.High)), score.Speed, max(score.Speed, speed(m.Latency.Low)),
		}
	}
	m.Composite = sum(m.Quality.scaled(weights.Quality), m.Speed.scaled(weights.Speed), m.Reliability.scaled(weights.Reliability))
	m.Composite.Value = score.Composite
	m.Composite.Low = min(m.Composite.Low, score.Composite)
	m.Composite.High = min(max(m.Composite.High, score.Composite), 10*(weights.Quality+weights.Speed+weights.Reliability))
	m.Composite.Low = max(m.Composite.Low, 0)
}

// share returns the share of tests for which is holds.
func share(tests []scoring.Test, is func(scoring.Test) bool, confidence float64) interval {
	value, low, high := scoring.ShareInterval(tests, is, confidence)
	return interval{low, value, high}
}

// meanLatency returns the mean latency in seconds. Fewer than two tasks bound it
// by nothing.
func meanLatency(tests []scoring.Test, mean float64) interval {
	low, high, ok := scoring.LatencyInterval(tests)
	if !ok {
		return interval{0, mean, math.Inf(1)}
	}
	return interval{low.Seconds(), mean, high.Seconds()}
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

package report

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

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

// twoSided is the normal quantile of a two-sided interval.
func twoSided(confidence float64) float64 {
	return distuv.UnitNormal.Quantile(1 - (1-confidence)/2)
}

// wilson is the score interval of a share (Wilson 1927): it stays within 0 and
// 1, and doesn't shrink to nothing where all passed. n need not be whole.
func wilson(share, n, confidence float64) interval {
	if n <= 0 {
		return interval{0, share, 1}
	}
	z := twoSided(confidence)
	middle := (share + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(share*(1-share)/n+z*z/(4*n*n))
	return interval{max(0, min(share, middle-half)), share, min(1, max(share, middle+half))}
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

// byTask groups figures of tests by task.
func byTask(tests []scoring.Test, figure func(scoring.Test) (float64, bool)) []float64 {
	type mean struct{ sum, n float64 }
	means := map[string]*mean{}
	for _, t := range tests {
		if v, ok := figure(t); ok {
			m := means[t.Task]
			if m == nil {
				m = &mean{}
				means[t.Task] = m
			}
			m.sum += v
			m.n++
		}
	}
	list := make([]float64, 0, len(means))
	for _, m := range means {
		list = append(list, m.sum/m.n)
	}
	return list
}

// share is the share of tests for which is holds. Repeats of one task are worth
// less than as many tasks; how much less is told by how the tasks' own shares
// vary (the design effect), and taken for nothing at all where none of them
// varies.
func share(tests []scoring.Test, is func(scoring.Test) bool, confidence float64) interval {
	if len(tests) == 0 {
		return interval{0, 0, 1}
	}
	n, hits := float64(len(tests)), 0.0
	for _, t := range tests {
		if is(t) {
			hits++
		}
	}
	p := hits / n
	means := byTask(tests, func(t scoring.Test) (float64, bool) {
		if is(t) {
			return 1, true
		}
		return 0, true
	})
	tasks := float64(len(means))
	worth := tasks
	if len(means) > 1 && p > 0 && p < 1 {
		if v := stat.Variance(means, nil) / tasks; v > 0 {
			worth = inside(p*(1-p)/v, tasks, n)
		}
	}
	return wilson(p, worth, confidence)
}

// meanLatency is the mean time with the interval of Student's t over the tasks;
// one task says nothing of how much they vary.
func meanLatency(tests []scoring.Test, mean float64) interval {
	means := byTask(tests, func(t scoring.Test) (float64, bool) { return t.Latency.Seconds(), timed(t) })
	if len(means) < 2 {
		return interval{0, mean, math.Inf(1)}
	}
	n := float64(len(means))
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile(1 - (1-confidence)/2)
	half := t * stat.StdDev(means, nil) / math.Sqrt(n)
	return interval{max(0, mean-half), mean, mean + half}
}

// timed reports whether a test's latency counts.
func timed(t scoring.Test) bool {
	return t.Outcome == scoring.Answered || t.Outcome == scoring.TimedOut
}

// quantile is a quantile of sorted times by nearest rank, with the exact
// interval between two other ranks: how many of n lie below the quantile is
// binomial. Where there are too few to bound it, Low is 0 and High +Inf.
func quantile(sorted []float64, p float64) interval {
	n := len(sorted)
	if n == 0 {
		return interval{}
	}
	below := distuv.Binomial{N: float64(n), P: p}
	const tail = (1 - confidence) / 2
	rank := int(inside(math.Ceil(float64(n)*p-1e-9), 1, float64(n)))
	q := interval{0, sorted[rank-1], math.Inf(1)}
	// Ranks are sought by halves: n may be large.
	if low := sort.Search(n, func(i int) bool { return below.CDF(float64(i)) > tail }); low > 0 {
		q.Low = sorted[low-1]
	}
	if high := 1 + sort.Search(n, func(i int) bool { return 1-below.CDF(float64(i)) <= tail }); high <= n {
		q.High = sorted[high-1]
	}
	return q
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

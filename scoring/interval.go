package scoring

import (
	"maps"
	"math"
	"slices"
	"sort"
	"time"
)

// sure is the confidence of the intervals, unless another one is given.
const sure = 0.95

// byTask sums up figures of tests by the tests' tasks.
type byTask map[string]*series

func (b byTask) add(task string, figure float64) {
	if b[task] == nil {
		b[task] = &series{}
	}
	b[task].add(figure)
}

// all returns the tasks' series in the order of the tasks' names, so that a sum
// over them is the same down to the last digit each time.
func (b byTask) all() []series {
	list := make([]series, 0, len(b))
	for _, task := range slices.Sorted(maps.Keys(b)) {
		list = append(list, *b[task])
	}
	return list
}

// clusterError returns the standard error of a sum over tests of a figure whose
// mean is 0, divided by the number of tests: from the tasks' sums, so that
// correlated repeats of one task don't narrow it (Cochran 1977, section 11.4,
// clusters as sampling units).
func clusterError(tasks []series, tests float64) float64 {
	n := float64(len(tasks))
	squares := 0.0
	for _, task := range tasks {
		squares += task.sum * task.sum
	}
	return math.Sqrt(squares*n/(n-1)) / tests
}

// Interval returns the 95 % confidence interval of a run's composite: where the
// mean composite of other runs on tasks like these lies. It is computed from
// the differences between tasks, so correlated repeats of one task don't narrow
// it. The zero value of the weights stands for [Default].
//
// The interval of fewer than two tasks is the whole scale.
func Interval(tests []Test, weights Composite) (low, high float64) {
	w := weights.orDefault()
	scale := wholeScale(w)
	sample := Measure(tests)
	score := w.Score(sample)
	latency := sample.Latency.Seconds()
	timed := 0.0
	for _, t := range tests {
		if t.Timed() {
			timed++
		}
	}
	// The influence of each test on the composite: the composite linearized in
	// the means that it is made of.
	total := float64(len(tests))
	sums := byTask{}
	for _, t := range tests {
		quality, reliability := 0.0, 0.0
		if !t.Error() {
			reliability = 10
			if t.Passed {
				quality = 10
			}
		}
		part := w.Quality*(quality-score.Quality) + w.Reliability*(reliability-score.Reliability)
		if score.Speed > 0 && t.Timed() {
			part -= w.Speed * (t.Latency.Seconds() - latency) * total / timed
		}
		sums.add(t.Task, part)
	}
	tasks := float64(len(sums))
	if tasks < 2 {
		return 0, scale
	}
	deviation := clusterError(sums.all(), total)
	if sample.Passed == 0 || sample.Passed == sample.Tests {
		// Equal results are no proof that others are equal: add two tasks of
		// each result (Agresti and Coull 1998).
		share := 2 / (tasks + 4)
		deviation = math.Sqrt(deviation*deviation + 100*w.Quality*w.Quality*share*(1-share)/(tasks+4))
	}
	width := student(1-(1-sure)/2, tasks-1) * max(leastError, deviation)
	return max(score.Composite-width, 0), min(score.Composite+width, scale)
}

// MeanInterval returns the mean composite of several runs with its 95 %
// confidence interval, by Student's t distribution. For one run, or none with the
// mean 0, the interval is 0 to 10; the interval of a single run is [Interval].
// NaN and infinite figures are left out.
func MeanInterval(composites []float64) (middle, low, high float64) {
	var list []float64
	for _, c := range composites {
		if finite(c) {
			list = append(list, c)
		}
	}
	n := float64(len(list))
	if n == 0 {
		return 0, 0, 10
	}
	middle = mean(list)
	if n == 1 {
		return middle, 0, 10
	}
	width := student(1-(1-sure)/2, n-1) * max(standardDeviation(list), leastError) / math.Sqrt(n)
	return middle, max(middle-width, 0), min(middle+width, 10)
}

// WilsonInterval returns the confidence interval of a share, 0 to 1, that was
// seen in n independent tests (Wilson 1927). It stays within 0 and 1, holds the
// share itself, and keeps a width where all tests passed. n need not be whole;
// the interval for 0 or less is 0 to 1.
func WilsonInterval(share, n, confidence float64) (low, high float64) {
	if n <= 0 {
		return 0, 1
	}
	share = min(max(share, 0), 1)
	z := twoSided(confidence)
	middle := (share + z*z/(2*n)) / (1 + z*z/n)
	width := z / (1 + z*z/n) * math.Sqrt(share*(1-share)/n+z*z/(4*n*n))
	return max(0, min(share, middle-width)), min(1, max(share, middle+width))
}

// ShareInterval returns the share of tests that is holds for, 0 to 1, with its
// confidence interval. Repeats of one task count as fewer independent tests: as
// many as the variance between the tasks' own shares tells (the design effect,
// Kish 1965), between the number of tasks and that of tests; as the number of
// tasks where the tasks' shares don't vary. No tests have the share 0 and the
// interval from 0 to 1.
func ShareInterval(tests []Test, is func(Test) bool, confidence float64) (share, low, high float64) {
	if len(tests) == 0 {
		return 0, 0, 1
	}
	var all series
	tasks := byTask{}
	for _, t := range tests {
		hit := 0.0
		if is(t) {
			hit = 1
		}
		all.add(hit)
		tasks.add(t.Task, hit)
	}
	share = all.mean()
	n := float64(len(tasks))
	worth := n
	if len(tasks) > 1 && share > 0 && share < 1 {
		var shares series
		for _, task := range tasks.all() {
			shares.add(task.mean())
		}
		if v := shares.around() / (n - 1) / n; v > 0 {
			worth = min(max(share*(1-share)/v, n), all.count)
		}
	}
	low, high = WilsonInterval(share, worth, confidence)
	return share, low, high
}

// QuantileInterval returns the quantile p, 0 to 1, of figures in ascending
// order by nearest rank, with its 95 % confidence interval: the figures of two
// other ranks, since the number of figures below the true quantile is binomial
// (Conover 1999, section 3.2). low is 0 and high infinite where there are too
// few figures to bound the quantile; all three are 0 without figures.
func QuantileInterval(sorted []float64, p float64) (quantile, low, high float64) {
	n := len(sorted)
	if n == 0 {
		return 0, 0, 0
	}
	const tail = (1 - sure) / 2
	below := binomial{float64(n), p}
	quantile, low, high = sorted[nearestRank(n, p)], 0, math.Inf(1)
	// The ranks are found by bisection, since n may be large.
	if first := sort.Search(n, func(i int) bool { return below.cdf(float64(i)) > tail }); first > 0 {
		low = sorted[first-1]
	}
	if last := 1 + sort.Search(n, func(i int) bool { return 1-below.cdf(float64(i)) <= tail }); last <= n {
		high = sorted[last-1]
	}
	return quantile, low, high
}

// nearestRank returns the index of the quantile p among n figures in ascending
// order: that of the smallest figure which the share p of them stays at or
// below.
func nearestRank(n int, p float64) int {
	// The product may lie a few last digits above a whole number.
	return min(max(int(math.Ceil(p*float64(n)-1e-9))-1, 0), n-1)
}

// LatencyInterval returns the 95 % confidence interval of the mean latency,
// computed from the differences between tasks as [Interval] is. Errors other
// than time-outs are left out. ok is false where fewer than two tasks have a
// latency.
func LatencyInterval(tests []Test) (low, high time.Duration, ok bool) {
	var all series
	for _, t := range tests {
		if t.Timed() {
			all.add(t.Latency.Seconds())
		}
	}
	mean := all.mean()
	beyond := byTask{}
	for _, t := range tests {
		if t.Timed() {
			beyond.add(t.Task, t.Latency.Seconds()-mean)
		}
	}
	tasks := float64(len(beyond))
	if tasks < 2 {
		return 0, 0, false
	}
	width := student(1-(1-sure)/2, tasks-1) * clusterError(beyond.all(), all.count)
	seconds := func(s float64) time.Duration {
		// The longest duration is no float64, so nothing may round up to it.
		return time.Duration(min(max(s, 0), 9e9) * float64(time.Second))
	}
	return seconds(mean - width), seconds(mean + width), true
}

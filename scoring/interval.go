package scoring

import (
	"maps"
	"math"
	"slices"
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

// Interval returns the 95 % confidence interval of a run's composite: where it would
// lie on other tasks like these, on the machine as it was in this run. How much the
// machine differs from run to run no single run tells. It is computed from the
// differences between tasks, so correlated repeats of one task don't narrow it. The
// zero value of the weights stands for [Default].
//
// The interval of fewer than two tasks, and that of a run with a burst of errors (see
// [MarkBursts]), is the whole scale: it is not known.
func Interval(tests []Test, weights Composite) (low, high float64) {
	w := weights.orDefault()
	scale := wholeScale(w)
	sample := Measure(tests)
	score := w.Score(sample)
	deviation, tasks := compositeError(tests, w, sample, score)
	if _, number := bursts(tests); tasks < 2 || number > 0 {
		return 0, scale
	}
	quality := func(share float64) float64 { return 10 * w.Quality * share }
	right, rightLow, rightHigh := ShareInterval(tests, func(t Test) bool { return t.Passed && !t.Error() }, sure)
	there, thereLow, thereHigh := ShareInterval(tests, func(t Test) bool { return !t.Error() }, sure)
	below := []float64{quality(right - rightLow), 10 * w.Reliability * (there - thereLow)}
	above := []float64{quality(rightHigh - right), 10 * w.Reliability * (thereHigh - there)}
	if fast, slow, ok := LatencyInterval(tests); ok && score.Speed > 0 {
		latency := sample.Latency
		below = append(below, w.Speed*min((slow-latency).Seconds(), score.Speed))
		above = append(above, w.Speed*(latency-fast).Seconds())
	}
	// The parts' intervals are skewed, as the parts are. Their sum is recovered from
	// them (Zou and Donner 2008), and is at least as wide as the differences between
	// the tasks' composites say, since the parts of a task are correlated.
	down, up := math.Hypot(norm(below), leastError), math.Hypot(norm(above), leastError)
	wider := max(1, student(1-(1-sure)/2, tasks-1)*max(leastError, deviation)/((down+up)/2))
	return max(score.Composite-down*wider, 0), min(score.Composite+up*wider, scale)
}

// norm returns the root of the sum of the squares.
func norm(figures []float64) float64 {
	sum := 0.0
	for _, figure := range figures {
		sum += figure * figure
	}
	return math.Sqrt(sum)
}

// compositeError returns the standard error of the composite on tasks like these, with
// the number of tasks.
func compositeError(tests []Test, w Composite, sample Sample, score Score) (deviation, tasks float64) {
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
	if tasks = float64(len(sums)); tasks < 2 {
		return 0, tasks
	}
	return clusterError(sums.all(), total), tasks
}

// MeanInterval returns the mean composite of several runs, oldest first, with its
// 95 % confidence interval, by Student's t distribution. Of eight runs or more the
// correlation of successive ones widens it; of fewer that is not known. For one run, or none with the
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
	kept := autocorrelation(list)
	width := student(1-(1-sure)/2, n-1) * max(standardDeviation(list), leastError) / math.Sqrt(n*(1-kept)/(1+kept))
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
	return wilson(min(max(share, 0), 1), n, twoSided(confidence))
}

// wilson returns Wilson's interval for a quantile of the distribution.
func wilson(share, n, z float64) (low, high float64) {
	middle := (share + z*z/(2*n)) / (1 + z*z/n)
	width := z / (1 + z*z/n) * math.Sqrt(share*(1-share)/n+z*z/(4*n*n))
	return max(0, min(share, middle-width)), min(1, max(share, middle+width))
}

// ShareInterval returns the share of tests that is holds for, 0 to 1, with its
// confidence interval. Repeats of one task count as fewer independent tests: as
// many as the variance between the tasks' own shares tells (the design effect,
// Kish 1965), between the number of tasks and that of tests; as the number of
// tasks where the tasks' shares don't vary. That variance is estimated from few
// tasks, hence Student's distribution. No tests have the share 0 and the interval
// from 0 to 1.
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
			worth = n * math.Pow(min(max(share*(1-share)/v, n), all.count)/n, 0.93)
		}
	}
	low, high = wilson(share, worth, student(1-(1-confidence)/2, max(n-1, 4)))
	return share, low, high
}

// Quantile returns the quantile p, 0 to 1, of figures in ascending order by nearest
// rank, 0 without figures. It has no interval: repeats of one task are correlated, and
// how much the machine differs from run to run no single run tells.
func Quantile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[nearestRank(len(sorted), p)]
}

// nearestRank returns the index of the quantile p among n figures in ascending
// order: that of the smallest figure which the share p of them stays at or
// below.
func nearestRank(n int, p float64) int {
	// The product may lie a few last digits above a whole number.
	return min(max(int(math.Ceil(p*float64(n)-1e-9))-1, 0), n-1)
}

// LatencyInterval returns the 95 % confidence interval of the mean latency,
// on other tasks like these, on the machine as it was in this run, computed from the
// differences between tasks as [Interval] is. Errors other than time-outs are left
// out. ok is false where fewer than two tasks have a latency.
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
	// The standard error of skewed figures varies as one of half as many.
	width := student(1-(1-sure)/2, (tasks-1)/2) * clusterError(beyond.all(), all.count)
	seconds := func(s float64) time.Duration {
		// The longest duration is no float64, so nothing may round up to it.
		return time.Duration(min(max(s, 0), 9e9) * float64(time.Second))
	}
	if mean <= 0 {
		return seconds(mean - width), seconds(mean + width), true
	}
	// Latencies are skewed: the interval is one of their logarithm's mean.
	factor := math.Exp(width / mean)
	return seconds(mean / factor), seconds(mean * factor), true
}

package scoring

import (
	"maps"
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// sure is the probability with which all intervals hold.
const sure = 0.95

// Interval returns between which composites a run's true one lies, with 95 %:
// what other runs on tasks like these would show on average. It holds however
// much the repeats of one task hang together, since it goes by the differences
// between the tasks. The zero value of the weights stands for [Default].
//
// The interval of fewer than two tasks is the whole scale.
func Interval(tests []Test, weights Composite) (low, high float64) {
	w := Plan{Weights: weights}.weights()
	scale := wholeScale(w)
	sample := Measure(tests)
	score := w.Score(sample)
	latency := sample.Latency.Seconds()
	timed, passed := 0.0, 0.0
	for _, t := range tests {
		if t.timed() {
			timed++
		}
	}
	// What a test adds to the composite beyond its share, summed by task.
	total := float64(len(tests))
	sums := map[string]float64{}
	for _, t := range tests {
		quality, reliability := 0.0, 0.0
		if !t.Error() {
			reliability = 10
			if t.Passed {
				quality = 10
				passed++
			}
		}
		part := w.Quality*(quality-score.Quality) + w.Reliability*(reliability-score.Reliability)
		if score.Speed > 0 && t.timed() {
			part -= w.Speed * (t.Latency.Seconds() - latency) * total / timed
		}
		sums[t.Task] += part
	}
	tasks := float64(len(sums))
	if tasks < 2 {
		return 0, scale
	}
	var squares float64
	for _, task := range slices.Sorted(maps.Keys(sums)) {
		squares += sums[task] * sums[task]
	}
	variance := squares / (total * total) * tasks / (tasks - 1)
	if passed == 0 || passed == total {
		// All alike is no proof that all others are: two tasks more of each
		// kind (Agresti and Coull 1998).
		share := 2 / (tasks + 4)
		variance += 100 * w.Quality * w.Quality * share * (1 - share) / (tasks + 4)
	}
	width := student(1-(1-sure)/2, tasks-1) * max(leastError, math.Sqrt(variance))
	return max(score.Composite-width, 0), min(score.Composite+width, scale)
}

// MeanInterval returns the mean of several runs' composites, and between which
// ones the true one lies, with 95 %. One run tells nothing of how runs differ:
// take its [Interval]. No runs have the mean 0, and like one run the interval
// from 0 to 10; NaN and infinite figures are left out.
func MeanInterval(composites []float64) (mean, low, high float64) {
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
	mean = stat.Mean(list, nil)
	if n == 1 {
		return mean, 0, 10
	}
	width := student(1-(1-sure)/2, n-1) * max(stat.StdDev(list, nil), leastError) / math.Sqrt(n)
	return mean, max(mean-width, 0), min(mean+width, 10)
}

// PassInterval returns between which pass rates, 0 to 1, the true one of so
// many tests lies, with 95 % (Wilson 1927). It takes the tests for independent.
// No tests have the interval from 0 to 1.
func PassInterval(passed, tests int) (low, high float64) {
	if tests <= 0 {
		return 0, 1
	}
	z := distuv.UnitNormal.Quantile(1 - (1-sure)/2)
	n := float64(tests)
	share := min(max(float64(passed)/n, 0), 1)
	middle := (share + z*z/(2*n)) / (1 + z*z/n)
	width := z / (1 + z*z/n) * math.Sqrt(share*(1-share)/n+z*z/(4*n*n))
	low, high = max(middle-width, 0), min(middle+width, 1)
	if share == 0 {
		low = 0 // but for the last digits
	}
	if share == 1 {
		high = 1
	}
	return low, high
}

// LatencyInterval returns between which values the true mean latency lies,
// with 95 %, by the differences between the tasks. Errors other than time-outs
// are left out. ok is false where fewer than two tasks have a latency.
func LatencyInterval(tests []Test) (low, high time.Duration, ok bool) {
	byTask := map[string]*series{}
	var all series
	for _, t := range tests {
		if !t.timed() {
			continue
		}
		if byTask[t.Task] == nil {
			byTask[t.Task] = &series{}
		}
		byTask[t.Task].add(t.Latency.Seconds())
		all.add(t.Latency.Seconds())
	}
	tasks := float64(len(byTask))
	if tasks < 2 {
		return 0, 0, false
	}
	var squares float64
	for _, task := range slices.Sorted(maps.Keys(byTask)) {
		beyond := byTask[task].sum - byTask[task].count*all.mean()
		squares += beyond * beyond
	}
	deviation := math.Sqrt(squares*tasks/(tasks-1)) / all.count
	width := student(1-(1-sure)/2, tasks-1) * deviation
	seconds := func(s float64) time.Duration {
		// The longest duration is no float64, so nothing may round up to it.
		return time.Duration(min(max(s, 0), 9e9) * float64(time.Second))
	}
	return seconds(all.mean() - width), seconds(all.mean() + width), true
}

package scoring

import (
	"maps"
	"math"
	"slices"
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

// MeanInterval returns the mean composite of several runs, oldest first, with its
// 95 % confidence interval, by Student's t distribution. Of eight runs or more the
// correlation of successive ones widens it; of fewer that is not known. For one run, or none with the
// mean 0, the interval is 0 to 10.
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

// ShareTasks is the least number of tasks whose [ShareInterval] is one of 95 %: that of
// fewer is wider than it would have to be.
const ShareTasks = 20

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

package scoring

import (
	"math"
)

// aspect is one of the figures of a run that are judged independently.
type aspect int

const (
	wholeAspect aspect = iota
	qualityAspect
	speedAspect
	errorsAspect
	aspects
)

const (
	// leastTests is the least number of tests in common for a comparison.
	leastTests = 20
	// leastSpread is the least standard deviation of a run's mean latency
	// between runs, as a share of it.
	leastSpread = 0.03
	// leastShareError is the least standard error of a pass rate: leastError
	// divided by the composite's points per unit of pass rate.
	leastShareError = leastError / 6
	// surest bounds the absolute value of every z: the normal approximation
	// says nothing about rarer events.
	surest = 8
)

// contrast is the difference between new runs and a baseline in one aspect.
type contrast struct {
	// known says that there were enough tests for a comparison.
	known bool
	// before and after are in the aspect's own unit: points, a share of
	// answers, seconds, a share of tests.
	before, after float64
	// fall is the decline as a share: of the composite, of the quality, of the
	// speed; of all tests for errors. It is negative for an improvement.
	fall float64
	// deviation is the standard error of the difference, 0 for errors; z is the
	// difference in standard errors, negative where worse.
	deviation, z float64
}

// contrasts holds the contrast of each aspect.
type contrasts [aspects]contrast

// contrast compares new runs with a baseline in all aspects, task by task. Only
// tasks in both count.
func (w *watch) contrast(now, base []*measured) (c contrasts) {
	seconds, drift := w.latency(now, base)
	c[speedAspect] = seconds
	c[wholeAspect] = w.composite(now, base, seconds, drift)
	c[qualityAspect] = w.quality(now, base, "")
	c[errorsAspect] = reliable(now, base)
	return c
}

// eachTask calls visit once for every task of the runs.
func eachTask(runs []*measured, visit func(task int)) {
	for i, run := range runs {
	tasks:
		for _, task := range run.tasks {
			for _, earlier := range runs[:i] {
				if task < len(earlier.tests) && earlier.tests[task] > 0 {
					continue tasks
				}
			}
			visit(task)
		}
	}
}

// difference is a figure before and after, as means over the tasks.
type difference struct {
	before, after float64
	// variance is the variance of after less before, estimated from the
	// baseline's runs.
	variance     float64
	tasks, tests int
}

// comparedByTask compares a figure task by task. A task in fewer than two runs of
// the baseline is left out, since its variance is unknown.
func comparedByTask(now, base []*measured, figures func(*measured) []float64, counts func(*measured) []int, want func(task int) bool) (d difference) {
	eachTask(now, func(task int) {
		if want != nil && !want(task) {
			return
		}
		var was, is series
		for _, run := range base {
			if figure, ok := known(figures(run), task); ok {
				was.add(figure)
			}
		}
		if was.count < 2 {
			return
		}
		tests := 0
		for _, run := range now {
			if figure, ok := known(figures(run), task); ok {
				is.add(figure)
				tests += counts(run)[task]
			}
		}
		if is.count == 0 {
			return
		}
		d.tasks++
		d.tests += tests
		d.before += was.mean()
		d.after += is.mean()
		d.variance += was.around() / (was.count - 1) * (1/is.count + 1/was.count)
	})
	if d.tasks > 0 {
		n := float64(d.tasks)
		d.before, d.after, d.variance = d.before/n, d.after/n, d.variance/(n*n)
	}
	return d
}

// share returns the relative decline from before to after, 0 if before is 0.
func share(before, after float64) float64 {
	if before <= 0 {
		return 0
	}
	return (before - after) / before
}

func bounded(z float64) float64 { return min(max(z, -surest), surest) }

// latency compares the logarithms of the mean latencies. Each run of the baseline
// is compared on the tasks that it shares with the new runs, so that a change of
// tasks is not taken for a change of speed. drift is the standard error of the
// difference.
func (w *watch) latency(now, base []*measured) (c contrast, drift float64) {
	type latency struct {
		task    int
		seconds float64
	}
	var timed []latency
	var total series
	eachTask(now, func(task int) {
		if seconds, ok := meanOf(now, task); ok {
			total.add(seconds)
			timed = append(timed, latency{task, seconds})
		}
	})
	ratios := make([]float64, 0, len(base))
	for _, run := range base {
		var is, was float64
		tests := 0
		for _, l := range timed {
			if before, ok := known(run.seconds, l.task); ok {
				is += l.seconds
				was += before
				tests += run.tests[l.task]
			}
		}
		if tests >= leastTests && is > 0 && was > 0 {
			ratios = append(ratios, math.Log(is/was))
		}
	}
	if len(ratios) < enoughRuns {
		return c, 0
	}
	var slower series
	for _, ratio := range ratios {
		slower.add(ratio)
	}
	drift = max(spread(ratios), leastSpread) * math.Sqrt(1/float64(len(now))+1/slower.count)
	c.known = true
	c.after = total.mean()
	c.before = c.after / math.Exp(slower.mean())
	c.fall = 1 - math.Exp(-slower.mean())
	c.deviation = drift
	// A standard deviation estimated from few runs is often too small by half,
	// so the quotient has the wide tails of a t distribution. The median
	// absolute deviation is as precise as the standard deviation of half as
	// many figures. Below three degrees of freedom not even half the speed
	// could be detected.
	c.z = bounded(-wallace(slower.mean()/drift, max(3, (slower.count-1)/2)))
	return c, drift
}

// meanOf returns the mean latency of a task over runs, in seconds.
func meanOf(runs []*measured, task int) (float64, bool) {
	var all series
	for _, run := range runs {
		if figure, ok := known(run.seconds, task); ok {
			all.add(figure)
		}
	}
	return all.mean(), all.count > 0
}

// composite compares the composites. The variance between runs of a run's whole
// latency, which its tasks have in common, is added to the variance within tasks.
func (w *watch) composite(now, base []*measured, seconds contrast, drift float64) (c contrast) {
	d := comparedByTask(now, base, func(r *measured) []float64 { return r.value }, func(r *measured) []int { return r.tests }, nil)
	if d.tests < leastTests {
		return c
	}
	for _, run := range append(base[:len(base):len(base)], now...) {
		if run.speedy {
			deviation := w.weights.Speed * min(seconds.before, longest) * drift
			d.variance += deviation * deviation
			break
		}
	}
	c.known = true
	c.before, c.after = d.before, d.after
	c.fall = share(d.before, d.after)
	c.deviation = max(math.Sqrt(d.variance), leastError)
	c.z = bounded((d.after - d.before) / c.deviation)
	return c
}

// quality compares the shares of right answers among the answers, in one domain,
// or in all of them for "".
func (w *watch) quality(now, base []*measured, domain string) (c contrast) {
	var want func(int) bool
	least := leastTests
	if domain != "" {
		want = func(task int) bool { return w.domains[task] == domain }
		least = 1
	}
	d := comparedByTask(now, base, func(r *measured) []float64 { return r.quality }, func(r *measured) []int { return r.answers }, want)
	if d.tests < least {
		return c
	}
	c.known = true
	c.before, c.after = d.before, d.after
	c.fall = share(d.before, d.after)
	c.deviation = max(math.Sqrt(d.variance), leastShareError)
	c.z = bounded((d.after - d.before) / c.deviation)
	return c
}

// reliable compares the shares of tests without an answer. Errors are too rare
// for a normal approximation: z comes from the exact conditional test of two
// rates (Przyborowski and Wilenski 1940) with the mid-p value (Lancaster 1961).
// It is divided by the root of the overdispersion of the baseline's errors.
func reliable(now, base []*measured) (c contrast) {
	tests, errors := counted(now)
	before, earlier := counted(base)
	if tests < leastTests || before < leastTests {
		return c
	}
	c.known = true
	c.before, c.after = errorShare(base), errorShare(now)
	c.fall = c.after - c.before
	all := errors + earlier
	if all == 0 {
		return c
	}
	part := binomial{n: float64(all), p: float64(tests) / float64(tests+before)}
	// Half of the probability of exactly this many: the exact test is
	// conservative.
	above := 1 - part.cdf(float64(errors)) + part.prob(float64(errors))/2
	c.z = bounded(normalQuantile(min(max(above, 1e-15), 1-1e-15)) / math.Sqrt(bunching(base, c.before)))
	return c
}

func counted(runs []*measured) (tests, errors int) {
	for _, run := range runs {
		tests += run.sample.Tests
		errors += run.sample.Errors
	}
	return tests, errors
}

// bunching returns the overdispersion of the runs' errors: their variance as a
// multiple of the binomial variance, at least 1 (Pearson's chi-squared by its
// degrees of freedom).
func bunching(runs []*measured, rate float64) float64 {
	if rate <= 0 || rate >= 1 || len(runs) < 2 {
		return 1
	}
	sum := 0.0
	for _, run := range runs {
		expected := rate * float64(run.sample.Tests)
		if expected > 0 {
			sum += (float64(run.sample.Errors) - expected) * (float64(run.sample.Errors) - expected) / (expected * (1 - rate))
		}
	}
	return max(1, sum/float64(len(runs)-1))
}

// chance returns the probability that noise alone gives a z as low as this one.
func chance(z float64) float64 { return normalCDF(-math.Abs(z)) }

package scoring

import (
	"math"
	"slices"
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
	// knownRuns is the greatest number of runs from which the variance between
	// runs is estimated.
	knownRuns = 30
	// manyRuns is the least number of runs from which the standard deviation and the
	// autocorrelation of the speed are estimated.
	manyRuns = 8
	// trendKept is the part of the autocorrelation that is counted at least where a
	// trend is taken out: a trend looks like one.
	trendKept = 0.8
	// atOnceKept is the correlation of the speed of runs that were made at once.
	atOnceKept = 0.9
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
	// deviation is the standard error of the difference, 0 for speed and errors; z
	// is the difference in standard errors, negative where worse.
	deviation, z float64
	// kept is the autocorrelation of the figure from run to run.
	kept float64
}

// contrasts holds the contrast of each aspect.
type contrasts [aspects]contrast

// contrast compares new runs with a baseline in all aspects, task by task. Only
// tasks in both count.
func (w *watch) contrast(now, base []*measured) (c contrasts) {
	return w.contrasted(now, base, false)
}

// contrasted is [watch.contrast]; with straight a trend of the latencies is no part
// of how they vary, or a slow decline would hide itself.
func (w *watch) contrasted(now, base []*measured, straight bool) (c contrasts) {
	known := w.known(base)
	seconds, drift := latency(now, base, known, straight)
	c[speedAspect] = seconds
	c[wholeAspect] = w.composite(now, base, known, seconds, drift)
	c[qualityAspect] = w.quality(now, base, known, "")
	c[errorsAspect] = reliable(now, base, known)
	return c
}

// known returns the runs from which the variance between runs is estimated: those of
// a baseline, and as many unsuspicious ones before them as there are in a month of
// daily runs.
func (w *watch) known(base []*measured) []*measured {
	if len(base) == 0 {
		return nil
	}
	end := slices.Index(w.clean, base[len(base)-1]) + 1
	if all := tail(w.clean[:end], knownRuns); len(all) > len(base) {
		return all
	}
	return base
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
	// variance is the variance of after less before.
	variance     float64
	tasks, tests int
}

// figure is a figure of the tasks, with its number of tests.
type figure struct {
	of     func(*measured) []float64
	counts func(*measured) []int
}

var (
	pointsByTask  = figure{func(r *measured) []float64 { return r.value }, func(r *measured) []int { return r.tests }}
	qualityByTask = figure{func(r *measured) []float64 { return r.quality }, func(r *measured) []int { return r.answers }}
)

// compared compares a figure task by task. A task in fewer than two runs of the
// baseline is left out, since its variance is unknown.
//
// The variance within tasks is that of runs whose tasks vary independently. What
// the tasks of a run have in common adds to it: the variance of the means of the
// known runs beyond the one within tasks.
//
// The last of the known runs are the baseline.
func compared(now, base, known []*measured, f figure, want func(task int) bool) (d difference) {
	residuals, row := make([]series, len(known)), make([]float64, len(known))
	within := 0.0
	eachTask(now, func(task int) {
		if want != nil && !want(task) {
			return
		}
		var all, was, is series
		for i, run := range known {
			row[i] = math.NaN()
			if figure, ok := taskFigure(f.of(run), task); ok {
				row[i] = figure
				if all.add(figure); i >= len(known)-len(base) {
					was.add(figure)
				}
			}
		}
		if was.count < 2 {
			return
		}
		tests := 0
		for _, run := range now {
			if figure, ok := taskFigure(f.of(run), task); ok {
				is.add(figure)
				tests += f.counts(run)[task]
			}
		}
		if is.count == 0 {
			return
		}
		d.tasks++
		d.tests += tests
		d.before += was.mean()
		d.after += is.mean()
		variance := all.around() / (all.count - 1)
		within += variance
		d.variance += variance * (1/is.count + 1/was.count)
		middle := all.mean()
		for i, figure := range row {
			if !math.IsNaN(figure) {
				residuals[i].add(figure - middle)
			}
		}
	})
	if d.tasks == 0 {
		return d
	}
	n := float64(d.tasks)
	d.before, d.after, d.variance = d.before/n, d.after/n, d.variance/(n*n)
	var means series
	for _, r := range residuals {
		if 2*r.count > n { // a run that has most of the tasks
			means.add(r.mean())
		}
	}
	if means.count >= enoughRuns {
		// An estimate from few runs is above the truth in every second case: half
		// of its standard error is not counted.
		between := means.around() / (means.count - 1)
		common := between - within/(n*n)*(1+math.Sqrt(0.5/(means.count-1)))
		d.variance += max(0, common) * (1/float64(len(now)) + 1/float64(len(base)))
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
//
// The speed of a machine on one day is often that of the day before, and has its
// weekdays: the standard error is computed with the variance and the
// autocorrelation of the known runs.
func latency(now, base, known []*measured, straight bool) (c contrast, drift float64) {
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
	// The logarithms of how much slower the new runs are than each run.
	ratios := make([]float64, 0, len(known))
	var slower series
	for i, run := range known {
		var is, was float64
		tests := 0
		for _, l := range timed {
			if before, ok := taskFigure(run.seconds, l.task); ok {
				is += l.seconds
				was += before
				tests += run.tests[l.task]
			}
		}
		if tests >= leastTests {
			ratios = append(ratios, math.Log(is/was))
			if i >= len(known)-len(base) {
				slower.add(ratios[len(ratios)-1])
			}
		}
	}
	if slower.count < enoughRuns {
		return c, 0
	}
	kept := autocorrelation(ratios)
	if straight {
		ratios = detrended(ratios)
		kept = max(autocorrelation(ratios), trendKept*kept)
	}
	c.kept = kept
	runs := float64(len(now))
	deviation := max(spread(ratios), leastSpread)
	if len(ratios) >= manyRuns {
		// Of fewer, one that was busy would hide half the speed.
		deviation = max(deviation, standardDeviation(ratios))
	}
	alike := kept
	if len(ratios) >= manyRuns && atOnce(now, known) {
		alike = max(alike, atOnceKept)
	}
	// The effective numbers of independent runs.
	drift = deviation * math.Sqrt((1+alike*(runs-1))/runs+(1+kept)/(1-kept)/slower.count)
	c.known = true
	c.after = total.mean()
	c.before = c.after / math.Exp(slower.mean())
	c.fall = 1 - math.Exp(-slower.mean())
	// A standard deviation estimated from few runs is often too small by half,
	// so the quotient has the wide tails of a t distribution. Below three degrees
	// of freedom not even half the speed could be detected.
	c.z = bounded(-wallace(slower.mean()/drift, max(3, float64(len(ratios)-1)/2)))
	return c, drift
}

// atOnce reports whether new runs follow one another faster than the known ones
// usually do, as one that confirms a suspicion does: what slows a machine down for a
// while is then in all of them.
func atOnce(now, known []*measured) bool {
	if len(now) < 2 {
		return false
	}
	gaps := make([]float64, 0, len(known))
	for i := range known[1:] {
		gaps = append(gaps, known[i+1].from.Time.Sub(known[i].from.Time).Seconds())
	}
	usual := median(gaps)
	for i := range now[1:] {
		if now[i+1].from.Time.Sub(now[i].from.Time).Seconds() < usual/2 {
			return true
		}
	}
	return false
}

// detrended returns the figures less their linear trend.
func detrended(figures []float64) []float64 {
	n := float64(len(figures))
	if n < 3 {
		return figures
	}
	at := (n - 1) / 2
	var slope, squares float64
	for i, figure := range figures {
		slope += (float64(i) - at) * figure
		squares += (float64(i) - at) * (float64(i) - at)
	}
	list := make([]float64, len(figures))
	for i, figure := range figures {
		list[i] = figure - slope/squares*(float64(i)-at)
	}
	return list
}

// autocorrelation returns the correlation of successive figures, 0 to 0.9, of fewer
// than [manyRuns] 0.
func autocorrelation(figures []float64) float64 {
	n := float64(len(figures))
	if len(figures) < manyRuns {
		return 0
	}
	middle := mean(figures)
	var products, squares float64
	for i, figure := range figures {
		squares += (figure - middle) * (figure - middle)
		if i > 0 {
			products += (figure - middle) * (figures[i-1] - middle)
		}
	}
	if squares == 0 {
		return 0
	}
	// The estimate is too low by about (1+3r)/n (Kendall 1954).
	r := products / squares
	return min(max(0, r+(1+3*r)/n), 0.9)
}

// meanOf returns the mean latency of a task over runs, in seconds.
func meanOf(runs []*measured, task int) (float64, bool) {
	var all series
	for _, run := range runs {
		if figure, ok := taskFigure(run.seconds, task); ok {
			all.add(figure)
		}
	}
	return all.mean(), all.count > 0
}

// composite compares the composites. The variance between runs of a run's whole
// latency, which its tasks have in common, is added to the variance within tasks.
func (w *watch) composite(now, base, known []*measured, seconds contrast, drift float64) (c contrast) {
	d := compared(now, base, known, pointsByTask, nil)
	if d.tests < leastTests {
		return c
	}
	for _, run := range append(base[:len(base):len(base)], now...) {
		if run.speedy {
			deviation := w.weights.Speed * min(seconds.before, longest) * drift
			d.variance += deviation * deviation
			c.kept = seconds.kept * deviation * deviation / d.variance
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
func (w *watch) quality(now, base, known []*measured, domain string) (c contrast) {
	var want func(int) bool
	least := leastTests
	if domain != "" {
		want = func(task int) bool { return w.domains[task] == domain }
		least = 1
	}
	d := compared(now, base, known, qualityByTask, want)
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

// reliable compares the shares of tests without an answer, a burst of errors
// counting as one. Errors are too rare for a normal approximation: z comes from the
// exact conditional test of two rates (Przyborowski and Wilenski 1940) with the
// mid-p value (Lancaster 1961). It is divided by the root of the overdispersion of
// the known runs' errors.
func reliable(now, base, known []*measured) (c contrast) {
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
	c.z = bounded(normalQuantile(min(max(above, 1e-15), 1-1e-15)) / math.Sqrt(bunching(known)))
	return c
}

// counted returns the runs' tests and errors, a burst as one of each.
func counted(runs []*measured) (tests, errors int) {
	for _, run := range runs {
		tests += run.sample.Tests - run.lost + run.bursts
		errors += run.sample.Errors - run.lost + run.bursts
	}
	return tests, errors
}

// bunching returns the overdispersion of the runs' errors: their variance as a
// multiple of the binomial variance, at least 1 (Pearson's chi-squared by its
// degrees of freedom).
func bunching(runs []*measured) float64 {
	tests, errors := counted(runs)
	if errors == 0 || errors == tests || len(runs) < 2 {
		return 1
	}
	rate, sum := float64(errors)/float64(tests), 0.0
	for i := range runs {
		asked, failed := counted(runs[i : i+1])
		if expected := rate * float64(asked); expected > 0 {
			sum += (float64(failed) - expected) * (float64(failed) - expected) / (expected * (1 - rate))
		}
	}
	return max(1, sum/float64(len(runs)-1))
}

// chance returns the probability that noise alone gives a z as low as this one.
func chance(z float64) float64 { return normalCDF(-math.Abs(z)) }

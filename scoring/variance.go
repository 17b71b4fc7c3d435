package scoring

import (
	"math"
	"slices"
	"strings"
)

const (
	// longest is the greatest value of a single latency, in seconds: one answer
	// that hangs must not decide a comparison.
	longest = 30.0
	// leastError is the least standard error of a composite: equal figures so
	// far are no proof that the next ones are equal.
	leastError = 0.05
	// leastDrift and mostDrift bound the standard deviation, between runs, of
	// the logarithm of a run's mean latency.
	leastDrift, mostDrift = 0.01, 1.0
	// enoughRuns is the least number of earlier runs that count as a history or
	// a baseline.
	enoughRuns = 4
)

// series accumulates the moments of a sample.
type series struct{ count, sum, squares float64 }

func (s *series) add(figure float64) {
	s.count++
	s.sum += figure
	s.squares += figure * figure
}

func (s *series) join(other series) {
	s.count += other.count
	s.sum += other.sum
	s.squares += other.squares
}

func (s series) mean() float64 {
	if s.count == 0 {
		return 0
	}
	return s.sum / s.count
}

// around returns the sum of the squared differences from the mean.
func (s series) around() float64 {
	if s.count < 2 {
		return 0
	}
	rest := s.squares - s.sum*s.sum/s.count
	if rest < 1e-12*s.squares {
		return 0 // equal figures, up to rounding errors
	}
	return rest
}

// within is the variance within runs, pooled over runs.
type within struct{ squares, freedom float64 }

func (w *within) add(s series) {
	if s.count >= 2 {
		w.squares += s.around()
		w.freedom += s.count - 1
	}
}

func (w within) known() bool { return w.freedom > 0 }

func (w within) variance() float64 {
	if w.freedom == 0 {
		return 0
	}
	return w.squares / w.freedom
}

// answers sums up one model's tests of one task.
type answers struct {
	// value holds the points for quality and reliability, seconds the latencies
	// that count, each at most longest.
	value, seconds series
	// raw is the sum of the same latencies without that limit.
	raw            float64
	passed, failed float64
}

// add adds one test, scored with these weights.
func (a *answers) add(t Test, w Composite) {
	var points float64
	if t.Error() {
		a.failed++
	} else {
		points = 10 * w.Reliability
		if t.Passed {
			a.passed++
			points += 10 * w.Quality
		}
	}
	a.value.add(points)
	if t.Timed() {
		seconds := max(t.Latency.Seconds(), 0)
		a.seconds.add(min(seconds, longest))
		a.raw += seconds
	}
}

// pair holds the tests of both models on one task.
type pair struct {
	task                string
	champion, candidate answers
	// earlier sums up the champion's earlier runs, runs the points of each run.
	earlier answers
	runs    []series
	// The variances of points and latency within the runs: for the champion
	// its earlier runs and this session.
	championValue, championSeconds   within
	candidateValue, candidateSeconds within
}

// speed converts a model's latencies to points.
type speed struct {
	// weight is the weight of speed, or 0 if the mean latency is 10 s or more or
	// no test was answered.
	weight float64
	// seconds is the mean latency over the tasks.
	seconds float64
}

// comparison is the evidence grouped by task.
type comparison struct {
	pairs []pair
	// asked is the number of tasks that the champion was asked in this session.
	asked int
	// runs is the number of the champion's earlier runs that count, 0 or at
	// least enoughRuns. drift is the standard deviation of the logarithm of
	// their mean latencies.
	runs  int
	drift float64
	// championSpeed and candidateSpeed cover the tasks of both models.
	championSpeed, candidateSpeed speed
	// deltas are the gaps of the tasks.
	deltas      []float64
	interleaved bool
}

// compare groups the tests by task. Tasks that only one model was asked are left
// out.
func compare(e Evidence, w Composite) comparison {
	c := comparison{interleaved: e.Interleaved}
	places := map[string]int{}
	var all []pair
	for _, t := range e.Champion {
		i, ok := places[t.Task]
		if !ok {
			i = len(all)
			places[t.Task] = i
			all = append(all, pair{task: t.Task})
		}
		all[i].champion.add(t, w)
	}
	c.asked = len(all)
	for _, t := range e.Candidate {
		if i, ok := places[t.Task]; ok {
			all[i].candidate.add(t, w)
		}
	}
	var logs []float64
	for _, run := range e.History {
		if mean, ok := addRun(all, places, run, w); ok && mean > 0 {
			logs = append(logs, math.Log(mean))
		}
	}
	c.runs = math.MaxInt
	for _, p := range all {
		if p.candidate.value.count > 0 {
			c.pairs = append(c.pairs, p)
			c.runs = min(c.runs, len(p.runs))
		}
	}
	// Sorted, so that sums are the same to the last digit whatever the order of
	// the tests.
	slices.SortFunc(c.pairs, func(a, b pair) int { return strings.Compare(a.task, b.task) })
	if c.runs < enoughRuns || len(c.pairs) == 0 {
		c.runs = 0
	}
	c.drift = leastDrift
	if len(logs) > 1 {
		c.drift = min(max(c.drift, standardDeviation(logs)), mostDrift)
	}
	c.finish(w)
	return c
}

// addRun adds one of the champion's earlier runs, and returns its mean latency.
// ok is false if the run has none of these tasks.
func addRun(all []pair, places map[string]int, run []Test, w Composite) (seconds float64, ok bool) {
	one := make([]answers, len(all))
	var latency series
	for _, t := range run {
		i, known := places[t.Task]
		if !known {
			continue
		}
		ok = true
		one[i].add(t, w)
		if t.Timed() {
			latency.add(min(max(t.Latency.Seconds(), 0), longest))
		}
	}
	for i, a := range one {
		if a.value.count == 0 {
			continue
		}
		p := &all[i]
		p.runs = append(p.runs, a.value)
		p.earlier.value.join(a.value)
		p.earlier.passed += a.passed
		p.earlier.failed += a.failed
		p.championValue.add(a.value)
		p.championSeconds.add(a.seconds)
	}
	return latency.mean(), ok
}

// finish computes speeds, variances and gaps from the pairs.
func (c *comparison) finish(w Composite) {
	c.championSpeed = speedOf(c.pairs, w, func(p pair) answers { return p.champion })
	c.candidateSpeed = speedOf(c.pairs, w, func(p pair) answers { return p.candidate })
	var known series // of the differences in speed
	missing := make([]bool, len(c.pairs))
	c.deltas = make([]float64, len(c.pairs))
	for i := range c.pairs {
		p := &c.pairs[i]
		if c.runs == 0 {
			p.earlier, p.runs = answers{}, nil
			p.championValue, p.championSeconds = within{}, within{}
		}
		p.championValue.add(p.champion.value)
		p.championSeconds.add(p.champion.seconds)
		p.candidateValue.add(p.candidate.value)
		p.candidateSeconds.add(p.candidate.seconds)

		c.deltas[i] = p.candidate.value.mean() - p.championMean()
		missing[i] = c.candidateSpeed.weight > 0 && p.candidate.seconds.count == 0 ||
			c.championSpeed.weight > 0 && p.champion.seconds.count == 0
		if !missing[i] {
			gain := c.candidateSpeed.points(p.candidate.seconds.mean()) - c.championSpeed.points(p.champion.seconds.mean())
			c.deltas[i] += gain
			known.add(gain)
		}
	}
	// If a model has no latency on a task, the gap in speed is the mean gap of
	// the other tasks. Their mean latency would not do, since tasks differ in
	// length.
	gain := known.mean()
	if known.count == 0 {
		gain = c.candidateSpeed.points(c.candidateSpeed.seconds) - c.championSpeed.points(c.championSpeed.seconds)
	}
	for i, is := range missing {
		if is {
			c.deltas[i] += gain
		}
	}
}

// speedOf sums up a model's latencies. As in the composite, the mean of the
// latencies without the limit decides whether they are worth points.
func speedOf(pairs []pair, w Composite, of func(pair) answers) speed {
	var seconds, raw series
	answered := false
	for _, p := range pairs {
		a := of(p)
		if a.seconds.count > 0 {
			seconds.add(a.seconds.mean())
			raw.add(a.raw / a.seconds.count)
		}
		answered = answered || a.failed < a.value.count
	}
	s := speed{seconds: seconds.mean()}
	if answered && raw.mean() < 10 {
		s.weight = w.Speed
	}
	return s
}

// points returns the points for a latency.
func (s speed) points(seconds float64) float64 { return s.weight * (10 - seconds) }

// championMean returns the mean of the champion's points, earlier runs included.
func (p pair) championMean() float64 {
	all := p.champion.value
	all.join(p.earlier.value)
	return all.mean()
}

// estimate returns the mean gap over the tasks, 0 without tasks.
func (c comparison) estimate() float64 {
	if len(c.deltas) == 0 {
		return 0
	}
	return mean(c.deltas)
}

// betweenTasks returns the standard error of the gap on tasks like these, with its
// degrees of freedom. It is valid for any correlation of the repeats of one task.
// For fewer than two tasks it is unknown, and the length of the scale.
//
// As long as not every task was asked twice, it is at least that with two tasks more,
// half a task of which each model alone gets right: the same answers to twenty tasks
// are no proof that the answers to the others are the same (half a pair added to
// each cell of matched pairs, Agresti and Min 2005).
func (c comparison) betweenTasks(w Composite) (deviation, freedom float64) {
	n := float64(len(c.deltas))
	if n < 2 {
		return wholeScale(w), 1
	}
	deviation = max(leastError, standardDeviation(c.deltas)/math.Sqrt(n))
	if !c.full() {
		miss := 10 * w.Quality
		deviation = max(deviation, math.Sqrt((n-1)*variance(c.deltas)+miss*miss)/(n+2))
	}
	return deviation, n - 1
}

// wholeScale returns the length of the composite's scale.
func wholeScale(w Composite) float64 { return 10 * (w.Quality + w.Speed + w.Reliability) }

// full reports whether the candidate was asked each of the champion's tasks at
// least twice.
func (c comparison) full() bool {
	for _, p := range c.pairs {
		if p.candidate.value.count < 2 {
			return false
		}
	}
	return len(c.pairs) == c.asked
}

// variances returns the variances of one test of a task: of the points, and of
// the points for speed. A variance that is unknown for one model is taken from
// the other.
func (c comparison) variances(p pair) (championValue, candidateValue, championSpeed, candidateSpeed float64) {
	championValue, candidateValue = p.championValue.variance(), p.candidateValue.variance()
	if !p.championValue.known() {
		championValue = candidateValue
	}
	if !p.candidateValue.known() {
		candidateValue = championValue
	}
	championSpeed, candidateSpeed = p.championSeconds.variance(), p.candidateSeconds.variance()
	if championSpeed == 0 {
		championSpeed = candidateSpeed
	}
	if candidateSpeed == 0 {
		candidateSpeed = championSpeed
	}
	championSpeed *= c.championSpeed.weight * c.championSpeed.weight
	candidateSpeed *= c.candidateSpeed.weight * c.candidateSpeed.weight
	return championValue, candidateValue, championSpeed, candidateSpeed
}

// rerun returns the standard error of the gap on these very tasks, with its
// degrees of freedom, for a number of the candidate's tests of each task; 0
// stands for the number made. It needs the champion's earlier runs.
func (c comparison) rerun(cycles float64) (deviation, freedom float64) {
	var sum, between, inside, shares float64
	for _, p := range c.pairs {
		championValue, candidateValue, championSpeed, candidateSpeed := c.variances(p)
		count := p.candidate.value.count
		if cycles > 0 {
			count = cycles
		}
		freedom += count - 1
		own := p.champion.value.count + p.earlier.value.count
		sum += (candidateValue+candidateSpeed)/count + championValue/own + championSpeed/max(p.champion.seconds.count, 1)

		// The variance between runs beyond that of single tests, which all tests
		// of a run share.
		means := make([]float64, len(p.runs))
		var inverse float64
		squares := p.champion.value.count * p.champion.value.count
		for r, run := range p.runs {
			means[r] = run.mean()
			inverse += 1 / run.count
			squares += run.count * run.count
		}
		shares += squares / (own * own)
		between += variance(means)
		inside += championValue * inverse / float64(len(p.runs))
	}
	tau := max(0, between-inside)
	n := float64(len(c.pairs))
	// The candidate's one run has all of it. Of the champion's runs a part is
	// left, by their shares in its tests: 1/(R+1) for R+1 equal ones.
	variance := (sum + tau*(1+shares/n)) / (n * n)
	if !c.interleaved {
		champion := c.championSpeed.weight * c.drift * c.championSpeed.seconds
		candidate := c.candidateSpeed.weight * c.drift * c.candidateSpeed.seconds
		variance += champion*champion + candidate*candidate
	}
	return max(leastError, math.Sqrt(variance)), max(freedom, 1)
}

// atCap returns the expected standard error after all tests of the plan.
func (c comparison) atCap(p Plan, w Composite) float64 {
	cycles := float64(p.most()) / float64(max(c.asked, 1))
	measured := false
	var inside, asked series
	for _, one := range c.pairs {
		_, value, _, seconds := c.variances(one)
		inside.add(value + seconds)
		asked.add(one.candidate.value.count)
		measured = measured || one.championValue.known() || one.candidateValue.known()
	}
	if c.runs > 0 && !p.Strict && cycles >= 2 && measured {
		deviation, _ := c.rerun(cycles)
		return max(deviation, c.least(w, cycles))
	}
	if len(c.deltas) < 2 {
		return wholeScale(w)
	}
	variance := variance(c.deltas)
	if cycles > asked.mean() {
		// More cycles reduce only the variance within tasks.
		variance = max(variance-inside.mean()/asked.mean()+inside.mean()/cycles, inside.mean()/cycles)
	}
	tasks := min(float64(c.asked), float64(p.most()))
	return max(leastError, math.Sqrt(variance/tasks), c.least(w, max(cycles, 1)))
}

package scoring

import (
	"cmp"
	"math"
	"slices"
)

// Verdict is the decision at one look at the evidence.
type Verdict string

// The verdicts.
const (
	// Continue: nothing is decided yet, and more tests are allowed.
	Continue Verdict = "continue"
	// Promote: the candidate is better.
	Promote Verdict = "promote"
	// Retain: the candidate is not better by the gap that is worth a change.
	Retain Verdict = "retain"
	// Inconclusive: all tests are used and nothing is decided; the champion
	// stays.
	Inconclusive Verdict = "inconclusive"
)

// Plan is the design of a comparison of a candidate with a champion. It must be
// chosen before the first test.
type Plan struct {
	// Cap is the greatest number of the candidate's tests; 0 means 200. The
	// bounds for 80, 200 and 400 are tabulated, others are computed.
	Cap int
	// Strict asks whether the candidate is better on other tasks like these: the
	// error is always that between tasks.
	Strict bool
	// Worth is the gap, in points of the composite, that is worth a change; 0
	// means 0.5.
	Worth float64
	// Weights are the weights of the composite; the zero value means [Default].
	Weights Composite
}

// Evidence holds the tests of both models.
type Evidence struct {
	// Champion and Candidate are the tests of this session, in the order in
	// which they were made.
	Champion, Candidate []Test
	// History are the champion's earlier comparable runs since it was crowned,
	// without the run that crowned it.
	History [][]Test
	// Interleaved says that the champion is measured before and after the
	// candidate. Set it from the first look on if a promotion will be confirmed
	// by a second block of the champion's tests, see [Plan.Confirm]. Otherwise
	// the error includes the drift of the speed between two runs.
	Interleaved bool
	// SecondBlock says that the champion's tests of the last cycle were made
	// after tests of the candidate. They tell at which speed the machine runs
	// now, see [Plan.Confirm].
	SecondBlock bool
}

// Look is one interim analysis of the evidence.
type Look struct {
	// Verdict is the decision.
	Verdict Verdict
	// Tests is the number of the candidate's tests, Tasks the number of tasks
	// that both models were asked.
	Tests, Tasks int
	// Estimate is the gap, candidate less champion, in points of the
	// composite; Error is its standard error.
	Estimate, Error float64
	// Low and High are the 95 % confidence interval of the gap on tasks like these, of
	// a comparison that ends with this look. It says nothing of those that go on, and
	// may begin below 0 at a promotion: that is about the tasks that were asked.
	Low, High float64
	// Z is the normal deviate of a gap above 0; from Upper on it is a
	// promotion. Futility is the normal deviate of a gap below Worth; from
	// Lower on the champion is retained.
	Z, Upper, Futility, Lower float64
	// Rerun says that the error is that of a rerun on these tasks, which needs
	// the champion's history. Otherwise it is that between tasks.
	Rerun bool
	// Guards are the broken guard rails, in words. Each forbids a promotion.
	Guards []string
	// More is the estimated number of further tests until a decision, 0 where
	// one is made or the number is unknown.
	More int
	// Smallest is the smallest gap that can be detected with all tests of the
	// plan: a true gap of that size is found in 90 of 100 tournaments. It is at
	// least Worth: the champion is retained early where the gap is smaller.
	Smallest float64
}

// Worth is the default of [Plan].Worth, in points of the composite.
const Worth = 0.5

const (
	// detected is the normal quantile of 0.90: the smallest detectable gap, which is
	// found in 90 of 100 tournaments, lies by so many standard errors at the cap
	// above the cap's bound.
	detected = 1.281
)

// Excess estimates by how much the estimate of a promotion is too high because it
// was chosen for being high: the mean excess of a normal variable above the bound,
// with the estimate in the place of the true gap. It is 0 for other verdicts.
func (l Look) Excess() float64 {
	if l.Verdict != Promote {
		return 0
	}
	above := max(l.Z-l.Upper, 0)
	return l.Error * math.Exp(-above*above/2) / math.Sqrt(2*math.Pi) / normalCDF(above)
}

// Judge analyses the evidence. It is a pure function; the order of the tests and
// of the runs does not matter. Tasks that only one of the models was asked are
// left out.
//
// A test scores 10 times the weight of quality if it passed, plus 10 times the
// weight of reliability if it was answered. Its speed scores the weight of speed
// times 10 less the latency in seconds, which counts as at most 30; nothing if
// the model's mean latency is 10 s or more. The gap of a task is the difference
// of the models' mean scores, the estimate is the mean gap over the tasks. With
// four or more runs in the history these count in the champion's quality and
// reliability. Its latencies are those of this session only.
//
// The error is that of a rerun on these tasks if the candidate was asked each
// task at least twice, the history has at least four runs, and the plan is not
// strict. Otherwise it is the error between tasks. It is never below that which the
// variation of the champion's own answers and latencies, or that of both models,
// causes in as many tests: a candidate that passed all tests so far has no known
// variation of its own. The estimate divided by the error, transformed to a normal
// deviate (Wallace 1959), must reach the upper bound of its look for a promotion.
// The bounds are those of a group-sequential test: over all looks an equal candidate
// is promoted in 5 of 100 tournaments.
//
// If the number of tests is not that of a look, the bounds are those of the look
// before it and the verdict is [Continue]. From the cap on they are those of the
// cap. A broken guard rail turns a promotion into [Retain] at the cap, and before
// it if more tests would hardly change it; otherwise into [Continue].
func (p Plan) Judge(e Evidence) Look {
	w := p.weights()
	if e.SecondBlock {
		e.Interleaved = true
		e.Champion = atBothSpeeds(e.Champion)
	}
	c := compare(e, w)
	b := p.bounds(p.level(c.runs > 0))
	look := Look{Tests: len(e.Candidate), Tasks: len(c.pairs), Estimate: c.estimate()}
	var exact bool
	look.Upper, look.Lower, exact = b.at(look.Tests)

	between, tasks := c.betweenTasks(w)
	look.Error = between
	freedom := tasks
	if c.runs > 0 && !p.Strict && c.full() {
		look.Rerun = true
		look.Error, freedom = c.rerun(0)
	}
	own, least := look.Error, c.least(w, 0)
	look.Error = max(own, least)
	if look.Tasks >= 2 {
		look.Z = wallace(look.Estimate/look.Error, freedom)
		look.Futility = wallace((p.worth()-look.Estimate)/look.Error, freedom)
		look.Smallest = max(p.worth(), (b.last()+detected)*c.atCap(p, w))
	}
	look.setInterval(b, p.worth(), likely(own, least), freedom, likely(between, least), tasks, wholeScale(w))

	settled := false
	for _, g := range c.guards(e, w) {
		look.Guards = append(look.Guards, g.text)
		settled = settled || g.certain
	}
	last := look.Tests >= p.most()
	look.Verdict = Continue
	switch {
	case !exact && !last:
	case look.Z >= look.Upper && len(look.Guards) == 0:
		look.Verdict = Promote
	case look.Z >= look.Upper && (settled || last):
		look.Verdict = Retain
	case look.Z >= look.Upper: // the guards may yet let it pass
	case look.Futility >= look.Lower:
		look.Verdict = Retain
	case last:
		look.Verdict = Inconclusive
	}
	if look.Verdict == Continue || look.Verdict == Inconclusive {
		look.More = p.more(look, b)
	}
	return look
}

// more estimates the number of further tests until a decision. It assumes that
// the estimate stays as it is and that the error falls with the square root of
// the number of tests. The decision is at the first look that reaches a bound,
// or beyond the cap where a bound of the cap is reached.
func (p Plan) more(l Look, b bounds) int {
	if l.Tasks < 2 || l.Tests == 0 {
		return 0
	}
	settled := func(errors, upper, lower float64) bool {
		return l.Estimate >= upper*errors || p.worth()-l.Estimate >= lower*errors
	}
	for i, look := range b.looks {
		if look > l.Tests && settled(l.Error*math.Sqrt(float64(l.Tests)/float64(look)), b.upper[i], b.lower[i]) {
			return look - l.Tests
		}
	}
	last := len(b.looks) - 1
	target := max(l.Estimate/b.upper[last], (p.worth()-l.Estimate)/b.lower[last])
	if target <= leastError {
		return 0 // no number of tests decides
	}
	ratio := l.Error / target
	tests := min(float64(l.Tests)*(ratio*ratio-1), 1e6)
	return 10 * int(math.Ceil(max(tests, 1)/10))
}

// worth returns Worth or its default.
func (p Plan) worth() float64 {
	if p.Worth > 0 {
		return p.Worth
	}
	return Worth
}

// weights returns Weights or their default.
func (p Plan) weights() Composite {
	return p.Weights.orDefault()
}

// PlainRule reports whether a candidate's composite is above the stored one,
// without a statistical test. It promotes an equal candidate in half of the
// cases.
func PlainRule(candidate Score, stored float64) bool { return candidate.Composite > stored }

// Halve returns the indexes of the better half of the candidates by their
// composites, rounded up, best first. Of equal composites the earlier one is
// better; NaN is the worst.
func Halve(composites []float64) []int {
	order := make([]int, len(composites))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(composites[b], composites[a]) })
	return order[:(len(order)+1)/2]
}

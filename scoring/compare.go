package scoring

import (
	"cmp"
	"math"
	"slices"
)

// Verdict is what the evidence of a tournament says at one look at it.
type Verdict string

// The verdicts.
const (
	// Continue: the evidence decides nothing yet, and more tests are allowed.
	Continue Verdict = "continue"
	// Promote: the candidate is better.
	Promote Verdict = "promote"
	// Retain: the candidate is not better by as much as is worth a change.
	Retain Verdict = "retain"
	// Inconclusive: all tests are used, and nothing is decided. The champion
	// stays.
	Inconclusive Verdict = "inconclusive"
)

// Plan is how a candidate is compared with a champion. It is chosen before the
// first test.
type Plan struct {
	// Cap is how many tests of the candidate there may be: 80, 200 or 400.
	Cap int
	// Strict asks whether the candidate is better on tasks like these, not on
	// these: only the variation between tasks counts.
	Strict bool
	// Worth is the gap that is worth a change; 0 means 0.5.
	Worth float64
	// Weights are the composite's; the zero value means [Default].
	Weights Composite
}

// Evidence is what is known of both models.
type Evidence struct {
	// Champion and Candidate are this session's tests, in the order in which
	// they were made.
	Champion, Candidate []Test
	// History are the champion's own earlier comparable runs since it was
	// crowned, without the run that crowned it.
	History [][]Test
	// Interleaved: the champion is measured before and after the candidate.
	// Say so from the first look on where a promotion is going to be confirmed
	// by a second block of the champion's tests, see [Plan.Confirm]; else the
	// error holds what may change between two runs.
	Interleaved bool
}

// Look is the evidence, judged at one moment.
type Look struct {
	Verdict Verdict
	// Tests is how many tests of the candidate were seen, Tasks on how many
	// tasks both were measured.
	Tests, Tasks int
	// Estimate is the gap, candidate less champion, in points of the
	// composite; Error its standard error; Low and High its interval, which
	// holds at all looks together.
	Estimate, Error, Low, High float64
	// OtherLow and OtherHigh are the interval on other tasks like these.
	OtherLow, OtherHigh float64
	// Z is the evidence for a promotion, Upper the bound that it must reach;
	// Futility the evidence that the gap is below Worth, Lower its bound.
	Z, Upper, Futility, Lower float64
	// Rerun says that the error is that of a rerun on these tasks, which needs
	// the champion's history; else it is that between tasks.
	Rerun bool
	// Guards are the guard rails that forbid a promotion, in words.
	Guards []string
	// More is about how many more tests would settle it, 0 where it is settled
	// or can't be told.
	More int
	// Smallest is the smallest gap that could be found at the cap.
	Smallest float64
}

const (
	// usualWorth is the gap that is worth a change unless another is given.
	usualWorth = 0.5
	// detectable is the smallest gap found, in standard errors at the cap: of
	// 90 of 100 tournaments, where 5 of 100 promote an equal model.
	detectable = 1.645 + 1.281
)

// Judge says what the evidence amounts to. It is pure: the order of the tests
// and of the runs does not matter, and tasks that only one of the models was
// asked are left out.
//
// Per test a model gets 10 times the weight of quality where it passed, and of
// reliability where it answered; and the weight of speed times 10 less its
// seconds, at most 30, or nothing where its mean latency is 10 s or more. The
// gap of a task is the difference of the models' means, the estimate the mean
// over the tasks. The champion's own runs count into its points from four on;
// its latencies are those of this session only.
//
// The error is that between tasks, while the candidate was not asked each task
// twice, or there are no four runs of the champion's own, or with p.Strict;
// else that of a rerun on these tasks. The estimate divided by it, turned into
// a normal deviate, must reach the bound of its look for a promotion: over all
// looks an equal candidate is promoted in 5 of 100 tournaments.
//
// At a number of tests that is no look's, the bounds are those of the last
// look reached and the verdict is [Continue], from the cap on that of the cap.
// A guard rail that forbids a promotion makes it [Retain] where more tests
// would hardly change it and at the cap; else the tests go on.
func (p Plan) Judge(e Evidence) Look {
	w, b := p.weights(), p.bounds()
	c := compare(e, w)
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
	if look.Tasks >= 2 {
		look.Z = wallace(look.Estimate/look.Error, freedom)
		look.Futility = wallace((p.worth()-look.Estimate)/look.Error, freedom)
		look.Smallest = detectable * c.atCap(p, w)
	}
	scale := wholeScale(w)
	width := unwallace(look.Upper, freedom) * look.Error
	look.Low, look.High = max(look.Estimate-width, -scale), min(look.Estimate+width, scale)
	width = student(0.975, tasks) * between
	look.OtherLow, look.OtherHigh = max(look.Estimate-width, -scale), min(look.Estimate+width, scale)

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

// more is about how many more tests would settle it, if the estimate stayed as
// it is and the error went down with the root of the tests: as many as until
// the first look that decides, or, beyond the cap, until a bound of the cap is
// reached.
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
		return 0 // not with any number
	}
	ratio := l.Error / target
	tests := min(float64(l.Tests)*(ratio*ratio-1), 1e6)
	return 10 * int(math.Ceil(max(tests, 1)/10))
}

func (p Plan) worth() float64 {
	if p.Worth > 0 {
		return p.Worth
	}
	return usualWorth
}

func (p Plan) weights() Composite {
	return p.Weights.orDefault()
}

// PlainRule is the rule of old, for those who ask for it: any score above the
// stored one wins. It crowns an equal model half of the time.
func PlainRule(candidate Score, stored float64) bool { return candidate.Composite > stored }

// Halve returns which of several candidates go on: the better half by their
// composites, rounded up, best first; of equals the earlier one. What is not a
// number comes last.
func Halve(composites []float64) []int {
	order := make([]int, len(composites))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(composites[b], composites[a]) })
	return order[:(len(order)+1)/2]
}

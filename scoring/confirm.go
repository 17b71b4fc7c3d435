package scoring

import (
	"math"
	"slices"
	"time"
)

const (
	// confirmSlack is how far the evidence of a promotion may fall below its
	// bound when the champion was asked some tasks again. The bound was just
	// reached in most promotions, and a few more tests move the evidence up as
	// often as down: to ask for the whole of it again would turn away one
	// promotion in fifteen for nothing.
	confirmSlack = 0.2
	// clearChange is the normal deviate from which on the champion has become
	// faster meanwhile.
	clearChange = 2.0
	// leastShared is on how many tasks both of the champion's blocks must have
	// a latency for that.
	leastShared = 5
)

// Confirm judges once more what was judged as a promotion at the look before,
// after the champion was asked some tasks again: its second block, which the
// evidence now holds as its tests of the last cycle.
//
// The second block shows what no test of the candidate can: that the machine
// itself became faster after the first one. Then the candidate must stand up
// to the speed of the second block. A promotion is confirmed where the
// evidence stays within 0.2 of its bound; else nothing is shown, and the
// champion stays. The verdict is never [Continue].
func (p Plan) Confirm(before Look, e Evidence) Look {
	e.Interleaved = true
	e.Champion = atSecondSpeed(e.Champion)
	look := p.Judge(e)
	if before.Verdict != Promote {
		look.Verdict = before.Verdict
		return look
	}
	// The guard rails held when the promotion was judged. Of those that the
	// second block adds only a sure one counts: the slowest of few answers say
	// little.
	settled := false
	w := p.weights()
	look.Guards = nil
	for _, g := range compare(e, w).guards(e, w) {
		if g.certain {
			look.Guards = append(look.Guards, g.text)
			settled = true
		}
	}
	switch {
	case settled:
		look.Verdict = Retain
	case look.Z >= look.Upper-confirmSlack:
		look.Verdict, look.More = Promote, 0
	case look.Futility >= look.Lower:
		look.Verdict, look.More = Retain, 0
	default:
		look.Verdict = Inconclusive
		look.More = p.more(look, p.bounds())
	}
	return look
}

// atSecondSpeed returns the champion's tests, those before the last cycle as
// fast as those of the last one where these were clearly faster.
func atSecondSpeed(tests []Test) []Test {
	last := 0
	for _, t := range tests {
		last = max(last, t.Cycle)
	}
	first, second := map[string][]float64{}, map[string][]float64{}
	for _, t := range tests {
		if t.Outcome != Answered || t.Latency <= 0 {
			continue
		}
		block := first
		if t.Cycle == last {
			block = second
		}
		block[t.Task] = append(block[t.Task], math.Log(t.Latency.Seconds()))
	}
	var changes []float64
	for task, list := range second {
		if earlier := first[task]; len(earlier) > 0 {
			changes = append(changes, mean(list)-mean(earlier))
		}
	}
	if len(changes) < leastShared {
		return tests
	}
	slices.Sort(changes) // the order of a map must not show in the last digits
	change := mean(changes)
	n := float64(len(changes))
	spread := max(standardDeviation(changes)/math.Sqrt(n), leastDrift)
	if wallace(change/spread, n-1) > -clearChange {
		return tests
	}
	factor := math.Exp(change)
	tests = slices.Clone(tests)
	for i := range tests {
		if tests[i].Cycle < last {
			tests[i].Latency = time.Duration(float64(tests[i].Latency) * factor)
		}
	}
	return tests
}

package scoring

import (
	"math"
	"slices"
	"time"
)

const (
	// confirmSlack is how far below its bound the z of a promotion may be after
	// the champion's second block. Most promotions just reach the bound, and a
	// few more tests move z up as often as down: without slack one promotion in
	// fifteen would be lost for no reason.
	confirmSlack = 0.2
	// clearChange is the normal deviate of a change of the champion's speed that
	// counts.
	clearChange = 2.0
	// leastShared is the least number of tasks with a latency in both of the
	// champion's blocks.
	leastShared = 5
)

// Confirm judges a promotion again after the champion was asked some tasks a
// second time. before is the look that promoted; e holds the second block as the
// champion's tests of the last cycle.
//
// The second block shows whether the machine became faster after the first one.
// If it did, the candidate is compared with the champion at the speed of the
// second block. The promotion is confirmed if Z is at least Upper less 0.2;
// otherwise the champion stays. The verdict is never [Continue], unless that of
// before is.
func (p Plan) Confirm(before Look, e Evidence) Look {
	e.Interleaved = true
	e.Champion = atSecondSpeed(e.Champion)
	look := p.Judge(e)
	if before.Verdict != Promote {
		look.Verdict = before.Verdict
		return look
	}
	// No guard rail was broken when the promotion was judged. Of those broken
	// since, only a certain one counts: the slowest of few answers say little.
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

// atSecondSpeed returns the champion's tests. If those of the last cycle are
// clearly faster, the latencies of the others are scaled to their speed.
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

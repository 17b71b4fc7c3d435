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
// If it clearly did, the candidate is compared with the champion at the speed of
// the second block; if no change is clear, at the mean speed of both blocks. The
// promotion is confirmed if Z is at least Upper less 0.2. Otherwise the verdict is
// [Continue]: the candidate's tests go on, and [Evidence].SecondBlock is set at the
// looks that follow. At the cap the champion stays.
func (p Plan) Confirm(before Look, e Evidence) Look {
	e.SecondBlock = true
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
	e.Champion = atBothSpeeds(e.Champion)
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
	}
	return look // otherwise undecided, as judged
}

// atBothSpeeds returns the champion's tests with the latencies at one speed. If
// the tests of the last cycle are clearly faster, it is their speed; if there is no
// clear change, the mean of both speeds; if they are clearly slower, all stay as
// they are.
func atBothSpeeds(tests []Test) []Test {
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
	z := wallace(change/spread, n-1)
	toFirst, toSecond := change/2, -change/2
	switch {
	case z <= -clearChange:
		toFirst, toSecond = change, 0
	case z >= clearChange:
		return tests
	}
	tests = slices.Clone(tests)
	for i := range tests {
		by := toFirst
		if tests[i].Cycle == last {
			by = toSecond
		}
		tests[i].Latency = time.Duration(float64(tests[i].Latency) * math.Exp(by))
	}
	return tests
}

package scoring

import (
	"fmt"
	"math"
	"time"
)

const (
	// mostLost is the greatest difference of the pass rate below the
	// champion's, mostErrors that of the error rate above it. mostSlower is the
	// greatest ratio of the 95th percentiles of the latency.
	mostLost, mostErrors, mostSlower = 0.05, 0.02, 2.0
	// certain is the normal deviate of a certain breach: the quantile of 0.99.
	certain = 2.326
	// unfelt is the greatest difference of the 95th percentiles that never
	// breaks a guard rail: an answer that takes 200 ms instead of 20 is not slow.
	unfelt = 250 * time.Millisecond
)

// guard is a broken guard rail. It forbids a promotion whatever the composite is:
// speed must not make up for failures.
type guard struct {
	text string
	// certain says that more tests would hardly change the breach.
	certain bool
}

// guards returns the guard rails that the candidate breaks, on the tasks that both
// models were asked.
func (c comparison) guards(e Evidence, w Composite) []guard {
	var found []guard
	var passes, errors rate
	common := map[string]bool{}
	for _, p := range c.pairs {
		passes.add(p.champion.passed+p.earlier.passed, p.champion.value.count+p.earlier.value.count, p.candidate.passed, p.candidate.value.count)
		errors.add(p.champion.failed+p.earlier.failed, p.champion.value.count+p.earlier.value.count, p.candidate.failed, p.candidate.value.count)
	}
	if lost := -passes.difference(); lost > mostLost+1e-9 {
		found = append(found, guard{
			fmt.Sprintf("its pass rate is %.1f points below the champion's", 100*lost),
			lost-mostLost > certain*passes.deviation(),
		})
	}
	if more := errors.difference(); more > mostErrors+1e-9 {
		found = append(found, guard{
			fmt.Sprintf("its error rate is %.1f points above the champion's", 100*more),
			more-mostErrors > certain*errors.deviation(),
		})
	}
	if w.Speed == 0 {
		return found // the latencies are not to be judged
	}
	for _, t := range e.Champion {
		common[t.Task] = false
	}
	for _, t := range e.Candidate {
		if _, ok := common[t.Task]; ok {
			common[t.Task] = true
		}
	}
	champion, candidate := of(e.Champion, common), of(e.Candidate, common)
	before, after := LatencyQuantile(champion, 0.95), LatencyQuantile(candidate, 0.95)
	if before > 0 && after-before > unfelt && float64(after) > mostSlower*float64(before) {
		_, most := slowest(champion)
		least, _ := slowest(candidate)
		found = append(found, guard{
			fmt.Sprintf("its slowest answers (95th percentile) take %.1f times as long as the champion's", after.Seconds()/before.Seconds()),
			float64(least) > mostSlower*float64(most),
		})
	}
	return found
}

// of returns the tests whose tasks are true in common.
func of(tests []Test, common map[string]bool) []Test {
	var list []Test
	for _, t := range tests {
		if common[t.Task] {
			list = append(list, t)
		}
	}
	return list
}

// slowest returns a confidence interval of the 95th percentile of the latency,
// from the normal approximation of the binomial number of tests below it.
func slowest(tests []Test) (low, high time.Duration) {
	n := 0.0
	for _, t := range tests {
		if t.Timed() {
			n++
		}
	}
	width := certain * math.Sqrt(0.95*0.05/max(n, 1))
	return LatencyQuantile(tests, max(0.95-width, 0)), LatencyQuantile(tests, min(0.95+width, 1))
}

// rate compares a share of the tests of both models. Each task has the same
// weight, however often it was asked.
type rate struct {
	tasks, champion, candidate                                 float64
	championHits, championTests, candidateHits, candidateTests float64
}

// add adds the counts of one task.
func (r *rate) add(championHits, championTests, candidateHits, candidateTests float64) {
	r.tasks++
	r.champion += championHits / championTests
	r.candidate += candidateHits / candidateTests
	r.championHits += championHits
	r.championTests += championTests
	r.candidateHits += candidateHits
	r.candidateTests += candidateTests
}

// difference returns the candidate's rate less the champion's.
func (r rate) difference() float64 {
	if r.tasks == 0 {
		return 0
	}
	return (r.candidate - r.champion) / r.tasks
}

// deviation returns the standard error of the difference, with one hit and one
// miss added to each side so that it is never 0 (Agresti and Caffo 2000).
func (r rate) deviation() float64 {
	variance := func(hits, tests float64) float64 {
		share := (hits + 1) / (tests + 2)
		return share * (1 - share) / (tests + 2)
	}
	return math.Sqrt(variance(r.championHits, r.championTests) + variance(r.candidateHits, r.candidateTests))
}

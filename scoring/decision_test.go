package scoring

import (
	"math"
	"testing"
	"time"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if diff := math.Abs(got - want); math.IsNaN(diff) || diff > 1e-9 {
		t.Errorf("%s is %.10f, want %.10f", what, got, want)
	}
}

func TestErrorsAreNoMoreThanFailedTests(t *testing.T) {
	if got := Errors(0, 95, 15*time.Second, 100); got != 5 {
		t.Errorf("%d of 100 tests without an answer, of which 95 passed", got)
	}
}

func TestRateDeviation(t *testing.T) {
	r := rate{championHits: 0, championTests: 10, candidateHits: 4, candidateTests: 8}
	near(t, "the standard error", r.deviation(), math.Sqrt(1./12*11/12/12+0.5*0.5/10))
}

func TestSlowest(t *testing.T) {
	var tests []Test
	for i := range 1000 {
		tests = append(tests, Test{Outcome: Answered, Latency: time.Duration(i+1) * time.Second})
	}
	// 2.326 times the root of 0.95*0.05/1000 is 0.01603.
	if low, high := slowest(tests); low != 934*time.Second || high != 967*time.Second {
		t.Errorf("the 95th percentile lies between %v and %v", low, high)
	}
}

func TestBunching(t *testing.T) {
	runs := func(errors ...int) (list []*measured) {
		for _, n := range errors {
			list = append(list, &measured{sample: Sample{Tests: 100, Errors: n}})
		}
		return list
	}
	near(t, "that of 10 and 0 errors", bunching(runs(10, 0)), 2*25/4.75)
	near(t, "that of 10 and 1 errors", bunching(runs(10, 1)), 2*4.5*4.5/(5.5*0.945))
	near(t, "that of 5 and 5", bunching(runs(5, 5)), 1)
	near(t, "that of one run", bunching(runs(10)), 1)
	near(t, "that of none but errors", bunching(runs(100, 100)), 1)
	near(t, "that of no errors", bunching(runs(0, 0)), 1)
	near(t, "that of 10, 0, and no tests", bunching(append(runs(10, 0), &measured{})), 25/4.75)
}

func TestReliableNeedsTwentyTests(t *testing.T) {
	run := func(tests, errors int) []*measured {
		return []*measured{{sample: Sample{Tests: tests, Errors: errors}}}
	}
	for _, test := range []struct {
		now, base int
		want      bool
	}{{20, 20, true}, {19, 20, false}, {20, 19, false}} {
		if got := reliable(run(test.now, 1), run(test.base, 1), nil).known; got != test.want {
			t.Errorf("%d tests against %d: known is %v", test.now, test.base, got)
		}
	}
}

func TestSpeedCountsBelowTenSeconds(t *testing.T) {
	for _, test := range []struct {
		name    string
		outcome Outcome
		latency time.Duration
		want    bool
	}{
		{"just below", Answered, 9999 * time.Millisecond, true},
		{"ten seconds", Answered, 10 * time.Second, false},
		{"no answer", Failed, 0, false},
	} {
		run := newWatch(Default()).measure(&Observation{Tests: []Test{{Task: "a", Outcome: test.outcome, Latency: test.latency}}})
		if run.speedy != test.want {
			t.Errorf("%s: the speed counts: %v", test.name, run.speedy)
		}
	}
}

// Each model has a latency only where the other has none: the gap in speed is
// that of their means.
func TestLatenciesOfDifferentTasks(t *testing.T) {
	answer := func(task string, seconds int) Test {
		return Test{Task: task, Outcome: Answered, Passed: true, Latency: time.Duration(seconds) * time.Second}
	}
	look := Plan{}.Judge(Evidence{
		Champion:  []Test{answer("a", 2), {Task: "b", Outcome: Failed}},
		Candidate: []Test{{Task: "a", Outcome: Failed}, answer("b", 4)},
	})
	near(t, "the gap", look.Estimate, -0.6)
}

func TestEqualFiguresDoNotVary(t *testing.T) {
	var s series
	for n := range 200 {
		s.add(1000.1)
		if got := s.around(); got != 0 {
			t.Errorf("the squares of %d equal figures add up to %g", n+1, got)
		}
	}
}

func TestASuspicionNeedsMoreThanItsLimits(t *testing.T) {
	for _, test := range []struct {
		z, fall, sum float64
		quick, slow  bool
	}{
		{-2.1, 0.03, 0, true, false}, {-2, 0.03, 0, false, false}, {-2.1, 0.02, 0, false, false},
		{0, 0, 6, false, false}, {0, 0, 6.1, false, true},
	} {
		w := newWatch(Default())
		w.states[wholeAspect].decline.sum = test.sum
		w.suspect(&w.states[wholeAspect], wholeAspect, &measured{}, contrast{known: true, z: test.z, fall: test.fall}, contrast{}, nil)
		if s := w.states[wholeAspect]; s.quick != test.quick || s.slow != test.slow {
			t.Errorf("%+v: quick %v, slow %v", test, s.quick, s.slow)
		}
	}
}

func TestARiseNeedsMoreThanItsLimits(t *testing.T) {
	for _, test := range []struct {
		z, fall     float64
		rise, risen bool
	}{
		{2.1, -0.03, true, true}, {2, -0.03, false, true}, {2.1, -0.02, false, true}, {1.5, -0.03, false, true},
		{3, -0.01, false, true}, {1, 0, false, true}, {0.9, 0, false, false}, {-3, 0.1, false, false},
	} {
		w := newWatch(Default())
		w.risen = true
		w.improve(&measured{}, nil, contrast{known: true, z: test.z, fall: test.fall})
		if got := w.rise != nil; got != test.rise || w.risen != test.risen {
			t.Errorf("%+v: rise %v, still risen %v", test, got, w.risen)
		}
	}
}

func TestAnOutageIsTwiceTheUsualErrors(t *testing.T) {
	run := func(errors int) *measured { return &measured{sample: Sample{Tests: 100, Errors: errors}} }
	base := []*measured{run(15), run(15), run(15), run(15)}
	for errors, want := range map[int]bool{29: false, 30: true, 31: true} {
		if got := isOutage(run(errors), base); got != want {
			t.Errorf("%d errors after 15 each: %v", errors, got)
		}
	}
	if !isOutage(run(20), base[:3]) || isOutage(run(19), base[:3]) {
		t.Error("without a baseline a fifth is an outage")
	}
}

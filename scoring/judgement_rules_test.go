package scoring

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestExcess(t *testing.T) {
	look := Look{Verdict: Promote, Error: 0.5, Z: 2, Upper: 2}
	// The density of the normal distribution at 0, and at 1, by the part below.
	near(t, "at the bound", look.Excess(), 0.5*0.3989422804/0.5)
	look.Z = 3
	if got, want := look.Excess(), 0.5*0.2419707245/0.8413447461; math.Abs(got-want) > 1e-6 {
		t.Errorf("one above the bound it is %v, want %v", got, want)
	}
	look.Verdict = Retain
	near(t, "that of no promotion", look.Excess(), 0)
}

// A second block of the champion's tests is after the candidate's: the speeds were
// not measured at two times.
func TestASecondBlockIsInterleaved(t *testing.T) {
	pace := func(by float64) [][]Test {
		var list [][]Test
		for i := range 5 {
			list = append(list, some(2, always(3, by*(1+0.2*float64(i)))))
		}
		return list
	}
	e := Evidence{
		Champion: append(some(1, always(3, 5)), block(1, 0, 20, always(3, 5))...), Candidate: some(2, always(3, 4)), History: pace(4), SecondBlock: true,
	}
	once := Plan{}.Judge(e)
	e.Interleaved = true
	if diff := cmp.Diff(Plan{}.Judge(e), once); diff != "" || !once.Rerun {
		t.Errorf("look (-interleaved +second block), rerun %v:\n%s", once.Rerun, diff)
	}
	e.SecondBlock, e.Interleaved = false, false
	if apart := (Plan{}).Judge(e); apart.Error <= once.Error {
		t.Errorf("an error of %v, with a second block %v", apart.Error, once.Error)
	}
}

// Tests without an answer, and those without a latency, say nothing of the speed.
// Of five tasks in both blocks a t of 2.8 is not clear (z 1.96), one of 3 is (2.05).
func TestSpeedsOfTwoBlocks(t *testing.T) {
	champion := func(faster float64) []Test {
		tests := block(0, 0, 5, always(0, 1))
		tests = append(tests, block(1, 0, 5, func(task int) (bool, float64) {
			return true, math.Exp(-faster - 0.1*float64(task-2))
		})...)
		return append(tests, Test{Task: "task-0", Outcome: Failed, Latency: time.Hour}, Test{Task: "task-1", Outcome: Answered})
	}
	step := 0.1 * math.Sqrt(2.5) / math.Sqrt(5) // the standard error
	for _, c := range []struct {
		name        string
		faster      float64
		first, last float64 // the logarithm of what the latencies are multiplied with
	}{
		{"not clear: the mean of both", 2.8 * step, -1.4 * step, 1.4 * step},
		{"clearly faster", 3 * step, -3 * step, 0},
		{"clearly slower", -3 * step, 0, 0},
		{"slower, not clearly", -2.8 * step, 1.4 * step, -1.4 * step},
	} {
		given := champion(c.faster)
		for i, test := range atBothSpeeds(given)[:10] {
			want := c.first
			if i >= 5 {
				want = c.last
			}
			if got := math.Log(test.Latency.Seconds() / given[i].Latency.Seconds()); math.Abs(got-want) > 1e-6 {
				t.Errorf("%s: test %d by %.4f, want %.4f", c.name, i, got, want)
			}
		}
	}
}

// Confirm retains the champion whatever the number of tests is.
func TestConfirmRetainsBetweenLooks(t *testing.T) {
	e := Evidence{Champion: slices.Concat(some(1, always(4, 2)), block(1, 0, 20, always(4, 2))), Candidate: some(2, always(4, 2))[:70]}
	if look := (Plan{}).Judge(e); look.Verdict != Continue || look.More == 0 {
		t.Fatalf("judged as %s, %d more", look.Verdict, look.More)
	}
	if look := (Plan{}).Confirm(Look{Verdict: Promote}, e); look.Verdict != Retain || look.More != 0 {
		t.Errorf("%s, %d more: %+v", look.Verdict, look.More, look)
	}
}

func TestGuardRailsAtTheirLimits(t *testing.T) {
	seconds := func(list ...float64) func(int) (bool, float64) {
		return func(task int) (bool, float64) { return true, list[task] }
	}
	all := func(n int, figure float64) []float64 { return slices.Repeat([]float64{figure}, n) }
	for _, c := range []struct {
		name                string
		champion, candidate []Test
		broken, certain     bool
	}{
		{"a quarter of a second more is not felt", block(0, 0, 20, always(0, 0.1)), block(0, 0, 20, always(0, 0.35)), false, false},
		{"a bit more is", block(0, 0, 20, always(0, 0.1)), block(0, 0, 20, always(0, 0.36)), true, true},
		{"twice the time is allowed", block(0, 0, 20, always(0, 1)), block(0, 0, 20, always(0, 2)), false, false},
		// Of twenty latencies the 17th is the lower limit of the 95th percentile.
		{"three times, at least twice", block(0, 0, 20, always(0, 1)), block(0, 0, 20, seconds(append(all(18, 2), 3, 3)...)), true, false},
		{"three times, for certain", block(0, 0, 20, always(0, 1)), block(0, 0, 20, seconds(append(all(16, 2), all(4, 3)...)...)), true, true},
		{"slow tasks that the candidate was not asked", block(0, 0, 40, seconds(append(all(20, 1), all(20, 8)...)...)), block(0, 0, 20, always(0, 3)), true, true},
		{"slow tasks that the champion was not asked", block(0, 0, 20, always(0, 1)), block(0, 0, 40, seconds(append(all(20, 1), all(20, 8)...)...)), false, false},
	} {
		e := Evidence{Champion: c.champion, Candidate: c.candidate}
		broken := compare(e, Default()).guards(e, Default())
		if (len(broken) == 1) != c.broken || c.broken && broken[0].certain != c.certain {
			t.Errorf("%s: %+v", c.name, broken)
		}
	}
}

func TestRatesOfTwoTasks(t *testing.T) {
	var r rate
	r.add(1, 2, 3, 4)
	r.add(2, 4, 1, 1)
	want := rate{tasks: 2, champion: 1, candidate: 1.75, championHits: 3, championTests: 6, candidateHits: 4, candidateTests: 5}
	if diff := cmp.Diff(want, r, cmp.AllowUnexported(rate{}), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("sums (-want +got):\n%s", diff)
	}
}

// Fewer than four runs are no history: they count in nothing.
func TestThreeRunsAreNoHistory(t *testing.T) {
	odd := func(task int) (bool, float64) { return task%2 == 1, 1 + float64(task%3) }
	even := func(task int) (bool, float64) { return task%2 == 0, 3 - float64(task%3) }
	e := Evidence{Champion: some(1, odd), Candidate: some(1, even)}
	want := compare(e, Default())
	e.History = [][]Test{some(2, even), some(3, odd), append(some(1, odd), some(1, even)...)}
	got := compare(e, Default())
	near(t, "the least error", got.least(Default(), 0), want.least(Default(), 0))
	near(t, "the error at the cap", got.atCap(Plan{}, Default()), want.atCap(Plan{}, Default()))
	near(t, "the gap", got.estimate(), want.estimate())
}

// Where nobody was asked a task twice, nothing is known of the variance within tasks:
// the error at the cap is that between tasks.
func TestErrorAtTheCapOfSingleTests(t *testing.T) {
	odd := func(task int) (bool, float64) { return task%2 == 1, 2 }
	even := func(task int) (bool, float64) { return task%2 == 0, 2 }
	e := Evidence{Champion: some(1, odd), Candidate: some(1, even), History: times(4, some(1, odd))}
	near(t, "the error", compare(e, Default()).atCap(Plan{}, Default()), math.Sqrt(36*40/39./40))
}

// The speed of runs that were all as fast drifts by a hundredth; that of a single one
// is not known.
func TestDriftOfTheSpeed(t *testing.T) {
	e := Evidence{Champion: some(1, always(0, 2)), Candidate: some(1, always(0, 2))}
	for _, runs := range []int{0, 1, 5} {
		e.History = times(runs, some(1, always(0, 2)))
		near(t, "the drift", compare(e, Default()).drift, leastDrift)
	}
	e.History = append(e.History, some(1, never))
	near(t, "the drift with a run that got no answer", compare(e, Default()).drift, leastDrift)
}

// Sums must be the same to the last digit whatever the order of the tests.
func TestTasksAreSorted(t *testing.T) {
	c := compare(Evidence{Champion: some(1, always(2, 1)), Candidate: some(1, always(3, 1))}, Default())
	if !slices.IsSortedFunc(c.pairs, func(a, b pair) int { return strings.Compare(a.task, b.task) }) {
		t.Error("the tasks are in the order of the tests")
	}
}

func TestSpeedOfTenSecondsIsWorthNothing(t *testing.T) {
	e := Evidence{
		Champion:  block(0, 0, 2, func(task int) (bool, float64) { return true, 9 + 2*float64(task) }),
		Candidate: block(0, 0, 2, func(task int) (bool, float64) { return true, 8 + 2*float64(task) }),
	}
	c := compare(e, Default())
	near(t, "the weight of ten seconds", c.championSpeed.weight, 0)
	near(t, "the weight of nine", c.candidateSpeed.weight, 0.3)
}

// A variance that is unknown for one model is the other's.
func TestVarianceOfTheOtherModel(t *testing.T) {
	answer := func(passed bool, seconds int) Test {
		return Test{Task: "a", Outcome: Answered, Passed: passed, Latency: time.Duration(seconds) * time.Second}
	}
	twice, once := []Test{answer(true, 1), answer(false, 3)}, []Test{answer(true, 2)}
	for name, e := range map[string]Evidence{
		"the champion asked once":  {Champion: once, Candidate: twice},
		"the candidate asked once": {Champion: twice, Candidate: once},
	} {
		c := compare(e, Default())
		a, b, slow, fast := c.variances(c.pairs[0])
		want := []float64{18, 18, 2 * 0.09, 2 * 0.09}
		if diff := cmp.Diff(want, []float64{a, b, slow, fast}, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// The bounds of a cap are as many as its looks, and computed once.
func TestBoundsOfAnyCap(t *testing.T) {
	for _, limit := range []int{1, 7, 20, 21, 199, 201, 399, 401, 900} {
		b := Plan{Cap: limit}.bounds(falseTasks)
		if len(b.upper) != len(b.looks) || len(b.lower) != len(b.looks) || b.looks[len(b.looks)-1] != limit {
			t.Errorf("cap %d: looks %v, bounds %v and %v", limit, b.looks, b.upper, b.lower)
		}
		if again := (Plan{Cap: limit}).bounds(falseTasks); &again.upper[0] != &b.upper[0] {
			t.Errorf("cap %d: computed again", limit)
		}
	}
}

package scoring

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// block makes tests of the tasks from to to-1 in a cycle; each tells of a task
// whether it passes and how many seconds it takes, less than 0 for an error.
func block(cycle, from, to int, each func(task int) (passed bool, seconds float64)) []Test {
	var tests []Test
	for i := from; i < to; i++ {
		t := Test{Task: fmt.Sprint("task-", i), Cycle: cycle, Outcome: Answered}
		passed, seconds := each(i)
		if seconds < 0 {
			t.Outcome = Failed
		} else {
			t.Passed, t.Latency = passed, time.Duration(seconds*float64(time.Second))
		}
		tests = append(tests, t)
	}
	return tests
}

// always is the same answer each time: every n-th task fails, 0 for none.
func always(n int, seconds float64) func(int) (bool, float64) {
	return func(task int) (bool, float64) { return n == 0 || task%n != 0, seconds }
}

func never(int) (bool, float64) { return false, -1 }

// some are full cycles of 40 tasks.
func some(cycles int, each func(int) (bool, float64)) []Test {
	var tests []Test
	for cycle := range cycles {
		tests = append(tests, block(cycle, 0, 40, each)...)
	}
	return tests
}

func times(n int, run []Test) [][]Test {
	list := make([][]Test, n)
	for i := range list {
		list[i] = run
	}
	return list
}

func TestJudge(t *testing.T) {
	slowTenth := func(task int) (bool, float64) {
		if task%10 == 0 {
			return true, 9
		}
		return true, 1
	}
	tests := []struct {
		name     string
		plan     Plan
		evidence Evidence
		verdict  Verdict
		estimate float64
		tasks    int
	}{
		{"the same each time", Plan{}, Evidence{Champion: some(1, always(3, 2)), Candidate: some(1, always(3, 2))}, Retain, 0, 40},
		{"better each time", Plan{}, Evidence{Champion: some(1, always(2, 2)), Candidate: block(0, 0, 20, always(0, 2))}, Promote, 3, 20},
		{"worse each time", Plan{}, Evidence{Champion: some(1, always(0, 2)), Candidate: block(0, 0, 20, always(2, 2))}, Retain, -3, 20},
		{"as good, and three seconds faster", Plan{}, Evidence{Champion: some(1, always(4, 4)), Candidate: block(0, 0, 20, always(4, 1))}, Promote, 0.9, 20},
		{"better by less than shows yet", Plan{}, Evidence{Champion: some(1, always(10, 2)), Candidate: block(0, 0, 20, always(20, 2))}, Continue, 0.3, 20},
		{"the same at the cap", Plan{Cap: 80}, Evidence{Champion: some(1, always(10, 2)), Candidate: some(2, always(20, 2))}, Inconclusive, 0.3, 40},
		{"not a look's number", Plan{}, Evidence{Champion: some(1, always(2, 2)), Candidate: block(0, 0, 25, always(0, 2))}, Continue, 6. * 13 / 25, 25},
		{"fewer than the first look's", Plan{}, Evidence{Champion: some(1, always(2, 2)), Candidate: block(0, 0, 19, always(0, 2))}, Continue, 6. * 10 / 19, 19},
		{"beyond the cap", Plan{Cap: 80}, Evidence{Champion: some(1, always(2, 2)), Candidate: some(3, always(0, 2))}, Promote, 3, 40},
		{"no answer from the candidate", Plan{}, Evidence{Champion: some(1, always(2, 2)), Candidate: block(0, 0, 20, never)}, Retain, -(3 + 1 + 0.3*8), 20},
		{"no answer from the champion", Plan{}, Evidence{Champion: some(1, never), Candidate: block(0, 0, 20, always(2, 2))}, Promote, 3 + 1 + 0.3*8, 20},
		{"no answer from either", Plan{}, Evidence{Champion: some(1, never), Candidate: some(1, never)}, Retain, 0, 40},
		{"both above 10 s, where speed is worth nothing", Plan{}, Evidence{Champion: some(1, always(4, 29)), Candidate: some(1, always(4, 11))}, Retain, 0, 40},
		{"from above 10 s to below", Plan{}, Evidence{Champion: some(1, always(4, 29)), Candidate: block(0, 0, 20, always(4, 5))}, Promote, 1.5, 20},
		{"tasks of one model only", Plan{}, Evidence{
			Champion:  slices.Concat(some(1, always(0, 2)), block(0, 100, 140, never)),
			Candidate: slices.Concat(block(0, 0, 20, always(2, 2)), block(0, 200, 220, never)),
		}, Retain, -3, 20},
		{"no task of both", Plan{}, Evidence{Champion: some(1, always(0, 2)), Candidate: block(0, 100, 120, always(0, 2))}, Continue, 0, 0},
		{"a champion without tests", Plan{}, Evidence{Candidate: block(0, 0, 20, always(0, 2))}, Continue, 0, 0},
		{"a champion without tests, at the cap", Plan{Cap: 80}, Evidence{Candidate: some(2, always(0, 2))}, Inconclusive, 0, 0},
		{"one task", Plan{Cap: 80}, Evidence{Champion: block(0, 0, 1, always(0, 2)), Candidate: slices.Repeat(block(0, 0, 1, always(0, 1)), 80)}, Inconclusive, 0.3, 1},
		{"nothing at all", Plan{}, Evidence{}, Continue, 0, 0},
		{"a time-out costs its time", Plan{}, Evidence{
			Champion:  some(1, always(0, 2)),
			Candidate: []Test{{Task: "task-0", Outcome: TimedOut, Latency: 9 * time.Second}, {Task: "task-1", Outcome: Answered, Passed: true, Latency: 2 * time.Second}},
		}, Continue, -(6 + 1 + 0.3*7) / 2., 2},
		{"an error's latency doesn't count", Plan{}, Evidence{
			Champion:  some(1, always(0, 2)),
			Candidate: []Test{{Task: "task-0", Outcome: Failed, Latency: 9 * time.Second}, {Task: "task-1", Outcome: Answered, Passed: true, Latency: 2 * time.Second}},
		}, Continue, -(6 + 1) / 2., 2},
		{"an answer of 100 s counts as one of 30", Plan{}, Evidence{
			Champion:  some(1, func(int) (bool, float64) { return true, 1 }),
			Candidate: block(0, 0, 20, func(task int) (bool, float64) { return true, 1 + 99*float64(1/(task+1)) }),
		}, Continue, -0.3 * 29 / 20, 20},
		{"a gap worth more is asked for", Plan{Worth: 2}, Evidence{Champion: some(1, slowTenth), Candidate: block(0, 0, 20, slowTenth)}, Retain, 0, 20},
		{"other weights", Plan{Weights: Composite{Quality: 1}}, Evidence{Champion: some(1, always(2, 2)), Candidate: block(0, 0, 20, always(0, 9))}, Promote, 5, 20},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			look := test.plan.Judge(test.evidence)
			if look.Verdict != test.verdict || look.Tasks != test.tasks || look.Tests != len(test.evidence.Candidate) {
				t.Errorf("%s on %d tasks and %d tests, want %s on %d and %d\n%+v", look.Verdict, look.Tasks, look.Tests, test.verdict, test.tasks, len(test.evidence.Candidate), look)
			}
			if diff := cmp.Diff(test.estimate, look.Estimate, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
				t.Errorf("estimate (-want +got):\n%s", diff)
			}
			if _, err := json.Marshal(look); err != nil {
				t.Errorf("not finite: %v", err)
			}
			if look.Low > look.Estimate || look.Estimate > look.High {
				t.Errorf("%.2f is not between %.2f and %.2f", look.Estimate, look.Low, look.High)
			}
		})
	}
}

// drawn are cycles of tests of a model that passes with a chance of its own
// per task, and takes 1 to 5 s.
func drawn(random *rand.Rand, tasks, cycles int, chance func(task int) float64) []Test {
	var tests []Test
	for cycle := range cycles {
		tests = append(tests, block(cycle, 0, tasks, func(task int) (bool, float64) {
			return random.Float64() < chance(task), 1 + 4*random.Float64()
		})...)
	}
	return tests
}

func chances(shift float64) func(int) float64 {
	return func(task int) float64 { return min(1, 0.2+0.6*float64(task%7)/6+shift) }
}

// The error of a rerun, written down once more as the formula stands, for runs
// of equal length.
func TestErrorOfARerun(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	const tasks, cycles, runs, each = 12, 5, 6, 5
	var e Evidence
	for range runs {
		e.History = append(e.History, drawn(random, tasks, each, chances(0)))
	}
	e.Champion = drawn(random, tasks, 2, chances(0))
	e.Candidate = drawn(random, tasks, cycles, chances(0.1))

	points := func(tests []Test, task string) (list []float64) {
		for _, t := range tests {
			if t.Task == task {
				value := 1.0
				if t.Passed {
					value += 6
				}
				list = append(list, value)
			}
		}
		return list
	}
	speeds := func(tests []Test, task string) (list []float64) {
		for _, t := range tests {
			if t.Task == task {
				list = append(list, 0.3*(10-t.Latency.Seconds()))
			}
		}
		return list
	}
	mean := func(list []float64) (m float64) {
		for _, x := range list {
			m += x / float64(len(list))
		}
		return m
	}
	squares := func(list []float64) (s float64) {
		for _, x := range list {
			s += (x - mean(list)) * (x - mean(list))
		}
		return s
	}
	var estimate, sum, between, inside float64
	for i := range tasks {
		task := fmt.Sprint("task-", i)
		champion := points(e.Champion, task)
		within, freedom := squares(champion), 1.0
		seconds, secondsFreedom := squares(speeds(e.Champion, task)), 1.0
		var means []float64
		for _, run := range e.History {
			list := points(run, task)
			champion = append(champion, list...)
			within, freedom = within+squares(list), freedom+each-1
			seconds, secondsFreedom = seconds+squares(speeds(run, task)), secondsFreedom+each-1
			means = append(means, mean(list))
		}
		candidate, fast := points(e.Candidate, task), speeds(e.Candidate, task)
		estimate += (mean(candidate) - mean(champion) + mean(fast) - mean(speeds(e.Champion, task))) / tasks
		championVariance := within / freedom
		sum += squares(candidate)/(cycles-1)/cycles + squares(fast)/(cycles-1)/cycles +
			championVariance/float64(len(champion)) + seconds/secondsFreedom/2
		between += squares(means) / (runs - 1)
		inside += championVariance / each
	}
	tau := max(0, between-inside)
	// The weights of the runs: six of five tests, the session of two.
	weights := (runs*each*each + 2*2) / math.Pow(runs*each+2, 2)
	want := math.Sqrt((sum+tau*(1+weights))/tasks/tasks + 0)

	e.Interleaved = true
	look := Plan{}.Judge(e)
	if !look.Rerun {
		t.Error("the error is not that of a rerun")
	}
	if diff := cmp.Diff([]float64{estimate, want}, []float64{look.Estimate, look.Error}, cmpopts.EquateApprox(1e-9, 0)); diff != "" {
		t.Errorf("estimate and error (-want +got):\n%s", diff)
	}

	var logs []float64
	for _, run := range e.History {
		logs = append(logs, math.Log(Measure(run).Latency.Seconds()))
	}
	drift := math.Sqrt(squares(logs) / (runs - 1))
	a, b := Measure(e.Champion).Latency.Seconds(), Measure(e.Candidate).Latency.Seconds()
	want = math.Sqrt(want*want + math.Pow(0.3*drift*a, 2) + math.Pow(0.3*drift*b, 2))
	e.Interleaved = false
	if diff := cmp.Diff(want, Plan{}.Judge(e).Error, cmpopts.EquateApprox(1e-6, 0)); diff != "" {
		t.Errorf("error where the champion was measured once (-want +got):\n%s", diff)
	}
}

func TestWhichErrorCounts(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	run := func(cycles int) []Test { return drawn(random, 40, cycles, chances(0)) }
	history := [][]Test{run(5), run(5), run(5), run(5)}
	tests := []struct {
		name     string
		strict   bool
		history  [][]Test
		tests    int
		rerun    bool
		champion []Test
	}{
		{"four runs, two cycles", false, history, 80, true, run(1)},
		{"four runs, not yet two cycles", false, history, 79, false, run(1)},
		{"three runs", false, history[:3], 80, false, run(1)},
		{"none", false, nil, 200, false, run(1)},
		{"on tasks like these", true, history, 200, false, run(1)},
		{"runs on other tasks", false, times(4, block(0, 100, 140, always(0, 1))), 200, false, run(1)},
		{"runs without tests", false, append(times(3, nil), history[0], history[1], history[2]), 200, false, run(1)},
		{"runs of one cycle", false, [][]Test{run(1), run(1), run(1), run(1)}, 200, true, run(1)},
		{"runs of different length", false, [][]Test{run(1), run(2), run(5), run(3), run(1)}, 200, true, run(1)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			look := Plan{Strict: test.strict}.Judge(Evidence{Champion: test.champion, Candidate: run(5)[:test.tests], History: test.history, Interleaved: true})
			if look.Rerun != test.rerun {
				t.Errorf("rerun is %v, want %v", look.Rerun, test.rerun)
			}
			if look.Error < leastError || look.Error > 1 {
				t.Errorf("an error of %v", look.Error)
			}
		})
	}
}

func TestErrorBetweenTasks(t *testing.T) {
	// Gaps of 6 on one task of four, 0 on the others.
	champion := block(0, 0, 4, func(task int) (bool, float64) { return task != 0, 2 })
	candidate := block(0, 0, 4, func(int) (bool, float64) { return true, 2 })
	look := Plan{Cap: 4}.Judge(Evidence{Champion: champion, Candidate: candidate})
	// One answer of eight and one of the two that are added differ from the other
	// to the same task: 18 for each in 5 degrees of freedom, in 4 tests of each model.
	most := math.Sqrt((18. + 18) / 5 * 2 / 4)
	// A third of the interval's variance is that of the gaps, 1.5 squared.
	width := math.Sqrt((1.5*1.5+2*most*most)/3) * unwallace(1.96, 3)
	want := Look{
		Verdict: Inconclusive, Tests: 4, Tasks: 4, Estimate: 1.5, Error: most, Low: 1.5 - width, High: 1.5 + width,
		Z: wallace(1.5/most, 3), Upper: 1.5142, Futility: wallace(-1/most, 3),
		Lower: 1.2816, Smallest: (1.5142 + 1.281) * most, More: 20,
	}
	if diff := cmp.Diff(want, look, cmpopts.EquateApprox(0, 2e-3)); diff != "" {
		t.Errorf("look (-want +got):\n%s", diff)
	}
}

// The interval holds the estimate.
func TestIntervalsOfALook(t *testing.T) {
	for i := range 300 {
		random := rand.New(rand.NewPCG(3, uint64(i)))
		e := Evidence{Champion: drawn(random, 40, 1, chances(0)), Interleaved: true}
		for range random.IntN(7) {
			e.History = append(e.History, drawn(random, 40, 1+random.IntN(5), chances(0)))
		}
		looks := Plan{}.Looks()
		e.Candidate = drawn(random, 40, 5, chances(0.6*random.Float64()))[:looks[random.IntN(len(looks))]]
		look := Plan{}.Judge(e)
		if look.Low >= look.Estimate || look.High <= look.Estimate {
			t.Fatalf("%.2f [%.2f … %.2f]", look.Estimate, look.Low, look.High)
		}
	}
}

// What must not matter doesn't.
func TestJudgeProperties(t *testing.T) {
	near := cmpopts.EquateApprox(1e-9, 1e-9)
	outcomes := []Outcome{Answered, Answered, Answered, Answered, Answered, Answered, TimedOut, Failed}
	for i := range 400 {
		random := rand.New(rand.NewPCG(4, uint64(i)))
		chaos := func(cycles int) []Test {
			tests := drawn(random, 1+random.IntN(40), cycles, chances(random.Float64()-0.5))
			for j := range tests {
				tests[j].Outcome = outcomes[random.IntN(len(outcomes))]
				tests[j].Passed = tests[j].Passed && tests[j].Outcome == Answered
				switch random.IntN(200) {
				case 0:
					tests[j].Latency = math.MaxInt64
				case 1:
					tests[j].Latency = -time.Hour
				case 2:
					tests[j].Latency = 0
				}
			}
			return tests
		}
		e := Evidence{Champion: chaos(1 + random.IntN(3)), Candidate: chaos(1 + random.IntN(5)), Interleaved: random.IntN(2) == 0}
		p := Plan{Cap: []int{80, 200, 400, 77}[random.IntN(4)], Strict: random.IntN(3) == 0}

		swapped := p.Judge(Evidence{Champion: e.Candidate, Candidate: e.Champion})
		if diff := cmp.Diff(-p.Judge(e).Estimate, swapped.Estimate, near); diff != "" {
			t.Fatalf("case %d: both models swapped: estimate (-negated +got):\n%s", i, diff)
		}
		for range random.IntN(7) {
			e.History = append(e.History, chaos(1+random.IntN(5)))
		}
		look := p.Judge(e)
		if _, err := json.Marshal(look); err != nil {
			t.Fatalf("case %d: not finite: %v", i, err)
		}
		confirmed := p.Confirm(look, e)
		if _, err := json.Marshal(confirmed); err != nil {
			t.Fatalf("case %d: not finite: %v", i, err)
		}

		more := e
		more.History = append([][]Test{nil, {}}, slices.Concat(e.History, [][]Test{{}})...)
		more.Champion = append([]Test{}, e.Champion...)
		if diff := cmp.Diff(look, p.Judge(more), near); diff != "" {
			t.Fatalf("case %d: nothing added (-before +after):\n%s", i, diff)
		}

		mixed := Evidence{Interleaved: e.Interleaved}
		mix := func(tests []Test) []Test {
			tests = slices.Clone(tests)
			random.Shuffle(len(tests), func(i, j int) { tests[i], tests[j] = tests[j], tests[i] })
			return tests
		}
		mixed.Champion, mixed.Candidate = mix(e.Champion), mix(e.Candidate)
		for _, k := range random.Perm(len(e.History)) {
			mixed.History = append(mixed.History, mix(e.History[k]))
		}
		if diff := cmp.Diff(look, p.Judge(mixed), near); diff != "" {
			t.Fatalf("case %d: in another order (-before +after):\n%s", i, diff)
		}
		if diff := cmp.Diff(confirmed, p.Confirm(look, mixed), near); diff != "" {
			t.Fatalf("case %d: confirmed in another order (-before +after):\n%s", i, diff)
		}
	}
}

func TestMoreAndSmallest(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	var history [][]Test
	for range 5 {
		history = append(history, drawn(random, 40, 5, chances(0)))
	}
	e := Evidence{Champion: drawn(random, 40, 1, chances(0)), History: history, Interleaved: true}
	candidate := drawn(random, 40, 10, chances(0.05))
	last := math.Inf(1)
	for _, limit := range []int{80, 200, 400} {
		e.Candidate = candidate[:40]
		look := Plan{Cap: limit}.Judge(e)
		if look.Smallest <= 0 || look.Smallest >= last {
			t.Errorf("cap %d: a gap of %.2f can be found, with fewer tests %.2f", limit, look.Smallest, last)
		}
		last = look.Smallest
		// What is foretold after a cycle is about what it comes to.
		e.Candidate = candidate[:limit]
		atCap := (Plan{Cap: limit}.bounds(falseRerun).last() + detected) * Plan{Cap: limit}.Judge(e).Error
		if ratio := look.Smallest / atCap; ratio < 0.8 || ratio > 1.25 {
			t.Errorf("cap %d: a gap of %.2f foretold, %.2f at the cap", limit, look.Smallest, atCap)
		}
	}
	look := Plan{Cap: 80}.Judge(Evidence{Champion: some(1, always(10, 2)), Candidate: some(2, always(20, 2))})
	if look.Verdict != Inconclusive || look.More <= 0 {
		t.Errorf("%s, %d more tests", look.Verdict, look.More)
	}
	enough := Plan{Cap: 80 + look.More}
	if target := max(look.Estimate/look.Upper, (0.5-look.Estimate)/look.Lower); look.Error*math.Sqrt(80/float64(enough.Cap)) > target*1.05 {
		t.Errorf("with %d tests more the error would still be above %.3f", look.More, target)
	}
}

func TestWallace(t *testing.T) {
	for _, v := range []float64{1, 3, 19, 39, 160} {
		for _, x := range []float64{-4, -1, 0, 0.3, 2, 3.5} {
			z := wallace(x, v)
			if diff := cmp.Diff(x, unwallace(z, v), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
				t.Errorf("%v with %v degrees of freedom, there and back:\n%s", x, v, diff)
			}
			exact := normalQuantile(studentCDF(x, v))
			if limit := map[bool]float64{true: 0.3, false: 0.02}[v < 4]; math.Abs(z-exact) > limit {
				t.Errorf("%v with %v degrees of freedom is a z of %.3f, not %.3f", x, v, exact, z)
			}
		}
	}
}

func TestPlainRule(t *testing.T) {
	tests := []struct {
		candidate, stored float64
		want              bool
	}{{7.01, 7, true}, {7, 7, false}, {6.99, 7, false}, {0.01, 0, true}}
	for _, test := range tests {
		if got := PlainRule(Score{Composite: test.candidate}, test.stored); got != test.want {
			t.Errorf("%v against a stored %v: %v", test.candidate, test.stored, got)
		}
	}
}

func TestHalve(t *testing.T) {
	tests := []struct {
		name       string
		composites []float64
		want       []int
	}{
		{"none", nil, []int{}},
		{"one", []float64{3}, []int{0}},
		{"two", []float64{3, 4}, []int{1}},
		{"an odd number: the half is rounded up", []float64{3, 5, 4}, []int{1, 2}},
		{"equals: in their order", []float64{5, 5, 5, 5}, []int{0, 1}},
		{"eight", []float64{1, 8, 2, 7, 3, 6, 4, 5}, []int{1, 3, 5, 7}},
		{"not a number", []float64{math.NaN(), 0}, []int{1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Halve(test.composites)); diff != "" {
				t.Errorf("who goes on (-want +got):\n%s", diff)
			}
		})
	}
}

func BenchmarkJudge(b *testing.B) {
	random := rand.New(rand.NewPCG(6, 6))
	e := Evidence{Champion: drawn(random, 40, 1, chances(0)), Candidate: drawn(random, 40, 5, chances(0))}
	for range 5 {
		e.History = append(e.History, drawn(random, 40, 5, chances(0)))
	}
	for b.Loop() {
		Plan{}.Judge(e)
	}
}

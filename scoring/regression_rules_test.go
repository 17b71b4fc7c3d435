package scoring

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Rises: two runs in a row that are together 3 % better, each by more than chance.
func TestRises(t *testing.T) {
	poor := runLike{wrong: 8}
	hundred := func(wrong int) runLike { return runLike{wrong: wrong, tasks: 100} }
	for _, c := range []struct {
		name   string
		series []Observation
		rises  int
	}{
		{"two runs", inOrder(repeated(5, poor), repeated(2, runLike{})), 1},
		{"the first two that are judged", inOrder(repeated(4, poor), repeated(2, runLike{})), 1},
		{"one run", inOrder(repeated(5, poor), one(runLike{}), repeated(3, poor)), 0},
		{"two that are not in a row", inOrder(repeated(5, poor), one(runLike{}), one(poor), one(runLike{}), one(poor)), 0},
		{"by 2 %", inOrder(repeated(5, hundred(20)), repeated(3, hundred(17))), 0},
		{"by 4 %", inOrder(repeated(5, hundred(20)), repeated(2, hundred(14))), 1},
		{"told once", inOrder(repeated(5, poor), repeated(6, runLike{})), 1},
	} {
		r := Regressions(c.series, Composite{})
		if len(r.Improvements) != c.rises {
			t.Errorf("%s: %d rises, want %d: %s", c.name, len(r.Improvements), c.rises, marks(r))
		}
	}
}

// Falls that are just as large as the limits.
func TestFallsAtTheirLimits(t *testing.T) {
	hundred := func(wrong int) runLike { return runLike{wrong: wrong, tasks: 100} }
	four := runLike{tasks: 4} // twenty tests
	torn := runLike{tasks: 4, renamed: true}.observe(5)
	for i := 3; i < 6; i++ {
		torn.Tests[i].Outcome, torn.Tests[i].Passed = Failed, false
	}
	for _, c := range []struct {
		name   string
		series []Observation
		marks  string
		runs   int // of the next baseline
	}{
		{"three of a hundred tasks, twice", inOrder(repeated(5, hundred(0)), repeated(2, hundred(3))), "llllnrr", 5},
		{"twenty tests are judged", inOrder(repeated(5, four), repeated(2, runLike{tasks: 4, wrong: 1})), "llllnrr", 5},
		{"twenty tests of other tasks, less a burst: too few to judge, enough for a baseline", append(inOrder(repeated(5, four)), torn), "llllnu", 6},
		{"a second run with more tasks", inOrder(repeated(5, runLike{}), one(runLike{wrong: 2}), one(runLike{wrong: 2, tasks: 45})), "llllnrr", 5},
		{"a suspicion that an outage confirms, and outages end", inOrder(repeated(5, runLike{}), one(runLike{wrong: 2}), one(runLike{wrong: 8, errors: 12}), repeated(2, runLike{errors: 12}), one(runLike{})),
			"llllnrooon", 6},
	} {
		r := Regressions(c.series, Composite{})
		if got := marks(r); got != c.marks || r.Baseline.Runs != c.runs {
			t.Errorf("%s: marks %s and a baseline of %d, want %s and %d", c.name, got, r.Baseline.Runs, c.marks, c.runs)
		}
	}
}

// A rise that is told is not told again while it lasts.
func TestARiseIsToldOnce(t *testing.T) {
	w := newWatch(Default())
	for i, o := range inOrder(repeated(5, runLike{wrong: 8}), repeated(2, runLike{})) {
		w.add(&o)
		if told := i == 6; w.risen != told {
			t.Errorf("after run %d: risen is %v", i, w.risen)
		}
	}
}

func TestBaselineOfOneRun(t *testing.T) {
	want := Baseline{Runs: 1, Mean: 9.4, Low: 9.4 - 1.96*0.05, High: 9.4 + 1.96*0.05}
	got := Regressions(inOrder(one(runLike{})), Composite{}).Baseline
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("baseline (-want +got):\n%s", diff)
	}
}

// figures makes a run of tasks with these points, NaN for none, twenty tests each.
func figures(points ...float64) *measured {
	run := &measured{value: points, tests: make([]int, len(points))}
	for task, figure := range points {
		if !math.IsNaN(figure) {
			run.tasks, run.tests[task] = append(run.tasks, task), 20
		}
	}
	return run
}

func TestEachTask(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name string
		runs []*measured
		want []int
	}{
		{"the same tasks", []*measured{figures(1, 1), figures(1, 1)}, []int{0, 1}},
		{"new ones", []*measured{figures(1, 1), figures(1, 1, 1, 1)}, []int{0, 1, 2, 3}},
		{"that an earlier run had not", []*measured{figures(1, nan, nan), figures(nan, 1, nan), figures(1, 1, 1)}, []int{0, 1, 2}},
	} {
		var got []int
		eachTask(c.runs, func(task int) { got = append(got, task) })
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// The variance of a gap, where the runs have not all of the tasks.
func TestVarianceOfIncompleteRuns(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name           string
		base           []*measured
		gap, deviation float64
	}{
		// Two tasks vary by 0.2 each: 2*0.2*(1+1/5)/16. Half of the tasks are too few
		// to tell how a run differs from the others.
		{"a run of half the tasks", []*measured{figures(1, 1, 1, 1), figures(1, 1, 1, 1), figures(1, 1, 1, 1), figures(1, 1, 1, 1), figures(2, 2, nan, nan)}, -0.1, 0.03},
		{"a run without the best task", []*measured{figures(0, 0, 0, 8), figures(0, 0, 0, 8), figures(0, 0, 0, 8), figures(0, 0, 0, 8), figures(0, 0, 0, nan)}, 0.25 * (3 - 8 + 1), 0},
	} {
		d := compared([]*measured{figures(1, 1, 1, 1)}, c.base, c.base, pointsByTask, nil)
		near(t, c.name+": the gap", d.after-d.before, c.gap)
		near(t, c.name+": its variance", d.variance, c.deviation)
	}
}

// timedRuns makes runs of one task, that take so many seconds, so many hours apart.
func timedRuns(hours float64, seconds ...float64) (list []*measured) {
	for i, one := range seconds {
		at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(hours * float64(i) * float64(time.Hour)))
		list = append(list, &measured{from: &Observation{Time: at}, tasks: []int{0}, seconds: []float64{one}, tests: []int{20}})
	}
	return list
}

func TestRunsMadeAtOnce(t *testing.T) {
	daily := timedRuns(24, 2, 2, 2)
	for _, c := range []struct {
		name       string
		now, known []*measured
		want       bool
	}{
		{"a day apart", timedRuns(24, 2, 2), daily, false},
		{"half a day apart", timedRuns(12, 2, 2), daily, false},
		{"less than half a day", timedRuns(11.9, 2, 2), daily, true},
		{"one run", timedRuns(1, 2), daily, false},
		{"of one known run nothing is usual", timedRuns(1, 2, 2), daily[:1], false},
		{"two known runs", timedRuns(1, 2, 2), daily[:2], true},
		{"one pair of three", append(timedRuns(30, 2, 2), timedRuns(31, 2, 2)[1]), daily, true},
	} {
		if got := atOnce(c.now, c.known); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// Two runs made at once say of the speed hardly more than one: with a correlation of
// 0.9 the variance of their mean is 0.95 of that of one.
func TestSpeedOfRunsMadeAtOnce(t *testing.T) {
	drift := func(hours float64, known int) float64 {
		base := timedRuns(24, 2, 2.2, 2, 2.2, 2, 2.2, 2, 2.2)[:known]
		_, drift := latency(timedRuns(hours, 2, 2), base, base, false)
		return drift
	}
	ratio := drift(1, 8) / drift(24, 8)
	near(t, "the standard error of two runs at once, by that of two single ones", ratio, math.Sqrt((0.95+1./8)/(0.5+1./8)))
	near(t, "the same with seven known runs", drift(1, 7)/drift(24, 7), 1)
}

func TestDetrended(t *testing.T) {
	for _, c := range []struct{ figures, want []float64 }{
		{[]float64{1, 3}, []float64{1, 3}},
		{[]float64{1, 2, 3}, []float64{2, 2, 2}},
		{[]float64{5, 3, 1, -1}, []float64{2, 2, 2, 2}},
		{[]float64{1, 0, 0, 1, 3}, []float64{2, 0.5, 0, 0.5, 2}},
	} {
		if diff := cmp.Diff(c.want, detrended(c.figures), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
			t.Errorf("%v less its trend (-want +got):\n%s", c.figures, diff)
		}
	}
}

func TestAutocorrelation(t *testing.T) {
	// Squares 8, products 7-2 = 5: 5/8, and (1+15/8)/8 for the bias, is above 0.9.
	near(t, "that of two halves", autocorrelation([]float64{3, 3, 3, 3, 1, 1, 1, 1}), 0.9)
	// Squares 8, products 1+1-1+1-1+1-1 = 1.
	near(t, "that of pairs", autocorrelation([]float64{3, 3, 3, 1, 1, 3, 1, 1}), 1./8+(1+3./8)/8)
	near(t, "that of seven figures", autocorrelation([]float64{3, 3, 3, 3, 1, 1, 1}), 0)
	near(t, "that of equal figures", autocorrelation([]float64{3, 3, 3, 3, 3, 3, 3, 3}), 0)
}

func TestErrorsOfRuns(t *testing.T) {
	run := func(tests, errors, lost, bursts int) []*measured {
		return []*measured{{sample: Sample{Tests: tests, Errors: errors}, lost: lost, bursts: bursts}}
	}
	tests, errors := counted(append(run(100, 10, 6, 2), run(50, 1, 0, 0)...))
	if tests != 146 || errors != 7 {
		t.Errorf("%d errors of %d tests, where two bursts lost six tests; want 7 of 146", errors, tests)
	}
	near(t, "the rise", reliable(run(100, 10, 0, 0), run(100, 5, 0, 0), nil).fall, 0.05)
	near(t, "the decline from nothing", share(0, 1), 0)
}

func TestMeasureOfATask(t *testing.T) {
	answer := Test{Task: "a", Outcome: Answered, Passed: true}
	w := newWatch(Default())
	if _, ok := taskFigure(w.measure(&Observation{Tests: []Test{answer}}).seconds, 0); ok {
		t.Error("a latency of 0 is a figure")
	}
	lost := Test{Task: "a", Outcome: Failed}
	if _, ok := taskFigure(w.measure(&Observation{Tests: []Test{lost}}).quality, 0); ok {
		t.Error("the quality of a task without an answer is a figure")
	}
}

// The decline of the alarm starts where the sum was last 0.
func TestDeclineStartsAnew(t *testing.T) {
	runs := timedRuns(1, 1, 2, 3, 4)
	var c cusum
	for i, z := range []float64{-1, 3, -2, -3} {
		c.add(runs[i], z)
	}
	near(t, "the sum", c.sum, 4)
	if recent := c.recent(); len(recent) != 2 || recent[0] != runs[2] {
		t.Errorf("%d runs of the decline, want the last two", len(recent))
	}
	c.restart()
	near(t, "what is kept of it", c.sum, 3)
}

func TestPlainRegressionsSince(t *testing.T) {
	version := func(v string, list []PlainRow) []PlainRow {
		for i := range list {
			list[i].Version, list[i].Engine = v, "Ollama"
		}
		return list
	}
	join := func(lists ...[]PlainRow) (all []PlainRow) {
		for _, list := range lists {
			all = append(all, list...)
		}
		return all
	}
	good := rows(95, 95, 95, 95)
	wide := rows(92, 94, 96, 98, 92, 94, 96, 98, 84, 84)
	for _, c := range []struct {
		name         string
		before, rows []PlainRow
		marks        string
		alarms       []string
		change       string
	}{
		{"worse than before", good, rows(60, 60, 60), "rrr", []string{"regression quality major open 3"}, "other settings"},
		{"as before", good, rows(95, 95), "nn", nil, ""},
		{"worse before, too", rows(95, 95, 95, 95, 60, 60), rows(60, 95), "sn", nil, ""},
		{"nothing before", nil, rows(60, 60), "ll", nil, ""},
		{"another model", good, join(rows(95), []PlainRow{{Model: "n", Score: 5, PassRate: 50, Tests: 80}}), "n|l", nil, ""},
		{"another version", version("1", rows(95, 95, 95, 95)), version("2", rows(60, 60)), "rr", []string{"regression quality major open 2"}, "Ollama 2"},
		{"the version before is not known", good, version("2", rows(60, 60)), "rr", []string{"regression quality major open 2"}, "other settings"},
		{"the version after is not known", version("1", rows(95, 95, 95, 95)), join(rows(95), rows(60, 60)), "nrr", []string{"regression quality major open 2"}, ""},
		{"the same version", nil, version("1", rows(95, 95, 95, 95, 60, 60)), "llllrr", []string{"regression quality major open 2"}, ""},
		{"a version that was good at first", nil, join(version("1", rows(95, 95, 95, 95)), version("2", rows(95, 60, 60))), "llllnrr", []string{"regression quality major open 2"}, ""},
		{"errors", good, []PlainRow{outOf(15, 0.95), outOf(15, 0.95)}, "rr", []string{"regression errors major open 2"}, "other settings"},
		{"an outage with bad answers, and a bad row", good, join([]PlainRow{outOf(40, 0.5)}, rows(60)), "or", []string{"outage  minor over 1", "regression quality major open 2"}, "other settings"},
		{"outages a tenth of whose answers are wrong", rows(100, 100, 100, 100), []PlainRow{outOf(40, 0.9), outOf(40, 0.9)}, "oo", []string{"outage  minor open 2"}, ""},
		{"less than a tenth, of eight rows that vary little", nil, wide, "llllnnnnrr", []string{"regression quality major open 2"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := PlainRegressionsSince("other settings", c.before, c.rows)
			if got := marks(r); got != c.marks {
				t.Errorf("marks %s, want %s", got, c.marks)
			}
			if diff := cmp.Diff(c.alarms, inShort(r.Alarms)); diff != "" {
				t.Errorf("alarms (-want +got):\n%s", diff)
			}
			for _, a := range r.Alarms {
				if a.Kind == Regression && a.Change != c.change {
					t.Errorf("the regression is since %q, want %q", a.Change, c.change)
				}
				if strings.Contains(c.name, "outage with bad answers") && a.Latency.Known {
					t.Error("of an outage the latency is told")
				}
			}
		})
	}
}

func TestPlainRegressionsOfNothing(t *testing.T) {
	if diff := cmp.Diff(Baseline{Runs: 9}, PlainRegressions(make([]PlainRow, 9)).Baseline); diff != "" {
		t.Errorf("baseline (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Baseline{}, PlainRegressions(nil).Baseline); diff != "" {
		t.Errorf("baseline of no rows (-want +got):\n%s", diff)
	}
}

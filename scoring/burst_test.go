package scoring

import (
	"fmt"
	"strings"
	"testing"
)

// asked makes tests from lines, one for each cycle: a letter is a task that was
// answered, in capitals one that was not.
func asked(cycles ...string) (tests []Test) {
	for cycle, line := range cycles {
		for _, letter := range line {
			t := Test{Task: strings.ToLower(string(letter)), Cycle: cycle, Outcome: Answered}
			if strings.ToUpper(string(letter)) == string(letter) {
				t.Outcome = Failed
			}
			tests = append(tests, t)
		}
	}
	return tests
}

// byTasks sorts tests as a history does that keeps no order.
func byTasks(tests []Test) (list []Test) {
	seen := map[string]bool{}
	for _, first := range tests {
		if seen[first.Task] {
			continue
		}
		seen[first.Task] = true
		for _, t := range tests {
			if t.Task == first.Task {
				list = append(list, t)
			}
		}
	}
	return list
}

func TestBursts(t *testing.T) {
	const long = "abcdefghijklmnopqrst"
	for _, c := range []struct {
		name         string
		tests        []Test
		lost, number int
	}{
		{"no tests", nil, 0, 0},
		{"no errors", asked("abcdef", "fedcba"), 0, 0},
		{"two in a row", asked("abCDef", "fedcba"), 0, 0},
		{"three in a row", asked("abCDEf", "fedcba"), 3, 1},
		{"three at the end", asked("abcdef", "fedCBA"), 3, 1},
		{"across cycles", asked("abcdeF", "EDcbaf", "abcdef"), 3, 1},
		{"two bursts", asked("ABCdef", "fEDabc", "FEDcba", "abcdef", "abcdef"), 6, 2},
		{"single errors", asked("aBcDeF", "fedcba"), 0, 0},
		{"one cycle", asked("abCDEf"), 3, 1},
		{"the same tasks each time", asked("abCDEf", "CDEabf", "fCDEab"), 0, 0},
		{"a task that always fails in between", asked("abXCDef", "feXdcba"), 0, 0},
		{"and does not end a burst", asked("abEXCDf", "feXdcba"), 3, 1},
		{"order unknown", byTasks(asked(long, "ABCdefghijklmnopqrst", long, long)), 3, 1},
		{"order unknown, scattered", byTasks(asked(long, "AbcDefGhijklmnopqrst", long, long)), 3, 1},
		{"order unknown, an error in each", byTasks(asked("Abcdefghijklmnopqrst", "aBcdefghijklmnopqrst", "abCdefghijklmnopqrst", long)), 0, 0},
		{"order known, scattered", asked(long, "AbcDefGhijklmnopqrst", long, long), 0, 0},
	} {
		lost, number := bursts(c.tests)
		count := 0
		for i, is := range lost {
			if is > 0 {
				count++
				if !c.tests[i].Error() {
					t.Errorf("%s: test %d has an answer, and is lost", c.name, i)
				}
			}
		}
		if count != c.lost || number != c.number {
			t.Errorf("%s: %d tests lost in %d bursts, want %d in %d", c.name, count, number, c.lost, c.number)
		}
	}
}

func TestWithoutBursts(t *testing.T) {
	// run is 40 tasks in five cycles, grouped by task as a record is; lost are the
	// tests without an answer, by their place in the run.
	run := func(cycles int, lost func(task, cycle int) bool) []Test {
		var tests []Test
		for task := range 40 {
			for cycle := range cycles {
				test := Test{Task: string(rune('A' + task)), Cycle: cycle, Outcome: Answered}
				if lost(task, cycle) {
					test.Outcome = Failed
				}
				tests = append(tests, test)
			}
		}
		return tests
	}
	tests := []struct {
		name   string
		cycles int
		lost   func(task, cycle int) bool
		left   int // errors that stay
	}{
		{"none", 5, func(int, int) bool { return false }, 0},
		{"single ones", 5, func(task, cycle int) bool { return task%20 == cycle }, 10},
		{"a task that never gets an answer", 5, func(task, _ int) bool { return task == 7 }, 5},
		{"three tasks that never do", 5, func(task, _ int) bool { return task%13 == 7 }, 15},
		{"two in a row in the first cycle", 5, func(task, cycle int) bool { return cycle == 0 && task/2 == 3 }, 2},
		{"three in a row in the first cycle", 5, func(task, cycle int) bool { return cycle == 0 && task/3 == 3 }, 0},
		{"ten in a later cycle, in any order", 5, func(task, cycle int) bool { return cycle == 3 && task%4 == 1 }, 0},
		{"thirty over two cycles", 5, func(task, cycle int) bool { return cycle == 3 && task%2 == 1 || cycle == 4 && task%4 == 1 }, 0},
		{"ten, and a single one", 5, func(task, cycle int) bool { return cycle == 3 && task%4 == 1 || cycle == 1 && task == 5 }, 1},
		{"a run of one cycle", 1, func(task, _ int) bool { return task/10 == 1 }, 0},
		{"no answer at all", 1, func(int, int) bool { return true }, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			given := run(test.cycles, test.lost)
			left := WithoutBursts(given)
			if got := Measure(left); got.Errors != test.left {
				t.Errorf("%d errors are left, want %d", got.Errors, test.left)
			}
			before := Measure(given)
			if answered := before.Tests - before.Errors; len(left)-test.left != answered {
				t.Errorf("%d answers are left of %d", len(left)-test.left, answered)
			}
		})
	}
}

// A burst is one event: it makes no run suspicious. As many single errors do.
func TestABurstIsNoRegression(t *testing.T) {
	lose := func(number int, which func(place int) bool) Observation {
		o := runLike{}.observe(number)
		var tests []Test // in the order of the cycles
		for cycle := range 5 {
			for _, one := range o.Tests {
				if one.Cycle == cycle {
					tests = append(tests, one)
				}
			}
		}
		for i := range tests {
			if which(i) {
				tests[i].Outcome, tests[i].Passed, tests[i].Latency = Failed, false, 0
			}
		}
		o.Tests = tests
		return o
	}
	for name, c := range map[string]struct {
		which func(int) bool
		want  string
	}{
		"bursts": {func(place int) bool { return place > 50 && place <= 70 }, "llllnnn"},
		"single": {func(place int) bool { return place%9 == 0 }, "llllnrr"},
	} {
		series := inOrder(repeated(5, runLike{}))
		for range 2 {
			series = append(series, lose(len(series), c.which))
		}
		if report := Regressions(series, Composite{}); marks(report) != c.want {
			t.Errorf("%s: marks %s, want %s: %s", name, marks(report), c.want, fmt.Sprint(inShort(report.Alarms)))
		}
	}
}

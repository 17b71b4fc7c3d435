package scoring

import (
	"fmt"
	"slices"
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

// Marks are those of the order in which the tests were asked, and stay when they are
// sorted.
func TestMarkBursts(t *testing.T) {
	numbers := func(tests []Test) (list []int) {
		for _, one := range tests {
			list = append(list, one.Burst)
		}
		return list
	}
	given := asked("ABCdef", "fEDabc", "FEDcba", "abcdef", "abcdef")
	marked := MarkBursts(given)
	want := make([]int, 30)
	for i := range 3 {
		want[i], want[12+i] = 1, 2
	}
	if got := numbers(marked); !slices.Equal(got, want) {
		t.Errorf("bursts %v, want %v", got, want)
	}
	if given[0].Burst != 0 {
		t.Error("the given tests were changed")
	}
	sorted := byTasks(marked)
	if got := MarkBursts(sorted); !slices.Equal(numbers(got), numbers(sorted)) {
		t.Errorf("marked again: %v, want %v", numbers(got), numbers(sorted))
	}
	if got := Measure(WithoutBursts(sorted)); got.Tests != 24 || got.Errors != 2 {
		t.Errorf("%d tests and %d errors are left, want 24 and 2", got.Tests, got.Errors)
	}
	if _, number := bursts(sorted); number != 2 {
		t.Errorf("%d bursts, want 2", number)
	}
	if got := WithoutBursts(marked[1:6]); len(got) != 3 {
		t.Errorf("%d tests are left of two lost ones and three others", len(got))
	}
	for _, one := range [][]Test{asked("aBcdef", "abcdEF"), asked("abcdef"), asked("aBcDeFg")} {
		if got := MarkBursts(one); &got[0] != &one[0] {
			t.Error("without a burst the tests are copied")
		}
	}
}

// Tests sorted by task, of cycles of different length: the errors of each cycle, by
// the place of the task.
func TestBurstsOfUnknownOrder(t *testing.T) {
	for _, c := range []struct {
		name   string
		cycles []int                  // the number of tasks in each
		fails  map[int]func(int) bool // the tasks that fail, by cycle
		left   int
	}{
		{"the second of two cycles", []int{40, 40}, map[int]func(int) bool{1: func(task int) bool { return task%4 == 1 }}, 0},
		{"a small burst in the fourth, a large one in the fifth", []int{40, 40, 40, 40, 40},
			map[int]func(int) bool{3: func(task int) bool { return task%4 == 1 }, 4: func(task int) bool { return task%2 == 1 }}, 0},
		{"three in a row in the first, and single ones", []int{40, 40, 40, 40, 40}, map[int]func(int) bool{
			0: func(task int) bool { return task/3 == 3 }, 1: func(task int) bool { return task == 1 || task == 20 },
			2: func(task int) bool { return task == 5 || task == 25 }, 3: func(task int) bool { return task == 15 || task == 30 }}, 6},
		{"three of forty, after two cycles", []int{40, 40, 40}, map[int]func(int) bool{2: func(task int) bool { return task%15 == 3 }}, 3},
		{"three of forty, after four cycles", []int{40, 40, 40, 40}, map[int]func(int) bool{2: func(task int) bool { return task%15 == 3 }}, 0},
		{"four of ten", []int{10, 10}, map[int]func(int) bool{1: func(task int) bool { return task%3 == 0 }}, 0},
		{"two of the five of the last cycle", []int{40, 40, 40, 40, 5}, map[int]func(int) bool{4: func(task int) bool { return task == 1 || task == 3 }}, 2},
		{"a first cycle too short to compare with", []int{10, 40}, map[int]func(int) bool{1: func(task int) bool { return task%3 == 1 }}, 13},
	} {
		var tests []Test
		for task := range 40 {
			for cycle, size := range c.cycles {
				if task >= size {
					continue
				}
				one := Test{Task: fmt.Sprint("task-", task), Cycle: cycle, Outcome: Answered}
				if fails := c.fails[cycle]; fails != nil && fails(task) {
					one.Outcome = Failed
				}
				tests = append(tests, one)
			}
		}
		if got := Measure(WithoutBursts(tests)).Errors; got != c.left {
			t.Errorf("%s: %d errors are left, want %d", c.name, got, c.left)
		}
	}
}

// Where the order is known, errors that are not in a row are no burst.
func TestScatteredErrorsAreNoBurst(t *testing.T) {
	letters := asked("abcdefghijklmnopqrst", "AbCdEfGhIjKlmnopqrst")
	var one, once []Test
	for i, test := range letters {
		test.Task = "the same"
		one = append(one, test)
		test.Task = fmt.Sprint("task-", i)
		once = append(once, test)
	}
	for name, tests := range map[string][]Test{"one task": one, "each task once": once} {
		if _, number := bursts(tests); number != 0 {
			t.Errorf("%s: %d bursts", name, number)
		}
	}
	// Three in a row are a burst whatever the order is.
	row := byTasks(asked("aBcd", "abcd", "abcd", "abcd", "abcd", "Abcd", "Abcd"))
	if lost, number := bursts(row); number != 1 || lost[5] != 1 || lost[6] != 1 || lost[7] != 1 {
		t.Errorf("%d bursts: %v", number, lost)
	}
}

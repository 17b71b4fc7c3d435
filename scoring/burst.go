package scoring

import (
	"maps"
	"slices"
)

// BurstLength is the least number of tests in a row without an answer that are a
// burst: one event on the server, and not as many failures of the model.
const BurstLength = 3

// burstChance is the greatest probability of so many errors in one cycle by chance
// that makes them a burst, where the order within cycles is unknown.
const burstChance = 0.001

// MarkBursts returns the tests with [Test.Burst] set: tests itself if there is no
// burst, or if bursts are marked already. The tests are in the order in which they
// were asked.
func MarkBursts(tests []Test) []Test {
	burst, number := bursts(tests)
	if number == 0 {
		return tests
	}
	list := slices.Clone(tests)
	for i := range list {
		list[i].Burst = burst[i]
	}
	return list
}

// WithoutBursts returns a run's tests without those lost in a burst. Single tests
// without an answer stay.
func WithoutBursts(tests []Test) []Test {
	burst, number := bursts(tests)
	if number == 0 {
		return tests
	}
	list := make([]Test, 0, len(tests))
	for i, t := range tests {
		if burst[i] == 0 {
			list = append(list, t)
		}
	}
	return list
}

// bursts returns the number of the burst of errors that each test was lost in, from 1
// on, 0 for none, and the number of bursts. Three or more errors in a row are one
// event, such as a server that was restarted, and say as much as a single error.
// Bursts that are marked are those. nil stands for none lost.
//
// The tests are in the order in which they were asked. If they are sorted by task
// instead, the order within a cycle is unknown: then the errors of a cycle are a
// burst that has too many of them. A task that got no answer in most of its tests is
// in no burst, since that is about the task.
func bursts(tests []Test) (burst []int, number int) {
	errors := 0
	for i := range tests {
		if tests[i].Error() {
			errors++
			number = max(number, tests[i].Burst)
		}
	}
	if number == 0 && errors < BurstLength {
		return nil, 0
	}
	burst = make([]int, len(tests))
	if number > 0 {
		for i := range tests {
			if tests[i].Error() {
				burst[i] = tests[i].Burst
			}
		}
		return burst, number
	}
	failing, tasks := failingTasks(tests)
	found := errorsInARow(tests, failing)
	if len(found) == 0 && tasks > 1 && sortedByTask(tests, tasks) {
		found = burstCycles(tests, failing)
	}
	for _, list := range found {
		number++
		for _, i := range list {
			burst[i] = number
		}
	}
	if number == 0 {
		return nil, 0
	}
	return burst, number
}

// failingTasks returns whether the task of a test got no answer in most of its
// several tests, and the number of tasks.
func failingTasks(tests []Test) (failing func(int) bool, number int) {
	type task struct{ tests, errors int }
	tasks := map[string]task{}
	for i := range tests {
		sum := tasks[tests[i].Task]
		sum.tests++
		if tests[i].Error() {
			sum.errors++
		}
		tasks[tests[i].Task] = sum
	}
	return func(i int) bool {
		sum := tasks[tests[i].Task]
		return sum.tests > 1 && 2*sum.errors > sum.tests
	}, len(tasks)
}

// errorsInARow returns the errors that follow one another, those of failing tasks
// left out.
func errorsInARow(tests []Test, failing func(int) bool) (found [][]int) {
	var row []int
	end := func() {
		if len(row) >= BurstLength {
			found = append(found, row)
		}
		row = nil
	}
	for i := range tests {
		switch {
		case !tests[i].Error():
			end()
		case !failing(i):
			row = append(row, i)
		}
	}
	end()
	return found
}

// sortedByTask reports whether the tests of each task are side by side, and some
// task has several.
func sortedByTask(tests []Test, tasks int) bool {
	changes := 1
	for i := 1; i < len(tests); i++ {
		if tests[i].Task != tests[i-1].Task {
			changes++
		}
	}
	return changes == tasks && len(tests) > tasks
}

// burstCycles returns the bursts of tests that are sorted by task. The order is known
// of the first cycle alone: in the others the errors of a cycle are a burst that are
// too many for the share of errors in the rest of the run.
func burstCycles(tests []Test, failing func(int) bool) (found [][]int) {
	cycles := map[int][]int{}
	rest, asked := 0, len(tests) // the errors, and the tests, that are in no burst
	for i := range tests {
		cycles[tests[i].Cycle] = append(cycles[tests[i].Cycle], i)
		if tests[i].Error() && !failing(i) {
			rest++
		}
	}
	order := slices.Sorted(maps.Keys(cycles))
	first := make([]Test, 0, len(cycles[order[0]]))
	for _, i := range cycles[order[0]] {
		first = append(first, tests[i])
	}
	taken := map[int]bool{}
	add := func(list []int) {
		found = append(found, list)
		for _, i := range list {
			taken[i] = true
		}
		rest, asked = rest-len(list), asked-len(list)
	}
	for _, row := range errorsInARow(first, func(i int) bool { return failing(cycles[order[0]][i]) }) {
		for k, i := range row {
			row[k] = cycles[order[0]][i]
		}
		add(row)
	}
	errors := map[int][]int{}
	for cycle, list := range cycles {
		for _, i := range list {
			if tests[i].Error() && !failing(i) && !taken[i] {
				errors[cycle] = append(errors[cycle], i)
			}
		}
	}
	// The cycle with the most errors first: a burst in two cycles must not hide itself.
	slices.SortStableFunc(order, func(a, b int) int { return len(errors[b]) - len(errors[a]) })
	for _, cycle := range order {
		list, size := errors[cycle], len(cycles[cycle])
		if len(list) < BurstLength || asked-size < size {
			continue
		}
		share := (float64(rest-len(list)) + 0.5) / float64(asked-size+1)
		if AtLeast(len(list), size, share) < burstChance {
			add(list)
		}
	}
	return found
}

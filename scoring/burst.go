package scoring

import "slices"

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

// burstCycles returns the errors of each cycle that has more of them than the others
// explain.
func burstCycles(tests []Test, failing func(int) bool) (found [][]int) {
	errors, sizes := map[int][]int{}, map[int]int{}
	all, last := 0, 0
	for i := range tests {
		sizes[tests[i].Cycle]++
		last = max(last, tests[i].Cycle)
		if tests[i].Error() && !failing(i) {
			errors[tests[i].Cycle] = append(errors[tests[i].Cycle], i)
			all++
		}
	}
	for cycle := range last + 1 {
		list, size := errors[cycle], sizes[cycle]
		if len(list) < BurstLength || size == len(tests) {
			continue
		}
		rate := (float64(all-len(list)) + 0.5) / (float64(len(tests)-size) + 1)
		if AtLeast(len(list), size, min(rate, 1)) < burstChance {
			found = append(found, list)
		}
	}
	return found
}

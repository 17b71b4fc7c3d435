package scoring

// BurstLength is the least number of tests in a row without an answer that are a
// burst: one event on the server, and not as many failures of the model.
const BurstLength = 3

const (
	// burstChance is the greatest probability of so many errors in one cycle by
	// chance that makes them a burst, where the order within cycles is unknown.
	burstChance = 0.001
)

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

// bursts returns which tests were lost in a burst of errors, and the number of
// bursts: three or more errors in a row are one event, such as a server that was
// restarted, and say as much about the others as a single error. nil stands for
// none lost.
//
// The tests are in the order in which they were asked. If they are sorted by task
// instead, the order within a cycle is unknown: then the errors of a cycle are a
// burst that has too many of them. A task that got no answer in most of its tests is
// in no burst, since that is about the task.
func bursts(tests []Test) (lost []bool, number int) {
	errors := 0
	for i := range tests {
		if tests[i].Error() {
			errors++
		}
	}
	if errors < BurstLength {
		return nil, 0
	}
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
	failing := func(i int) bool {
		sum := tasks[tests[i].Task]
		return sum.tests > 1 && 2*sum.errors > sum.tests
	}
	lost = make([]bool, len(tests))
	mark := func(list []int) {
		number++
		for _, i := range list {
			lost[i] = true
		}
	}
	var row []int
	for i := range tests {
		switch {
		case tests[i].Error() && !failing(i):
			row = append(row, i)
			continue
		case tests[i].Error():
			continue
		case len(row) >= BurstLength:
			mark(row)
		}
		row = row[:0]
	}
	if len(row) >= BurstLength {
		mark(row)
	}
	if number == 0 && len(tasks) > 1 && sortedByTask(tests, len(tasks)) {
		for _, list := range burstCycles(tests, failing) {
			mark(list)
		}
	}
	if number == 0 {
		return nil, 0
	}
	return lost, number
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

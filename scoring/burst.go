package scoring

// BurstLength is the least number of tests in a row without an answer that are a
// burst: one event on the server, and not as many failures of the model.
const BurstLength = 3

// WithoutBursts returns a run's tests, in the order in which they were made,
// without those of a burst. Single tests without an answer stay.
func WithoutBursts(tests []Test) []Test {
	var list []Test // nil as long as there is no burst
	found := false
	for from := 0; from < len(tests); {
		to := from + 1
		for tests[from].Error() && to < len(tests) && tests[to].Error() {
			to++
		}
		switch {
		case to-from < BurstLength:
			if found {
				list = append(list, tests[from:to]...)
			}
		case !found:
			found = true
			list = append(make([]Test, 0, len(tests)), tests[:from]...)
		}
		from = to
	}
	if !found {
		return tests
	}
	return list
}

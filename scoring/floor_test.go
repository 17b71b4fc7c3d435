package scoring

import "testing"

// TestEqualAnswersToSomeTasks: models that answer each task the same way every time,
// and the first twenty alike. The candidate is better by 0.3 on all forty, so that
// nothing may be decided before the rest was asked, and the interval holds the gap.
func TestEqualAnswersToSomeTasks(t *testing.T) {
	champion := func(task int) (bool, float64) { return task%4 > 0 && task < 38, 1 }
	candidate := func(task int) (bool, float64) {
		passed, seconds := champion(task)
		return passed || task >= 38, seconds
	}
	run := some(1, champion)
	e := Evidence{Champion: run, History: times(4, some(5, champion)), Interleaved: true}
	gap := 10 * Default().Quality * 2 / 40
	for _, tests := range []int{20, 30} {
		e.Candidate = some(1, candidate)[:tests]
		look := Plan{}.Judge(e)
		if tests == 20 && look.Verdict != Continue || look.Low > gap || look.High < gap {
			t.Errorf("after %d tests: %s, %.2f [%.2f … %.2f]", tests, look.Verdict, look.Estimate, look.Low, look.High)
		}
	}
	e.Candidate = some(3, candidate)
	if look := (Plan{}).Judge(e); look.Verdict != Promote || look.Smallest < Worth {
		t.Errorf("after all tasks: %s, %.2f [%.2f … %.2f], smallest %.2f", look.Verdict, look.Estimate, look.Low, look.High, look.Smallest)
	}
}

package scoring

import (
	"testing"
	"time"
)

// TestReportsOfVerdicts plays what people reported of judgements by other programs.
func TestReportsOfVerdicts(t *testing.T) {
	answers := func(right, wrong, failed int) (list []Test) {
		for range right {
			list = append(list, Test{Outcome: Answered, Passed: true, Latency: time.Second})
		}
		for range wrong {
			list = append(list, Test{Outcome: Answered, Latency: time.Second})
		}
		for range failed {
			list = append(list, Test{Outcome: Failed})
		}
		return list
	}
	t.Run("an error does not raise a score (UKGovernmentBEIS/inspect_ai#2914)", func(t *testing.T) {
		whole := Default().Score(Measure(answers(2, 6, 0)))
		without := Default().Score(Measure(answers(2, 4, 2)))
		if without.Quality > whole.Quality || without.Composite >= whole.Composite {
			t.Errorf("with errors %+v, without %+v", without, whole)
		}
	})
	t.Run("an error is no wrong answer, and is told (TonicAI/tonic_validate#36, instructlab/eval#39)", func(t *testing.T) {
		s := Measure(answers(5, 0, 5))
		if score := Default().Score(s); s.Errors != 5 || score.Reliability != 5 {
			t.Errorf("%+v, %+v", s, score)
		}
	})
}

// TestReportsOfRegressions plays what people reported of alarms by other programs.
func TestReportsOfRegressions(t *testing.T) {
	good := runLike{}
	for _, c := range []struct {
		name, report string
		series       []Observation
		alarms       int
		state        State
	}{
		{"a run that was five times as fast is in the baseline", "optave/ops-codegraph-tool#814",
			inOrder(repeated(4, good), one(runLike{slower: 0.2}), repeated(5, good)), 0, Normal},
		{"an alarm that lasts is told once, and ends when it is over", "yuluo-yx/typo#82",
			inOrder(repeated(5, good), repeated(6, runLike{wrong: 4}), repeated(4, good)), 1, Normal},
		{"a single bad run is confirmed or forgotten", "shakacode/react_on_rails#3670, coiled/benchmarks#270",
			inOrder(repeated(5, good), one(runLike{wrong: 2}), repeated(3, good), one(runLike{wrong: 2}), repeated(3, good)), 0, Normal},
		{"another toolchain begins a baseline, no alarm", "argumentcomputer/ix#459, rotki/rotki#13140",
			inOrder(repeated(6, good), repeated(6, runLike{version: "2", slower: 0.9})), 0, Normal},
		{"other names of the tasks are another baseline", "jimhester/libvroom#578",
			inOrder(repeated(6, good), repeated(6, runLike{renamed: true, wrong: 6})), 0, Normal},
	} {
		t.Run(c.name+" ("+c.report+")", func(t *testing.T) {
			r := Regressions(c.series, Composite{})
			if len(r.Alarms) != c.alarms || r.State != c.state {
				t.Errorf("%d alarms and %q, want %d and %q: %s", len(r.Alarms), r.State, c.alarms, c.state, marks(r))
			}
		})
	}
}

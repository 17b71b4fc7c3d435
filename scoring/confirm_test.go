package scoring

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConfirm(t *testing.T) {
	varied := func(base float64) func(int) (bool, float64) {
		return func(task int) (bool, float64) { return task%4 != 0, base * (1 + 0.1*float64(task%3)) }
	}
	before := block(0, 0, 40, varied(6))
	faster := block(0, 0, 40, varied(3))
	tests := []struct {
		name   string
		before Verdict
		second []Test
		cand   []Test
		want   Verdict
		plan   Plan
	}{
		{"as before", Promote, block(1, 0, 20, varied(6)), faster, Promote, Plan{}},
		{"no second block", Promote, nil, faster, Promote, Plan{}},
		{"the machine became faster, not the model", Promote, block(1, 0, 20, varied(3)), faster, Retain, Plan{}},
		{"it became slower: all the better", Promote, block(1, 0, 20, varied(9)), faster, Promote, Plan{}},
		{"four tasks tell nothing about the machine", Promote, block(1, 0, 4, varied(3)), faster, Promote, Plan{Weights: Composite{Quality: 0.3, Speed: 0.6, Reliability: 0.1}}},
		{"what was retained stays retained", Retain, block(1, 0, 20, varied(6)), faster, Retain, Plan{}},
		{"a breach beyond doubt", Promote, block(1, 0, 20, varied(6)), block(0, 0, 40, always(1, 0.1)), Retain, Plan{Weights: Composite{Quality: 0.1, Speed: 0.8, Reliability: 0.1}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := Evidence{Champion: slices.Concat(before, test.second), Candidate: test.cand}
			given := slices.Clone(e.Champion)
			look := test.plan.Confirm(Look{Verdict: test.before, Tests: 40}, e)
			if look.Verdict != test.want {
				t.Errorf("%s, want %s: %+v", look.Verdict, test.want, look)
			}
			if diff := cmp.Diff(given, e.Champion); diff != "" {
				t.Errorf("the evidence was changed:\n%s", diff)
			}
		})
	}
}

// A promotion that just reached its bound isn't lost to a second block that is
// no different.
func TestConfirmAsksForALittleLessThanTheBound(t *testing.T) {
	gaps := func(failing int) Look {
		champion := block(0, 0, 40, func(task int) (bool, float64) { return task >= failing, 2 })
		candidate := block(0, 0, 40, func(task int) (bool, float64) { return task != 39, 2 })
		e := Evidence{Champion: champion, Candidate: candidate}
		look := Plan{}.Judge(e)
		look.Verdict = Promote
		return Plan{}.Confirm(look, e)
	}
	var seen []Verdict
	for failing := 1; failing <= 20; failing++ {
		look := gaps(failing)
		seen = append(seen, look.Verdict)
		if want := look.Z >= look.Upper-0.2; (look.Verdict == Promote) != want {
			t.Errorf("z %.2f of %.2f: %s", look.Z, look.Upper, look.Verdict)
		}
		if look.Verdict == Continue && look.More == 0 {
			t.Error("undecided, and nothing said of how many tests would settle it")
		}
	}
	if !slices.Contains(seen, Promote) || !slices.Contains(seen, Continue) {
		t.Errorf("the verdicts were %v", seen)
	}
}

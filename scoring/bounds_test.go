package scoring

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestLooks(t *testing.T) {
	tests := []struct {
		name string
		cap  int
		want []int
	}{
		{"quick", 80, []int{20, 30, 40, 60, 80}},
		{"usual", 200, []int{20, 30, 40, 60, 80, 120, 160, 200}},
		{"not given", 0, []int{20, 30, 40, 60, 80, 120, 160, 200}},
		{"extended", 400, []int{20, 30, 40, 60, 80, 120, 160, 200, 280, 400}},
		{"another", 100, []int{20, 30, 40, 60, 80, 100}},
		{"none just before the last", 125, []int{20, 30, 40, 60, 80, 125}},
		{"hardly any tests", 12, []int{12}},
		{"more than usual", 800, []int{20, 30, 40, 60, 80, 120, 160, 200, 280, 400, 560, 800}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Plan{Cap: test.cap}.Looks()); diff != "" {
				t.Errorf("looks (-want +got):\n%s", diff)
			}
		})
	}
}

// The bounds at the level of 0.05 are those with which, by a simulation of their own,
// 0.0499 to 0.0502 of equal candidates are promoted.
func TestBounds(t *testing.T) {
	near := cmpopts.EquateApprox(0, 0.006)
	for limit, want := range map[int]bounds{
		80: {
			upper: []float64{2.241, 2.290, 2.231, 2.031, 1.930},
			lower: []float64{1.960, 1.982, 1.909, 1.684, 1.557},
		},
		200: {
			upper: []float64{2.576, 2.645, 2.599, 2.423, 2.345, 2.141, 2.043, 1.963},
			lower: []float64{2.326, 2.380, 2.326, 2.134, 2.040, 1.812, 1.691, 1.588},
		},
		400: {
			upper: []float64{2.557, 2.711, 2.707, 2.576, 2.535, 2.384, 2.330, 2.289, 2.138, 2.004},
			lower: []float64{2.305, 2.454, 2.439, 2.298, 2.248, 2.081, 2.014, 1.962, 1.796, 1.639},
		},
	} {
		got := Plan{Cap: limit}.bounds(0.05)
		if diff := cmp.Diff(want.upper, got.upper, near); diff != "" {
			t.Errorf("cap %d, upper (-want +got):\n%s", limit, diff)
		}
		if diff := cmp.Diff(want.lower, got.lower, near); diff != "" {
			t.Errorf("cap %d, lower (-want +got):\n%s", limit, diff)
		}
	}
}

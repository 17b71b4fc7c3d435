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

// What is computed for any cap is what the tables say for theirs.
func TestBoundsOfOtherCapsAreComputed(t *testing.T) {
	near := cmpopts.EquateApprox(0, 0.006)
	for limit, table := range tables {
		looks := Plan{Cap: limit}.Looks()
		rho := map[int]float64{80: 1, 200: 1, 400: 0.75}[limit]
		if diff := cmp.Diff(table.upper, spend(looks, 0.05, rho), near); diff != "" {
			t.Errorf("cap %d, upper (-table +computed):\n%s", limit, diff)
		}
		if diff := cmp.Diff(table.lower, spend(looks, 0.10, rho), near); diff != "" {
			t.Errorf("cap %d, lower (-table +computed):\n%s", limit, diff)
		}
	}
}

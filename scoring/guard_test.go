package scoring

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGuardRails(t *testing.T) {
	champion := some(1, always(0, 9.5))
	slowTenth := func(task int) (bool, float64) {
		if task%10 == 0 {
			return true, 20
		}
		return true, 0.5
	}
	errorsAt := func(n int) func(int) (bool, float64) {
		return func(task int) (bool, float64) {
			if task%n == 0 {
				return false, -1
			}
			return true, 0.5
		}
	}
	tests := []struct {
		name      string
		plan      Plan
		candidate []Test
		verdict   Verdict
		guards    []string
	}{
		{"faster, and nothing lost", Plan{}, block(0, 0, 40, always(0, 0.5)), Promote, nil},
		{"5 points lost are allowed", Plan{}, block(0, 0, 40, always(20, 0.5)), Promote, nil},
		{"more are not; a few tests may be chance", Plan{}, block(0, 0, 40, always(10, 0.5)), Continue, []string{"its pass rate is 10.0 points below the champion's"}},
		{"at the cap they decide", Plan{Cap: 80}, some(2, always(10, 0.5)), Retain, []string{"its pass rate is 10.0 points below the champion's"}},
		{"so many are no chance", Plan{Cap: 80}, some(2, always(4, 0.5)), Retain, []string{"its pass rate is 25.0 points below the champion's"}},
		{"errors", Plan{Cap: 80}, some(2, errorsAt(20)), Retain, []string{"its error rate is 5.0 points above the champion's"}},
		{"some answers much slower", Plan{Cap: 80}, some(2, slowTenth), Retain, []string{"its slowest answers (95th percentile) take 2.1 times as long as the champion's"}},
		{"slower where speed is not judged", Plan{Cap: 80, Weights: Composite{Quality: 0.6, Reliability: 0.1}}, some(2, slowTenth), Retain, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			look := test.plan.Judge(Evidence{Champion: champion, Candidate: test.candidate})
			if look.Verdict != test.verdict {
				t.Errorf("%s, want %s: %+v", look.Verdict, test.verdict, look)
			}
			if diff := cmp.Diff(test.guards, look.Guards); diff != "" {
				t.Errorf("guards (-want +got):\n%s", diff)
			}
		})
	}
}

package scoring

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestComposite(t *testing.T) {
	tests := []struct {
		name   string
		sample Sample
		want   Score
	}{
		{"all right, 11.265 s", Sample{Tests: 200, Passed: 200, Latency: 11265 * time.Millisecond}, Score{7, 10, 0, 10}},
		{"all wrong, at once", Sample{Tests: 200}, Score{4, 0, 10, 10}},
		{"all right, 10 s", Sample{Tests: 200, Passed: 200, Latency: 10 * time.Second}, Score{7, 10, 0, 10}},
		{"all right, 60 s: the slowdown doesn't show", Sample{Tests: 200, Passed: 200, Latency: time.Minute}, Score{7, 10, 0, 10}},
		{"only errors", Sample{Tests: 200, Errors: 200}, Score{0, 0, 0, 0}},
		{"only time-outs", Sample{Tests: 10, Errors: 10, Latency: 30 * time.Second}, Score{0, 0, 0, 0}},
		{"90 % of the answered, 6 s, 20 % without an answer", Sample{Tests: 100, Passed: 72, Errors: 20, Latency: 6 * time.Second}, Score{6.32, 7.2, 4, 8}},
		{"90 %, 6 s, all answered", Sample{Tests: 100, Passed: 90, Latency: 6 * time.Second}, Score{7.6, 9, 4, 10}},
		{"all right, 2.667 s", Sample{Tests: 200, Passed: 200, Latency: 2667 * time.Millisecond}, Score{9.2, 10, 7.33, 10}},
		{"90 %, 0.667 s", Sample{Tests: 200, Passed: 180, Latency: 667 * time.Millisecond}, Score{9.2, 9, 9.33, 10}},
		{"no tests", Sample{}, Score{}},
		{"impossible counts", Sample{Tests: 10, Passed: 12, Errors: -1, Latency: -time.Second}, Score{10, 10, 10, 10}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Default().Score(test.sample).Rounded()); diff != "" {
				t.Errorf("score (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(Default().Score(test.sample), (Composite{}).Score(test.sample)); diff != "" {
				t.Errorf("the zero value scores otherwise than the default:\n%s", diff)
			}
		})
	}
}

func TestCompositeIsNotRounded(t *testing.T) {
	score := Default().Score(Sample{Tests: 3, Passed: 2, Latency: 1234567 * time.Microsecond})
	want := 0.6*10*2/3 + 0.3*(10-1.234567) + 1
	if diff := cmp.Diff(want, score.Composite, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
		t.Errorf("composite (-want +got):\n%s", diff)
	}
}

func TestWhatOneTestAndOneSecondAreWorth(t *testing.T) {
	base := Default().Score(Sample{Tests: 200, Passed: 190, Latency: 3 * time.Second}).Composite
	test := base - Default().Score(Sample{Tests: 200, Passed: 189, Latency: 3 * time.Second}).Composite
	second := base - Default().Score(Sample{Tests: 200, Passed: 190, Latency: 4 * time.Second}).Composite
	if diff := cmp.Diff([]float64{0.03, 0.3}, []float64{test, second}, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("one test of 200, one second (-want +got):\n%s", diff)
	}
}

func TestRound(t *testing.T) {
	for figure, want := range map[float64]float64{1.005: 1.01, 6.321: 6.32, -1.005: -1.01, 0: 0, 9.999: 10, math.Inf(1): math.Inf(1)} {
		if got := Round(figure); got != want {
			t.Errorf("Round(%v) = %v, want %v", figure, got, want)
		}
	}
}

func TestErrorsFromTheScore(t *testing.T) {
	tests := []struct {
		name                string
		composite, passRate float64
		latency             time.Duration
		tests, want         int
	}{
		{"none", 7, 100, 28775 * time.Millisecond, 10, 0},
		{"one in five", 6.32, 72, 6 * time.Second, 100, 20},
		{"all", 0, 0, 30 * time.Second, 40, 40},
		{"two in fifty", 6.48, 92, 15 * time.Second, 50, 2},
		{"no tests", 5, 50, time.Second, 0, 0},
		{"a score that fits nothing", 99, 50, time.Second, 10, 0},
		{"not a number", math.NaN(), 50, time.Second, 10, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Errors(test.composite, test.passRate, test.latency, test.tests); got != test.want {
				t.Errorf("Errors = %d, want %d", got, test.want)
			}
		})
	}
}

// Whatever was scored and then rounded for the record gives its errors back.
func TestErrorsInvertsTheComposite(t *testing.T) {
	for tests := 1; tests <= 100; tests++ {
		for errors := 0; errors <= tests; errors++ {
			for _, latency := range []time.Duration{0, 1500 * time.Millisecond, 9 * time.Second, 40 * time.Second} {
				if errors == tests && latency < 10*time.Second {
					continue // nothing answered: the speed is 0 whatever the latency says
				}
				passed := (tests - errors) / 2
				score := Default().Score(Sample{Tests: tests, Passed: passed, Errors: errors, Latency: latency})
				rate := Round(1000*float64(passed)/float64(tests)) / 10
				if got := Errors(Round(score.Composite), rate, latency, tests); got != errors {
					t.Fatalf("%d tests, %d passed, %d errors at %v: got %d errors back", tests, passed, errors, latency, got)
				}
			}
		}
	}
}

func TestJSONOfAScoreIsFinite(t *testing.T) {
	if _, err := json.Marshal(Default().Score(Sample{Tests: 1, Latency: math.MaxInt64})); err != nil {
		t.Fatal(err)
	}
}

package scoring

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestPassInterval(t *testing.T) {
	tests := []struct {
		passed, tests int
		low, high     float64
	}{
		{0, 10, 0, 0.2775},
		{5, 10, 0.2366, 0.7634},
		{10, 10, 0.7225, 1},
		{190, 200, 0.9104, 0.9726},
		{0, 0, 0, 1},
		{3, 2, 0.3424, 1},
	}
	for _, test := range tests {
		low, high := PassInterval(test.passed, test.tests)
		if diff := cmp.Diff([]float64{test.low, test.high}, []float64{low, high}, cmpopts.EquateApprox(0, 5e-5)); diff != "" {
			t.Errorf("%d of %d (-want +got):\n%s", test.passed, test.tests, diff)
		}
	}
}

func TestMeanInterval(t *testing.T) {
	tests := []struct {
		name            string
		composites      []float64
		mean, low, high float64
	}{
		{"none", nil, 0, 0, 10},
		{"one", []float64{7}, 7, 0, 10},
		{"three", []float64{6.8, 7, 7.2}, 7, 7 - 4.30265*0.2/math.Sqrt(3), 7 + 4.30265*0.2/math.Sqrt(3)},
		{"equal ones", []float64{7, 7, 7, 7}, 7, 7 - 3.18245*0.05/2, 7 + 3.18245*0.05/2},
		{"at the end of the scale", []float64{9.9, 10}, 9.95, 9.9 - 0.58531, 10},
		{"not a number", []float64{math.NaN(), 7, math.Inf(1)}, 7, 0, 10},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			mean, low, high := MeanInterval(test.composites)
			if diff := cmp.Diff([]float64{test.mean, test.low, test.high}, []float64{mean, low, high}, cmpopts.EquateApprox(0, 1e-4)); diff != "" {
				t.Errorf("mean and interval (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInterval(t *testing.T) {
	tests := []struct {
		name      string
		tests     []Test
		weights   Composite
		low, high float64
	}{
		{"no tests", nil, Composite{}, 0, 10},
		{"one task", some(5, always(0, 1))[:1], Composite{}, 0, 10},
		{"other weights", nil, Composite{Quality: 0.6, Reliability: 0.1}, 0, 7},
		{"all right and equally fast: still not proven", some(5, always(0, 2)), Composite{}, 9.4 - 0.3811, 9.4 + 0.3811},
		// Half of 40 tasks fail each time: a deviation of 3, divided by the root of 39.
		{"repeats tell nothing new", some(5, always(2, 12)), Composite{}, 4 - 3/math.Sqrt(39)*2.02269, 4 + 3/math.Sqrt(39)*2.02269},
		{"one cycle tells as much", some(1, always(2, 12)), Composite{}, 4 - 3/math.Sqrt(39)*2.02269, 4 + 3/math.Sqrt(39)*2.02269},
		{"no answers", some(5, never), Composite{}, 0, 0.3811},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			low, high := Interval(test.tests, test.weights)
			if diff := cmp.Diff([]float64{test.low, test.high}, []float64{low, high}, cmpopts.EquateApprox(0, 1e-3)); diff != "" {
				t.Errorf("interval (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLatencyInterval(t *testing.T) {
	fast := func(task int) (bool, float64) { return true, 1 + float64(task%2) }
	low, high, ok := LatencyInterval(some(5, fast))
	width := 0.5 / math.Sqrt(39) * 2.02269
	if diff := cmp.Diff([]float64{1.5 - width, 1.5 + width}, []float64{low.Seconds(), high.Seconds()}, cmpopts.EquateApprox(0, 1e-5)); diff != "" || !ok {
		t.Errorf("interval, %v (-want +got):\n%s", ok, diff)
	}
	for name, tests := range map[string][]Test{"no tests": nil, "errors": some(1, never), "one task": some(3, fast)[:1]} {
		if _, _, ok := LatencyInterval(tests); ok {
			t.Errorf("%s: there is an interval", name)
		}
	}
	endless := some(1, fast)
	endless[3].Latency = math.MaxInt64
	if low, high, ok := LatencyInterval(endless); !ok || low < 0 || high < low {
		t.Errorf("with an endless answer: %v to %v, %v", low, high, ok)
	}
}

// Of 2,000 runs, each on other tasks, 95 % of the intervals hold the true
// figure, though the repeats of a task hang together.
func TestIntervalsHold(t *testing.T) {
	const runs = 2000
	composite, latency := 0, 0
	for i := range runs {
		random := rand.New(rand.NewPCG(7, uint64(i)))
		chance, length := make([]float64, 40), make([]float64, 40)
		for task := range chance {
			chance[task], length[task] = random.Float64(), 1+2*random.Float64()
		}
		var tests []Test
		for cycle := range 5 {
			tests = append(tests, block(cycle, 0, 40, func(task int) (bool, float64) {
				return random.Float64() < chance[task], length[task] * (0.5 + random.Float64())
			})...)
		}
		if low, high := Interval(tests, Composite{}); low <= 3+2.4+1 && 3+2.4+1 <= high {
			composite++
		}
		if low, high, _ := LatencyInterval(tests); low <= 2*time.Second && 2*time.Second <= high {
			latency++
		}
	}
	for name, count := range map[string]int{"composite": composite, "latency": latency} {
		if share := float64(count) / runs; share < 0.935 || share > 0.965 {
			t.Errorf("%s: the interval holds in %.1f %%", name, 100*share)
		}
	}
}

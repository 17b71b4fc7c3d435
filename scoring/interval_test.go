package scoring

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The figures beyond the first ones are Newcombe's (1998, Statistics in Medicine
// 17, 857).
func TestWilsonInterval(t *testing.T) {
	tests := []struct {
		share, tests float64
		low, high    float64
	}{
		{0, 10, 0, 0.2775},
		{0.5, 10, 0.2366, 0.7634},
		{1, 10, 0.7225, 1},
		{0.95, 200, 0.9104, 0.9726},
		{0, 0, 0, 1},
		{0.3, -1, 0, 1},
		{1.5, 2, 0.3424, 1},
		{-0.5, 2, 0, 0.6576},
		{81.0 / 263, 263, 0.2553, 0.3662},
		{15.0 / 148, 148, 0.0624, 0.1605},
		{0, 20, 0, 0.1611},
		{1.0 / 29, 29, 0.0061, 0.1718},
	}
	for _, test := range tests {
		low, high := WilsonInterval(test.share, test.tests, 0.95)
		if diff := cmp.Diff([]float64{test.low, test.high}, []float64{low, high}, cmpopts.EquateApprox(0, 5e-5)); diff != "" {
			t.Errorf("%v of %v (-want +got):\n%s", test.share, test.tests, diff)
		}
	}
	if low, high := WilsonInterval(0, 7, 0.95); low != 0 || high == 0 {
		t.Errorf("none of seven: %v to %v", low, high)
	}
	if low, high := WilsonInterval(1, 7, 0.95); low == 1 || high != 1 {
		t.Errorf("all of seven: %v to %v", low, high)
	}
}

// Five repeats of 40 tasks that never change are worth 40 tests, not 200; five
// that are drawn anew each time are worth nearly 200.
func TestShareInterval(t *testing.T) {
	passed := func(t Test) bool { return t.Passed }
	// Wilson's interval with the quantile of Student's t for 40 tasks, 2.0227.
	width := func(share, n float64) float64 {
		low, high := wilson(share, n, student(0.975, 39))
		return high - low
	}
	random := rand.New(rand.NewPCG(1, 2))
	same := some(5, func(task int) (bool, float64) { return task%10 < 7, 1 })
	fresh := some(5, func(int) (bool, float64) { return random.Float64() < 0.7, 1 })
	if share, low, high := ShareInterval(same, passed, 0.95); share != 0.7 || math.Abs(high-low-width(0.7, 40)) > 1e-9 {
		t.Errorf("repeats of the same: %v, %v to %v, want the width %.3f of 40 tests", share, low, high, width(0.7, 40))
	}
	if share, low, high := ShareInterval(fresh, passed, 0.95); high-low > 1.25*width(share, 200) || high-low < width(share, 200) {
		t.Errorf("fresh repeats: %v, %v to %v, want about the width %.3f of 200 tests", share, low, high, width(share, 200))
	}
	for name, c := range map[string]struct {
		tests []Test
		want  [3]float64
	}{
		"none":      {nil, [3]float64{0, 0, 1}},
		"all right": {some(5, always(0, 1)), [3]float64{1, 1 - width(1, 40), 1}},
		"one task":  {some(3, always(0, 1))[:1], [3]float64{1, 1 / (1 + 2.7764451*2.7764451), 1}}, // of four degrees of freedom
	} {
		share, low, high := ShareInterval(c.tests, passed, 0.95)
		if diff := cmp.Diff(c.want, [3]float64{share, low, high}, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestQuantile(t *testing.T) {
	list := make([]float64, 100)
	for i := range list {
		list[i] = float64(i + 1)
	}
	for _, test := range []struct {
		list    []float64
		p, want float64
	}{{list, 0.5, 50}, {list, 0.95, 95}, {list, 0.99, 99}, {list[:1], 0.5, 1}, {list[:5], 0, 1}, {list[:5], 1, 5}, {nil, 0.5, 0}} {
		if got := Quantile(test.list, test.p); got != test.want {
			t.Errorf("quantile %v of %d: %v, want %v", test.p, len(test.list), got, test.want)
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

func TestTrendOfMany(t *testing.T) {
	scores := make([]float64, 5*trendScores)
	for i := range scores {
		scores[i] = float64(i)
		if i < len(scores)-trendScores {
			scores[i] = -float64(i)
		}
	}
	if slope, low, high := Trend(scores); slope != 1 || low != 1 || high != 1 {
		t.Errorf("the last thousand rise by one: %v, %v to %v", slope, low, high)
	}
}

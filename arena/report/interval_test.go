package report

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/turbone/jarvis/scoring"
)

// wilson returns a share of n independent tests with its interval.
func wilson(share, n, confidence float64) interval {
	low, high := scoring.WilsonInterval(share, n, confidence)
	return interval{low, share, high}
}

var close3 = cmpopts.EquateApprox(0, 0.0006)

// The figures are Newcombe's (1998, Statistics in Medicine 17, 857 and 873).
func TestIntervalsOfTheLiterature(t *testing.T) {
	for _, test := range []struct {
		name      string
		got, want interval
	}{
		{"81 of 263", wilson(81.0/263, 263, 0.95), interval{0.2553, 81.0 / 263, 0.3662}},
		{"15 of 148", wilson(15.0/148, 148, 0.95), interval{0.0624, 15.0 / 148, 0.1605}},
		{"0 of 20", wilson(0, 20, 0.95), interval{0, 0, 0.1611}},
		{"1 of 29", wilson(1.0/29, 29, 0.95), interval{0.0061, 1.0 / 29, 0.1718}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, test.got, close3); diff != "" {
				t.Errorf("interval (-want +got):\n%s", diff)
			}
		})
	}
}

// Five repeats of 40 tasks that never change are worth 40 tests, not 200; five
// that are drawn anew each time are worth nearly 200.
func TestRepeatsAreWorthWhatTheyAre(t *testing.T) {
	tests := func(same bool) []scoring.Test {
		r := rand.New(rand.NewPCG(1, 2))
		var list []scoring.Test
		for task := range 40 {
			first := r.Float64() < 0.7
			for cycle := range 5 {
				pass := first
				if !same {
					pass = r.Float64() < 0.7
				}
				list = append(list, scoring.Test{Task: strconv.Itoa(task), Cycle: cycle, Outcome: scoring.Answered, Passed: pass})
			}
		}
		return list
	}
	width := func(i interval) float64 { return i.High - i.Low }
	same, fresh := share(tests(true)), share(tests(false))
	if want := width(wilson(same.Value, 40, 0.95)); width(same) < want || width(same) > 1.05*want {
		t.Errorf("repeats of the same: %v, want the width %.3f of 40 tests", same, want)
	}
	if want := width(wilson(fresh.Value, 200, 0.95)); width(fresh) > 1.35*want {
		t.Errorf("fresh repeats: %v, want about the width %.3f of 200 tests", fresh, want)
	}
}

// Of a run the quality alone has an interval, and not that of few tasks, of counts, or
// with a burst of errors.
func TestNoIntervalWhereNoneIsKnown(t *testing.T) {
	var list []scoring.Test
	for task := range 40 {
		list = append(list, scoring.Test{Task: strconv.Itoa(task), Outcome: scoring.Answered, Passed: task%3 > 0, Latency: time.Second + time.Duration(task)*time.Millisecond})
	}
	lost := slices.Clone(list)
	for i := range 4 {
		lost[20+i] = scoring.Test{Task: lost[20+i].Task, Outcome: scoring.Failed}
	}
	known := func(m measured) []bool {
		return []bool{m.Composite.known(), m.Quality.known(), m.Speed.known(), m.Reliability.known(), m.Latency.known()}
	}
	for name, test := range map[string]struct {
		m    measured
		want []bool
	}{
		"single tests":      {measure(list, scoring.Default()), []bool{false, true, false, false, false}},
		"few tasks":         {measure(list[:19], scoring.Default()), []bool{false, false, false, false, false}},
		"a burst of errors": {measure(lost, scoring.Default()), []bool{false, false, false, false, false}},
		"counts":            {measureCounts(scoring.Measure(list), scoring.Default()), []bool{false, false, false, false, false}},
		"no tests":          {measureCounts(scoring.Sample{}, scoring.Default()), []bool{false, false, false, false, false}},
	} {
		if diff := cmp.Diff(test.want, known(test.m)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := ranged(unknown(0.5), percent); got != percent(0.5) {
		t.Errorf("a figure without an interval is %s", got)
	}
}

func TestTicks(t *testing.T) {
	for _, test := range []struct {
		name  string
		scale scale
		want  []float64
	}{
		{"to ten", scale{from: 0, to: 10}, []float64{0, 2, 4, 6, 8, 10}},
		{"across zero", scale{from: -0.4, to: 0.9}, []float64{0, 0.5}},
		{"nothing", scale{from: 3, to: 3}, nil},
		{"decades", scale{from: 0.1, to: 30, log: true}, []float64{0.1, 0.2, 0.5, 1, 2, 5, 10, 20}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, test.scale.ticks(6), cmpopts.EquateApprox(0, 1e-9), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("ticks (-want +got):\n%s", diff)
			}
		})
	}
}

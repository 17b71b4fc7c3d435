package scoring

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func checkFinite(t *testing.T, report Report) {
	t.Helper()
	if path := notFinite(reflect.ValueOf(report), "report"); path != "" {
		t.Errorf("%s is no number", path)
	}
	for _, a := range append(report.Alarms, report.Improvements...) {
		if a.Text("M1") == "" {
			t.Errorf("an alarm says nothing: %+v", a)
		}
	}
}

// rows makes a row of 80 tests of each pass rate, in an hour each, at 2 s.
func rows(passRates ...float64) []PlainRow {
	var list []PlainRow
	for i, rate := range passRates {
		list = append(list, PlainRow{
			Time: time.Date(2026, 3, 1, i, 0, 0, 0, time.UTC), Model: "m", PassRate: rate, Tests: 80, Latency: 2 * time.Second,
			Score: Default().Score(Sample{Tests: 1000, Passed: int(10 * rate), Latency: 2 * time.Second}).Composite,
		})
	}
	return list
}

// outOf makes a row of which so many tests got no answer, the others being
// right by that share.
func outOf(errors int, right float64) PlainRow {
	sample := Sample{Tests: 80, Errors: errors, Passed: int(right * float64(80-errors)), Latency: 2 * time.Second}
	return PlainRow{Model: "m", Score: Default().Score(sample).Composite, PassRate: 100 * float64(sample.Passed) / 80, Tests: 80, Errors: errors, Latency: sample.Latency}
}

func TestPlainRegressions(t *testing.T) {
	other := rows(60, 60, 60, 60, 60)
	for i := range other {
		other[i].Model = "n"
	}
	small := rows(10)
	small[0].Tests = 8
	unknown := rows(95, 95, 95, 95, 40, 40)
	for i := range unknown {
		unknown[i].Tests = 0
	}
	nonsense := rows(95)
	nonsense[0].Score = math.NaN()
	with := func(lists ...[]PlainRow) (all []PlainRow) {
		for _, list := range lists {
			all = append(all, list...)
		}
		return all
	}
	good := rows(95, 95, 95, 95)
	for _, c := range []struct {
		name   string
		rows   []PlainRow
		state  State
		marks  string
		alarms []string
	}{
		{"no rows", nil, TooFewRuns, "", nil},
		{"too few", rows(95, 50, 50), TooFewRuns, "lll", nil},
		{"as always", rows(95, 94, 96, 95, 95, 93), Normal, "llllnn", nil},
		{"one bad run is no alarm", rows(95, 95, 95, 95, 60, 95), Normal, "llllsn", nil},
		{"two in a row are", rows(95, 95, 95, 95, 60, 60), Regressed, "llllrr", []string{"regression quality major open 2"}},
		{"two that are not in a row", rows(95, 95, 95, 95, 60, 95, 60), Suspect, "llllsns", nil},
		{"a tenth is the limit", rows(100, 100, 100, 100, 84.3, 84.4), Normal, "llllsn", nil},
		{"told once, until it is over", rows(95, 95, 95, 95, 60, 60, 60, 60, 95), Normal, "llllrrrrn", []string{"regression quality major over 4"}},
		{"an outage", with(good, []PlainRow{outOf(72, 1)}), Normal, "llllo", []string{"outage  minor open 1"}},
		{"two outages are one, and no regression", with(good, []PlainRow{outOf(60, 0.95), outOf(80, 0)}, rows(95)), Normal, "lllloon", []string{"outage  minor over 2"}},
		{"an outage whose answers are bad, twice", with(good, []PlainRow{outOf(40, 0.5), outOf(40, 0.5)}), Regressed, "lllloo",
			[]string{"outage  minor open 2", "regression quality major open 2"}},
		{"another model", with(good, other), Normal, "llll|lllln", nil},
		{"a row of 8 tests is not judged", with(good, small, small, small), Normal, "lllluuu", nil},
		{"tests not counted", unknown, Regressed, "llllrr", []string{"regression quality major open 2"}},
		{"an outage at the very beginning", []PlainRow{outOf(40, 0.9)}, TooFewRuns, "o", []string{"outage  minor open 1"}},
		{"no number", with(good, nonsense), Normal, "llllu", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			report := PlainRegressions(c.rows)
			if report.State != c.state {
				t.Errorf("state %q, want %q", report.State, c.state)
			}
			if got := marks(report); got != c.marks {
				t.Errorf("marks %s, want %s", got, c.marks)
			}
			if diff := cmp.Diff(c.alarms, inShort(report.Alarms)); diff != "" {
				t.Errorf("alarms (-want +got):\n%s", diff)
			}
			for _, a := range report.Alarms {
				t.Log(a.Text("M1"))
			}
		})
	}
}

func TestPlainRegressionsSaysWhy(t *testing.T) {
	slow := rows(95, 95, 95, 95, 95, 95)
	for i := range slow[4:] {
		slow[4+i].Latency = 7 * time.Second
		slow[4+i].Score -= 1.5
	}
	alarms := PlainRegressions(slow).Alarms
	if len(alarms) != 1 {
		t.Fatalf("%d alarms, want 1", len(alarms))
	}
	const want = "[REGRESSION] M1 score 9.1 → 7.6 (-16%): speed, mean latency 2.0s → 7.0s"
	if got := alarms[0].Text("M1"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTrend(t *testing.T) {
	line := func(n int, slope float64) []float64 {
		var list []float64
		for i := range n {
			list = append(list, 8+slope*float64(i))
		}
		return list
	}
	wild := line(20, 0.02)
	wild[3], wild[17] = 0, 0
	for _, c := range []struct {
		name             string
		scores           []float64
		slope, low, high float64
	}{
		{"nothing", nil, 0, 0, 0},
		{"one", []float64{8}, 0, 0, 0},
		{"two", []float64{8, 8.5}, 0.5, 0.5, 0.5},
		{"three", []float64{8, 9, 8.5}, 0.25, -0.5, 1},
		{"a line", line(20, -0.1), -0.1, -0.1, -0.1},
		{"all equal", line(20, 0), 0, 0, 0},
		{"two wild runs don't move it", wild, 0.02, 0.02, 0.02},
		{"what is no number is left out", []float64{8, math.NaN(), 8.2, math.Inf(1), 8.4, 8.5}, 0.1, 0.1, 0.1},
		// Sen 1968, by hand: slopes -2 -1/2 0 1/3 1 2 sorted, S's deviation 2.94.
		{"four", []float64{1, 3, 1, 2}, 1.0 / 6, -2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			slope, low, high := Trend(c.scores)
			for i, pair := range [][2]float64{{slope, c.slope}, {low, c.low}, {high, c.high}} {
				if math.Abs(pair[0]-pair[1]) > 1e-9 {
					t.Errorf("%s %v, want %v", []string{"slope", "low", "high"}[i], pair[0], pair[1])
				}
			}
		})
	}
}

func TestMannWhitney(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after []float64
		want          float64
	}{
		{"a side is empty", nil, []float64{1}, 0},
		{"all equal", []float64{2, 2}, []float64{2, 2, 2}, 0},
		// U = 25 of 25: (12.5-0.5)/sqrt(25*11/12)
		{"apart", []float64{1, 2, 3, 4, 5}, []float64{6, 7, 8, 9, 10}, 2.506709},
		{"the other way round", []float64{6, 7, 8, 9, 10}, []float64{1, 2, 3, 4, 5}, -2.506709},
		// ranks of after 2.5, 4.5, 6 = 13, U = 7 of 9, ties 2 and 2:
		// (7-4.5-0.5)/sqrt(9/12*(7-12/30))
		{"ties", []float64{1, 2, 3}, []float64{2, 3, 4}, 0.898933},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := mannWhitney(c.before, c.after); math.Abs(got-c.want) > 1e-5 {
				t.Errorf("z %v, want %v", got, c.want)
			}
		})
	}
}

func TestSpread(t *testing.T) {
	// The median is 3, the deviations 2 1 0 1 97: their median 1.
	if got, want := spread([]float64{1, 2, 3, 4, 100}), 1.4826*1.206; math.Abs(got-want) > 1e-9 {
		t.Errorf("spread %v, want %v", got, want)
	}
	for n := range 12 {
		if got := spread(make([]float64, n)); got != 0 {
			t.Errorf("spread of %d zeros %v", n, got)
		}
	}
}

package scoring_test

import (
	"testing"

	"github.com/turbone/jarvis/scoring"
	"github.com/turbone/jarvis/scoring/internal/simulation/runs"
)

// A fold over a full history: 500 runs of 200 tests.
func BenchmarkRegressions(b *testing.B) {
	bench := runs.New(runs.Typical(), 1)
	series := make([]scoring.Observation, 500)
	for i := range series {
		series[i] = bench.Run(runs.Change{})
	}
	b.ReportAllocs()
	for b.Loop() {
		scoring.Regressions(series, scoring.Default())
	}
}

// The report of a series is that of its beginning, continued: what was told
// once is not taken back by later runs.
func TestRegressionsGrowsWithItsSeries(t *testing.T) {
	w := runs.First()
	w.Cycles, w.Call, w.Run, w.Errors = 2, 0.4, 0.08, 0.03
	b := runs.New(w, 7)
	var series []scoring.Observation
	for i := range 120 {
		series = append(series, b.Run(runs.Change{Ability: []float64{0, 0, 0.5, 0}[i/30], Latency: []float64{0, 0, 0, 1}[i/30]}))
	}
	told := 0
	watch := scoring.NewWatch(scoring.Default())
	for n, o := range series {
		watch.Add(o)
		report := watch.Report()
		if len(report.Alarms) < told || len(report.Points) != n+1 {
			t.Fatalf("after %d runs: %d alarms, %d points; %d alarms were told before", n+1, len(report.Alarms), len(report.Points), told)
		}
		told = len(report.Alarms)
	}
	if told < 2 {
		t.Errorf("%d alarms, want one for each change at least", told)
	}
	if whole := scoring.Regressions(series, scoring.Default()); len(whole.Alarms) != told {
		t.Errorf("%d alarms at once, %d one by one", len(whole.Alarms), told)
	}
}

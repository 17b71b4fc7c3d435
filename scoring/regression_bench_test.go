package scoring

import "testing"

// A fold over a full history: 500 runs of 200 tests.
func BenchmarkRegressions(b *testing.B) {
	bench := typicalBox.bench(1, 5)
	series := make([]Observation, 500)
	for i := range series {
		series[i] = bench.observe(change{})
	}
	b.ReportAllocs()
	for b.Loop() {
		Regressions(series, Default())
	}
}

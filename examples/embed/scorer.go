package main

import "github.com/turbone/jarvis/scoring"

// Strict is a [scoring.Scorer] of the house's own: quality alone counts, and a
// test without an answer counts as two failures.
type Strict struct{}

// Score implements [scoring.Scorer].
func (Strict) Score(s scoring.Sample) scoring.Score {
	if s.Tests == 0 {
		return scoring.Score{}
	}
	share := max(0, float64(s.Passed-s.Errors)/float64(s.Tests))
	return scoring.Score{Composite: 10 * share, Quality: 10 * share}
}

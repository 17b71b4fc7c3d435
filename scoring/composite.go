package scoring

import (
	"math"
	"time"
)

// Sample sums up the tests of a run for a [Scorer].
type Sample struct {
	// Tests is the number of tests, answered or not.
	Tests int
	// Passed is the number of tests with a right answer.
	Passed int
	// Errors is the number of tests without an answer.
	Errors int
	// Latency is the mean latency of the answers and of the time-outs, which
	// count with the time limit. Other errors are left out.
	Latency time.Duration
}

// Score is the composite of a run with its parts, each from 0 to 10, unrounded.
type Score struct {
	// Composite is the weighted sum of the parts.
	Composite float64
	// Quality is 10 times the share of tests that passed.
	Quality float64
	// Speed is 10 less the mean latency in seconds, at least 0. Once it is 0, a
	// further slowdown doesn't change the composite.
	Speed float64
	// Reliability is 10 times the share of tests that got an answer.
	Reliability float64
}

// Rounded returns the score with two decimals, for showing and storing.
// Comparisons use the unrounded score.
func (s Score) Rounded() Score {
	return Score{
		Composite:   Round(s.Composite),
		Quality:     Round(s.Quality),
		Speed:       Round(s.Speed),
		Reliability: Round(s.Reliability),
	}
}

// Round rounds a figure to two decimals, halves away from zero. NaN and infinite
// figures are returned unchanged.
func Round(figure float64) float64 {
	// 100 times a figure such as 1.005 is just below the half in binary; the
	// addend is far below the precision of a score.
	return math.Round(figure*100+math.Copysign(1e-9, figure)) / 100
}

// Scorer computes the score of a run. Implementations must be pure functions,
// safe for concurrent use.
type Scorer interface {
	// Score returns the score of a run with these sums.
	Score(Sample) Score
}

// Composite is the usual [Scorer]: a weighted sum of the parts of a [Score]. The
// zero value has the weights of [Default].
type Composite struct {
	// Quality, Speed and Reliability are the weights of the parts. Their sum
	// should be 1, so that the composite is from 0 to 10.
	Quality, Speed, Reliability float64
}

// Default returns the default weights: quality 0.6, speed 0.3, reliability 0.1.
func Default() Composite {
	return Composite{Quality: 0.6, Speed: 0.3, Reliability: 0.1}
}

// orDefault returns the weights, [Default]'s for the zero value.
func (c Composite) orDefault() Composite {
	if c == (Composite{}) {
		return Default()
	}
	return c
}

var _ Scorer = Composite{}

// Score returns the composite and its parts. All are 0 for a run without tests.
// Counts out of range are clamped to it.
func (c Composite) Score(s Sample) Score {
	c = c.orDefault()
	if s.Tests <= 0 {
		return Score{}
	}
	total := float64(s.Tests)
	passed := min(max(float64(s.Passed), 0), total)
	failed := min(max(float64(s.Errors), 0), total)

	parts := Score{
		Quality:     10 * passed / total,
		Speed:       min(max(0, 10-s.Latency.Seconds()), 10),
		Reliability: 10 * (1 - failed/total),
	}
	if failed == total {
		parts.Speed = 0 // nothing answered: there is no speed, not a perfect one
	}
	parts.Composite = c.Quality*parts.Quality + c.Speed*parts.Speed + c.Reliability*parts.Reliability
	return parts
}

// Errors returns the number of a run's tests without an answer, for records that
// lack it: with the weights of [Default] it follows from the composite.
//
// composite is from 0 to 10, passRate from 0 to 100, latency is the mean latency.
// Records hold rounded figures, so the result is rounded to whole tests and
// clamped between 0 and the number of tests that didn't pass. For more than 100
// tests it may be off by one.
func Errors(composite, passRate float64, latency time.Duration, tests int) int {
	if tests <= 0 || !finite(composite) || !finite(passRate) {
		return 0
	}
	total := float64(tests)
	weights := Default()
	speed := max(0, 10-latency.Seconds())
	reliability := (composite - weights.Quality*passRate/10 - weights.Speed*speed) / weights.Reliability
	errors := math.Round(total * (10 - reliability) / 10)
	failed := math.Round(total * (1 - passRate/100))
	return int(max(0, min(errors, failed, total)))
}

func finite(figure float64) bool {
	return !math.IsNaN(figure) && !math.IsInf(figure, 0)
}

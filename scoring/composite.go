package scoring

import (
	"math"
	"time"
)

// Sample is what a run measured, all that a [Scorer] needs to know of it.
type Sample struct {
	// Tests is how many tests were made, answered or not.
	Tests int
	// Passed is how many were answered rightly. A test without an answer is
	// not passed.
	Passed int
	// Errors is how many got no answer at all.
	Errors int
	// Latency is the mean time of the tests: answers, and time-outs with the
	// time-out's value. Other errors are left out of it.
	Latency time.Duration
}

// Score is a run's composite with its parts, each from 0 to 10, unrounded.
type Score struct {
	// Composite is the weighted sum of the parts.
	Composite float64
	// Quality is 10 times the share of tests that passed.
	Quality float64
	// Speed is 10 less one for each second of mean latency, at least 0. At 0 a
	// further slowdown shows nowhere in the composite.
	Speed float64
	// Reliability is 10 times the share of tests that got an answer.
	Reliability float64
}

// Rounded returns the score with two decimals, as it is shown and stored.
// Comparisons use the unrounded one.
func (s Score) Rounded() Score {
	return Score{
		Composite:   Round(s.Composite),
		Quality:     Round(s.Quality),
		Speed:       Round(s.Speed),
		Reliability: Round(s.Reliability),
	}
}

// Round returns a figure with two decimals, halves away from zero. What is not
// a number, or infinite, stays as it is.
func Round(figure float64) float64 {
	// The product of 100 and a figure such as 1.005 falls just short of the
	// half; the nudge is far below anything a score can tell.
	return math.Round(figure*100+math.Copysign(1e-9, figure)) / 100
}

// Scorer turns what a run measured into its score. It must be pure, and safe
// to use from several goroutines.
type Scorer interface {
	Score(Sample) Score
}

// Composite is the usual [Scorer]: the parts of a [Score], weighted. The
// weights of the zero value are those of [Default].
type Composite struct {
	// Quality, Speed and Reliability are the weights of the parts, usually
	// adding up to 1.
	Quality, Speed, Reliability float64
}

// Default is six parts quality, three parts speed, one part reliability.
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

// Score returns the composite and its parts. A run without tests scores 0 in
// everything; counts out of range are taken for the nearest possible ones.
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

// Errors returns how many of a run's tests got no answer, for records that
// don't say so: with [Default]'s weights it follows from the composite.
//
// The composite is 0 to 10, passRate 0 to 100, latency the mean. Records hold
// rounded figures, so the result is rounded to whole tests and kept between 0
// and the number of tests that didn't pass; for more than 100 tests it
// may be one off.
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

package scoring

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// The distributions are computed from the special functions of
// gonum.org/v1/gonum/mathext. Its package stat/distuv has the same ones, but
// imports the matrix and linear programming packages, which every importer of
// this package would compile.

// normalCDF returns the probability that a standard normal variable is at most
// z.
func normalCDF(z float64) float64 { return 0.5 * math.Erfc(-z/math.Sqrt2) }

// normalQuantile is the inverse of [normalCDF], for a probability from 0 to 1.
func normalQuantile(probability float64) float64 { return mathext.NormalQuantile(probability) }

// twoSided returns the normal quantile of a two-sided interval: 1.96 for a
// confidence of 0.95.
func twoSided(confidence float64) float64 { return normalQuantile(1 - (1-confidence)/2) }

// student returns the figure that a variable of Student's t distribution with v
// degrees of freedom stays below with a probability, 0 to 1. Less than one
// degree of freedom counts as one.
func student(probability, v float64) float64 {
	v = max(v, 1)
	if probability == 0.5 {
		return 0
	}
	x := mathext.InvRegIncBeta(v/2, 0.5, 2*min(probability, 1-probability))
	return math.Copysign(math.Sqrt(v*(1-x)/x), probability-0.5)
}

// binomial is the distribution of the number of successes in n independent
// trials of probability p, 0 to 1.
type binomial struct{ n, p float64 }

// cdf returns the probability of at most k successes.
func (b binomial) cdf(k float64) float64 {
	switch k = math.Floor(k); {
	case k < 0:
		return 0
	case k >= b.n:
		return 1
	}
	return mathext.RegIncBeta(b.n-k, k+1, 1-b.p)
}

// prob returns the probability of exactly k successes, for a p between 0 and 1.
func (b binomial) prob(k float64) float64 {
	if k < 0 || k > b.n || math.Floor(k) != k {
		return 0
	}
	all, _ := math.Lgamma(b.n + 1)
	hits, _ := math.Lgamma(k + 1)
	misses, _ := math.Lgamma(b.n - k + 1)
	return math.Exp(all - hits - misses + k*math.Log(b.p) + (b.n-k)*math.Log(1-b.p))
}

// AtLeast returns the probability of k or more successes in n independent
// trials of probability p, 0 to 1: the p-value of a one-sided binomial test.
func AtLeast(k, n int, p float64) float64 {
	if k <= 0 {
		return 1
	}
	return 1 - binomial{float64(n), p}.cdf(float64(k-1))
}

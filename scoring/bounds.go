package scoring

import (
	"math"
	"slices"
	"sync"
)

const (
	// defaultCap is the default of [Plan.Cap].
	defaultCap = 200
	// falseStrict, falseRerun and falseTasks are the nominal probabilities of
	// promoting an equal candidate: one that is equal on other tasks; with the error
	// of a rerun; with the error between tasks, which is too great for the tasks that
	// were asked, so that a greater probability is spent there. falseRetention is the
	// probability of retaining the champion before the cap if the candidate is better
	// by the worth of a change.
	falseStrict, falseRerun, falseTasks, falseRetention = 0.05, 0.055, 0.065, 0.10
)

// moments are the numbers of tests of the looks, up to the cap. Further ones
// follow in the same steps.
var moments = [...]int{20, 30, 40, 60, 80, 120, 160, 200, 280, 400}

// bounds are the critical values of the looks of a plan.
type bounds struct {
	looks []int
	// upper are the bounds for a promotion, lower those for futility.
	upper, lower []float64
}

// Looks returns the numbers of the candidate's tests at which the evidence is
// judged, in ascending order; the last one is the cap. The caller owns the list.
func (p Plan) Looks() []int {
	most := p.most()
	var looks []int
	for i := 0; ; i++ {
		at := moment(i)
		// A look just before the last one spends error and decides next to
		// nothing.
		if at*10 > most*9 {
			return append(looks, most)
		}
		looks = append(looks, at)
	}
}

// moment returns the number of tests at the i-th look, from 0. Beyond the list
// each is twice the last but one.
func moment(i int) int {
	if i < len(moments) {
		return moments[i]
	}
	return 2 * moment(i-2)
}

// most returns Cap or its default.
func (p Plan) most() int {
	if p.Cap <= 0 {
		return defaultCap
	}
	return p.Cap
}

// level returns the nominal probability of promoting an equal candidate.
func (p Plan) level(runs bool) float64 {
	switch {
	case p.Strict:
		return falseStrict
	case runs:
		return falseRerun
	}
	return falseTasks
}

// bounds returns the bounds of the plan. They spend the error by the power function
// a*t^rho (Kim and DeMets 1987), with rho 1, or 0.75 for a cap above 200.
func (p Plan) bounds(level float64) bounds {
	key := design{p.most(), level}
	if known, ok := computed.Load(key); ok {
		return known.(bounds)
	}
	rho := 1.0
	if p.most() > 200 {
		rho = 0.75
	}
	looks := p.Looks()
	b := bounds{looks, spend(looks, level, rho), spend(looks, falseRetention, rho)}
	computed.Store(key, b)
	return b
}

// design is what bounds depend on.
type design struct {
	most  int
	level float64
}

// computed holds the bounds by design: they take milliseconds, and each look asks for
// them.
var computed sync.Map

// last returns the bound for a promotion at the last look.
func (b bounds) last() float64 { return b.upper[len(b.upper)-1] }

// at returns the bounds of the last look at or before a number of tests, or of
// the first look if there is none. exact says that the number is that of a look.
func (b bounds) at(tests int) (upper, lower float64, exact bool) {
	i, exact := slices.BinarySearch(b.looks, tests)
	if !exact {
		i = max(i-1, 0)
	}
	return b.upper[i], b.lower[i], exact
}

// spend returns the bounds of a one-sided group-sequential test at these looks.
// The probability that a random walk without drift has crossed a bound up to the
// k-th look is alpha*(looks[k]/last)^rho.
//
// The density of the walks that have not crossed a bound is computed on a grid
// from look to look (Armitage, McPherson and Rowe 1969). Each bound is placed so
// that the probability to spend at its look lies above it.
func spend(looks []int, alpha, rho float64) []float64 {
	const (
		step = 0.05 // of the standard deviation at the first look
		tail = 8.0  // standard deviations below which nothing is left
	)
	last := float64(looks[len(looks)-1])
	unit := math.Sqrt(float64(looks[0]))
	cell := step * unit
	half := int(tail * math.Sqrt(last) / cell)

	// density[i] is the density of the walk at (i-half)*cell; before the first
	// look all of it is at 0.
	density := make([]float64, 2*half+1)
	density[half] = 1 / cell
	result := make([]float64, len(looks))
	top, seen, spent := half, 0, 0.0
	for k, look := range looks {
		sd := math.Sqrt(float64(look - seen))
		share := alpha * math.Pow(float64(look)/last, rho)
		next := make([]float64, len(density))
		reach := int(tail * sd / cell)
		kernel := make([]float64, reach+1)
		for i := range kernel {
			x := float64(i) * cell / sd
			kernel[i] = math.Exp(-x*x/2) / (sd * math.Sqrt(2*math.Pi)) * cell
		}
		for i := 0; i <= top; i++ {
			if density[i] < 1e-14 {
				continue
			}
			for j := max(i-reach, 0); j <= min(i+reach, len(next)-1); j++ {
				next[j] += density[i] * kernel[max(i-j, j-i)]
			}
		}
		// Sum up from the top until the probability to spend lies above.
		var above float64
		at := len(next) - 1
		for ; at > 0; at-- {
			mass := next[at] * cell
			if above+mass >= share-spent {
				break
			}
			above += mass
		}
		// The cell that holds the bound reaches half a cell to each side.
		part := (share - spent - above) / (next[at] * cell)
		edge := (float64(at-half) + 0.5 - part) * cell
		result[k] = edge / math.Sqrt(float64(look))
		next[at] *= 1 - part
		density, top, seen, spent = next, at, look, share
	}
	return result
}

// wallace returns the normal deviate with the tail probability of a Student's t
// of v degrees of freedom (the approximation of Wallace 1959). It is odd and
// increases with t.
func wallace(t, v float64) float64 {
	return math.Copysign((8*v+1)/(8*v+3)*math.Sqrt(v*math.Log1p(t*t/v)), t)
}

// unwallace is the inverse of [wallace].
func unwallace(z, v float64) float64 {
	x := z * (8*v + 3) / (8*v + 1)
	return math.Copysign(math.Sqrt(v*math.Expm1(x*x/v)), z)
}

package scoring

import (
	"math"
	"slices"
)

const (
	// defaultCap is the number of tests of a usual tournament.
	defaultCap = 200
	// falsePromotion is how often an equal candidate may be promoted,
	// falseRetention how often one better by the worth of a change may be
	// turned away before the cap.
	falsePromotion, falseRetention = 0.05, 0.10
)

// moments are the numbers of tests at which there is a look, as far as the cap
// allows; further ones follow in the same steps.
var moments = [...]int{20, 30, 40, 60, 80, 120, 160, 200, 280, 400}

// bounds are what the evidence must reach at each look of a plan.
type bounds struct {
	looks []int
	// upper are those of a promotion, lower those of giving up.
	upper, lower []float64
}

// tables hold the bounds of the usual caps. They spend the error by
// a*t^rho of Kim and DeMets (1987), rho 1, for a cap of 400 0.75; checked by
// simulation to a false promotion of 0.0499 to 0.0502.
var tables = map[int]bounds{
	80: {
		upper: []float64{2.241, 2.290, 2.231, 2.031, 1.930},
		lower: []float64{1.960, 1.982, 1.909, 1.684, 1.557},
	},
	200: {
		upper: []float64{2.576, 2.645, 2.599, 2.423, 2.345, 2.141, 2.043, 1.963},
		lower: []float64{2.326, 2.380, 2.326, 2.134, 2.040, 1.812, 1.691, 1.588},
	},
	400: {
		upper: []float64{2.557, 2.711, 2.707, 2.576, 2.535, 2.384, 2.330, 2.289, 2.138, 2.004},
		lower: []float64{2.305, 2.454, 2.439, 2.298, 2.248, 2.081, 2.014, 1.962, 1.796, 1.639},
	},
}

// Looks returns the numbers of candidate's tests at which the evidence is
// judged, the last of which is the cap. The list is the caller's.
func (p Plan) Looks() []int {
	most := p.most()
	var looks []int
	for i := 0; ; i++ {
		at := moment(i)
		// A look just before the last one costs of the error allowed and
		// decides next to nothing.
		if at*10 > most*9 {
			return append(looks, most)
		}
		looks = append(looks, at)
	}
}

// moment returns the look of a number from 0; beyond the list each is twice
// the one two places before.
func moment(i int) int {
	if i < len(moments) {
		return moments[i]
	}
	return 2 * moment(i-2)
}

func (p Plan) most() int {
	if p.Cap <= 0 {
		return defaultCap
	}
	return p.Cap
}

// bounds returns those of the plan: from the tables, and for other caps than
// theirs computed.
func (p Plan) bounds() bounds {
	looks := p.Looks()
	if table, ok := tables[p.most()]; ok {
		table.looks = looks
		return table
	}
	rho := 1.0
	if p.most() > 200 {
		rho = 0.75
	}
	return bounds{looks, spend(looks, falsePromotion, rho), spend(looks, falseRetention, rho)}
}

// at returns the bounds of the last look that a number of tests has reached,
// before the first one those of the first, and whether the number is that of a
// look exactly.
func (b bounds) at(tests int) (upper, lower float64, exact bool) {
	i, exact := slices.BinarySearch(b.looks, tests)
	if !exact {
		i = max(i-1, 0)
	}
	return b.upper[i], b.lower[i], exact
}

// spend returns the bounds with which a sum of independent equal steps is
// beyond one of them, at a look up to the k-th, with the probability
// alpha*(looks[k]/last)^rho.
//
// The density of what has not yet crossed is carried from look to look
// (Armitage, McPherson and Rowe 1969) on a grid, and the bound is where the
// share to spend lies above it.
func spend(looks []int, alpha, rho float64) []float64 {
	const (
		step = 0.05 // of the standard deviation at the first look
		tail = 8.0  // standard deviations below which nothing is left
	)
	last := float64(looks[len(looks)-1])
	unit := math.Sqrt(float64(looks[0]))
	cell := step * unit
	half := int(tail * math.Sqrt(last) / cell)

	// density[i] is that of the sum at (i-half)*cell; before the first look all
	// of it is at 0.
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
		// From the top down until the share of this look lies above.
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

// wallace returns the normal deviate as rare as a Student's t of v degrees of
// freedom (Wallace 1959). It is odd and grows with t.
func wallace(t, v float64) float64 {
	v = max(v, 1)
	return math.Copysign((8*v+1)/(8*v+3)*math.Sqrt(v*math.Log1p(t*t/v)), t)
}

// unwallace returns the t of which wallace makes z.
func unwallace(z, v float64) float64 {
	v = max(v, 1)
	x := z * (8*v + 3) / (8*v + 1)
	return math.Copysign(math.Sqrt(v*math.Expm1(x*x/v)), z)
}

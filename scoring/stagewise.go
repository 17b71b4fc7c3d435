package scoring

import "math"

// passage is what of a random walk without drift goes on after a look of a
// group-sequential test: the walks that reached neither bound. at is the look's share
// of the tests so far, promoted the bound above, both in units of the walk at its end.
// mass[i] is the probability of the walks near points[i].
type passage struct {
	at, promoted float64
	points, mass []float64
}

// passagePoints is the number of points of a passage, odd for Simpson's rule.
const passagePoints = 33

// passages returns the passages of the looks before a number of tests, at which the
// normal deviate of a gap of worth is worth.
func (b bounds) passages(tests int, worth float64) []passage {
	var list []passage
	for i, look := range b.looks {
		if look >= tests {
			break
		}
		at := float64(look) / float64(tests)
		root := math.Sqrt(at)
		p := passage{at: at, promoted: b.upper[i] * root, points: make([]float64, passagePoints), mass: make([]float64, passagePoints)}
		// The error falls faster than expected where the bounds cross.
		retained := min(worth*at-b.lower[i]*root, p.promoted-root/2)
		step := (p.promoted - retained) / (passagePoints - 1)
		for k := range p.points {
			p.points[k] = retained + float64(k)*step
			weight := step / 3
			switch {
			case k == 0 || k == passagePoints-1:
			case k%2 == 1:
				weight *= 4
			default:
				weight *= 2
			}
			p.mass[k] = weight * density(list, at, p.points[k])
		}
		list = append(list, p)
	}
	return list
}

// density returns the density, at a share of the tests, of the walks that go on.
func density(list []passage, at, point float64) float64 {
	normal := func(x, variance float64) float64 { return math.Exp(-x*x/(2*variance)) / math.Sqrt(2*math.Pi*variance) }
	if len(list) == 0 {
		return normal(point, at)
	}
	last := list[len(list)-1]
	sum := 0.0
	for k, mass := range last.mass {
		sum += mass * normal(point-last.points[k], at-last.at)
	}
	return sum
}

// beyond returns the probability that a walk with a drift goes on through the list and
// is above a point then, at a share of the tests.
func beyond(list []passage, drift, at, point float64) float64 {
	if len(list) == 0 {
		return normalCDF((drift*at - point) / math.Sqrt(at))
	}
	last := list[len(list)-1]
	left := at - last.at
	sum := 0.0
	for k, mass := range last.mass {
		x := last.points[k]
		sum += mass * math.Exp(drift*x-drift*drift*last.at/2) * normalCDF((x+drift*left-point)/math.Sqrt(left))
	}
	return sum
}

// distances returns how far the limits of the 95 % confidence interval lie below and
// above the normal deviate z of a test that ended after a number of tests, in standard
// errors, and at least one. A gap is above z as often as a test ends earlier with a promotion, or now
// at z or above: the stage-wise order of the ends (Tsiatis, Rosner and Mehta 1984).
func (b bounds) distances(tests int, z, worth float64) (below, above float64) {
	const (
		most, least = 3.0, 1.0
		// rare is the probability to come so far at the drift that was seen, below
		// which the bounds say nothing: the errors were not those expected.
		rare = 0.05
	)
	list := b.passages(tests, worth)
	fixed := twoSided(sure)
	if len(list) == 0 || beyond(list, z, 1, math.Inf(-1)) < rare {
		return fixed, fixed
	}
	tail := func(drift float64) float64 {
		sum := beyond(list, drift, 1, z)
		for i, p := range list {
			sum += beyond(list[:i], drift, p.at, p.promoted)
		}
		return sum
	}
	limit := func(probability float64) float64 {
		low, high := z-most, z+most
		for range 18 {
			if middle := (low + high) / 2; tail(middle) < probability {
				low = middle
			} else {
				high = middle
			}
		}
		return (low + high) / 2
	}
	return max(z-limit((1-sure)/2), least), max(limit((1+sure)/2)-z, least)
}

// setInterval sets the interval of a look's gap, as of a comparison that ends with it.
// deviation is the standard error with its degrees of freedom, between the one between
// tasks, with that of so many tasks.
func (l *Look) setInterval(b bounds, worth, deviation, freedom, between, tasks, scale float64) {
	below, above := twoSided(sure), twoSided(sure)
	if l.Tasks >= 2 {
		below, above = b.distances(l.Tests, l.Z, worth/l.Error)
	}
	// What the error between tasks is greater by has no part in when the test ends.
	more := unwallace(twoSided(sure), tasks) * math.Sqrt(max(between*between-deviation*deviation, 0))
	below, above = math.Hypot(unwallace(below, freedom)*deviation, more), math.Hypot(unwallace(above, freedom)*deviation, more)
	l.Low, l.High = max(l.Estimate-below, -scale), min(l.Estimate+above, scale)
}

// likely returns a standard error between one and the least that it may be. The
// greater of two estimates is too great for an interval, as it has to be for a
// decision; by simulation the variance lies two thirds of the way to it.
func likely(deviation, least float64) float64 {
	greater := max(deviation, least)
	return math.Sqrt((deviation*deviation + 2*greater*greater) / 3)
}

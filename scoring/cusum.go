package scoring

import "slices"

// Sums of what is missing (CUSUM, Page 1954): a decline too slow for any single
// run to show adds up over the runs.
const (
	// sumSlack is what a run may be worse by, in standard errors, without
	// adding to the sum.
	sumSlack = 0.5
	// sumClamp limits what one run adds or takes.
	sumClamp = 3
	// sumLimit is the sum above which the suite is run again, sumKept what is
	// left of it when that run shows no decline.
	sumLimit, sumKept = 6, 3
	// sumConfirm is the z that the run made again must be below.
	sumConfirm = -1
)

// cusum is such a sum with the runs that it is made of.
type cusum struct {
	sum   float64
	since []*measured
}

// add takes in a run whose z is that against the runs before the last five.
func (c *cusum) add(run *measured, z float64) {
	c.sum = max(0, c.sum+min(max(-z, -sumClamp), sumClamp)-sumSlack)
	if c.sum == 0 {
		c.since = c.since[:0]
		return
	}
	c.since = append(c.since, run)
}

// recent returns the last runs of the decline, five at most, oldest first.
func (c *cusum) recent() []*measured {
	return slices.Clone(tail(c.since, sumLag))
}

// restart forgets the sum but for what is kept of it.
func (c *cusum) restart(kept float64) {
	c.sum = kept
	if kept == 0 {
		c.since = nil
	}
}

package scoring

import "slices"

// The parameters of the cumulative sum (CUSUM, Page 1954), in standard errors. It
// detects a decline that is too slow for any single run to show.
const (
	// sumSlack is the part of a run's decline that does not add to the sum.
	sumSlack = 0.5
	// sumClamp bounds the contribution of one run.
	sumClamp = 3
	// sumLimit is the sum above which the suite is run again; sumKept is the
	// rest that stays when that run shows no decline.
	sumLimit, sumKept = 6, 3
	// sumConfirm is the bound of z for that run.
	sumConfirm = -1
)

// cusum is a cumulative sum with the runs since it was last 0.
type cusum struct {
	sum   float64
	since []*measured
}

// add adds a run whose difference from the runs before the last five is z.
func (c *cusum) add(run *measured, z float64) {
	c.sum = max(0, c.sum+min(max(-z, -sumClamp), sumClamp)-sumSlack)
	if c.sum == 0 {
		c.since = c.since[:0]
		return
	}
	c.since = append(c.since, run)
}

// recent returns the last runs of the decline, up to five, oldest first.
func (c *cusum) recent() []*measured {
	return slices.Clone(tail(c.since, sumLag))
}

// restart lowers the sum to what is kept of it.
func (c *cusum) restart() { c.sum = sumKept }

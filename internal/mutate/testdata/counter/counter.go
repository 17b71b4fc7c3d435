// Package counter is what the test of mutate changes.
package counter

// Counter counts up to a limit.
type Counter struct {
	Limit, n int
	full     bool
}

// Add adds a number and reports whether the counter is full.
func (c *Counter) Add(n int) bool {
	if n <= 0 {
		return c.full
	}
	c.n = c.n + n
	switch {
	case c.n >= c.Limit && c.Limit > 0:
		c.n = c.Limit
		c.full = true
	}
	return c.full
}

package route

import (
	"slices"
	"time"
)

// samples is how many latencies of a node are remembered.
const samples = 64

// pace is how long a node took of late for one kind of thing.
type pace struct {
	ring  [samples]sample
	count int
	// The 95th percentiles of what the first known samples told.
	took  time.Duration
	each  float64 // by the byte, in nanoseconds
	known int
}

// fresh is how many samples may come before the percentiles are made anew.
const fresh = 8

type sample struct {
	took time.Duration
	size int // of the request, in bytes
}

func (p *pace) add(took time.Duration, size int) {
	p.ring[p.count%samples] = sample{took, size}
	p.count++
}

// bounds are between which times a limit lies, and how far above the usual.
type bounds struct {
	least, unknown, most time.Duration
	factor               float64
}

var (
	// Prompts of one size may take very different times: a cache knows some.
	firstBounds = bounds{least: 2 * time.Second, unknown: 30 * time.Second, most: 5 * time.Minute, factor: 5}
	// Answers in one piece may be short or long.
	wholeBounds = bounds{least: 5 * time.Second, unknown: 2 * time.Minute, most: 10 * time.Minute, factor: 8}
	gapBounds   = bounds{least: 5 * time.Second, unknown: 30 * time.Second, most: time.Minute, factor: 20}
)

// limit is how long something of that size may take before there is reason to
// look elsewhere.
func (p *pace) limit(size int, b bounds) time.Duration {
	n := min(p.count, samples)
	if n == 0 {
		return b.unknown
	}
	if p.count < fresh || p.count-p.known >= fresh {
		p.measure(n)
	}
	usual := max(p.took, time.Duration(p.each*float64(size)))
	return min(max(time.Duration(b.factor*float64(usual)), b.least), b.most)
}

// measure makes the percentiles of the latest n samples.
func (p *pace) measure(n int) {
	var took [samples]time.Duration
	var each [samples]float64
	for i, s := range p.ring[:n] {
		took[i] = s.took
		each[i] = float64(s.took) / float64(max(s.size, smallest))
	}
	slices.Sort(took[:n])
	slices.Sort(each[:n])
	at := n * 95 / 100
	p.took, p.each, p.known = took[at], each[at], p.count
}

// smallest: prompts below it take as long as one of that size.
const smallest = 4 << 10

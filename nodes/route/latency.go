package route

import (
	"slices"
	"time"
)

// Operation is a part of a request whose latency is measured on each node.
type Operation int

// The operations.
const (
	// FirstToken is the time to the first token of a stream.
	FirstToken Operation = iota
	// WholeAnswer is the time to a response that is not streamed.
	WholeAnswer
	// TokenGap is the pause between two tokens of a stream.
	TokenGap

	operations = iota
)

// limits are the least and greatest limit, the limit without samples, and the
// factor over the 95th percentile.
type limits struct {
	least, unknown, most time.Duration
	factor               float64
}

// limits returns the limits of an operation.
func (op Operation) limits() limits {
	switch op {
	case FirstToken:
		// Prompts of one size differ widely: a server has some in its cache.
		return limits{least: 2 * time.Second, unknown: 30 * time.Second, most: 5 * time.Minute, factor: 5}
	case WholeAnswer:
		// The time depends on the length of the answer, which is not known.
		return limits{least: 5 * time.Second, unknown: 2 * time.Minute, most: 10 * time.Minute, factor: 8}
	}
	return limits{least: 5 * time.Second, unknown: 30 * time.Second, most: time.Minute, factor: 20}
}

// MaxLimit returns the greatest time that [Request.Limit] returns.
func (op Operation) MaxLimit() time.Duration { return op.limits().most }

const (
	// samples is the number of latencies kept for each operation of a node.
	samples = 64
	// refresh is the number of new samples after which the percentiles are
	// computed again.
	refresh = 8
	// smallPrompt is the request size in bytes below which the size has no
	// influence on the latency.
	smallPrompt = 4 << 10
)

// latencyEstimate holds the last 64 latencies of one operation on a node and
// derives a time limit from their 95th percentile.
type latencyEstimate struct {
	ring  [samples]sample
	count int // of all samples so far

	// The 95th percentiles of the samples up to the one with number measured.
	took     time.Duration
	perByte  float64 // in nanoseconds
	measured int
}

type sample struct {
	took time.Duration
	size int // of the request, in bytes
}

func (l *latencyEstimate) add(took time.Duration, size int) {
	l.ring[l.count%samples] = sample{took, size}
	l.count++
}

// limit returns how long the operation may take for a request of size bytes
// before another node is asked.
func (l *latencyEstimate) limit(size int, b limits) time.Duration {
	n := min(l.count, samples)
	if n == 0 {
		return b.unknown
	}
	if l.count < refresh || l.count-l.measured >= refresh {
		l.measure(n)
	}
	usual := max(l.took, time.Duration(l.perByte*float64(size)))
	return min(max(time.Duration(b.factor*float64(usual)), b.least), b.most)
}

// measure computes the percentiles of the latest n samples.
func (l *latencyEstimate) measure(n int) {
	var took [samples]time.Duration
	var perByte [samples]float64
	for i, s := range l.ring[:n] {
		took[i] = s.took
		perByte[i] = float64(s.took) / float64(max(s.size, smallPrompt))
	}
	slices.Sort(took[:n])
	slices.Sort(perByte[:n])
	at := n * 95 / 100
	l.took, l.perByte, l.measured = took[at], perByte[at], l.count
}

package arena

import (
	"context"
	"math"
	"time"

	"github.com/turbone/jarvis/scoring"
)

const (
	// typicalLatency and typicalLoad are taken where nothing was measured yet.
	typicalLatency = 5 * time.Second
	typicalLoad    = 30 * time.Second
	// typicalGap is the smallest gap that a tournament of 200 tests finds on a
	// typical machine; it shrinks with the root of their number.
	typicalGap, typicalTests = 0.66, 200
)

// Estimate is what a tournament may cost, and what it can find.
type Estimate struct {
	Node      string `json:"node"`
	Champion  string `json:"champion"`
	Candidate string `json:"candidate,omitempty"`
	// Tests is how many there may be at most, of all models; Early how many
	// where the candidate is clearly better or worse.
	Tests int `json:"tests"`
	Early int `json:"tests_if_clear"`
	// Most and Least are how long these take.
	Most  time.Duration `json:"-"`
	Least time.Duration `json:"-"`
	// MostMinutes and LeastMinutes are the same.
	MostMinutes  float64 `json:"minutes"`
	LeastMinutes float64 `json:"minutes_if_clear"`
	// Smallest is the smallest gap that can be found, in points of the
	// composite.
	Smallest float64 `json:"smallest_gap"`
	// Evidence is how many of the champion's own runs count. Measured says that
	// the figures come from them; else they are typical ones.
	Evidence int  `json:"champion_runs"`
	Measured bool `json:"measured"`
}

// Estimate implements [Arena].
func (a *Organizer) Estimate(ctx context.Context, r Request) (Estimate, error) {
	if err := r.Validate(); err != nil {
		return Estimate{}, err
	}
	h := &hold{arena: a, node: r.Node}
	var err error
	if h.saved, err = a.serving(ctx, r.Node); err != nil {
		return Estimate{}, err
	}
	s, err := r.Node.Probe(ctx)
	if err != nil {
		return Estimate{}, err
	}
	p, err := a.begin(ctx, h, s, r)
	if err != nil {
		return Estimate{}, err
	}
	first := p.Cap
	if p.Method == MethodPaired {
		first = p.moments()[0]
	}
	e := Estimate{
		Node: r.Node.Name, Champion: h.saved.Name, Candidate: p.Candidate.Name, Tests: p.most(),
		Early: p.Before + first + p.fieldMost(), Evidence: len(p.history), Measured: len(p.history) > 0,
	}
	latency := typicalLatency
	if len(p.history) > 0 {
		latency = scoring.Measure(p.history[0]).Latency
	}
	each := latency / time.Duration(p.Parallel)
	loads := p.loads()
	warm := time.Duration(loads) * (typicalLoad + time.Duration(a.figures.Warmup)*latency)
	e.Most = time.Duration(e.Tests)*each + warm
	e.Least = time.Duration(e.Early)*each + warm
	e.MostMinutes = math.Round(e.Most.Minutes()*10) / 10
	e.LeastMinutes = math.Round(e.Least.Minutes()*10) / 10
	e.Smallest = scoring.Round(p.smallest())
	return e, nil
}

// loads is how many models are loaded on the way at most.
func (p *progress) loads() int {
	count := 3 // the candidate, the champion, the winner
	switch {
	case p.SelfTest || p.Method == MethodMeasured:
		count = 0
	case p.Method == MethodPlain:
		count = 2
	}
	for left := len(p.Field); left > 1; left = (left + 1) / 2 {
		count += left
	}
	return count
}

// smallest is the smallest gap that can be found: from the champion's own runs
// where there are enough, else on a typical machine.
func (p *progress) smallest() float64 {
	if p.Cap == 0 {
		return 0
	}
	if len(p.history) >= enoughHistory {
		last := p.history[0]
		look := p.plan().Judge(scoring.Evidence{Champion: last, Candidate: last, History: p.history[1:], Interleaved: p.After > 0})
		if look.Smallest > 0 {
			return look.Smallest
		}
	}
	return typicalGap * math.Sqrt(typicalTests/float64(p.Cap))
}

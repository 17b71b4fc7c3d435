package arena

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/turbone/jarvis/scoring"
)

const (
	// typicalLatency and typicalLoad are used until something was measured.
	typicalLatency = 5 * time.Second
	typicalLoad    = 30 * time.Second
	// The square of the smallest gap that a tournament with the default weights
	// detects on a typical node is betweenTasks, for how differently tasks suit models, and withinTasks
	// divided by the cycles, all divided by the tasks. By simulation a candidate
	// that is better by this gap is promoted in 83 to 94 of 100 tournaments of
	// 20 to 80 tasks.
	betweenTasks, withinTasks = 10.0, 95.0
)

// typicalGap returns the smallest gap that a tournament detects on a typical
// node, where nearly all of it is of the quality, and at least the gap that is worth
// a change. Without weight on the quality it returns 0: how much the speed varies is
// not known before it is measured.
func typicalGap(tasks, cap int, w scoring.Composite) float64 {
	if w.Quality == 0 {
		return 0
	}
	n := float64(tasks)
	gap := math.Sqrt((betweenTasks + withinTasks*n/float64(cap)) / n)
	return max(gap*w.Quality/scoring.Default().Quality, scoring.Worth)
}

// Estimate is the cost of a tournament and the gap that it can detect.
type Estimate struct {
	Node     string `json:"node"`
	Champion string `json:"champion"`
	// Candidate is empty for a [Field].
	Candidate string `json:"candidate,omitempty"`
	// Tests is the greatest number of tests, of all models; Early is their
	// number if the first look decides.
	Tests int `json:"tests"`
	Early int `json:"tests_if_clear"`
	// Most and Least are the times that these take.
	Most  time.Duration `json:"-"`
	Least time.Duration `json:"-"`
	// MostMinutes and LeastMinutes are the same in minutes.
	MostMinutes  float64 `json:"minutes"`
	LeastMinutes float64 `json:"minutes_if_clear"`
	// Smallest is the smallest gap that can be detected, in points of the
	// composite, 0 if it is not known beforehand.
	Smallest float64 `json:"smallest_gap"`
	// Method is the method that decides. [MethodMeasured] compares nothing: the
	// candidate is the champion.
	Method Method `json:"rule"`
	// Out says which candidates of a [Field] can't be loaded, and why.
	Out []string `json:"out,omitempty"`
	// Evidence is the number of the champion's own runs that count. Measured
	// says that the figures come from them; else they are typical ones.
	Evidence int  `json:"champion_runs"`
	Measured bool `json:"measured"`
	// False is the number of equal candidates of 100 that are promoted at most,
	// by simulation.
	False int `json:"false_promotions_of_100"`
	// Unused says which earlier runs of the champion do not count, and why.
	Unused []string `json:"runs_not_used,omitempty"`
}

// Estimate implements [Arena].
func (a *Organizer) Estimate(ctx context.Context, r Request) (Estimate, error) {
	if err := r.Validate(); err != nil {
		return Estimate{}, err
	}
	n := &leasedNode{Node: r.Node, arena: a}
	var err error
	if n.saved, err = a.serving(ctx, r.Node); err != nil {
		return Estimate{}, err
	}
	s, err := r.Node.Probe(ctx)
	if err != nil {
		return Estimate{}, err
	}
	p, err := a.draft(ctx, n, s, r)
	if err != nil {
		return Estimate{}, err
	}
	first := p.Cap
	if p.Method == MethodPaired {
		first = p.moments()[0]
	}
	e := Estimate{
		Method: p.Method, Node: r.Node.Name, Champion: n.saved.Name, Candidate: p.Candidate.Name, Tests: p.most(),
		Early: p.Before + first + p.fieldMost(), Evidence: len(p.history), Unused: p.Unused, False: p.falsePromotions(), Measured: len(p.history) > 0,
	}
	if c, ok := r.Contest.(Challenge); ok {
		e.Candidate = c.Name
	}
	for _, m := range p.Field {
		if why := n.canLoad(s, m); why != nil {
			e.Out = append(e.Out, fmt.Sprintf("%s: %v", m.Name, why))
		}
	}
	latency := typicalLatency
	if len(p.history) > 0 {
		latency = scoring.Measure(p.history[0]).Latency
	}
	each := latency / time.Duration(p.Parallel)
	warm := time.Duration(p.loads()) * (typicalLoad + time.Duration(a.figures.Warmup)*latency)
	e.Most = time.Duration(e.Tests)*each + warm
	e.Least = time.Duration(e.Early)*each + warm
	e.MostMinutes = math.Round(e.Most.Minutes()*10) / 10
	e.LeastMinutes = math.Round(e.Least.Minutes()*10) / 10
	e.Smallest = scoring.Round(p.smallest())
	return e, nil
}

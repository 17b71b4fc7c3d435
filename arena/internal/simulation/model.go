package simulation

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mathext"

	"github.com/turbone/jarvis/scoring"
)

// Suite is a set of tasks in a world.
type Suite struct {
	world      World
	difficulty []float64
	length     []float64
}

// Suite draws tasks.
func (w World) Suite(random *rand.Rand, tasks int) *Suite {
	s := &Suite{w, make([]float64, tasks), make([]float64, tasks)}
	for i := range tasks {
		s.difficulty[i] = w.Difficulty * random.NormFloat64()
		s.length[i] = math.Exp(w.Lengths * random.NormFloat64())
	}
	return s
}

// Model is a model with its chances and its latencies on the tasks of a suite.
type Model struct {
	suite *Suite
	// affinity is the task's and the model's share of the chance, ability the
	// model's own.
	affinity []float64
	ability  float64
	// first is the number of tasks that its composite is about, 0 for all.
	first int
	// pass is the probability of a right answer, threshold its normal quantile
	// where repeats are correlated; latency is the median in seconds.
	pass, threshold, latency []float64
}

// Model draws a model.
func (s *Suite) Model(random *rand.Rand) *Model {
	n := len(s.difficulty)
	m := &Model{suite: s, affinity: make([]float64, n), pass: make([]float64, n), latency: make([]float64, n)}
	for i := range n {
		m.affinity[i] = s.difficulty[i] + s.world.Affinity*random.NormFloat64()
		m.latency[i] = s.world.Latency * s.length[i] * math.Exp(s.world.Wordiness*random.NormFloat64())
	}
	return m
}

// Opponents draws tasks, a champion that is right in the world's share of them,
// and a candidate whose true composite on them is better by gap.
func (w World) Opponents(random *rand.Rand, tasks int, gap float64) (champion, candidate *Model) {
	for {
		s := w.Suite(random, tasks)
		champion, candidate = s.Model(random), s.Model(random)
		champion.solve(func() float64 { return champion.right() - w.Right })
		if candidate.Reach(champion.Composite() + gap) {
			return champion, candidate
		}
	}
}

// Equals draws tasks and a number of models that are equally good on the first of
// these tasks or, for 0 of them, on endless tasks of the world. The first model is
// right in the world's share of them.
func (w World) Equals(random *rand.Rand, tasks, first, models int) []*Model {
	s := w.Suite(random, tasks)
	list := make([]*Model, 0, models)
	for len(list) < models {
		m := s.Model(random)
		m.first = first
		switch {
		case len(list) == 0:
			m.solve(func() float64 { return m.right() - w.Right })
		case first > 0:
			if !m.Reach(list[0].Composite()) {
				continue
			}
		default:
			m.set(list[0].ability)
			m.limit()
		}
		list = append(list, m)
	}
	return list
}

// Clone returns a copy, whose ability can be changed.
func (m *Model) Clone() *Model {
	copied := *m
	copied.pass = slices.Clone(m.pass)
	return &copied
}

// Reach gives a model the ability by which its true composite on the suite is
// the one given. It returns false if there is none.
func (m *Model) Reach(composite float64) bool {
	m.solve(func() float64 { return m.Composite() - composite })
	return math.Abs(m.Composite()-composite) < 1e-3
}

// solve sets the ability at which an increasing function of it is 0.
func (m *Model) solve(excess func() float64) {
	low, high := -15.0, 15.0
	for range 26 {
		m.set((low + high) / 2)
		if excess() < 0 {
			low = m.ability
		} else {
			high = m.ability
		}
	}
	m.limit()
}

// limit sets the thresholds of a model whose repeats are correlated.
func (m *Model) limit() {
	if m.suite.world.Shared > 0 {
		m.threshold = make([]float64, len(m.pass))
		for i, p := range m.pass {
			m.threshold[i] = mathext.NormalQuantile(p)
		}
	}
}

func (m *Model) set(ability float64) {
	m.ability = ability
	for i, a := range m.affinity {
		m.pass[i] = 1 / (1 + math.Exp(-ability-a))
	}
}

// right returns the true share of right answers.
func (m *Model) right() float64 {
	var sum float64
	pass := scope(m.pass, m.first)
	for _, p := range pass {
		sum += p
	}
	return sum / float64(len(pass))
}

// scope returns the first figures, all for 0.
func scope(list []float64, first int) []float64 {
	if first == 0 {
		return list
	}
	return list[:first]
}

const (
	// tailShape and tailMost describe the factor of slow answers.
	tailShape, tailMost = 1.5, 10.0
)

// Composite is the model's true composite on its suite: the mean of endless
// runs on a machine with no second user, no drift and no burst.
func (m *Model) Composite() float64 {
	w := m.suite.world
	var latency float64
	list := scope(m.latency, m.first)
	for _, l := range list {
		latency += l
	}
	latency *= w.slower() / float64(len(list))
	c := scoring.Default()
	return 10 * ((1-w.Errors)*(c.Quality*m.right()+c.Reliability) + c.Speed*max(0, 1-latency/10))
}

// slower returns the ratio of the mean latency to the median.
func (w World) slower() float64 {
	// The mean of a Pareto variable that is cut at tailMost.
	mean := tailShape/(tailShape-1) - math.Pow(tailMost, 1-tailShape)/(tailShape-1)
	return math.Exp((w.Call*w.Call+w.Run*w.Run+w.Wander*w.Wander)/2) * (1 + w.Tail*(mean-1))
}

// Elsewhere is the model's true composite on endless tasks of the world.
func (m *Model) Elsewhere() float64 {
	w := m.suite.world
	c := scoring.Default()
	return 10 * (c.Quality*m.RightElsewhere() + (1-w.Errors)*c.Reliability + c.Speed*max(0, 1-m.latencyElsewhere()/10))
}

// RightElsewhere is the model's true share of right answers on endless tasks of the
// world, in those tests that get an answer or not.
func (m *Model) RightElsewhere() float64 {
	w := m.suite.world
	spread := math.Hypot(w.Difficulty, w.Affinity)
	var right, weights float64
	for i := -40; i <= 40; i++ {
		x := float64(i) / 8
		weight := math.Exp(-x * x / 2)
		right += weight / (1 + math.Exp(-m.ability-spread*x))
		weights += weight
	}
	return (1 - w.Errors) * right / weights
}

// latencyElsewhere is the model's true mean latency on endless tasks of the world, in
// seconds.
func (m *Model) latencyElsewhere() float64 {
	w := m.suite.world
	return w.Latency * math.Exp((w.Lengths*w.Lengths+w.Wordiness*w.Wordiness)/2) * w.slower()
}

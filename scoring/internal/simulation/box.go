// Package simulation plays tournaments on machines that exist on paper only,
// thousands of them, to tell how often the rules of package scoring decide
// wrongly, and what a verdict costs.
//
// A [Box] is a machine with an engine: how much its answers and its speed vary
// from test to test and from run to run. The figures are assumptions, chosen to
// cover what users report, from a quiet server at temperature 0 to a shared one
// at temperature 1. What matters is therefore what holds on all of them.
package simulation

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"gonum.org/v1/gonum/mathext"

	"github.com/turbone/jarvis/scoring"
)

// Box is a machine with an engine.
type Box struct {
	Name string
	// Difficulty is the standard deviation of the tasks' difficulty, Affinity
	// that of how a model gets on with a task, both on the logistic scale.
	Difficulty, Affinity float64
	// Shared is the correlation of a task's repeats within one run.
	Shared float64
	// Latency is that of a usual task of a usual model, in seconds.
	Latency float64
	// Call and Run are the standard deviations of the logarithm of the latency,
	// from test to test and from run to run.
	Call, Run float64
	// Busy is the share of runs that are slower by the factor BusyFactor.
	Busy, BusyFactor float64
	// Errors is the share of tests without an answer.
	Errors float64
	// Together says that the champion and the candidate are slowed down alike,
	// since their tests are interleaved; else each block of tests has its own
	// luck.
	Together bool
	// Drift is the share of tournaments in the middle of which the machine gets
	// faster or slower by DriftFactor, for good.
	Drift, DriftFactor float64
	// Champion is the composite of a usual champion.
	Champion float64
}

// The boxes. A managed one has its own seed for each test, and interleaved
// blocks of tests.
var (
	steady       = Box{Name: "steady", Difficulty: 20, Affinity: 5, Shared: 0.9, Latency: 2.4, Call: 0.10, Run: 0.02, Busy: 0.01, BusyFactor: 1.3, Errors: 0.005, Champion: 7.23}
	typical      = Box{Name: "typical", Difficulty: 2, Affinity: 0.8, Shared: 0.3, Latency: 2.4, Call: 0.25, Run: 0.05, Busy: 0.03, BusyFactor: 1.4, Errors: 0.01, Champion: 7.17}
	noisy        = Box{Name: "noisy", Difficulty: 1, Affinity: 0.8, Shared: 0.3, Latency: 3.4, Call: 0.40, Run: 0.08, Busy: 0.05, BusyFactor: 1.6, Errors: 0.03, Champion: 6.35}
	typicalClean = managed(typical)
	noisyClean   = managed(noisy)
)

func managed(b Box) Box {
	b.Name += ", managed"
	b.Shared, b.Together = 0, true
	return b
}

// Steady is a quiet machine at temperature 0, where one task in twenty changes
// its mind at times.
func Steady() Box { return steady }

// Typical is a machine as most are, without care taken.
func Typical() Box { return typical }

// Noisy is a shared machine at temperature 1, without care taken.
func Noisy() Box { return noisy }

// Managed is the typical machine as tournaments are held.
func Managed() Box { return typicalClean }

// NoisyManaged is the noisy machine as tournaments are held.
func NoisyManaged() Box { return noisyClean }

const (
	// lengths and wordiness are the standard deviations of the logarithm of the
	// latency, from task to task and from model to model.
	lengths, wordiness = 0.5, 0.2
	// outliers is the share of answers that take outlierFactor times as long.
	outliers, outlierFactor = 0.01, 3.0
)

// Suite is some tasks on a box.
type Suite struct {
	box                Box
	names              []string
	difficulty, length []float64
}

// NewSuite draws tasks.
func NewSuite(b Box, random *rand.Rand, tasks int) *Suite {
	s := &Suite{box: b}
	for i := range tasks {
		s.names = append(s.names, "task-"+strconv.Itoa(i))
		s.difficulty = append(s.difficulty, b.Difficulty*random.NormFloat64())
		s.length = append(s.length, math.Exp(lengths*random.NormFloat64()))
	}
	return s
}

// Tasks is how many the suite has.
func (s *Suite) Tasks() int { return len(s.names) }

// Model is a model with its chances on each task of a suite.
type Model struct {
	suite *Suite
	// pass is the probability of a right answer where there is one, threshold
	// the same as a normal deviate; latency the median in seconds.
	pass, threshold, latency []float64
}

// NewModel draws a model whose true composite on the suite is the one given,
// by its ability. ok is false where no ability reaches it.
func NewModel(s *Suite, random *rand.Rand, composite float64) (m *Model, ok bool) {
	m = &Model{suite: s}
	affinity := make([]float64, s.Tasks())
	for i := range affinity {
		affinity[i] = s.difficulty[i] + s.box.Affinity*random.NormFloat64()
		m.latency = append(m.latency, s.box.Latency*s.length[i]*math.Exp(wordiness*random.NormFloat64()))
	}
	m.pass = make([]float64, s.Tasks())
	low, high := -200.0, 200.0
	for range 60 {
		ability := (low + high) / 2
		for i, a := range affinity {
			m.pass[i] = 1 / (1 + math.Exp(-ability-a))
		}
		if m.Composite() < composite {
			low = ability
		} else {
			high = ability
		}
	}
	for _, p := range m.pass {
		m.threshold = append(m.threshold, mathext.NormalQuantile(p))
	}
	return m, math.Abs(m.Composite()-composite) < 1e-6
}

// Composite is the model's true composite on its suite: the mean of endless
// runs.
func (m *Model) Composite() float64 {
	b := m.suite.box
	var pass, latency float64
	for i := range m.pass {
		pass += m.pass[i]
		latency += m.latency[i]
	}
	tasks := float64(len(m.pass))
	latency *= math.Exp((b.Call*b.Call+b.Run*b.Run)/2) * (1 + outliers*(outlierFactor-1)) * (1 + b.Busy*(b.BusyFactor-1))
	return (1-b.Errors)*(6*pass/tasks+1) + 0.3*max(0, 10-latency/tasks)
}

// Luck is what all tests of a run have in common.
type Luck struct {
	slowdown float64
	latent   []float64
}

// NewLuck draws the luck of a run, a slowdown given, or a new one where it is
// 0.
func (s *Suite) NewLuck(random *rand.Rand, slowdown float64) Luck {
	if slowdown == 0 {
		slowdown = s.box.slowdown(random)
	}
	l := Luck{slowdown: slowdown}
	if s.box.Shared > 0 {
		for range s.names {
			l.latent = append(l.latent, random.NormFloat64())
		}
	}
	return l
}

func (b Box) slowdown(random *rand.Rand) float64 {
	slowdown := math.Exp(b.Run * random.NormFloat64())
	if random.Float64() < b.Busy {
		slowdown *= b.BusyFactor
	}
	return slowdown
}

// Ask makes one test.
func (m *Model) Ask(random *rand.Rand, l Luck, task, cycle int) scoring.Test {
	b := m.suite.box
	t := scoring.Test{Task: m.suite.names[task], Cycle: cycle, Outcome: scoring.Answered}
	if random.Float64() < b.Errors {
		t.Outcome = scoring.Failed
		return t
	}
	if b.Shared > 0 {
		latent := math.Sqrt(b.Shared)*l.latent[task] + math.Sqrt(1-b.Shared)*random.NormFloat64()
		t.Passed = latent < m.threshold[task]
	} else {
		t.Passed = random.Float64() < m.pass[task]
	}
	seconds := m.latency[task] * l.slowdown * math.Exp(b.Call*random.NormFloat64())
	if random.Float64() < outliers {
		seconds *= outlierFactor
	}
	t.Latency = time.Duration(seconds * float64(time.Second))
	return t
}

// Run asks all tasks some times.
func (m *Model) Run(random *rand.Rand, cycles int) []scoring.Test {
	l := m.suite.NewLuck(random, 0)
	tests := make([]scoring.Test, 0, cycles*m.suite.Tasks())
	for cycle := range cycles {
		for task := range m.suite.Tasks() {
			tests = append(tests, m.Ask(random, l, task, cycle))
		}
	}
	return tests
}

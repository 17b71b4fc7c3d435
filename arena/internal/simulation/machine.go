package simulation

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/turbone/jarvis/scoring"
)

// Machine is a machine during one run or one tournament.
type Machine struct {
	world  World
	random *rand.Rand
	// test counts the tests so far.
	test int
	// base is the logarithm of its speed, wander the part that changes.
	base, wander float64
	// The second user is there from visit to leave, the drift begins at drift.
	visit, leave, drift int
	// lost is the number of tests that a burst still takes.
	lost int
	// latent is what the repeats of a task share, by model.
	latent map[*Model][]float64
}

// Machine returns a machine at the beginning of about so many tests.
func (w World) Machine(random *rand.Rand, tests int) *Machine {
	m := &Machine{world: w, random: random, base: w.Run * random.NormFloat64(), wander: w.Wander * random.NormFloat64()}
	if random.Float64() < w.Visits {
		// Somebody who comes and goes: a third to all of the time.
		length := tests/3 + random.IntN(2*tests/3+1)
		m.visit = random.IntN(tests+length) - length
		m.leave = m.visit + length
	}
	m.drift = random.IntN(tests + 1)
	return m
}

// Tournament returns a machine at the beginning of a tournament whose champion is
// asked a number of tests first.
func (w World) Tournament(random *rand.Rand, before int) *Machine {
	m := w.Machine(random, 2*before+100)
	m.drift = random.IntN(before + 60)
	if w.Leaves {
		m.visit, m.leave = 0, before
	}
	if w.Shared > 0 {
		m.latent = map[*Model][]float64{}
	}
	return m
}

// Wait lets time pass until a burst is over.
func (m *Machine) Wait() { m.lost = 0 }

// Ask makes one test.
func (m *Machine) Ask(model *Model, task int) scoring.Test {
	w, random := m.world, m.random
	m.test++
	if w.Wander > 0 {
		m.wander = w.Memory*m.wander + math.Sqrt(1-w.Memory*w.Memory)*w.Wander*random.NormFloat64()
	}
	if m.lost == 0 && w.Bursts > 0 && random.Float64() < w.Bursts {
		m.lost = w.Burst
	}
	if m.lost > 0 {
		m.lost--
		return scoring.Test{Outcome: scoring.Failed}
	}
	if w.Errors > 0 && random.Float64() < w.Errors {
		return scoring.Test{Outcome: scoring.Failed}
	}
	seconds := model.latency[task] * m.slowdown()
	if w.Tail > 0 && random.Float64() < w.Tail {
		seconds *= min(tailMost, math.Pow(1-random.Float64(), -1/tailShape))
	}
	return scoring.Test{
		Outcome: scoring.Answered, Passed: m.passes(model, task), Latency: time.Duration(seconds * float64(time.Second)),
	}
}

// slowdown returns the factor of a test's latency.
func (m *Machine) slowdown() float64 {
	w := m.world
	log := m.base + m.wander + w.Call*m.random.NormFloat64()
	if w.DriftTests > 0 {
		part := min(max(float64(m.test-m.drift)/float64(w.DriftTests), 0), 1)
		log += part * math.Log(w.Drift)
	}
	if m.test > m.visit && m.test <= m.leave {
		log += math.Log(w.Visitor)
	}
	return math.Exp(log)
}

func (m *Machine) passes(model *Model, task int) bool {
	shared := m.world.Shared
	if shared == 0 {
		return m.random.Float64() < model.pass[task]
	}
	latent := m.latent[model]
	if latent == nil {
		if m.latent == nil {
			m.latent = map[*Model][]float64{}
		}
		latent = make([]float64, len(model.pass))
		for i := range latent {
			latent[i] = m.random.NormFloat64()
		}
		m.latent[model] = latent
	}
	return math.Sqrt(shared)*latent[task]+math.Sqrt(1-shared)*m.random.NormFloat64() < model.threshold[task]
}

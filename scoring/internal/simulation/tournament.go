package simulation

import (
	"math/rand/v2"

	"github.com/sourcegraph/conc/iter"

	"github.com/turbone/jarvis/scoring"
)

const (
	// tasks, cycles and runs are those of the champion's own runs.
	tasks, cycles, runs = 40, 5, 5
	// afterTests is how many tests of the champion follow before a promotion,
	// mostBefore how many cycles precede at most where its history is unknown.
	afterTests, mostBefore = 20, 3
)

// Tournament is what is to be simulated.
type Tournament struct {
	Box Box
	// Gap is the candidate's true composite less the champion's, on the tasks
	// of the tournament.
	Gap float64
	// Plan is the rule.
	Plan scoring.Plan
	// Unknown: the champion has no own earlier runs. Short: it has, of one
	// cycle each, as a tournament that wasn't won leaves them.
	Unknown, Short bool
	// Field is how many candidates there are, all of the same true composite;
	// 0 means 1.
	Field int
	// Plain: the plain rule decides, against the score of another run of the
	// champion, after as many tests as the plan allows.
	Plain bool
}

// Outcome is what came of one tournament.
type Outcome struct {
	Verdict scoring.Verdict
	// Tests counts the candidates' tests, Champion the champion's.
	Tests, Champion int
	// Look is the last one.
	Look scoring.Look
}

// Figures sum up many tournaments.
type Figures struct {
	// Promoted, Retained and Inconclusive are shares of the tournaments.
	Promoted, Retained, Inconclusive float64
	// Tests and Champion are how many tests were made on average.
	Tests, Champion float64
}

// Simulate plays a number of tournaments side by side. The same seed gives the
// same figures.
func Simulate(t Tournament, number int, seed uint64) Figures {
	list := make([]uint64, number)
	for i := range list {
		list[i] = uint64(i)
	}
	var f Figures
	for _, o := range iter.Map(list, func(i *uint64) Outcome { return t.play(rand.New(rand.NewPCG(seed, *i))) }) {
		switch o.Verdict {
		case scoring.Promote:
			f.Promoted++
		case scoring.Retain:
			f.Retained++
		default:
			f.Inconclusive++
		}
		f.Tests += float64(o.Tests)
		f.Champion += float64(o.Champion)
	}
	for _, sum := range []*float64{&f.Promoted, &f.Retained, &f.Inconclusive, &f.Tests, &f.Champion} {
		*sum /= float64(number)
	}
	return f
}

// opponents draws a champion and a candidate on a suite of their own.
func (t Tournament) opponents(random *rand.Rand) (champion, candidate *Model) {
	for {
		s := NewSuite(t.Box, random, tasks)
		a, reached := NewModel(s, random, t.Box.Champion)
		b, both := NewModel(s, random, t.Box.Champion+t.Gap)
		if reached && both {
			return a, b
		}
	}
}

// play holds one tournament as package arena does.
func (t Tournament) play(random *rand.Rand) (o Outcome) {
	if t.Field > 1 {
		o.Tests = t.playField(random)
	}
	champion, candidate := t.opponents(random)
	if t.Plain {
		stored := scoring.Default().Score(scoring.Measure(champion.Run(random, t.Plan.Cap/tasks))).Composite
		score := scoring.Default().Score(scoring.Measure(candidate.Run(random, t.Plan.Cap/tasks)))
		o.Verdict, o.Tests = scoring.Retain, o.Tests+t.Plan.Cap
		if scoring.PlainRule(score, stored) {
			o.Verdict = scoring.Promote
		}
		return o
	}
	e := scoring.Evidence{Interleaved: true}
	before := min(max(t.Plan.Cap/tasks/2, 1), mostBefore)
	if !t.Unknown {
		length := cycles
		if t.Short {
			length = 1
		}
		for range runs {
			e.History = append(e.History, champion.Run(random, length))
		}
		before = 1
	}
	s := t.session(random, champion.suite)
	own := s.luck()
	for cycle := range before {
		for _, task := range s.order(cycle) {
			e.Champion = append(e.Champion, champion.Ask(random, s.drifted(own, 0), task, cycle))
		}
	}
	luck := s.luck()
	for _, at := range t.Plan.Looks() {
		for place := len(e.Candidate); place < at; place++ {
			task := s.order(place / tasks)[place%tasks]
			e.Candidate = append(e.Candidate, candidate.Ask(random, s.drifted(luck, place), task, place/tasks))
		}
		o.Look = t.Plan.Judge(e)
		if o.Look.Verdict != scoring.Continue {
			break
		}
	}
	if o.Look.Verdict == scoring.Promote {
		again := s.luck()
		again.latent = own.latent // it is the same run
		for place := range afterTests {
			task := s.order(before)[place]
			e.Champion = append(e.Champion, champion.Ask(random, s.drifted(again, len(e.Candidate)), task, before))
		}
		o.Look = t.Plan.Confirm(o.Look, e)
	}
	o.Verdict = o.Look.Verdict
	o.Tests += len(e.Candidate)
	o.Champion = len(e.Champion)
	return o
}

// playField asks the field in stages of one, two and four times all tasks, of
// which the better half goes on, and returns how many tests it took. All are
// equally good, so it doesn't matter who wins.
func (t Tournament) playField(random *rand.Rand) (tests int) {
	s := NewSuite(t.Box, random, tasks)
	type entrant struct {
		model *Model
		luck  Luck
		tests []scoring.Test
	}
	field := make([]entrant, t.Field)
	for i := range field {
		model, _ := NewModel(s, random, t.Box.Champion+t.Gap)
		field[i] = entrant{model: model, luck: s.NewLuck(random, 0)}
	}
	for cycles := 1; len(field) > 1; cycles = min(2*cycles, 4) {
		composites := make([]float64, len(field))
		for i := range field {
			e := &field[i]
			for place := len(e.tests); place < cycles*tasks; place++ {
				e.tests = append(e.tests, e.model.Ask(random, e.luck, place%tasks, place/tasks))
				tests++
			}
			composites[i] = scoring.Default().Score(scoring.Measure(e.tests)).Composite
		}
		var better []entrant
		for _, i := range scoring.Halve(composites) {
			better = append(better, field[i])
		}
		field = better
	}
	return tests
}

// session is what both models of a tournament share.
type session struct {
	box    Box
	suite  *Suite
	random *rand.Rand
	common float64
	orders [][]int
	// driftAt is the candidate's test from which on the machine is another,
	// -1 where it stays as it is.
	driftAt int
	drift   float64
}

func (t Tournament) session(random *rand.Rand, suite *Suite) *session {
	s := &session{box: t.Box, suite: suite, random: random, common: t.Box.slowdown(random), driftAt: -1}
	if random.Float64() < t.Box.Drift {
		s.driftAt, s.drift = random.IntN(40), t.Box.DriftFactor
		if random.IntN(2) == 0 {
			s.drift = 1 / s.drift
		}
	}
	return s
}

// luck is that of the next block of tests.
func (s *session) luck() Luck {
	if s.box.Together {
		return s.suite.NewLuck(s.random, s.common)
	}
	return s.suite.NewLuck(s.random, 0)
}

func (s *session) drifted(l Luck, place int) Luck {
	if s.driftAt >= 0 && place >= s.driftAt {
		l.slowdown *= s.drift
	}
	return l
}

// order is that of the tasks in a cycle, the same for both models.
func (s *session) order(cycle int) []int {
	for len(s.orders) <= cycle {
		s.orders = append(s.orders, s.random.Perm(tasks))
	}
	return s.orders[cycle]
}

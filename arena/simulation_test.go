package arena

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/sourcegraph/conc/iter"

	"github.com/turbone/jarvis/arena/internal/simulation"
	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/scoring"
	"github.com/turbone/jarvis/scoring/grade"
)

// simulated is a tournament to be held in a world, by the steps that next says.
type simulated struct {
	world simulation.World
	// gap is the candidate's true composite less the champion's.
	gap float64
	// runs is the number of the champion's own earlier runs, of runCycles cycles
	// each (0: as many as a tournament has). In their engine version the
	// champion was better by other.
	runs, runCycles int
	other           float64
	// tasks and cycles are 40 and 5 if 0; field is the number of candidates, if
	// there are several. They are equal on the tasks of the final or, without
	// earlier runs, on endless tasks.
	tasks, cycles, field int
	// strict asks for the error between tasks.
	strict bool
	// selfTest holds the champion against itself.
	selfTest bool
}

func (s simulated) String() string {
	text := fmt.Sprintf("%s, gap %+.2f, R %d", s.world.Name, s.gap, s.runs)
	if s.runCycles > 0 {
		text += fmt.Sprintf(" of %d cycles", s.runCycles)
	}
	if s.other != 0 {
		text += fmt.Sprintf(" of another version, %+.2f", s.other)
	}
	if s.tasks > 0 {
		text += fmt.Sprintf(", %d tasks", s.tasks)
	}
	if s.cycles > 0 {
		text += fmt.Sprintf(", %d cycles", s.cycles)
	}
	if s.field > 0 {
		text += fmt.Sprintf(", best of %d", s.field)
	}
	if s.strict {
		text += ", strict"
	}
	if s.selfTest {
		text += ", against itself"
	}
	return text
}

// ending is how a simulated tournament ended.
type ending struct {
	verdict Verdict
	// look is the one that decided.
	look scoring.Look
	// gap and elsewhere are the true gap on the tasks and on endless ones.
	gap, elsewhere      float64
	candidate, champion int // tests
	loads               int
	// right is the interval of the champion's share of right answers.
	right held
}

// held is whether an interval is shown, and holds the truth.
type held struct{ shown, holds bool }

// simulatedSuites are suites of as many tasks as their index says.
var simulatedSuites = func() map[int]*suite.Suite {
	list := map[int]*suite.Suite{}
	for _, n := range []int{5, 8, 10, 12, 15, 20, 40, 80} {
		var tasks []suite.Task
		for i := range n {
			tasks = append(tasks, suite.Task{ID: strconv.Itoa(i), Domain: "d", Prompt: "?", Grader: grade.MustExpect("x")})
		}
		s, err := suite.New("simulated", "1", tasks...)
		if err != nil {
			panic(err)
		}
		list[n] = s
	}
	return list
}()

// blockOf is a model's order of tasks, for the blocks that share it.
type simulatedOrders struct {
	suite  *suite.Suite
	seed   uint64
	cycles [][]int
}

// task returns the index of the task at a place.
func (o *simulatedOrders) task(place int) int {
	n := len(o.suite.Tasks())
	for len(o.cycles) <= place/n {
		var order []int
		for _, t := range o.suite.Order(len(o.cycles), o.seed) {
			index, _ := strconv.Atoi(t.ID)
			order = append(order, index)
		}
		o.cycles = append(o.cycles, order)
	}
	return o.cycles[place/n][place%n]
}

// simulate holds a number of tournaments. The same seed gives the same endings.
func (s simulated) simulate(number int, seed uint64) []ending {
	list := make([]uint64, number)
	for i := range list {
		list[i] = uint64(i)
	}
	return iter.Map(list, func(i *uint64) ending { return s.play(rand.New(rand.NewPCG(seed, *i))) })
}

func (s simulated) withDefaults() simulated {
	if s.tasks == 0 {
		s.tasks = 40
	}
	if s.cycles == 0 {
		s.cycles = 5
	}
	if s.runCycles == 0 {
		s.runCycles = s.cycles
	}
	return s
}

// opponents draws the champion and the candidates. Of a field it sets the number of
// tasks to that of the final.
func (s *simulated) opponents(random *rand.Rand) (models []*simulation.Model, field []nodes.Model) {
	if s.field == 0 {
		champion, candidate := s.world.Opponents(random, s.tasks, s.gap)
		if s.selfTest {
			candidate = champion
		}
		return []*simulation.Model{champion, candidate}, nil
	}
	// The field and the final have tasks of their own, as many each: of a small
	// suite a half.
	s.tasks = min(s.tasks/2, 40)
	first := s.tasks
	if s.runs == 0 {
		first = 0
	}
	for i := range s.field {
		field = append(field, nodes.Model{Name: strconv.Itoa(i)})
	}
	return s.world.Equals(random, 2*s.tasks, first, 1+s.field), field
}

// play holds one tournament.
func (s simulated) play(random *rand.Rand) ending {
	s = s.withDefaults()
	models, field := s.opponents(random)
	tasks := simulatedSuites[s.tasks]
	champion := models[0]
	names := make([]string, s.tasks)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	p := newProgress(session{
		ID: "s", Node: "M1", Champion: nodes.Model{Name: "old"}, Candidate: nodes.Model{Name: "new"},
		Tasks: s.tasks, Seed: random.Uint64() >> 1, Method: MethodPaired, Cap: s.cycles * s.tasks, Strict: s.strict, SelfTest: s.selfTest, Parallel: 1,
		Field: field, FieldTasks: s.tasks,
	})
	if s.field > 0 {
		p.Candidate = nodes.Model{}
	}
	p.weights = scoring.Default()
	s.earlierRuns(random, p, champion, names)
	p.size(s.cycles)

	machine := s.world.Tournament(random, p.Before)
	orders, fieldOrders := simulatedOrders{suite: tasks, seed: p.Seed}, simulatedOrders{suite: tasks, seed: p.Seed + 1}
	chosen := 1
	loaded, loads := "old", 0
	for range 5000 {
		step := p.next()
		switch {
		case step.ask != nil:
			model := champion
			switch step.ask.block {
			case blockCandidate:
				model = models[chosen]
			case blockField:
				model = models[1+step.ask.index]
			}
			if step.ask.model.Name != loaded {
				loaded = step.ask.model.Name
				loads++
			}
			for place := step.ask.from; place < step.ask.to; place++ {
				at := place
				if step.ask.block == blockAfter {
					at += p.Before
				}
				task := orders.task(at)
				asked := task
				if step.ask.block == blockField {
					task = fieldOrders.task(at)
					asked = s.tasks + task
				}
				test := machine.Ask(model, asked)
				test.Task, test.Cycle = names[task], at/s.tasks
				p.apply(entry{Test: &testEntry{step.ask.block, step.ask.index, test}})
			}
		case step.check != nil:
			machine.Wait()
			p.apply(entry{Checked: &checkEntry{}})
		case step.note != nil:
			if step.note.Chosen != nil {
				chosen = 1 + *step.note.Chosen
			}
			p.apply(*step.note)
		case step.end != nil:
			e := s.ended(p, *step.end, champion, models[chosen])
			e.loads = loads
			return e
		default:
			return ending{verdict: VerdictFailed}
		}
	}
	panic("a tournament does not end")
}

// ended returns how a tournament ended.
func (s simulated) ended(p *progress, end outcome, champion, candidate *simulation.Model) ending {
	e := ending{
		verdict: end.verdict, look: p.decisive(), gap: s.gap, elsewhere: candidate.Elsewhere() - champion.Elsewhere(),
		candidate: len(p.candidate), champion: len(p.champions()),
	}
	if s.selfTest && e.look.Verdict == scoring.Promote {
		e.verdict = VerdictPromoted // the champion seems better than itself
	}
	tests, truth := p.champions(), champion.RightElsewhere()
	_, low, high := scoring.ShareInterval(tests, func(t scoring.Test) bool { return t.Passed && !t.Error() }, 0.95)
	e.right = held{s.tasks >= scoring.ShareTasks && len(scoring.WithoutBursts(tests)) == len(tests), low <= truth && truth <= high}
	return e
}

// earlierRuns gives the champion its own earlier runs.
func (s simulated) earlierRuns(random *rand.Rand, p *progress, champion *simulation.Model, names []string) {
	var runs []history.Run
	version, now := "2", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if s.other != 0 {
		version = "1"
		champion = champion.Clone()
		champion.Reach(champion.Composite() + s.other)
	}
	for i := range s.runs {
		machine := s.world.Machine(random, s.runCycles*s.tasks)
		tests := make([]scoring.Test, 0, s.runCycles*s.tasks)
		for cycle := range s.runCycles {
			for task, name := range names {
				test := machine.Ask(champion, task)
				test.Task, test.Cycle = name, cycle
				tests = append(tests, test)
			}
		}
		runs = append(runs, history.Run{
			Model: "old", Node: "M1", Suite: "s", Type: runType, EngineVersion: version, Results: tests, Time: now.Add(time.Duration(i) * time.Hour),
		})
	}
	p.choose(runs, history.Run{Model: "old", Node: "M1", Suite: "s", Type: runType, EngineVersion: "2"}, time.Time{})
}

// figures sum up endings, in percent of them.
type simulatedFigures struct {
	promoted, retained, failed float64
	// candidate, champion and loads are means.
	candidate, champion, loads float64
	// gap and right are the intervals that are shown.
	gap, right coverage
	// below is the share of the promoted whose interval begins below zero.
	below float64
	// shown and truth are the mean gaps of the promoted, corrected is the shown one
	// less what it is too high by.
	shown, truth, corrected float64
}

// coverage counts intervals, and those that hold the truth.
type coverage struct{ shown, holds float64 }

func (c *coverage) add(h held) {
	if h.shown {
		c.shown++
		if h.holds {
			c.holds++
		}
	}
}

func (c coverage) percent() float64 { return 100 * c.holds / max(c.shown, 1) }

func sumUp(list []ending) simulatedFigures {
	var f simulatedFigures
	for _, e := range list {
		switch e.verdict {
		case VerdictPromoted:
			f.promoted++
			f.shown += e.look.Estimate
			if e.look.Low <= 0 {
				f.below++
			}
			f.truth += e.gap
			f.corrected += e.look.Estimate - e.look.Excess()
		case VerdictRetained:
			f.retained++
		case VerdictFailed:
			f.failed++
		}
		f.candidate += float64(e.candidate)
		f.champion += float64(e.champion)
		f.loads += float64(e.loads)
		f.right.add(e.right)
		f.gap.add(held{e.look.Tests > 0, e.look.Low <= e.elsewhere && e.elsewhere <= e.look.High})
	}
	n := float64(len(list))
	if f.promoted > 0 {
		f.shown /= f.promoted
		f.below *= 100 / f.promoted
		f.truth /= f.promoted
		f.corrected /= f.promoted
	}
	for _, sum := range []*float64{&f.promoted, &f.retained, &f.failed} {
		*sum *= 100 / n
	}
	for _, sum := range []*float64{&f.candidate, &f.champion, &f.loads} {
		*sum /= n
	}
	return f
}

func (f simulatedFigures) String() string {
	return fmt.Sprintf("%4.1f promoted, %4.1f retained, %3.1f failed, %3.0f + %3.0f tests, gap %5.1f, right %5.1f, shown %.2f, corrected %.2f, from below zero %.0f",
		f.promoted, f.retained, f.failed, f.candidate, f.champion, f.gap.percent(), f.right.percent(), f.shown, f.corrected, f.below)
}

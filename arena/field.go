package arena

import (
	"cmp"
	"slices"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/scoring"
)

// entrant is one of several candidates.
type entrant struct {
	model nodes.Model
	tests []scoring.Test
	out   string // why it can't go on, "" where it can
}

// fieldStages are after how many rounds through the tasks, all in all, the
// better half of the field goes on. Who is best needs no proof, only the crown
// does, and that is won in tests of their own.
var fieldStages = []int{1, 2, 4}

func newProgress(s session) *progress {
	p := &progress{session: s, unsteady: map[Role]string{}}
	for _, m := range s.Field {
		p.field = append(p.field, entrant{model: m})
	}
	return p
}

// nextOfField returns what the field does next. The order of a stage begins
// with who is loaded, to save a load.
func (p *progress) nextOfField() step {
	alive, target, decided := p.stage()
	if decided {
		if len(alive) == 0 {
			return step{action: actEnd}
		}
		return step{action: actChoose, index: alive[0]}
	}
	var waiting []int
	for _, i := range alive {
		if len(p.field[i].tests) < target {
			waiting = append(waiting, i)
		}
	}
	next := waiting[0]
	if slices.Contains(waiting, p.asked) {
		next = p.asked
	}
	return step{action: actAsk, block: blockField, from: len(p.field[next].tests), to: target, index: next}
}

// stage returns who is left, and how many tests each of them is to have; or,
// where that is decided, the best alone, or nobody.
func (p *progress) stage() (alive []int, target int, decided bool) {
	for i, e := range p.field {
		if e.out == "" {
			alive = append(alive, i)
		}
	}
	for round := 0; len(alive) > 1; round++ {
		target = fieldStages[min(round, len(fieldStages)-1)] * p.FieldTasks
		for _, i := range alive {
			if len(p.field[i].tests) < target {
				return alive, target, false
			}
		}
		alive = p.better(alive, target)
	}
	return alive, target, true
}

// better returns the better half, best first, by the composite of the first
// tests; of equals the earlier named.
func (p *progress) better(list []int, tests int) []int {
	composites := make([]float64, len(list))
	for at, i := range list {
		composites[at] = p.weights.Score(scoring.Measure(p.field[i].tests[:tests])).Composite
	}
	half := scoring.Halve(composites)
	for at, i := range half {
		half[at] = list[i]
	}
	return half
}

// fieldMost is how many tests the field may take.
func (p *progress) fieldMost() int {
	count, total := len(p.Field), 0
	for round, before := 0, 0; count > 1; round++ {
		stage := fieldStages[min(round, len(fieldStages)-1)]
		total += count * (stage - before) * p.FieldTasks
		before = stage
		count = (count + 1) / 2
	}
	return total
}

// ranked are all of the field, the best first: who is out comes last, who got
// further first, and of those who got as far the higher score.
func (p *progress) ranked() []int {
	list := make([]int, len(p.field))
	for i := range list {
		list[i] = i
	}
	slices.SortStableFunc(list, func(a, b int) int {
		x, y := p.field[a], p.field[b]
		return cmp.Or(
			cmp.Compare(min(len(x.out), 1), min(len(y.out), 1)),
			cmp.Compare(len(y.tests), len(x.tests)),
			cmp.Compare(p.weights.Score(scoring.Measure(y.tests)).Composite, p.weights.Score(scoring.Measure(x.tests)).Composite),
		)
	})
	return list
}

package arena

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/scoring"
)

// step is the next thing to do in a session. Exactly one of its fields is set.
type step struct {
	// ask is a batch of tests, with its model loaded.
	ask *batch
	// check waits until the model of the latest tests answers.
	check *batch
	// note is a decision: it goes into the journal and is applied.
	note *entry
	// abort is why the tournament can't go on now. It can be resumed.
	abort error
	// end is how the session ended.
	end *outcome
}

// batch is a number of tests to ask side by side: the places from to to of a
// block.
type batch struct {
	block    block
	index    int // in the field
	from, to int
	model    nodes.Model
	// reload says that the model is gone and has to be loaded again.
	reload bool
}

// next returns what to do next:
//   - a candidate that was lost is out; a champion that was lost and a server that
//     does not come back end the tournament for now;
//   - after deadAfter tests in a row without an answer the tournament pauses until
//     the model answers again, and these tests are asked anew, once, or twice if the
//     model was gone;
//   - of several candidates the best one is chosen;
//   - the champion's tests come before the candidate's, which end at the first
//     look that decides, or at the cap;
//   - a promotion is confirmed with more tests of the champion, where the
//     session has any; if it is not, the candidate's tests go on; what is not
//     decided at the cap is shown at the speed of both blocks.
func (p *progress) next() step {
	switch {
	case p.failure != "":
		return p.ended()
	case p.lost != nil:
		return p.loses()
	case p.again > 0:
		return step{note: &entry{Again: &againEntry{p.latest.block, p.latest.index, p.again}}}
	case p.silent >= deadAfter:
		latest := p.latest
		return step{check: &latest}
	case len(p.Field) > 0 && p.Candidate.Name == "":
		return p.nextOfField()
	case len(p.before) < p.Before:
		return p.asks(blockBefore, 0, len(p.before), p.Before)
	case p.Method == MethodMeasured:
		return p.ended()
	}
	if verdict, decided := p.verdict(); decided {
		return p.decided(verdict)
	}
	done := len(p.candidate)
	moments := p.moments()
	if done > p.seen() && slices.Contains(moments, done) {
		look := p.look()
		return step{note: &entry{Look: &look}}
	}
	to := p.Cap
	if i := slices.IndexFunc(moments, func(at int) bool { return at > done }); i >= 0 {
		to = moments[i]
	}
	return p.asks(blockCandidate, 0, done, to)
}

// decided returns what follows the look that decides.
func (p *progress) decided(verdict scoring.Verdict) step {
	switch {
	case verdict == scoring.Retain || p.After == 0 || p.confirmed != nil:
		return p.ended()
	case len(p.after) < p.After:
		return p.asks(blockAfter, 0, len(p.after), p.After)
	}
	look := p.confirm()
	return step{note: &entry{Confirm: &look}}
}

// asks returns the next tests of a block up to the place end, at most as many
// as are asked side by side.
func (p *progress) asks(b block, index, from, end int) step {
	batch := p.batch(b, index)
	batch.from, batch.to, batch.reload = from, min(from+max(p.Parallel, 1), end), p.reload
	return step{ask: &batch}
}

func (p *progress) ended() step {
	o := p.outcome()
	return step{end: &o}
}

// loses returns what follows the loss of a model.
func (p *progress) loses() step {
	switch {
	case p.latest.block.role() == Champion, errors.Is(p.lost, errAway):
		return step{abort: p.lost}
	case p.latest.block == blockField:
		return step{note: &entry{Out: &outEntry{p.latest.index, p.lost.Error()}}}
	}
	return step{note: &entry{Failure: p.lost.Error()}}
}

// fieldTarget returns the number of times that each of the field has been asked
// all tasks at the end of a round: 1, 2, and 4 from then on. The better half
// goes on. The order of the field needs no proof: only the promotion does, and
// that is decided by tests of its own.
func fieldTarget(round int) int {
	targets := []int{1, 2, 4}
	return targets[min(round, len(targets)-1)]
}

// nextOfField returns what the field does next. A round goes on with the model
// that is loaded, to save a load.
func (p *progress) nextOfField() step {
	alive, target := p.round()
	switch len(alive) {
	case 0:
		return step{note: &entry{Failure: "none of the candidates could be measured: " + p.lastOut()}}
	case 1:
		return step{note: &entry{Chosen: &alive[0]}}
	}
	waits := func(i int) bool { return len(p.field[i].tests) < target }
	next := alive[slices.IndexFunc(alive, waits)]
	if p.latest.block == blockField && slices.Contains(alive, p.latest.index) && waits(p.latest.index) {
		next = p.latest.index
	}
	return p.asks(blockField, next, len(p.field[next].tests), target)
}

// lastOut returns why the last candidate is out that was dropped.
func (p *progress) lastOut() string {
	if p.latest.block == blockField && p.field[p.latest.index].out != "" {
		return p.field[p.latest.index].out
	}
	return p.field[len(p.field)-1].out
}

// round returns the candidates of the current round and the number of tests
// that each of them has at its end. Of a field that is decided, the best alone
// is left.
func (p *progress) round() (alive []int, target int) {
	for i, e := range p.field {
		if e.out == "" {
			alive = append(alive, i)
		}
	}
	for round := 0; len(alive) > 1; round++ {
		target = fieldTarget(round) * p.FieldTasks
		if slices.ContainsFunc(alive, func(i int) bool { return len(p.field[i].tests) < target }) {
			return alive, target
		}
		alive = p.better(alive, target)
	}
	return alive, target
}

// better returns the better half of some candidates, the best first, by the
// composite of their first tests.
func (p *progress) better(list []int, tests int) []int {
	composites := make([]float64, len(list))
	for i, index := range list {
		composites[i] = p.weights.Score(scoring.Measure(p.field[index].tests[:tests])).Composite
	}
	half := scoring.Halve(composites)
	for i, place := range half {
		half[i] = list[place]
	}
	return half
}

// ranked returns the indexes of the field, the best first: those that are out
// last, before them those with fewer tests, and of equals the lower score.
func (p *progress) ranked() []int {
	list := make([]int, len(p.field))
	for i := range list {
		list[i] = i
	}
	score := func(e entrant) float64 { return p.weights.Score(scoring.Measure(e.tests)).Composite }
	slices.SortStableFunc(list, func(a, b int) int {
		x, y := p.field[a], p.field[b]
		return cmp.Or(
			cmp.Compare(min(len(x.out), 1), min(len(y.out), 1)),
			cmp.Compare(len(y.tests), len(x.tests)),
			cmp.Compare(score(y), score(x)),
		)
	})
	return list
}

// outcome is how a session ended.
type outcome struct {
	verdict Verdict
	reason  string
}

func (o outcome) String() string { return fmt.Sprintf("%s: %s", o.verdict, o.reason) }

package arena

import (
	"errors"
	"fmt"
	"slices"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/scoring"
)

// deadAfter is the number of tests in a row without an answer after which the
// tournament pauses.
const deadAfter = scoring.BurstLength

// A model that is gone is loaded again. It is lost if it is gone the third time
// within 40 tests, or was loaded again and still does not answer within the patience.
const (
	goneWithin = 40
	goneMost   = 3
	muteMost   = 2
)

// anewMost is how often a test without an answer is asked anew, anewGone how often
// if its model was gone, which may happen that often before it is lost.
const (
	anewMost = 1
	anewGone = goneMost - 1
)

// progress is the state of a session: the session and all that happened in it.
// It is changed by apply alone, and what to do next is computed from it alone
// by next. Both are pure: they read no clock, no file and no network.
type progress struct {
	session
	weights scoring.Composite
	// history holds the champion's own earlier runs that count.
	history [][]scoring.Test

	// before and after are the champion's tests around the candidate's.
	before, candidate, after []scoring.Test
	looks                    []scoring.Look
	// confirmed is the judgement with the champion's second block, judged the
	// latest judgement of all.
	confirmed, judged *scoring.Look
	field             []entrant
	unsteady          map[Role]string
	// failure is why the candidate, or the whole field, is out.
	failure string

	// latest are the latest tests, silent how many of them in a row got no
	// answer, reload says that their model has to be loaded again.
	latest batch
	silent int
	reload bool
	// again is the number of the latest tests that are asked anew, anew how often
	// those at a place were.
	again int
	anew  map[place]int
	// gone holds by model the numbers of tests at which one was loaded again
	// because it was gone.
	gone map[string][]int
	// lost is why the model of the latest tests can't go on.
	lost error
}

// place is the place of a test in a session.
type place struct {
	block        block
	index, place int
}

// entrant is one of several candidates.
type entrant struct {
	model nodes.Model
	tests []scoring.Test
	out   string // why it is out, "" if it is not
}

func newProgress(s session) *progress {
	p := &progress{session: s, unsteady: map[Role]string{}, gone: map[string][]int{}, anew: map[place]int{}}
	for _, m := range s.Field {
		p.field = append(p.field, entrant{model: m})
	}
	return p
}

// apply changes the state by one thing that happened. Entries about a candidate
// that is not in the field are ignored.
func (p *progress) apply(e entry) {
	switch {
	case e.Test != nil:
		p.addTest(*e.Test)
	case e.Look != nil:
		p.looks = append(p.looks, *e.Look)
		p.judged = e.Look
	case e.Confirm != nil:
		p.confirmed, p.judged = e.Confirm, e.Confirm
	case e.Unsteady != nil:
		p.unsteady[e.Unsteady.Role] = e.Unsteady.Why
	case e.Failure != "":
		p.failure, p.lost = e.Failure, nil
	case e.Out != nil && p.has(e.Out.Index):
		p.field[e.Out.Index].out, p.lost = e.Out.Why, nil
	case e.Chosen != nil && p.has(*e.Chosen):
		p.Candidate = p.field[*e.Chosen].model
	case e.Again != nil:
		p.takeBack(*e.Again)
	case e.Loaded != nil:
		p.latest, p.silent, p.reload = *e.Loaded, 0, false
	case e.Checked != nil:
		p.check(e.Checked.Gone)
	case e.Lost != nil:
		p.latest, p.lost = e.Lost.batch, e.Lost.err
	}
}

func (p *progress) has(index int) bool { return index >= 0 && index < len(p.field) }

func (p *progress) addTest(t testEntry) {
	tests := p.testsOf(t.Block, t.Index)
	if tests == nil {
		return
	}
	*tests = append(*tests, t.Test)
	p.latest = p.batch(t.Block, t.Index)
	p.silent++
	if !t.Error() {
		p.silent = 0
	}
}

// testsOf returns the tests of a block, nil if there is no such block.
func (p *progress) testsOf(b block, index int) *[]scoring.Test {
	switch {
	case b == blockField && p.has(index):
		return &p.field[index].tests
	case b == blockBefore:
		return &p.before
	case b == blockCandidate:
		return &p.candidate
	case b == blockAfter:
		return &p.after
	}
	return nil
}

// check takes the answer to a check after silent tests, which are asked anew. A
// model that does not answer or is gone is loaded again; one that is gone again and
// again is lost.
func (p *progress) check(gone error) {
	if gone == nil {
		p.pause(anewMost)
		return
	}
	mute := errors.Is(gone, errMute)
	if mute {
		p.pause(anewMost)
	} else {
		p.pause(anewGone)
	}
	name, now := p.latest.model.Name, p.tests()
	recent := slices.DeleteFunc(p.gone[name], func(at int) bool { return now >= at+goneWithin })
	p.gone[name] = append(recent, now)
	most := goneMost
	if mute {
		most = muteMost
	}
	if p.reload = len(p.gone[name]) < most; !p.reload {
		p.again = 0 // a session that is resumed finds them by itself
		p.lost = fmt.Errorf("%s: %d tests in a row without an answer, %d times within %d tests: %w",
			name, deadAfter, len(p.gone[name]), goneWithin, gone)
	}
}

// pause notes which of the latest tests are asked anew: those without an answer
// that were not asked anew so often before.
func (p *progress) pause(most int) {
	p.silent, p.again = 0, 0
	tests := p.testsOf(p.latest.block, p.latest.index)
	if tests == nil {
		return
	}
	for i, t := range slices.Backward(*tests) {
		if !t.Error() || p.anew[place{p.latest.block, p.latest.index, i}] >= most {
			return
		}
		p.again++
	}
}

// takeBack removes the latest tests of a block, to be asked anew.
func (p *progress) takeBack(e againEntry) {
	p.silent, p.again = 0, 0
	tests := p.testsOf(e.Block, e.Index)
	if tests == nil {
		return
	}
	for range min(e.Tests, len(*tests)) {
		last := len(*tests) - 1
		p.anew[place{e.Block, e.Index, last}]++
		*tests = (*tests)[:last]
	}
}

// askedAnew returns the number of a role's tests that were asked anew, without
// those of a field.
func (p *progress) askedAnew(r Role) int {
	count := 0
	for place := range p.anew {
		if place.block.role() == r && place.block != blockField {
			count++
		}
	}
	return count
}

// batch returns tests of a block, none yet.
func (p *progress) batch(b block, index int) batch {
	if b == blockField {
		return batch{block: b, index: index, model: p.field[index].model}
	}
	return batch{block: b, model: p.model(b.role())}
}

// champions returns all tests of the champion in this session.
func (p *progress) champions() []scoring.Test { return slices.Concat(p.before, p.after) }

// tests returns the number of tests so far.
func (p *progress) tests() int {
	count := len(p.before) + len(p.candidate) + len(p.after)
	for _, e := range p.field {
		count += len(e.tests)
	}
	return count
}

// most returns the greatest number of tests that the session can take.
func (p *progress) most() int { return p.Before + p.Cap + p.After + p.fieldMost() }

// fieldMost returns the greatest number of tests that the field can take.
func (p *progress) fieldMost() int {
	count, total := len(p.Field), 0
	for round, before := 0, 0; count > 1; round++ {
		target := fieldTarget(round)
		total += count * (target - before) * p.FieldTasks
		before = target
		count = (count + 1) / 2
	}
	return total
}

// loads returns the greatest number of loads that the session can take.
func (p *progress) loads() int {
	count := 4 // the candidate and the champion, each twice if a promotion is not confirmed
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

// size sets the numbers of tests of the champion and of the candidate for a
// tournament of so many cycles. A champion with enough runs of its own is asked
// all tasks once, and once more in part before a promotion.
func (p *progress) size(cycles int) {
	p.Before, p.After = p.Tasks, min(afterTests, p.Tasks)
	switch {
	case p.Method == MethodMeasured:
		p.Before, p.Cap, p.After = p.Cap, 0, 0
	case p.Method == MethodPlain && p.Stored == nil:
		p.Before, p.After = p.Cap, 0 // the champion has no score yet
	case p.Method == MethodPlain:
		p.Before, p.After = 0, 0
	case len(p.history) < enoughHistory:
		p.Before = p.Tasks * min(cycles, cyclesUnknown)
	}
	if p.SelfTest {
		p.After = 0
	}
}

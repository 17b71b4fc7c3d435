package arena

import (
	"slices"
	"time"

	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/scoring"
)

// Role is which of the two models of a tournament is meant.
type Role string

// The roles.
const (
	Champion  Role = "champion"
	Candidate Role = "candidate"
)

// Method is the method by which a tournament was decided.
type Method string

// The methods.
const (
	// MethodPaired is the paired sequential test, strict or not.
	MethodPaired Method = "paired"
	// MethodPlain is the plain rule: a score above the stored one.
	MethodPlain Method = "plain"
	// MethodMeasured decides nothing: the champion was measured.
	MethodMeasured Method = "measuring"
)

// session is what was fixed before the first test. It is the journal's first
// line.
type session struct {
	ID      string    `json:"session"`
	Node    string    `json:"node"`
	Started time.Time `json:"started"`
	// Champion is what the node served; it is what it gets back.
	Champion  nodes.Model `json:"champion"`
	Candidate nodes.Model `json:"candidate"`
	// Suite and Hash are those of the tasks drawn, Seed the base of the seeds.
	Suite  string `json:"suite"`
	Hash   string `json:"hash"`
	Tasks  int    `json:"tasks"`
	Seed   uint64 `json:"seed"`
	Method Method `json:"rule"`
	// Cap is how many tests of the candidate there may be, Before how many of
	// the champion come first, After how many before a promotion.
	Cap    int `json:"cap"`
	Before int `json:"before"`
	After  int `json:"after"`

	Strict   bool `json:"strict,omitempty"`
	SelfTest bool `json:"self_test,omitempty"`
	Parallel int  `json:"parallel,omitempty"`
	// Evidence names the champion's own earlier runs that count.
	Evidence []string `json:"evidence,omitempty"`
	// Stored is the champion's score in the history, for the plain rule; nil
	// where there is none.
	Stored *float64 `json:"stored,omitempty"`
	// Type is that of the runs in the history.
	Type string `json:"type"`
	// Field are the candidates of a tournament of several. The best of them
	// becomes the Candidate, which is empty until then.
	Field []nodes.Model `json:"field,omitempty"`
	// FieldTasks is how many tasks the field is asked.
	FieldTasks int `json:"field_tasks,omitempty"`
}

// progress is a session with what has happened in it. What comes next follows
// from it alone.
type progress struct {
	session
	// before and after are the champion's tests around the candidate's.
	before, candidate, after []scoring.Test
	looks                    []scoring.Look
	confirmed                *scoring.Look
	field                    []entrant
	asked                    int // who of the field was asked last
	unsteady                 map[Role]string
	failure                  string // why the candidate can't go on

	weights scoring.Composite
	history [][]scoring.Test
}

// block is a row of tests of one model between two loads.
type block string

const (
	blockBefore    block = "before"
	blockCandidate block = "candidate"
	blockAfter     block = "after"
	// blockField are the tests of one of several candidates.
	blockField block = "field"
)

func (b block) role() Role {
	if b == blockCandidate || b == blockField {
		return Candidate
	}
	return Champion
}

// action is what a tournament does next.
type action string

const (
	actAsk     action = "ask"     // more tests of a block
	actLook    action = "look"    // judge the candidate's tests
	actConfirm action = "confirm" // judge once more, with the champion's second block
	actChoose  action = "choose"  // the best of the field is known
	actEnd     action = "end"
)

// step is the next thing to do. Of actAsk, from and to are the places in the
// block of the tests to ask; index is which of the field is meant.
type step struct {
	action   action
	block    block
	from, to int
	index    int
}

// plan is how the candidate's tests are judged. Tests that ran side by side
// tell nothing about speed.
func (p *progress) plan() scoring.Plan {
	weights := p.weights
	if p.Parallel > 1 {
		weights.Speed = 0
	}
	return scoring.Plan{Cap: p.Cap, Strict: p.Strict, Weights: weights}
}

// next returns what to do next.
func (p *progress) next() step {
	switch {
	case p.failure != "":
		return step{action: actEnd}
	case len(p.Field) > 0 && p.Candidate.Name == "":
		return p.nextOfField()
	case len(p.before) < p.Before:
		return step{action: actAsk, block: blockBefore, from: len(p.before), to: p.Before}
	case p.Method == MethodMeasured:
		return step{action: actEnd}
	}
	if verdict, decided := p.verdict(); decided {
		if verdict != scoring.Promote || p.After == 0 || p.confirmed != nil {
			return step{action: actEnd}
		}
		if len(p.after) < p.After {
			return step{action: actAsk, block: blockAfter, from: len(p.after), to: p.After}
		}
		return step{action: actConfirm}
	}
	if len(p.candidate) > p.seen() && slices.Contains(p.moments(), len(p.candidate)) {
		return step{action: actLook}
	}
	to := p.Cap
	for _, moment := range p.moments() {
		if moment > len(p.candidate) {
			to = moment
			break
		}
	}
	return step{action: actAsk, block: blockCandidate, from: len(p.candidate), to: to}
}

// moments are the numbers of candidate's tests at which there is a look.
func (p *progress) moments() []int {
	if p.Method == MethodPlain {
		return []int{p.Cap}
	}
	return p.plan().Looks()
}

// seen is the number of tests at the last look.
func (p *progress) seen() int {
	if len(p.looks) == 0 {
		return 0
	}
	return p.looks[len(p.looks)-1].Tests
}

// verdict is that of the last look, confirmed or not; decided is false while
// there is none that ends the candidate's tests.
func (p *progress) verdict() (v scoring.Verdict, decided bool) {
	if p.confirmed != nil {
		return p.confirmed.Verdict, true
	}
	if len(p.looks) == 0 {
		return "", false
	}
	v = p.looks[len(p.looks)-1].Verdict
	return v, v != scoring.Continue
}

// last is the look that decides, or the latest; the zero Look where there was
// none.
func (p *progress) last() scoring.Look {
	switch {
	case p.confirmed != nil:
		return *p.confirmed
	case len(p.looks) > 0:
		return p.looks[len(p.looks)-1]
	}
	return scoring.Look{}
}

// look judges the tests that are in.
func (p *progress) look() scoring.Look {
	if p.Method == MethodPlain {
		return p.plainLook()
	}
	return p.plan().Judge(scoring.Evidence{
		Champion: p.before, Candidate: p.candidate, History: p.history, Interleaved: p.After > 0,
	})
}

// confirm judges them once more, with the champion's second block.
func (p *progress) confirm() scoring.Look {
	return p.plan().Confirm(p.looks[len(p.looks)-1], scoring.Evidence{
		Champion: p.champion(), Candidate: p.candidate, History: p.history, Interleaved: true,
	})
}

// plainLook is the plain rule's: no interval, no doubt.
func (p *progress) plainLook() scoring.Look {
	candidate := p.weights.Score(scoring.Measure(p.candidate))
	stored := p.weights.Score(scoring.Measure(p.before)).Composite
	if p.Stored != nil {
		stored = *p.Stored
	}
	gap := candidate.Composite - stored
	look := scoring.Look{Verdict: scoring.Retain, Tests: len(p.candidate), Tasks: p.Tasks, Estimate: gap, Low: gap, High: gap}
	if scoring.PlainRule(candidate, stored) {
		look.Verdict = scoring.Promote
	}
	return look
}

// champion are all of the champion's tests of this session.
func (p *progress) champion() []scoring.Test { return slices.Concat(p.before, p.after) }

// tests is how many tests there were.
func (p *progress) tests() int {
	count := len(p.before) + len(p.candidate) + len(p.after)
	for _, e := range p.field {
		count += len(e.tests)
	}
	return count
}

// add takes a test.
func (p *progress) add(b block, index int, t scoring.Test) {
	switch b {
	case blockField:
		if index >= 0 && index < len(p.field) {
			p.field[index].tests = append(p.field[index].tests, t)
			p.asked = index
		}
	case blockBefore:
		p.before = append(p.before, t)
	case blockCandidate:
		p.candidate = append(p.candidate, t)
	case blockAfter:
		p.after = append(p.after, t)
	}
}

// slot is one test to ask.
type slot struct {
	task  suite.Task
	cycle int
	seed  int
}

// slot returns the test at a place of a block: all tasks once, in a random
// order that is the same for all models, then all once more with other seeds.
func (p *progress) slot(tasks *suite.Suite, b block, place int) slot {
	base := p.Seed
	switch b {
	case blockAfter:
		place += p.Before
	case blockField:
		base++ // what chose the candidate is no evidence for it
	}
	count := len(tasks.Tasks())
	cycle := place / count
	task := tasks.Order(cycle, base)[place%count]
	return slot{task, cycle, tasks.Seed(task.ID, cycle, base)}
}

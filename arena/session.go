package arena

import (
	"fmt"
	"time"

	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/nodes"
)

// Role is the part that a model plays in a tournament.
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

// session holds what is fixed before the first test of a tournament. It is the
// first line of the journal.
type session struct {
	ID      string    `json:"session"`
	Node    string    `json:"node"`
	Started time.Time `json:"started"`
	// Champion is the model that the node served. The node gets it back unless
	// the candidate is promoted.
	Champion nodes.Model `json:"champion"`
	// Candidate is empty in a session with a Field until one of it is chosen.
	Candidate nodes.Model `json:"candidate"`
	// Suite and Hash identify the tasks that were drawn, Tasks is their number,
	// and Seed the base of their order and of the models' seeds.
	Suite  string `json:"suite"`
	Hash   string `json:"hash"`
	Tasks  int    `json:"tasks"`
	Seed   uint64 `json:"seed"`
	Method Method `json:"rule"`
	// Cap is the greatest number of the candidate's tests. The champion has
	// Before tests ahead of them, and After more ahead of a promotion.
	Cap    int `json:"cap"`
	Before int `json:"before"`
	After  int `json:"after"`

	Strict   bool `json:"strict,omitempty"`
	SelfTest bool `json:"self_test,omitempty"`
	Parallel int  `json:"parallel,omitempty"`
	// Evidence lists the IDs of the champion's own earlier runs that count.
	Evidence []string `json:"evidence,omitempty"`
	// Stored is the champion's score in the history, for the plain rule; nil if
	// there is none.
	Stored *float64 `json:"stored,omitempty"`
	// Unused says which of the champion's earlier runs do not count, and why.
	Unused []string `json:"unused,omitempty"`
	// EngineVersion is the version of the node's engine, "" where unknown.
	EngineVersion string `json:"engine_version,omitempty"`
	// Type is the type of the runs in the history.
	Type string `json:"type"`
	// Field lists the candidates of a tournament of several, FieldTasks is the
	// number of tasks that a round asks each of them.
	Field      []nodes.Model `json:"field,omitempty"`
	FieldTasks int           `json:"field_tasks,omitempty"`
	// Halves says that the field and the final have each a half of the suite.
	Halves bool `json:"halves,omitempty"`
}

// runID returns the ID of a model's run of the session. It is the same each
// time the run is recorded.
func (s session) runID(r Role) string { return s.ID + "-" + string(r) }

// model returns the model of a role.
func (s session) model(r Role) nodes.Model {
	if r == Candidate {
		return s.Candidate
	}
	return s.Champion
}

// challengers names the candidate, or the number of candidates as long as none
// is chosen.
func (s session) challengers() string { return challengers(s.Candidate.Name, len(s.Field)) }

func challengers(candidate string, field int) string {
	switch {
	case candidate != "":
		return candidate
	case field == 1:
		return "1 candidate"
	}
	return fmt.Sprintf("%d candidates", field)
}

// block is a sequence of tests of one model between two loads.
type block string

const (
	blockBefore    block = "before"
	blockCandidate block = "candidate"
	blockAfter     block = "after"
	// blockField is the block of one of several candidates.
	blockField block = "field"
)

func (b block) role() Role {
	if b == blockCandidate || b == blockField {
		return Candidate
	}
	return Champion
}

// slot is one test to ask.
type slot struct {
	task  suite.Task
	cycle int
	seed  int
}

// slot returns the test at a place of a block: all tasks once, in a random
// order that is the same for all models, then all of them again in another
// order and with other seeds.
func (s session) slot(tasks *suite.Suite, b block, place int) slot {
	base := s.Seed
	switch b {
	case blockAfter:
		place += s.Before
	case blockField:
		base++ // the tests that chose the candidate are no evidence for it
	}
	count := len(tasks.Tasks())
	cycle := place / count
	task := tasks.Order(cycle, base)[place%count]
	return slot{task, cycle, tasks.Seed(task.ID, cycle, base)}
}

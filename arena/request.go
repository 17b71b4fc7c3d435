package arena

import (
	"errors"
	"fmt"

	"github.com/turbone/jarvis/nodes"
)

// Request describes one tournament.
type Request struct {
	// Node is the node that the tournament is held on.
	Node *nodes.Node
	// Contest says which models compete: a [Challenge], a [Field] or a
	// [SelfTest].
	Contest Contest
	// Rule decides the verdict; the zero value is [Sequential].
	Rule Rule
	// Budget limits the number of tests; the zero value is [Full].
	Budget Budget
	// Parallel is the number of tests asked at the same time, at most
	// [MaxParallel]; 0 means 1. With more than one the speed is not judged.
	Parallel int
}

// MaxParallel is the largest [Request].Parallel.
const MaxParallel = 64

// Contest is the set of models that compete on a node: a [Challenge], a
// [Field] or a [SelfTest].
type Contest interface{ contest() }

// Challenge is the model that challenges the champion, the model that the node
// serves. A challenge by the champion itself is a measurement: nothing is
// loaded or promoted, and the run goes into the history.
type Challenge nodes.Model

// Field is a list of candidates. They are compared with each other first, and
// the best of them challenges the champion.
type Field []nodes.Model

// SelfTest compares the champion with itself, which shows what gap can be
// detected on the node. Nothing is loaded or promoted.
type SelfTest struct{}

func (Challenge) contest() {}
func (Field) contest()     {}
func (SelfTest) contest()  {}

// Rule is the rule by which a tournament is decided.
type Rule string

// The rules.
const (
	// Sequential is the paired sequential test: a candidate is promoted if it
	// is better on the tasks that were drawn.
	Sequential Rule = ""
	// Strict is the same test on the variation between tasks: a candidate is
	// promoted if it is better on tasks like these.
	Strict Rule = "strict"
	// Plain promotes any score above the champion's stored one. It crowns an
	// equal model half of the time.
	Plain Rule = "plain"
)

// Budget is the greatest length of a tournament.
type Budget string

// The budgets.
const (
	// Full is [Figures].Cycles cycles.
	Full Budget = ""
	// Quick is [Figures].QuickCycles cycles; it detects large gaps only.
	Quick Budget = "quick"
	// Extended is twice as many cycles as Full; it detects smaller gaps.
	Extended Budget = "extended"
)

// ErrInvalidRequest is wrapped by the errors of [Request.Validate].
var ErrInvalidRequest = errors.New("invalid tournament")

// ErrNoCandidate is wrapped by the error for a [Challenge] or a [Field] without
// a model to compare with the champion.
var ErrNoCandidate = errors.New("no candidate")

// Validate reports the first mistake in the request. All methods of an [Arena]
// that take a request call it before they do anything.
func (r Request) Validate() error {
	if r.Node == nil {
		return fmt.Errorf("arena: %w: no node given", ErrInvalidRequest)
	}
	invalid := func(format string, args ...any) error {
		return fmt.Errorf("%s: %w: %w", r.Node.Name, ErrInvalidRequest, fmt.Errorf(format, args...))
	}
	switch c := r.Contest.(type) {
	case nil:
		return invalid("it has no contest")
	case Challenge:
		if c.Name == "" {
			return invalid("%w named", ErrNoCandidate)
		}
	case Field:
		if len(c) == 0 {
			return invalid("%w listed", ErrNoCandidate)
		}
		for i, m := range c {
			if m.Name == "" {
				return invalid("candidate %d has no name", i+1)
			}
		}
	case SelfTest:
		if r.Rule == Plain {
			return invalid("a self-test compares with no stored score: the plain rule does not apply")
		}
	}
	switch {
	case r.Rule != Sequential && r.Rule != Strict && r.Rule != Plain:
		return invalid("unknown rule %q", string(r.Rule))
	case r.Budget != Full && r.Budget != Quick && r.Budget != Extended:
		return invalid("unknown budget %q", string(r.Budget))
	case r.Parallel < 0 || r.Parallel > MaxParallel:
		return invalid("%d tests at once; 1 to %d are possible", r.Parallel, MaxParallel)
	}
	return nil
}

// single refuses a contest of several candidates.
func (r Request) single() error {
	if err := r.Validate(); err != nil {
		return err
	}
	if _, several := r.Contest.(Field); several {
		return fmt.Errorf("%s: %w: a tournament of several candidates gives a ranking, not a result", r.Node.Name, ErrInvalidRequest)
	}
	return nil
}

// several returns the candidates of a [Field].
func (r Request) several() (Field, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	field, ok := r.Contest.(Field)
	if !ok {
		return nil, fmt.Errorf("%s: %w: a ranking needs a field of candidates", r.Node.Name, ErrInvalidRequest)
	}
	return field, nil
}

package arena

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/turbone/jarvis/nodes"
)

// Standing is one candidate of a tournament of several.
type Standing struct {
	Side
	// Out is why the candidate could not be measured to the end, "" if it was.
	Out string `json:"out,omitempty"`
}

// Ranking is the outcome of a tournament of several candidates.
type Ranking struct {
	// Winner is the model that the node serves afterwards.
	Winner  string  `json:"winner"`
	Verdict Verdict `json:"verdict"`
	// Table lists the candidates, the best first: a candidate with more tests
	// got further. The order is a choice, not a proof.
	Table []Standing `json:"table"`
	// TestsUsed is the number of tests of all candidates.
	TestsUsed int `json:"tests_used"`
	// Final is the result of the best candidate against the champion.
	Final Result `json:"final"`
}

// field returns the candidates of a [Field] without the champion and without
// duplicates, the smallest file first: it loads fastest, and the model that is
// loaded stays for the next round.
func (n *leasedNode) field(s nodes.Snapshot, candidates Field) ([]nodes.Model, error) {
	var field []nodes.Model
	for _, m := range candidates {
		m.Name = n.Canonical(m.Name)
		m.Digest = digestOf(n.Node, s, m.Name)
		if !m.Equal(n.saved) && !slices.ContainsFunc(field, m.Equal) {
			field = append(field, m)
		}
	}
	if len(field) == 0 {
		return nil, fmt.Errorf("%s: %w but %s, which serves already", n.Name, ErrNoCandidate, n.saved.Name)
	}
	size := func(m nodes.Model) int64 {
		for _, f := range s.OnDisk {
			if n.Same(f.Name, m.Name) {
				return f.Size
			}
		}
		return 0
	}
	slices.SortStableFunc(field, func(a, b nodes.Model) int { return cmp.Compare(size(a), size(b)) })
	return field, nil
}

// ranking returns the ranking of a session whose final is given.
func (p *progress) ranking(final Result) Ranking {
	r := Ranking{Winner: final.Loaded, Verdict: final.Verdict, Final: final, TestsUsed: len(p.candidate)}
	for _, i := range p.ranked() {
		e := p.field[i]
		r.Table = append(r.Table, Standing{side(e.model, e.tests, p.weights, ""), e.out})
		r.TestsUsed += len(e.tests)
	}
	return r
}

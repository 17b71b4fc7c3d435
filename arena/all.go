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
	// Out says why it could not be measured to the end, "" where it was.
	Out string `json:"out,omitempty"`
}

// Ranking is the outcome of a tournament of several candidates.
type Ranking struct {
	// Winner is the model that serves afterwards.
	Winner  string  `json:"winner"`
	Verdict Verdict `json:"verdict"`
	// Table are the candidates, the best first: who was asked more tests got
	// further. Who is best among them is a choice, not a proof.
	Table []Standing `json:"table"`
	// TestsUsed counts the tests of all candidates.
	TestsUsed int `json:"tests_used"`
	// Final is that of the best candidate against the champion.
	Final Result `json:"final"`
}

// field returns the candidates of a [Field] without the champion and without
// duplicates, the smallest file first: it loads fastest, and the model that is
// loaded stays for the next round.
func (h *hold) field(s nodes.Snapshot, candidates Field) ([]nodes.Model, error) {
	var field []nodes.Model
	for _, m := range candidates {
		m.Name = h.node.Canonical(m.Name)
		m.Digest = digestOf(h.node, s, m.Name)
		if !m.Equal(h.saved) && !slices.ContainsFunc(field, m.Equal) {
			field = append(field, m)
		}
	}
	if len(field) == 0 {
		return nil, fmt.Errorf("%s: %w but %s, which serves already", h.node.Name, ErrNoCandidate, h.saved.Name)
	}
	size := func(m nodes.Model) int64 {
		for _, f := range s.OnDisk {
			if h.node.Same(f.Name, m.Name) {
				return f.Size
			}
		}
		return 0
	}
	slices.SortStableFunc(field, func(a, b nodes.Model) int { return cmp.Compare(size(a), size(b)) })
	return field, nil
}

func (m *match) ranking(final Result) Ranking {
	r := Ranking{Winner: final.Loaded, Verdict: final.Verdict, Final: final, TestsUsed: len(m.candidate)}
	for _, i := range m.ranked() {
		e := m.field[i]
		r.Table = append(r.Table, Standing{side(e.model, e.tests, m.weights, ""), e.out})
		r.TestsUsed += len(e.tests)
	}
	return r
}

package arena

import (
	"context"
	"errors"
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

// HoldAll holds a tournament of several candidates: they are asked some tasks
// in stages, of which the better half goes on each time, and the best one is
// compared with the champion on other tasks. It blocks and ends as Hold does;
// r.Candidate is not used.
func (a *Arena) HoldAll(ctx context.Context, r Request, candidates []nodes.Model) (Ranking, error) {
	switch {
	case r.Node == nil:
		return Ranking{}, errors.New("arena: no node given")
	case len(candidates) == 0 && !r.Resume:
		return Ranking{}, errors.New("arena: no candidates given; list them in the config as arena.candidates")
	}
	r.Candidate = nodes.Model{}
	h, err := a.take(ctx, r.Node, fmt.Sprintf("tournament of %d models", len(candidates)))
	if err != nil {
		return Ranking{}, err
	}
	var m *match
	if r.Resume {
		m, err = a.resume(ctx, h, r, true)
	} else {
		m, err = a.openField(ctx, h, r, candidates)
	}
	if err != nil {
		return Ranking{}, errors.Join(err, h.release(ctx, true)) // nothing was changed
	}
	result, err := m.play(ctx)
	return m.ranking(result), errors.Join(err, h.release(ctx, m.intact))
}

// openField begins a session of several candidates. The champion is none of
// them, and each model is there once.
func (a *Arena) openField(ctx context.Context, h *hold, r Request, candidates []nodes.Model) (*match, error) {
	s, err := h.node.Probe(ctx)
	if err != nil {
		return nil, err
	}
	var field []nodes.Model
	for _, m := range candidates {
		m.Name = h.node.Canonical(m.Name)
		m.Digest = digestOf(h.node, s, m.Name)
		if !m.Equal(h.saved) && !slices.ContainsFunc(field, m.Equal) {
			field = append(field, m)
		}
	}
	if len(field) == 0 {
		return nil, fmt.Errorf("arena: %s is the only candidate, and serves already; list others as arena.candidates", h.saved.Name)
	}
	// Smaller files first: they load faster, and who is loaded stays for the
	// next stage.
	size := func(m nodes.Model) int64 {
		for _, f := range s.OnDisk {
			if h.node.Same(f.Name, m.Name) {
				return f.Size
			}
		}
		return 0
	}
	slices.SortStableFunc(field, func(a, b nodes.Model) int { return int(min(max(size(a)-size(b), -1), 1)) })
	rule := Paired
	if r.Plain {
		rule = Plain
	}
	p, err := a.begin(ctx, h, nodes.Model{}, field, rule, r)
	if err != nil {
		return nil, err
	}
	m, err := a.start(h, p)
	if err != nil {
		return nil, err
	}
	for i, model := range field {
		if why := h.node.Loadable(s, model); why != nil {
			if err := m.drop(step{block: blockField, index: i}, why.Error()); err != nil {
				return nil, errors.Join(err, m.journal.close())
			}
		}
	}
	return m, nil
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

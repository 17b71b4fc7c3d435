package arena

import (
	"context"
	"errors"
	"fmt"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/scoring"
)

// stop ends a tournament that can't go on now, by an error or by ctx. The
// session stays, to be resumed.
func (m *match) stop(ctx context.Context, cause error) (Result, error) {
	if ctx.Err() != nil {
		cause = fmt.Errorf("%w after %d tests", ErrInterrupted, m.tests())
	}
	err := m.restore(ctx)
	if err == nil {
		err = m.journal.write(line{Restored: true}, true)
	}
	return m.result(VerdictFailed, cause.Error()), errors.Join(cause, err, m.journal.close())
}

// restore gives the node back what it served.
func (m *match) restore(ctx context.Context) error {
	err := m.hold.restore(ctx, m.tasks, passed(m.champion()))
	m.intact = err == nil
	return err
}

// passed are the tasks that were answered rightly each time.
func passed(tests []scoring.Test) map[string]bool {
	known := map[string]bool{}
	for _, t := range tests {
		if right, seen := known[t.Task]; !seen || right {
			known[t.Task] = t.Passed
		}
	}
	return known
}

// end carries out the verdict.
func (m *match) end(ctx context.Context) (Result, error) {
	verdict, reason := m.outcome()
	if verdict == VerdictPromoted {
		err := m.crown(ctx)
		if err == nil {
			return m.finish(ctx, verdict, reason)
		}
		if ctx.Err() != nil {
			return m.stop(ctx, err)
		}
		verdict, reason = VerdictFailed, fmt.Sprintf("%s won and could not be put into service: %v", m.Candidate.Name, err)
	}
	if m.hold.serving != m.Champion.Name || m.failure != "" || verdict == VerdictFailed {
		if err := m.restore(ctx); err != nil {
			return m.result(VerdictFailed, reason), errors.Join(err, m.journal.close())
		}
	}
	m.intact = true
	return m.finish(ctx, verdict, reason)
}

// crown puts the candidate into service for good. From the keeper's word on it
// is the champion; what follows is done by whoever comes next, if need be.
func (m *match) crown(ctx context.Context) error {
	if m.hold.serving != m.Candidate.Name {
		if err := m.hold.serve(ctx, m.Candidate, Candidate); err != nil {
			return err
		}
	}
	if err := m.hold.verify(ctx, m.Candidate, m.tasks, passed(m.candidate)); err != nil {
		return err
	}
	if keeper := m.hold.arena.config.Keeper; keeper != nil {
		if err := keeper.Promote(ctx, m.hold.node, m.promotion()); err != nil {
			return err
		}
	}
	m.intact = true
	return nil
}

func (m *match) promotion() nodes.Promotion {
	sample := scoring.Measure(m.candidate)
	return nodes.Promotion{
		Model: m.Candidate, Previous: m.Champion, Run: m.runID(Candidate),
		FirstToken: medianFirstToken(m.candidate),
		ErrorRate:  float64(sample.Errors) / float64(max(sample.Tests, 1)),
	}
}

// finish records the runs and the champion, and forgets the session.
func (m *match) finish(ctx context.Context, verdict Verdict, reason string) (Result, error) {
	ctx = context.WithoutCancel(ctx)
	r := m.result(verdict, reason)
	r.Loaded = m.Champion.Name
	if verdict == VerdictPromoted {
		r.Loaded = m.Candidate.Name
	}
	if err := m.record(ctx, verdict); err != nil {
		return r, errors.Join(err, m.journal.close()) // the next start records it
	}
	t := EventRetained
	if verdict == VerdictPromoted {
		t = EventPromoted
	}
	m.tell(Event{Type: t, Model: r.Loaded, Text: r.Sentence()})
	return r, m.journal.remove()
}

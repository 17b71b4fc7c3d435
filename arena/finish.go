package arena

import (
	"context"
	"errors"
	"fmt"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/scoring"
)

// stop ends a tournament that can't go on now, because of an error or because
// ctx ended. The session stays and can be resumed.
func (t *tournament) stop(ctx context.Context, cause error) (Result, error) {
	if ctx.Err() != nil {
		cause = fmt.Errorf("%w after %d tests of all", ErrInterrupted, t.tests())
	} else {
		cause = t.cutShort(cause)
	}
	err := t.restore(ctx)
	if err == nil {
		err = t.journal.write(entry{Restored: true}, true)
	}
	return t.result(VerdictFailed, cause.Error()), errors.Join(cause, err, t.journal.close())
}

// cutShort returns the error of a session that can be resumed, if it has a journal.
func (t *tournament) cutShort(cause error) error {
	if t.journal.file == nil {
		return cause
	}
	return fmt.Errorf("%w after %d tests of all: %w", ErrCutShort, t.tests(), cause)
}

// restore gives the node back what it served.
func (t *tournament) restore(ctx context.Context) error {
	err := t.node.restore(ctx, t.tasks, alwaysPassed(t.champions()))
	t.intact = err == nil
	return err
}

// alwaysPassed returns the tasks that were passed each time.
func alwaysPassed(tests []scoring.Test) map[string]bool {
	known := map[string]bool{}
	for _, t := range tests {
		if right, seen := known[t.Task]; !seen || right {
			known[t.Task] = t.Passed
		}
	}
	return known
}

// end carries out the verdict.
func (t *tournament) end(ctx context.Context, o outcome) (Result, error) {
	if o.verdict == VerdictPromoted {
		err := t.promote(ctx)
		if err == nil {
			return t.finish(ctx, o)
		}
		if ctx.Err() != nil || errors.Is(err, errAway) {
			return t.stop(ctx, err)
		}
		o = outcome{VerdictFailed, fmt.Sprintf("%s won and could not be put into service: %v", t.Candidate.Name, err)}
	}
	if t.node.serving != t.Champion.Name || o.verdict == VerdictFailed {
		if err := t.restore(ctx); err != nil {
			return t.result(VerdictFailed, o.reason), errors.Join(t.cutShort(err), t.journal.close())
		}
	}
	t.intact = true
	return t.finish(ctx, o)
}

// promote puts the candidate into service for good. Once the keeper has it, it
// is the champion: if this process dies, the next one does the rest.
func (t *tournament) promote(ctx context.Context) error {
	if t.node.serving != t.Candidate.Name {
		t.node.emit(Event{Type: EventLoading, Model: t.Candidate.Name, Role: Candidate})
	}
	// A server that stops during the last questions says nothing of the candidate,
	// wrong answers do.
	passes := func(err error) bool { return errors.Is(err, errMute) }
	if err := t.node.establish(ctx, t.Candidate, Candidate, passes, t.tasks, alwaysPassed(t.candidate)); err != nil {
		return err
	}
	if keeper := t.arena.config.Keeper; keeper != nil {
		if err := keeper.Promote(ctx, t.node.Node, t.promotion()); err != nil {
			return err
		}
	}
	t.intact = true
	return nil
}

func (t *tournament) promotion() nodes.Promotion {
	sample := scoring.Measure(t.candidate)
	return nodes.Promotion{
		Model: t.Candidate, Previous: t.Champion, Run: t.runID(Candidate),
		FirstToken: scoring.MedianDuration(firstTokens(t.candidate)),
		ErrorRate:  float64(sample.Errors) / float64(max(sample.Tests, 1)),
	}
}

// finish writes the runs and the champion to the history and deletes the
// journal.
func (t *tournament) finish(ctx context.Context, o outcome) (Result, error) {
	ctx = context.WithoutCancel(ctx)
	r := t.result(o.verdict, o.reason)
	kind := EventRetained
	r.Loaded = t.Champion.Name
	if o.verdict == VerdictPromoted {
		kind, r.Loaded = EventPromoted, t.Candidate.Name
	}
	if err := t.writeHistory(ctx, o.verdict); err != nil {
		return r, errors.Join(err, t.journal.close()) // the next Recover does it
	}
	t.emit(Event{Type: kind, Model: r.Loaded, Result: &r})
	return r, t.journal.remove()
}

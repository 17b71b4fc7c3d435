package arena

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sourcegraph/conc/pool"

	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/scoring"
)

// tournament does on a node what the session's next step says.
type tournament struct {
	*progress
	arena *Organizer
	node  *leasedNode
	// tasks are those of the tournament, fieldTasks those that choose the best
	// of several candidates.
	tasks, fieldTasks *suite.Suite
	journal           *journal
	// intact says that the node serves what it is meant to.
	intact bool
}

func (a *Organizer) tournament(n *leasedNode, p *progress, j *journal) *tournament {
	return &tournament{progress: p, arena: a, node: n, tasks: a.drawn(0, p.Halves), fieldTasks: a.drawn(1, p.Halves), journal: j}
}

// emit sends an event with the node and the number of tests filled in.
func (t *tournament) emit(e Event) {
	e.Node, e.Done, e.Most = t.Node, t.tests(), t.most()
	t.arena.emit(e)
}

// emitSession sends an event about the session as a whole.
func (t *tournament) emitSession(kind EventType) {
	t.emit(Event{
		Type: kind, Model: t.Candidate.Name, Role: Candidate, Opponent: t.Champion.Name, Candidates: len(t.Field),
		Method: t.Method, SelfTest: t.SelfTest,
	})
}

// run does one step after the other until the end.
func (t *tournament) run(ctx context.Context) (Result, error) {
	for {
		s := t.next()
		var err error
		switch {
		case s.ask != nil:
			err = t.ask(ctx, *s.ask)
		case s.check != nil:
			err = t.check(ctx, *s.check)
		case s.note != nil:
			err = t.decide(*s.note)
		case s.end != nil:
			return t.end(ctx, *s.end)
		default:
			err = s.abort
		}
		if err != nil {
			return t.stop(ctx, err)
		}
	}
}

// record writes an entry to the journal, then applies it. Decisions survive a
// power cut.
func (t *tournament) record(e entry) error {
	if err := t.journal.write(e, e.Test == nil); err != nil {
		return err
	}
	t.apply(e)
	return nil
}

// decide records a decision and sends its event.
func (t *tournament) decide(e entry) error {
	if err := t.record(e); err != nil {
		return err
	}
	switch {
	case e.Look != nil:
		t.emit(Event{Type: EventLook, Look: e.Look})
	case e.Confirm != nil:
		t.emit(Event{Type: EventConfirmed, Look: e.Confirm})
	case e.Chosen != nil:
		t.emit(Event{Type: EventChosen, Model: t.Candidate.Name, Role: Candidate})
	case e.Out != nil:
		t.emit(Event{Type: EventDropped, Model: t.Field[e.Out.Index].Name, Role: Candidate, Cause: e.Out.Why})
	case e.Again != nil:
		t.emit(Event{Type: EventRepeating, Model: t.latest.model.Name, Role: e.Again.Block.role(), Count: e.Again.Tests})
	case e.Failure != "" && t.Candidate.Name != "":
		t.emit(Event{Type: EventDropped, Model: t.Candidate.Name, Role: Candidate, Cause: e.Failure})
	}
	return nil
}

// ask makes the tests of a batch, after loading their model if it isn't loaded.
func (t *tournament) ask(ctx context.Context, b batch) error {
	if t.node.serving != b.model.Name || b.reload {
		if err := t.load(ctx, b); err != nil || t.lost != nil {
			return err
		}
	}
	tests, err := t.together(ctx, b)
	if err != nil {
		return err
	}
	for _, test := range tests {
		if err := t.record(entry{Test: &testEntry{b.block, b.index, test}}); err != nil {
			return err
		}
		t.emit(Event{Type: EventTest, Model: b.model.Name, Role: b.block.role(), Test: &test})
	}
	return nil
}

// together makes the tests of a batch side by side. The error is the context's.
func (t *tournament) together(ctx context.Context, b batch) ([]scoring.Test, error) {
	ask := asker{t.node.Node, b.model, t.arena.figures}
	tasks := t.tasks
	if b.block == blockField {
		tasks = t.fieldTasks
	}
	if b.to-b.from == 1 {
		test, err := ask.ask(ctx, t.slot(tasks, b.block, b.from))
		return []scoring.Test{test}, err
	}
	tests := make([]scoring.Test, b.to-b.from)
	p := pool.New().WithContext(ctx).WithCancelOnError().WithFirstError()
	for i := range tests {
		p.Go(func(ctx context.Context) (err error) {
			tests[i], err = ask.ask(ctx, t.slot(tasks, b.block, b.from+i))
			return err
		})
	}
	return tests, p.Wait()
}

// load loads the model of a batch and warms it up. That the model doesn't load
// is recorded, and no error.
func (t *tournament) load(ctx context.Context, b batch) error {
	role := b.block.role()
	if err := t.node.serve(ctx, b.model, role); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return t.record(entry{Lost: &lostEntry{b, fmt.Errorf("%s could not be loaded: %w", b.model.Name, err)}})
	}
	if err := t.record(entry{Loaded: &b}); err != nil {
		return err
	}
	ask := asker{t.node.Node, b.model, t.arena.figures}
	// The tests that follow have other seeds: none is answered from a cache.
	slots := func(i int) slot {
		tasks := t.tasks.Tasks()
		return slot{task: tasks[i%len(tasks)], seed: i + 1}
	}
	why, err := ask.warm(ctx, slots, func() { t.emit(Event{Type: EventWarming, Model: b.model.Name, Role: role}) })
	if err != nil || why == "" {
		return err
	}
	t.emit(Event{Type: EventUnsteady, Model: b.model.Name, Role: role, Cause: why})
	return t.record(entry{Unsteady: &unsteadyEntry{role, why}})
}

// mutePause is the time between two questions whether a model answers.
const mutePause = 2 * time.Second

// answers returns nil if the model of a batch is loaded and answers a question.
func (t *tournament) answers(ctx context.Context, b batch) error {
	snapshot, err := t.node.Probe(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errAway, err)
	}
	loaded := func(i nodes.Instance) bool { return t.node.Same(i.Model, b.model.Name) && !i.Stopping }
	if !slices.ContainsFunc(snapshot.Loaded, loaded) {
		return errGone
	}
	test, err := asker{t.node.Node, b.model, t.arena.figures}.ask(ctx, slot{task: t.tasks.Tasks()[0], seed: 1})
	if err == nil && test.Error() {
		err = errMute
	}
	return err
}

// errGone is why a model is gone from a server that answers.
var errGone = errors.New("it is no longer loaded")

// errMute is why a model is lost that is loaded.
var errMute = errors.New("it is loaded and does not answer")

// check waits until the model of a batch answers. It does not wait for a server
// that does not, or a model that is no longer loaded: a load does that.
func (t *tournament) check(ctx context.Context, b batch) error {
	err := t.answers(ctx, b)
	for deadline, told := time.Now().Add(t.arena.figures.Patience), false; errors.Is(err, errMute) && time.Now().Before(deadline); told = true {
		if !told {
			t.emit(Event{Type: EventPaused, Model: b.model.Name, Role: b.block.role(), Count: deadAfter, Limit: t.arena.figures.Patience})
		}
		if !nodes.Sleep(ctx, mutePause) {
			break
		}
		err = t.answers(ctx, b)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := t.record(entry{Checked: &checkEntry{err}}); err != nil {
		return err
	}
	if t.reload {
		t.emit(Event{Type: EventReloading, Model: b.model.Name, Role: b.block.role(), Count: deadAfter, Cause: err.Error()})
	}
	return nil
}

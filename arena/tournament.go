package arena

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/sourcegraph/conc/pool"

	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/scoring"
)

const (
	// deadAfter is how many tests in a row without an answer make the arena
	// look whether the server and its model are still there.
	deadAfter = 3
	// afterTests is how many tests of the champion follow the candidate's
	// before a promotion.
	afterTests = 20
	// cyclesUnknown is how many cycles the champion is asked at most whose own
	// history is too short to count.
	cyclesUnknown = 3
	// enoughHistory is from how many runs on it counts.
	enoughHistory = 4
	// extendBy is how much longer an extended tournament may be.
	extendBy = 2
)

// Hold implements [Arena].
func (a *Organizer) Hold(ctx context.Context, r Request) (Result, error) {
	if err := r.single(); err != nil {
		return Result{}, err
	}
	why := "tournament"
	if c, ok := r.Contest.(Challenge); ok {
		why += " of " + c.Name
	}
	ranking, err := a.run(ctx, r.Node, why, func(h *hold) (*match, error) { return a.open(ctx, h, r) })
	return ranking.Final, err
}

// HoldAll implements [Arena].
func (a *Organizer) HoldAll(ctx context.Context, r Request) (Ranking, error) {
	field, err := r.several()
	if err != nil {
		return Ranking{}, err
	}
	why := fmt.Sprintf("tournament of %d models", len(field))
	return a.run(ctx, r.Node, why, func(h *hold) (*match, error) { return a.open(ctx, h, r) })
}

// Resume implements [Arena].
func (a *Organizer) Resume(ctx context.Context, node *nodes.Node, session string) (Ranking, error) {
	if node == nil {
		return Ranking{}, fmt.Errorf("arena: %w: no node given", ErrInvalidRequest)
	}
	return a.run(ctx, node, "tournament", func(h *hold) (*match, error) { return a.resume(ctx, h, session) })
}

// run leases the node, plays the match that open returns, and releases the
// lease.
func (a *Organizer) run(ctx context.Context, node *nodes.Node, why string, open func(*hold) (*match, error)) (Ranking, error) {
	h, err := a.take(ctx, node, why)
	if err != nil {
		return Ranking{}, err
	}
	m, err := open(h)
	if err != nil {
		return Ranking{}, errors.Join(err, h.release(ctx, true)) // nothing was changed
	}
	result, err := m.play(ctx)
	return m.ranking(result), errors.Join(err, h.release(ctx, m.intact))
}

// match is a tournament under way.
type match struct {
	*progress
	hold *hold
	// tasks are those of the tournament, fieldTasks those by which the best of
	// several candidates is chosen.
	tasks, fieldTasks *suite.Suite
	journal           *journal
	// intact: the node serves what it is meant to.
	intact bool
	silent int // tests in a row without an answer
	reload bool
}

// open begins a session.
func (a *Organizer) open(ctx context.Context, h *hold, r Request) (*match, error) {
	s, err := h.node.Probe(ctx)
	if err != nil {
		return nil, err
	}
	p, err := a.begin(ctx, h, s, r)
	if err != nil {
		return nil, err
	}
	m, err := a.start(h, p)
	if err != nil {
		return nil, err
	}
	for i, model := range p.Field {
		if why := h.node.Loadable(s, model); why != nil {
			if err := m.drop(step{block: blockField, index: i}, why.Error()); err != nil {
				return nil, errors.Join(err, m.journal.close())
			}
		}
	}
	return m, nil
}

// contestants returns the candidate or the field of a request, with the names
// and digests of the node, and the method by which they are judged.
func (h *hold) contestants(s nodes.Snapshot, r Request) (candidate nodes.Model, field []nodes.Model, method Method, err error) {
	method = MethodPaired
	if r.Rule == Plain {
		method = MethodPlain
	}
	switch c := r.Contest.(type) {
	case SelfTest:
		return h.saved, nil, MethodPaired, nil
	case Field:
		field, err = h.field(s, c)
		return nodes.Model{}, field, method, err
	case Challenge:
		candidate = nodes.Model(c)
	}
	candidate.Name = h.node.Canonical(candidate.Name)
	if candidate.Digest == "" {
		candidate.Digest = digestOf(h.node, s, candidate.Name)
	}
	if candidate.Equal(h.saved) {
		return candidate, nil, MethodMeasured, nil
	}
	return candidate, nil, method, h.node.Loadable(s, candidate) // before the champion is asked anything
}

// drawn are the tasks of all tournaments; with another number others, as far
// as there are.
func (a *Organizer) drawn(number int) *suite.Suite {
	return a.config.Suite.Draw(a.figures.Tasks, number)
}

func (a *Organizer) match(h *hold, p *progress, j *journal) *match {
	return &match{progress: p, hold: h, tasks: a.drawn(0), fieldTasks: a.drawn(1), journal: j}
}

// begin fixes what has to be fixed before the first test.
func (a *Organizer) begin(ctx context.Context, h *hold, s nodes.Snapshot, r Request) (*progress, error) {
	candidate, field, method, err := h.contestants(s, r)
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("arena: name the session: %w", err)
	}
	tasks := a.drawn(0)
	cycles := a.figures.Cycles
	switch r.Budget {
	case Quick:
		cycles = a.figures.QuickCycles
	case Extended:
		cycles *= extendBy
	}
	n := len(tasks.Tasks())
	p := newProgress(session{
		ID: id.String(), Node: h.node.Name, Started: time.Now(), Champion: h.saved, Candidate: candidate,
		Suite: a.config.Suite.Name(), Hash: tasks.Hash(), Tasks: n, Seed: rand.Uint64() >> 1, Method: method,
		Cap: cycles * n, Before: n, After: min(afterTests, n), Type: runType,
		Strict: r.Rule == Strict, SelfTest: r.selfTest(), Parallel: max(r.Parallel, 1),
		Field: field, FieldTasks: len(a.drawn(1).Tasks()),
	})
	p.weights = a.weights
	if err := a.evidence(ctx, h.node, p, nil); err != nil {
		return nil, err
	}
	switch {
	case method == MethodMeasured:
		p.Before, p.Cap, p.After = p.Cap, 0, 0
	case method == MethodPlain:
		p.After = 0
		if p.Before = 0; p.Stored == nil {
			p.Before = p.Cap // the champion has no score yet
		}
	case len(p.history) < enoughHistory:
		p.Before = n * min(max(cycles/2, 1), cyclesUnknown)
	}
	if p.SelfTest {
		p.After = 0
	}
	return p, nil
}

// start writes the journal's first line.
func (a *Organizer) start(h *hold, p *progress) (*match, error) {
	j, err := newJournal(a.config.Journal, p.session)
	if err != nil {
		return nil, err
	}
	m := a.match(h, p, j)
	text := fmt.Sprintf("%s against %s, at most %d tests", p.Candidate.Name, p.Champion.Name, m.most())
	switch {
	case p.SelfTest:
		text = fmt.Sprintf("%s against itself, %d tests", p.Champion.Name, m.most())
	case p.Method == MethodMeasured:
		text = fmt.Sprintf("measuring %s, %d tests", p.Champion.Name, m.most())
	case len(p.Field) > 0:
		text = fmt.Sprintf("%d candidates, the best of them against %s, at most %d tests", len(p.Field), p.Champion.Name, m.most())
	}
	m.tell(Event{Type: EventStarted, Model: p.Candidate.Name, Role: Candidate, Text: text})
	return m, nil
}

// most is how many tests there may be.
func (p *progress) most() int { return p.Before + p.Cap + p.After + p.fieldMost() }

func (m *match) tell(e Event) {
	e.Node, e.Done, e.Most = m.Node, m.tests(), m.most()
	m.hold.arena.tell(e)
}

// play does what comes next until the end.
func (m *match) play(ctx context.Context) (Result, error) {
	for {
		s := m.next()
		var err error
		switch s.action {
		case actAsk:
			err = m.ask(ctx, s)
		case actLook:
			look := m.look()
			err = m.note(line{Look: &look})
			m.tell(Event{Type: EventLook, Look: &look, Text: lookText(look)})
		case actConfirm:
			look := m.confirm()
			err = m.note(line{Confirm: &look})
			m.tell(Event{Type: EventLook, Look: &look, Text: "confirmed: " + lookText(look)})
		case actChoose:
			err = m.note(line{Chosen: &s.index})
			m.tell(Event{Type: EventStage, Model: m.Candidate.Name, Role: Candidate, Text: m.Candidate.Name + " is the best of the candidates"})
		case actEnd:
			return m.end(ctx)
		}
		if err != nil {
			return m.stop(ctx, err)
		}
	}
}

// note takes what happened, once it is in the journal. What decides survives a
// power cut.
func (m *match) note(l line) error {
	if err := m.journal.write(l, l.Test == nil); err != nil {
		return err
	}
	m.replay(l)
	return nil
}

func (m *match) model(r Role) nodes.Model {
	if r == Candidate {
		return m.Candidate
	}
	return m.Champion
}

// ask makes the tests of a step, after loading their model where it isn't. A
// candidate that can't be loaded ends the tournament, and is no error.
func (m *match) ask(ctx context.Context, s step) error {
	role := s.block.role()
	model := m.model(role)
	if s.block == blockField {
		model = m.field[s.index].model
	}
	if m.hold.serving != model.Name || m.reload {
		err := m.load(ctx, model, role)
		if err != nil && role == Candidate && ctx.Err() == nil {
			return m.drop(s, fmt.Sprintf("%s could not be loaded: %v", model.Name, err))
		}
		if err != nil {
			return err
		}
	}
	asker := asker{m.hold.node, model, m.hold.arena.figures}
	for at := s.from; at < s.to; {
		count := min(m.Parallel, s.to-at)
		tests, err := m.together(ctx, asker, s.block, at, count)
		if err != nil {
			return err
		}
		for _, t := range tests {
			if err := m.note(line{Test: &testLine{s.block, s.index, t}}); err != nil {
				return err
			}
			m.tell(Event{Type: EventTest, Model: model.Name, Role: role, Test: &t})
			if m.silent++; !t.Error() {
				m.silent = 0
			}
		}
		at += count
		if m.silent >= deadAfter {
			m.silent = 0
			if err := m.alive(ctx, model, role, s); err != nil || m.reload || m.gone(s) {
				return err
			}
		}
	}
	return nil
}

// drop ends the tournament for a candidate, or for one of the field.
func (m *match) drop(s step, why string) error {
	m.tell(Event{Type: EventWarning, Role: Candidate, Text: why})
	if s.block != blockField {
		return m.note(line{Failure: why})
	}
	if err := m.note(line{Out: &outLine{s.index, why}}); err != nil {
		return err
	}
	for _, e := range m.field {
		if e.out == "" {
			return nil
		}
	}
	return m.note(line{Failure: "none of the candidates could be measured: " + why})
}

// gone reports whether the model of a step was dropped.
func (m *match) gone(s step) bool {
	return m.failure != "" || s.block == blockField && m.field[s.index].out != ""
}

// together asks tests side by side.
func (m *match) together(ctx context.Context, a asker, b block, from, count int) ([]scoring.Test, error) {
	if count == 1 {
		t, err := a.ask(ctx, m.slot(m.of(b), b, from))
		return []scoring.Test{t}, err
	}
	tests := make([]scoring.Test, count)
	p := pool.New().WithContext(ctx).WithCancelOnError().WithFirstError()
	for i := range count {
		p.Go(func(ctx context.Context) (err error) {
			tests[i], err = a.ask(ctx, m.slot(m.of(b), b, from+i))
			return err
		})
	}
	err := p.Wait()
	return tests, err
}

// of are the tasks of a block.
func (m *match) of(b block) *suite.Suite {
	if b == blockField {
		return m.fieldTasks
	}
	return m.tasks
}

// load loads a model and warms it up.
func (m *match) load(ctx context.Context, model nodes.Model, role Role) error {
	m.reload = false
	if err := m.hold.serve(ctx, model, role); err != nil {
		return err
	}
	a := asker{m.hold.node, model, m.hold.arena.figures}
	slots := func(i int) slot { // not those that follow: nothing is answered from a cache
		order := m.tasks.Tasks()
		return slot{task: order[i%len(order)], seed: i + 1}
	}
	why, err := a.warm(ctx, slots, func() { m.tell(Event{Type: EventWarming, Model: model.Name, Role: role}) })
	if err != nil {
		return err
	}
	if why == "" {
		return nil
	}
	m.tell(Event{Type: EventWarning, Model: model.Name, Role: role, Text: model.Name + ": " + why})
	return m.note(line{Unsteady: &unsteadyLine{role, why}})
}

// alive looks after some tests without an answer whether the server and its
// model are there. A model that is gone is loaded again, once.
func (m *match) alive(ctx context.Context, model nodes.Model, role Role, s step) error {
	snapshot, err := m.hold.node.Probe(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	there := err == nil && slices.ContainsFunc(snapshot.Loaded, func(i nodes.Instance) bool {
		return m.hold.node.Same(i.Model, model.Name) && !i.Stopping
	})
	if there {
		return nil // it is there and does not answer: that is what is measured
	}
	why := "it is no longer loaded"
	if err != nil {
		why = err.Error()
	}
	text := fmt.Sprintf("%s: %d tests in a row without an answer: %s", model.Name, deadAfter, why)
	if m.hold.reloads[model.Name]++; m.hold.reloads[model.Name] <= 1 {
		m.reload = true
		m.tell(Event{Type: EventWarning, Model: model.Name, Role: role, Text: text + "; loading it again"})
		return nil
	}
	if role == Candidate {
		return m.drop(s, text)
	}
	return errors.New(text)
}

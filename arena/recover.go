package arena

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// Unfinished is a session that was cut short.
type Unfinished struct {
	Session string
	// Node is where, "" where the journal can't be read.
	Node string
	// Several: it is one of several candidates.
	Several             bool
	Champion, Candidate nodes.Model
	Started             time.Time
	// Tests is how many were made.
	Tests int
	// Err says why its node couldn't be given its model back, nil where it was.
	Err error
}

// Recover implements [Arena].
func (a *Organizer) Recover(ctx context.Context, set *nodes.Set) ([]Unfinished, error) {
	paths, err := journals(a.config.Journal)
	if err != nil {
		return nil, err
	}
	var list []Unfinished
	for _, path := range paths {
		u, err := a.recover(ctx, path, set)
		if err != nil && u == nil {
			u = &Unfinished{}
		}
		if u != nil {
			u.Err = err
			list = append(list, *u)
		}
	}
	return list, nil
}

func (a *Organizer) recover(ctx context.Context, path string, set *nodes.Set) (*Unfinished, error) {
	p, restored, err := readJournal(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil // its process ended it meanwhile
	case errors.Is(err, errEmptyJournal):
		return nil, a.removeIdle(ctx, path)
	case err != nil:
		return nil, err
	}
	u := &Unfinished{
		Session: p.ID, Node: p.Node, Several: len(p.Field) > 0, Champion: p.Champion, Candidate: p.Candidate,
		Started: p.Started, Tests: p.tests(),
	}
	node := set.Get(p.Node)
	if node == nil {
		return u, fmt.Errorf("a tournament on %s was cut short, and no such node is known; to give that session up, remove %s", p.Node, path)
	}
	if restored {
		return u, nil
	}
	if _, err := node.Probe(ctx); err != nil {
		return u, fmt.Errorf("a tournament was cut short, and %s is to be loaded again: %w", p.Champion.Name, err)
	}
	lease, err := a.config.Leases.Acquire(ctx, node.Name, nodes.Holder{
		Name: "jarvis-arena", PID: os.Getpid(), Since: time.Now(), Why: "end a tournament that was cut short",
	})
	if errors.Is(err, nodes.Leased) {
		return nil, nil // it is still under way, or the healer is at work
	}
	if err != nil {
		return u, err
	}
	h := &hold{arena: a, node: node, lease: lease, saved: p.Champion, reloads: map[string]int{}}
	m := a.match(h, p, nil)
	p.weights = a.weights
	// While the lease was free the session may have been ended by another.
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, lease.Release()
	}
	if m.journal, err = openJournal(path); err != nil {
		return u, errors.Join(err, lease.Release())
	}
	a.tell(Event{Node: node.Name, Type: EventWarning, Text: fmt.Sprintf("a tournament of %s was cut short after %d tests: ending it", p.challengers(), p.tests())})
	crowned, err := m.crowned(ctx)
	switch {
	case err != nil:
		err = errors.Join(err, m.journal.close())
	case crowned:
		m.intact = true
		_, reason := p.outcome()
		if _, err = m.finish(ctx, VerdictPromoted, reason); err == nil {
			u = nil
		}
	default:
		if err = m.restore(ctx); err == nil {
			err = m.journal.write(line{Restored: true}, true)
		}
		err = errors.Join(err, m.journal.close())
	}
	return u, errors.Join(err, h.release(ctx, m.intact))
}

// challengers is the candidate, or how many there are as long as none is chosen.
func (p *progress) challengers() string {
	if p.Candidate.Name == "" {
		return fmt.Sprintf("%d candidates", len(p.Field))
	}
	return p.Candidate.Name
}

// removeIdle removes the journal of a process that ended before it did
// anything. One that is being started holds its node's lease; the file is
// young then.
func (a *Organizer) removeIdle(_ context.Context, path string) error {
	info, err := os.Stat(path)
	if err != nil || time.Since(info.ModTime()) < time.Minute {
		return nil
	}
	return os.Remove(path)
}

// crowned reports whether the session's candidate was put into service for
// good before the process ended.
func (m *match) crowned(ctx context.Context) (bool, error) {
	if v, _ := m.outcome(); v != VerdictPromoted {
		return false, nil
	}
	keeper := m.hold.arena.config.Keeper
	if keeper == nil {
		champion, ok, err := m.hold.arena.config.History.Champion(ctx)
		return ok && champion.RunID == m.runID(Candidate), err
	}
	now, ok, err := keeper.Serving(ctx, m.hold.node)
	return ok && now.Equal(m.Candidate), err
}

// resume continues an interrupted session on the node: the one named, else the
// latest.
func (a *Organizer) resume(ctx context.Context, h *hold, session string) (*match, error) {
	paths, err := journals(a.config.Journal)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		p, _, err := readJournal(path)
		if err != nil || p.Node != h.node.Name || session != "" && session != p.ID {
			continue
		}
		if err := a.resumable(ctx, h, p); err != nil {
			return nil, err
		}
		p.weights = a.weights
		if err := a.evidence(ctx, h.node, p, p.Evidence); err != nil {
			return nil, err
		}
		j, err := openJournal(path)
		if err != nil {
			return nil, err
		}
		m := a.match(h, p, j)
		m.tell(Event{Type: EventResumed, Model: p.Candidate.Name, Role: Candidate, Text: fmt.Sprintf("%s against %s, going on after %d tests", p.challengers(), p.Champion.Name, p.tests())})
		return m, nil
	}
	return nil, fmt.Errorf("%s: %w: no tournament was cut short there", h.node.Name, ErrNothingToResume)
}

// resumable returns an error if the session's results are not comparable with
// those of more tests: the tasks, the champion or the candidate changed.
func (a *Organizer) resumable(ctx context.Context, h *hold, p *progress) error {
	if p.Hash != a.drawn(0).Hash() {
		return fmt.Errorf("%s: the tasks %w", p.Node, ErrChanged)
	}
	if !p.Champion.Equal(h.saved) {
		return fmt.Errorf("%s: the champion %w: it was %s, and is %s", p.Node, ErrChanged, p.Champion.Name, h.saved.Name)
	}
	s, err := h.node.Probe(ctx)
	if err != nil {
		return err
	}
	if now := digestOf(h.node, s, p.Candidate.Name); now != "" && p.Candidate.Digest != "" && now != p.Candidate.Digest {
		return fmt.Errorf("%s: the file of %s %w", p.Node, p.Candidate.Name, ErrChanged)
	}
	return nil
}

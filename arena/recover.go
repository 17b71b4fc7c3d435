package arena

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// Unfinished is a session that was interrupted.
type Unfinished struct {
	Session string
	// Node is the name of its node, "" if the journal can't be read.
	Node string
	// Several reports whether it has several candidates.
	Several             bool
	Champion, Candidate nodes.Model
	Started             time.Time
	// Tests is the number of its tests.
	Tests int
	// Ended is the outcome of a session that was ended: its promotion had been made
	// and is recorded now. Nil for one that can be resumed.
	Ended *Ranking
	// Err is why its node did not get its model back, nil if it did.
	Err error
}

// ReadUnfinished returns the sessions whose journals are in a folder, the latest
// first, without changing anything: those that were interrupted, and those under
// way, whose nodes are leased. Err is why a journal can't be read.
func ReadUnfinished(folder string) ([]Unfinished, error) {
	paths, err := journals(folder)
	if err != nil {
		return nil, err
	}
	var list []Unfinished
	for _, path := range paths {
		p, _, err := readJournal(path)
		switch {
		case errors.Is(err, os.ErrNotExist), errors.Is(err, errEmptyJournal): // there is nothing to go on with
		case err != nil:
			list = append(list, Unfinished{Err: err})
		default:
			list = append(list, *p.unfinished())
		}
	}
	return list, nil
}

// unfinished describes the session.
func (p *progress) unfinished() *Unfinished {
	return &Unfinished{
		Session: p.ID, Node: p.Node, Several: len(p.Field) > 0, Champion: p.Champion, Candidate: p.Candidate,
		Started: p.Started, Tests: p.tests(),
	}
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

// recover ends the session of one journal. It returns nil for a session that
// is no longer there, or on a node that is leased.
func (a *Organizer) recover(ctx context.Context, path string, set *nodes.Set) (*Unfinished, error) {
	p, restored, err := readJournal(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil // its process ended it meanwhile
	case errors.Is(err, errEmptyJournal):
		return nil, removeIdle(path)
	case err != nil:
		return nil, err
	}
	u := p.unfinished()
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
	lease, err := a.config.Leases.Acquire(ctx, node.Name, holder("end a tournament that was cut short"))
	if errors.Is(err, nodes.Leased) {
		return nil, nil // it is still under way, or the healer is at work
	}
	if err != nil {
		return u, err
	}
	n := &leasedNode{Node: node, arena: a, lease: lease, saved: p.Champion}
	t := a.tournament(n, p, nil)
	p.weights = a.weights
	// While the lease was free the session may have been ended by another.
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, lease.Release()
	}
	if t.journal, err = openJournal(path); err != nil {
		return u, errors.Join(err, lease.Release())
	}
	t.emitSession(EventRecovering)
	promoted, err := t.promoted(ctx)
	switch {
	case err != nil:
		err = errors.Join(err, t.journal.close())
	case promoted:
		t.intact = true
		var result Result
		if result, err = t.finish(ctx, t.outcome()); err == nil {
			ranking := t.ranking(result)
			u.Ended = &ranking
		}
	default:
		if err = t.restore(ctx); err == nil {
			err = t.journal.write(entry{Restored: true}, true)
		}
		err = errors.Join(err, t.journal.close())
	}
	return u, errors.Join(err, n.release(ctx, t.intact))
}

// removeIdle removes the journal of a process that ended before it did
// anything. A journal younger than a minute may belong to a process that is
// about to write its first line, and stays.
func removeIdle(path string) error {
	info, err := os.Stat(path)
	if err != nil || time.Since(info.ModTime()) < time.Minute {
		return nil
	}
	return os.Remove(path)
}

// promoted reports whether the session's candidate was put into service for
// good before its process ended.
func (t *tournament) promoted(ctx context.Context) (bool, error) {
	if t.outcome().verdict != VerdictPromoted {
		return false, nil
	}
	keeper := t.arena.config.Keeper
	if keeper == nil {
		champion, ok, err := t.arena.config.History.Champion(ctx)
		return ok && champion.RunID == t.runID(Candidate), err
	}
	now, ok, err := keeper.Serving(ctx, t.node.Node)
	return ok && now.Equal(t.Candidate), err
}

// resume opens an interrupted session on the node: the one named, else the
// latest.
func (a *Organizer) resume(ctx context.Context, n *leasedNode, session string) (*tournament, error) {
	paths, err := journals(a.config.Journal)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		p, _, err := readJournal(path)
		if err != nil || p.Node != n.Name || session != "" && session != p.ID {
			continue
		}
		if err := a.comparable(ctx, n, p); err != nil {
			return nil, err
		}
		p.weights = a.weights
		if err := a.evidence(ctx, n.Node, p, p.Evidence); err != nil {
			return nil, err
		}
		j, err := openJournal(path)
		if err != nil {
			return nil, err
		}
		t := a.tournament(n, p, j)
		t.emitSession(EventResumed)
		return t, nil
	}
	return nil, fmt.Errorf("%s: %w: no tournament was cut short there", n.Name, ErrNothingToResume)
}

// comparable returns an error if the session's tests are not comparable with
// new ones: the tasks, the champion or the candidate changed.
func (a *Organizer) comparable(ctx context.Context, n *leasedNode, p *progress) error {
	if p.Hash != a.drawn(0, p.Halves).Hash() {
		return fmt.Errorf("%s: the tasks %w", p.Node, ErrChanged)
	}
	if !p.Champion.Equal(n.saved) {
		return fmt.Errorf("%s: the champion %w: it was %s, and is %s", p.Node, ErrChanged, p.Champion.Name, n.saved.Name)
	}
	s, err := n.Probe(ctx)
	if err != nil {
		return err
	}
	if s.Version != "" && p.EngineVersion != "" && s.Version != p.EngineVersion {
		return fmt.Errorf("%s: the engine %w: its version was %s, and is %s", p.Node, ErrChanged, p.EngineVersion, s.Version)
	}
	if now := digestOf(n.Node, s, p.Candidate.Name); now != "" && p.Candidate.Digest != "" && now != p.Candidate.Digest {
		return fmt.Errorf("%s: the file of %s %w", p.Node, p.Candidate.Name, ErrChanged)
	}
	return nil
}

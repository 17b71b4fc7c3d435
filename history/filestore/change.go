package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/internal/jsontext"
)

const (
	// lockPoll is how often a taken lock is tried again.
	lockPoll = 5 * time.Millisecond
	// contention is for how long a change insists on being made at once though
	// somebody else goes on changing the file, deferment for how long the next
	// ones are put off then without trying.
	contention = 500 * time.Millisecond
	deferment  = 200 * time.Millisecond
)

// edit is a change of the file.
type edit struct {
	// text makes the new text, nil for none.
	text func(*document) ([]byte, error)
	// line is that for the journal, nil for none. It is asked for after the text
	// was made.
	line func() entry
	// done is told what the file holds now, deferred whether the row is there
	// already and how many rows there will be; both may be nil.
	done     func(*document)
	deferred func(there bool, rows int)
}

// change changes the file's text. The edit is made again where somebody changed
// the file meanwhile. Where that goes on, the change stands in the journal, from
// where the next one to read or change the file takes it.
func (f *Store) change(ctx context.Context, e edit) (err error) {
	unlock, err := f.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := clearAbandoned(f.target()); err != nil {
		return err
	}
	var inJournal noted
	defer func() {
		if err != nil && inJournal.id != "" { // it was not recorded, and must not come back
			err = errors.Join(err, f.note(f.mode(), entry{At: time.Now(), Dropped: []string{inJournal.id}}))
		}
	}()
	last, _, err := f.left()
	if err != nil {
		return err
	}
	// Where the change before this one was put off, this one doesn't insist
	// either: then all go into the file together.
	insist, patience := contention, f.patience
	if e.line != nil && !last.Deferred.IsZero() {
		if since := time.Since(last.Deferred); since >= 0 && since < deferment {
			return f.putOff(e, last)
		}
		insist, patience = 0, min(patience, deferment/4)
	}
	for begun := time.Now(); ; {
		t := turnOf{Store: f, edit: e, noted: &inJournal}
		finished, err := t.take(ctx, patience)
		if e.line != nil && errors.Is(err, history.ErrUnreadable) && patience < f.patience && !finished {
			break // half written, and nobody waits for its end
		}
		if err != nil {
			return err
		}
		if finished {
			if e.done != nil {
				e.done(t.after)
			}
			return f.tidy(time.Now())
		}
		if time.Since(begun) >= insist {
			break
		}
		// Out of step with whoever goes round and round.
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Duration(rand.Int64N(int64(pollLast)))):
		}
	}
	if e.line == nil {
		return fmt.Errorf("another program changes %s again and again while it is being changed here: stop that one, or let it keep a file of its own", f.path)
	}
	last.Deferred = time.Now()
	return f.putOff(e, last)
}

// putOff notes a change that can't be made now.
func (f *Store) putOff(e edit, last entry) error {
	line := e.line()
	line.At = time.Now()
	rows := last.Rows
	if e.deferred != nil {
		there, err := f.mentioned(runID(line.Run))
		if err != nil {
			return err
		}
		if !there {
			rows++
		}
		if f.keep > 0 {
			rows = min(rows, f.keep)
		}
		e.deferred(there, rows)
	}
	return f.note(f.mode(), line, entry{Deferred: last.Deferred, Rows: rows})
}

// mentioned says whether the file or the journal has a row with this ID, though
// neither may be whole.
func (f *Store) mentioned(id string) (bool, error) {
	name, err := jsontext.Encode(id)
	if err != nil {
		return false, err
	}
	for _, path := range []string{f.path, f.journalPath()} {
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("look for run %s: %w", id, err)
		}
		if bytes.Contains(text, name) {
			return true, nil
		}
	}
	return false, nil
}

// turnOf is one try of a change.
type turnOf struct {
	*Store
	edit
	noted *noted
	after *document
}

// take makes the change, unless somebody else changed the file meanwhile.
func (t *turnOf) take(ctx context.Context, patience time.Duration) (finished bool, err error) {
	before, err := t.read(ctx, patience)
	if err != nil {
		return false, err
	}
	base, err := t.restore(before)
	if err != nil {
		return false, err
	}
	text, notes := base.Text, base.notes
	if t.edit.text != nil {
		if text, err = t.edit.text(base.document); err != nil {
			return false, err
		}
	}
	if t.after, err = parse(text); err != nil {
		return false, fmt.Errorf("the changed history would be unreadable, so it isn't written: %w", err)
	}
	if bytes.Equal(text, before.Text) && len(notes) == 0 && t.line == nil && !before.absent {
		return true, nil
	}
	if same, err := t.unchanged(before); err != nil || !same {
		return false, err
	}
	moved, err := t.shorten(before)
	if err != nil {
		return false, err
	}
	if err := ctx.Err(); err != nil {
		return false, context.Cause(ctx)
	}
	if err := t.journalise(before, notes, moved); err != nil {
		return false, err
	}
	ready, err := prepare(t.target(), t.after.Text, t.mode())
	if err != nil {
		return false, fmt.Errorf("write the history: %w", err)
	}
	// The last look: from here on nothing takes time.
	if same, err := t.unchanged(before); err != nil || !same {
		return false, errors.Join(err, ready.discard())
	}
	if err := ready.commit(); err != nil {
		return false, fmt.Errorf("write the history: %w", err)
	}
	return true, nil
}

// shorten moves rows beyond the limit to the archive, and returns their IDs.
func (t *turnOf) shorten(before *document) (moved []string, err error) {
	extra := len(t.after.runs) - t.keep
	if t.keep < 1 || extra < 1 {
		return nil, nil
	}
	if err := t.archive(before, t.after, extra); err != nil {
		return nil, err
	}
	for i := range extra {
		if id, ok := t.after.runID(i); ok {
			moved = append(moved, id)
		}
	}
	if t.after, err = parse(t.after.withoutFirst(extra)); err != nil {
		return nil, fmt.Errorf("the shortened history would be unreadable, so it isn't written: %w", err)
	}
	return moved, nil
}

// journalise notes the change before it is made.
func (t *turnOf) journalise(before *document, notes []entry, moved []string) error {
	if before.absent {
		// A new history begins, and nothing of the one before belongs to it.
		if err := os.Remove(t.journalPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("begin a new journal: %w", err)
		}
		*t.noted = noted{}
	}
	if line, new := t.newLine(); new {
		notes = append(notes, line)
	}
	if len(moved) > 0 {
		notes = append(notes, entry{At: time.Now(), Moved: moved})
	}
	return t.note(t.mode(), append(notes, entry{Left: hash(t.after.Text), Rows: len(t.after.runs)})...)
}

// newLine is the change's line, once.
func (t *turnOf) newLine() (line entry, new bool) {
	if t.line == nil || t.noted.done {
		return entry{}, false
	}
	line = t.line()
	line.At = time.Now()
	*t.noted = noted{true, runID(line.Run)}
	return line, true
}

// noted says that a change stands in the journal, and which row it is about.
type noted struct {
	done bool
	id   string
}

// mode is who may read the file.
func (f *Store) mode() fs.FileMode {
	if info, err := os.Stat(f.target()); err == nil {
		return info.Mode().Perm()
	}
	return 0o644
}

// unchanged says whether the file still holds this text.
func (f *Store) unchanged(d *document) (bool, error) {
	now, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return d.absent, nil
	}
	return !d.absent && bytes.Equal(now, d.Text), err
}

// lock waits for this process's turn and then for the lock file.
func (f *Store) lock(ctx context.Context) (unlock func() error, err error) {
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() {
		if err != nil {
			<-f.turn
		}
	}()
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return nil, fmt.Errorf("make the history's folder: %w", err)
	}
	lock := flock.New(f.target()+".lock", flock.SetPermissions(0o644))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the history with %s: %w", lock.Path(), err), lock.Close())
	}
	return func() error {
		defer func() { <-f.turn }()
		if err := lock.Close(); err != nil { // which unlocks; the lock file stays
			return fmt.Errorf("unlock the history: %w", err)
		}
		return nil
	}, nil
}

// target is the file itself where the path is a link: it is replaced, not the
// link, and who comes by another path meets the same lock.
func (f *Store) target() string {
	if resolved, err := filepath.EvalSymlinks(f.path); err == nil {
		return resolved
	}
	return f.path
}

package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"time"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/internal/jsontext"
)

const (
	// contention is how long a change is retried while another program keeps
	// rewriting the file. After that it is deferred to the journal, and so is every
	// change in the next deferment.
	contention = 500 * time.Millisecond
	deferment  = 200 * time.Millisecond
)

// edit is a change of the file.
type edit struct {
	// text returns the new text; nil for a change that only restores.
	text func(*document) ([]byte, error)
	// entry returns the change for the journal; nil if it isn't logged. It is called
	// after text.
	entry func() entry
	// done is called with the new document. deferred is called if the change was
	// deferred, with whether its row is there already and the number of rows that
	// there will be. Both may be nil.
	done     func(*document)
	deferred func(there bool, rows int)
}

// change applies an edit, again if another program changed the file meanwhile. If
// that program doesn't rest, the edit is deferred: it is appended to the journal,
// and the next call that reads or changes the file applies it.
func (s *Store) change(ctx context.Context, e edit) (err error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := clearAbandoned(s.target()); err != nil {
		return err
	}
	last, _, err := s.journal().last()
	if err != nil {
		return err
	}
	insist, patience := contention, s.patience
	if e.entry != nil && !last.Deferred.IsZero() {
		// If the previous change was deferred a moment ago, defer this one too:
		// deferred changes are written together.
		if since := time.Since(last.Deferred); since >= 0 && since < deferment {
			return s.deferChange(e, last)
		}
		insist, patience = 0, min(patience, deferment/4)
	}
	a := attempt{Store: s, edit: e}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.revoke())
		}
	}()
	done, err := a.retry(ctx, insist, patience)
	switch {
	case err != nil:
		return err
	case !done && e.entry == nil:
		return fmt.Errorf("another program changes %s again and again while it is being changed here: stop that one, or let it keep a file of its own", s.path)
	case !done:
		last.Deferred = time.Now()
		return s.deferChange(e, last)
	}
	if e.done != nil {
		e.done(a.after)
	}
	return s.journal().compact(time.Now())
}

// deferChange appends a change to the journal that cannot be made now. last is the
// last entry of the journal.
func (s *Store) deferChange(e edit, last entry) error {
	logged := e.entry()
	logged.At = time.Now()
	rows := last.Rows
	if e.deferred != nil {
		there, err := s.mentioned(runID(logged.Run))
		if err != nil {
			return err
		}
		if !there {
			rows++
		}
		if s.keep > 0 {
			rows = min(rows, s.keep)
		}
		e.deferred(there, rows)
	}
	return s.journal().append(s.mode(), logged, entry{Deferred: last.Deferred, Rows: rows})
}

// mentioned reports whether the file or the journal has a row with this ID. Neither
// has to be complete.
func (s *Store) mentioned(id string) (bool, error) {
	name, err := jsontext.Encode(id)
	if err != nil {
		return false, err
	}
	for _, path := range []string{s.path, string(s.journal())} {
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

// attempt is the attempt to apply an edit to the file.
type attempt struct {
	*Store
	edit
	// after is the new document.
	after *document
	// logged is true if the edit is in the journal, id is the ID of its row.
	logged bool
	id     string
}

// retry tries until the edit is applied or insist is over; done tells which. A
// half-written file is read again for patience.
func (a *attempt) retry(ctx context.Context, insist, patience time.Duration) (done bool, err error) {
	for begun := time.Now(); ; {
		done, err := a.try(ctx, patience)
		if a.entry != nil && errors.Is(err, history.ErrUnreadable) && patience < a.patience {
			return false, nil // half written, and not to be waited for
		}
		if done || err != nil || time.Since(begun) >= insist {
			return done, err
		}
		// A random pause, to get out of step with the other program.
		if err := sleep(ctx, time.Duration(rand.Int64N(int64(pollLast)))); err != nil {
			return false, err
		}
	}
}

// try applies the edit. done is false if another program changed the file
// meanwhile.
func (a *attempt) try(ctx context.Context, patience time.Duration) (done bool, err error) {
	before, err := a.read(ctx, patience)
	if err != nil {
		return false, err
	}
	base, err := a.restore(before)
	if err != nil {
		return false, err
	}
	text := base.Text
	if a.text != nil {
		if text, err = a.text(base.document); err != nil {
			return false, err
		}
	}
	if a.after, err = parse(text); err != nil {
		return false, fmt.Errorf("the changed history would be unreadable, so it isn't written: %w", err)
	}
	if bytes.Equal(text, before.Text) && len(base.entries) == 0 && a.entry == nil && !before.absent {
		return true, nil
	}
	if same, err := a.unchanged(before); err != nil || !same {
		return false, err
	}
	moved, err := a.shorten(before)
	if err != nil {
		return false, err
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if err := a.log(before, base.entries, moved); err != nil {
		return false, err
	}
	return a.replace(before)
}

// shorten moves rows beyond the limit to the archive and returns their IDs.
func (a *attempt) shorten(before *document) (moved []string, err error) {
	extra := len(a.after.runs) - a.keep
	if a.keep < 1 || extra < 1 {
		return nil, nil
	}
	if err := a.archive(before, a.after, extra); err != nil {
		return nil, err
	}
	for i := range extra {
		if id := runID(a.after.row(i)); id != "" {
			moved = append(moved, id)
		}
	}
	if a.after, err = parse(a.after.withoutFirst(extra)); err != nil {
		return nil, fmt.Errorf("the shortened history would be unreadable, so it isn't written: %w", err)
	}
	return moved, nil
}

// log appends the change to the journal, before it is made.
func (a *attempt) log(before *document, entries []entry, moved []string) error {
	if before.absent {
		// A new history begins; the journal belongs to the one before.
		if err := a.journal().remove(); err != nil {
			return err
		}
		a.logged, a.id = false, ""
	}
	if a.entry != nil && !a.logged {
		logged := a.entry()
		logged.At = time.Now()
		a.logged, a.id = true, runID(logged.Run)
		entries = append(entries, logged)
	}
	if len(moved) > 0 {
		entries = append(entries, entry{At: time.Now(), Moved: moved})
	}
	return a.journal().append(a.mode(), append(entries, entry{Left: hash(a.after.Text), Rows: len(a.after.runs)})...)
}

// revoke drops the row of a failed change from the journal: it must not be
// restored.
func (a *attempt) revoke() error {
	if a.id == "" {
		return nil
	}
	return a.journal().append(a.mode(), entry{At: time.Now(), Dropped: []string{a.id}})
}

// replace replaces the file. done is false if another program changed it
// meanwhile.
func (a *attempt) replace(before *document) (done bool, err error) {
	ready, err := prepare(a.target(), a.after.Text, a.mode())
	if err != nil {
		return false, fmt.Errorf("write the history: %w", err)
	}
	// The last check: renaming the prepared file takes next to no time.
	if same, err := a.unchanged(before); err != nil || !same {
		return false, errors.Join(err, ready.discard())
	}
	if err := ready.commit(); err != nil {
		return false, fmt.Errorf("write the history: %w", err)
	}
	return true, nil
}

// unchanged reports whether the file still holds the text of a document.
func (s *Store) unchanged(d *document) (bool, error) {
	now, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return d.absent, nil
	}
	return !d.absent && bytes.Equal(now, d.Text), err
}

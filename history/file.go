package history

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/uuid"
)

const (
	// DefaultKeep is how many runs a file keeps.
	DefaultKeep = 500
	// DefaultPatience is how long a file that can't be read is read again, in
	// case somebody is writing it.
	DefaultPatience = 2 * time.Second

	// lockPoll is how often a taken lock is tried again.
	lockPoll = 5 * time.Millisecond
	// turnLimit is how often a read starts over because somebody else, who takes
	// no lock, changed the file meanwhile.
	turnLimit = 20
	// contention is for how long a change insists on being made at once though
	// somebody else goes on changing the file, deferment for how long the next
	// ones are put off then without trying.
	contention = 500 * time.Millisecond
	deferment  = 200 * time.Millisecond
	// longestPatience is how long somebody is waited for who never ends writing.
	longestPatience = time.Minute
	// pollFirst and pollLast are how soon a file is read again.
	pollFirst, pollLast = time.Millisecond, 25 * time.Millisecond
	// renameTries is for Windows, where a file that somebody reads can't be
	// replaced until they close it.
	renameTries = 20
)

// File is a [HistoryStore] in a JSON file. See the package's comment for how
// it treats the file. Make it with [NewFile].
type File struct {
	path     string
	keep     int
	patience time.Duration
	// turn is held by the one goroutine that changes the file; the lock file is
	// for other processes, and polling it is slower than waiting here.
	turn chan struct{}
}

var _ HistoryStore = (*File)(nil)

// Option is a setting of [NewFile].
type Option func(*File)

// Keep sets how many runs the file keeps; older ones move to the archive. Below
// 1 it keeps all.
func Keep(runs int) Option { return func(f *File) { f.keep = runs } }

// Patience sets how long a broken file is read again before it is taken for
// broken. Zero or less: it is read once.
func Patience(limit time.Duration) Option { return func(f *File) { f.patience = limit } }

// NewFile returns the history in a file. A file that isn't there is an empty
// history; it and its folder are made by the first change.
func NewFile(path string, options ...Option) *File {
	f := &File{path: path, keep: DefaultKeep, patience: DefaultPatience, turn: make(chan struct{}, 1)}
	for _, option := range options {
		option(f)
	}
	return f
}

// Path returns the file's path as it was given.
func (f *File) Path() string { return f.path }

// ArchivePath returns where older runs are moved to: JSON lines, one run each,
// in the order in which they left. It stands beside the file itself where the
// path is a link, so that every path to one history leads to one archive.
func (f *File) ArchivePath() string {
	path := f.target()
	return strings.TrimSuffix(path, filepath.Ext(path)) + ".archive.jsonl"
}

// Runs returns the kept runs, oldest first. The error is an [UnreadableError]
// for a broken file or a row that is no run.
func (f *File) Runs(ctx context.Context) ([]Run, error) {
	d, err := f.current(ctx)
	if err != nil {
		return nil, err
	}
	return f.decode(d)
}

func (f *File) decode(d *document) ([]Run, error) {
	runs := make([]Run, len(d.runs))
	for i := range d.runs {
		if err := runs[i].UnmarshalJSON(d.row(i)); err != nil {
			return nil, unreadable(f.path, d.text, d.runs[i].from, fmt.Errorf("run %d of %d: %w", i+1, len(d.runs), err))
		}
	}
	return runs, nil
}

// Champion returns the champion, false where there is none.
func (f *File) Champion(ctx context.Context) (Champion, bool, error) {
	d, err := f.current(ctx)
	if err != nil {
		return Champion{}, false, err
	}
	return f.decodeChampion(d)
}

func (f *File) decodeChampion(d *document) (Champion, bool, error) {
	value := d.text[d.champion.from:d.champion.to]
	if !d.hasChampion || bytes.Equal(value, []byte("null")) {
		return Champion{}, false, nil
	}
	var champion Champion
	if err := json.Unmarshal(value, &champion); err != nil {
		return Champion{}, false, unreadable(f.path, d.text, d.champion.from, fmt.Errorf("champion: %w", err))
	}
	return champion, champion.Model != "", nil
}

// Append records a run; see [HistoryStore].
func (f *File) Append(ctx context.Context, run Run) (Appended, error) {
	if run.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return Appended{}, fmt.Errorf("name the run: %w", err)
		}
		run.ID = id.String()
	}
	row, err := Text(run)
	if err != nil {
		return Appended{}, fmt.Errorf("append a run: %w", err)
	}
	done := Appended{ID: run.ID}
	var was []string
	err = f.change(ctx, edit{
		text: func(d *document) ([]byte, error) {
			index := d.find(run.ID)
			done.Replaced, was = index >= 0, nil
			if index >= 0 {
				was = []string{canonical(d.row(index))}
			}
			return d.withRun(row, index)
		},
		line:     func() entry { return entry{Run: row, Was: was} },
		done:     func(d *document) { done.Total = len(d.runs) },
		deferred: func(there bool, rows int) { done.Replaced, done.Total = there, rows },
	})
	if err != nil {
		return Appended{}, fmt.Errorf("append a run: %w", err)
	}
	return done, nil
}

// SetChampion replaces the champion.
func (f *File) SetChampion(ctx context.Context, champion Champion) error {
	value, err := Text(champion)
	if err == nil {
		before := json.RawMessage("null")
		err = f.change(ctx, edit{
			text: func(d *document) ([]byte, error) {
				if d.hasChampion {
					before = d.text[d.champion.from:d.champion.to]
				}
				return d.withChampion(value)
			},
			line: func() entry { return entry{Champion: value, Before: before} },
		})
	}
	if err != nil {
		return fmt.Errorf("record the champion: %w", err)
	}
	return nil
}

// find returns the row with this ID, the last of several, or -1.
func (d *document) find(id string) int {
	for i := len(d.runs) - 1; i >= 0; i-- {
		if plain(id) && !bytes.Contains(d.row(i), []byte(id)) {
			continue // quicker than to read it
		}
		if found, ok := d.runID(i); ok && found == id {
			return i
		}
	}
	return -1
}

// plain says that a text stands in JSON as it is, whoever wrote it.
func plain(text string) bool {
	for _, c := range []byte(text) {
		switch {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.':
		default:
			return false
		}
	}
	return text != ""
}

// runID returns a row's ID, false where it has none or is no run.
func (d *document) runID(index int) (string, bool) {
	row, err := members(d.row(index))
	if err != nil {
		return "", false
	}
	value, there := row.get("run_id")
	if !there {
		return "", false
	}
	id, err := text(value)
	return id, err == nil && id != ""
}

// read reads the file, again and again while it looks half written. Somebody
// who goes on writing is waited for longer than for a file that just lies there.
func (f *File) read(ctx context.Context, patience time.Duration) (*document, error) {
	begun := time.Now()
	still, pause := begun, pollFirst
	var before []byte
	for {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		text, modified, err := f.load()
		if errors.Is(err, fs.ErrNotExist) {
			d, err := parse([]byte(emptyText))
			if err == nil {
				d.absent = true
			}
			return d, err
		}
		if err != nil {
			return nil, fmt.Errorf("read the history: %w", err)
		}
		now := time.Now()
		if !bytes.Equal(text, before) {
			still, pause = now, pollFirst
		}
		before = text
		last := now.Sub(still) >= patience || patience < f.patience && now.Sub(begun) >= patience || now.Sub(begun) >= max(patience, longestPatience)
		if last || whole(text) {
			d, err := parse(text)
			if err == nil {
				d.modified = modified
				return d, nil
			}
			var syntax *syntaxError
			if !errors.As(err, &syntax) {
				return nil, err
			}
			if last || !syntax.torn {
				return nil, unreadable(f.path, text, syntax.offset, syntax.err)
			}
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause):
		}
		pause = min(2*pause, pollLast)
	}
}

// load reads the file as it is.
func (f *File) load() (text []byte, modified time.Time, err error) {
	file, err := os.Open(f.path)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer file.Close() // it is only read
	text, err = io.ReadAll(file)
	if err != nil {
		return nil, time.Time{}, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, time.Time{}, err
	}
	return text, info.ModTime(), nil
}

// whole says that a text may be whole: it has its end.
func whole(text []byte) bool {
	text = bytes.TrimRight(text, " \t\r\n")
	return len(text) > 0 && text[len(text)-1] == '}' || len(bytes.TrimLeft(text, "\xef\xbb\xbf \t\r\n")) > 0 && !bytes.ContainsRune(text, '{')
}

// current is the file with what another program overwrote put back, in the file
// itself, too, if that can be done.
func (f *File) current(ctx context.Context) (*document, error) {
	d, err := f.read(ctx, f.patience)
	if err != nil {
		return nil, err
	}
	back, err := f.restore(d)
	if err != nil || !back.changed {
		return d, err
	}
	// Who may only read reads it all the same.
	if err := f.change(ctx, edit{}); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return back.document, nil
	}
	if d, err = f.read(ctx, f.patience); err != nil {
		return nil, err
	}
	back, err = f.restore(d)
	return back.document, err
}

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
func (f *File) change(ctx context.Context, e edit) (err error) {
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
		t := turnOf{File: f, edit: e, noted: &inJournal}
		finished, err := t.take(ctx, patience)
		if e.line != nil && errors.Is(err, ErrUnreadable) && patience < f.patience && !finished {
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
func (f *File) putOff(e edit, last entry) error {
	line := e.line()
	line.At = time.Now()
	rows := last.Rows
	if e.deferred != nil {
		there, err := f.mentioned(idOf(line.Run))
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
func (f *File) mentioned(id string) (bool, error) {
	name, err := encode(id)
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
	*File
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
	text, notes := base.text, base.notes
	if t.edit.text != nil {
		if text, err = t.edit.text(base.document); err != nil {
			return false, err
		}
	}
	if t.after, err = parse(text); err != nil {
		return false, fmt.Errorf("the changed history would be unreadable, so it isn't written: %w", err)
	}
	if bytes.Equal(text, before.text) && len(notes) == 0 && t.line == nil && !before.absent {
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
	ready, err := prepare(t.target(), t.after.text, t.mode())
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
	return t.note(t.mode(), append(notes, entry{Left: hash(t.after.text), Rows: len(t.after.runs)})...)
}

// newLine is the change's line, once.
func (t *turnOf) newLine() (line entry, new bool) {
	if t.line == nil || t.noted.done {
		return entry{}, false
	}
	line = t.line()
	line.At = time.Now()
	*t.noted = noted{true, idOf(line.Run)}
	return line, true
}

// noted says that a change stands in the journal, and which row it is about.
type noted struct {
	done bool
	id   string
}

// mode is who may read the file.
func (f *File) mode() fs.FileMode {
	if info, err := os.Stat(f.target()); err == nil {
		return info.Mode().Perm()
	}
	return 0o644
}

// unchanged says whether the file still holds this text.
func (f *File) unchanged(d *document) (bool, error) {
	now, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return d.absent, nil
	}
	return !d.absent && bytes.Equal(now, d.text), err
}

// lock waits for this process's turn and then for the lock file.
func (f *File) lock(ctx context.Context) (unlock func() error, err error) {
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
func (f *File) target() string {
	if resolved, err := filepath.EvalSymlinks(f.path); err == nil {
		return resolved
	}
	return f.path
}

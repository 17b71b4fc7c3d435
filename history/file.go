package history

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/gofrs/flock"
	"github.com/google/uuid"
	"github.com/moby/sys/atomicwriter"
)

const (
	// DefaultKeep is how many runs a file keeps.
	DefaultKeep = 500
	// DefaultPatience is how long a file that can't be read is read again, in
	// case somebody is writing it.
	DefaultPatience = 2 * time.Second

	// lockPoll is how often a taken lock is tried again.
	lockPoll = 5 * time.Millisecond
	// turnLimit is how often a change starts over because somebody else, who takes
	// no lock, changed the file meanwhile.
	turnLimit = 20
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
	d, err := f.read(ctx)
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
	d, err := f.read(ctx)
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
	row, err := json.Marshal(run)
	if err != nil {
		return Appended{}, fmt.Errorf("append a run: %w", err)
	}
	done := Appended{ID: run.ID}
	err = f.change(ctx, func(d *document) ([]byte, error) {
		index := d.find(run.ID)
		done.Replaced = index >= 0
		return d.withRun(row, index)
	}, func(d *document) { done.Total = len(d.runs) })
	if err != nil {
		return Appended{}, fmt.Errorf("append a run: %w", err)
	}
	return done, nil
}

// SetChampion replaces the champion.
func (f *File) SetChampion(ctx context.Context, champion Champion) error {
	value, err := json.Marshal(champion)
	if err == nil {
		err = f.change(ctx, func(d *document) ([]byte, error) { return d.withChampion(value) }, func(*document) {})
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

// read reads the file, again and again while it looks half written.
func (f *File) read(ctx context.Context) (*document, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 5*time.Millisecond, 200*time.Millisecond
	options := []backoff.RetryOption{backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(f.patience)}
	if f.patience <= 0 {
		options = append(options, backoff.WithMaxTries(1))
	}
	return backoff.Retry(ctx, func() (*document, error) {
		text, err := os.ReadFile(f.path)
		if errors.Is(err, fs.ErrNotExist) {
			text, err = []byte(emptyText), nil
		}
		if err != nil {
			return nil, backoff.Permanent(fmt.Errorf("read the history: %w", err))
		}
		d, err := parse(text)
		if err == nil {
			return d, nil
		}
		var syntax *syntaxError
		if !errors.As(err, &syntax) {
			return nil, backoff.Permanent(err)
		}
		broken := unreadable(f.path, text, syntax.offset, syntax.err)
		if !syntax.torn {
			return nil, backoff.Permanent(broken)
		}
		return nil, broken
	}, options...)
}

// change replaces the file's text with an edited one; done is told what is
// written. The edit is made again where somebody changed the file meanwhile.
func (f *File) change(ctx context.Context, edit func(*document) ([]byte, error), done func(*document)) (err error) {
	unlock, err := f.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	for range turnLimit {
		before, err := f.read(ctx)
		if err != nil {
			return err
		}
		text, err := edit(before)
		if err != nil {
			return err
		}
		after, err := parse(text)
		if err != nil {
			return fmt.Errorf("the changed history would be unreadable, so it isn't written: %w", err)
		}
		if same, err := f.unchanged(before.text); err != nil {
			return err
		} else if !same {
			continue
		}
		if extra := len(after.runs) - f.keep; f.keep > 0 && extra > 0 {
			if err := f.archive(before, after, extra); err != nil {
				return err
			}
			if after, err = parse(after.withoutFirst(extra)); err != nil {
				return fmt.Errorf("the shortened history would be unreadable, so it isn't written: %w", err)
			}
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		// Once more: moving old runs took a while.
		if same, err := f.unchanged(before.text); err != nil {
			return err
		} else if !same {
			continue
		}
		if err := f.write(ctx, after.text); err != nil {
			return err
		}
		done(after)
		return nil
	}
	return fmt.Errorf("another program changed %s %d times while it was being changed here: stop that one, or let it keep a file of its own", f.path, turnLimit)
}

// unchanged says whether the file still holds this text.
func (f *File) unchanged(text []byte) (bool, error) {
	now, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return string(text) == emptyText, nil
	}
	return bytes.Equal(now, text), err
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

// write replaces the file as a whole.
func (f *File) write(ctx context.Context, text []byte) error {
	target, mode := f.target(), fs.FileMode(0o644)
	if info, err := os.Stat(target); err == nil {
		mode = info.Mode().Perm()
	}
	tries := uint(1)
	if runtime.GOOS == "windows" {
		tries = renameTries
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 5*time.Millisecond, 200*time.Millisecond
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		return struct{}{}, atomicwriter.WriteFile(target, text, mode)
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(tries))
	if err != nil {
		return fmt.Errorf("write the history: %w", err)
	}
	return syncFolder(filepath.Dir(target))
}

// syncFolder makes a rename or a new file in a folder survive a power cut.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil // which has no such call, and journals renames
	}
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync the history's folder: %w", err)
	}
	err = folder.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrInvalid) {
		err = nil // a network drive that has no such call either
	}
	return errors.Join(err, folder.Close())
}

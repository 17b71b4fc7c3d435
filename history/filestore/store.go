package filestore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/turbone/jarvis/history"
)

const (
	// DefaultKeep is the number of runs that a file keeps.
	DefaultKeep = 500
	// KeepAll, for [Keep], keeps all runs in the file.
	KeepAll = -1

	// DefaultPatience is the time for which a broken file is read again.
	DefaultPatience = 2 * time.Second
	// NoPatience, for [Patience], reads a broken file only once.
	NoPatience time.Duration = -1
)

// Store is a history in a JSON file; see the package's comment. Create it with
// [Open].
type Store struct {
	path     string
	keep     int
	patience time.Duration
	// turn is held by the one goroutine that changes the file. The lock file alone
	// would do, but polling it is slower than waiting here.
	turn chan struct{}
}

var (
	_ history.Movable      = (*Store)(nil)
	_ history.WriteChecker = (*Store)(nil)
)

// Option configures a [Store].
type Option func(*Store)

// Keep sets the number of runs that the file keeps; older ones move to the
// archive. 0 means [DefaultKeep], [KeepAll] or any negative number all runs.
func Keep(runs int) Option {
	return func(s *Store) { s.keep = orDefault(runs, DefaultKeep) }
}

// Patience sets the time for which a broken file is read again, in case a program
// is just writing it. 0 means [DefaultPatience], [NoPatience] or any negative
// duration that it is read once.
func Patience(limit time.Duration) Option {
	return func(s *Store) { s.patience = max(0, orDefault(limit, DefaultPatience)) }
}

func orDefault[T int | time.Duration](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}

// Open returns the history in the file at path. It doesn't access the file. A
// missing file is an empty history; the first change creates it and its folder.
func Open(path string, options ...Option) *Store {
	s := &Store{path: path, keep: DefaultKeep, patience: DefaultPatience, turn: make(chan struct{}, 1)}
	for _, option := range options {
		option(s)
	}
	return s
}

// Path returns the path that the store was opened with.
func (s *Store) Path() string { return s.path }

// ArchivePath returns the path of the archive of older runs: JSON lines, one run
// each, in the order in which they were moved. If the path of the history is a
// symbolic link, the archive is beside its target.
func (s *Store) ArchivePath() string { return s.beside(".archive.jsonl") }

// beside returns the path of a file that belongs to the history.
func (s *Store) beside(ending string) string {
	path := s.target()
	return strings.TrimSuffix(path, filepath.Ext(path)) + ending
}

// target returns the file's path with symbolic links resolved: the file is
// replaced, not the link, and all paths to it share one lock.
func (s *Store) target() string {
	if resolved, err := filepath.EvalSymlinks(s.path); err == nil {
		return resolved
	}
	return s.path
}

// mode returns the permissions of the file, or those of a new one.
func (s *Store) mode() fs.FileMode {
	if info, err := os.Stat(s.target()); err == nil {
		return info.Mode().Perm()
	}
	return 0o644
}

// Runs returns the kept runs, oldest first. The error is an [UnreadableError] for
// a broken file and for a row that is no run.
func (s *Store) Runs(ctx context.Context) ([]history.Run, error) {
	d, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	return s.decode(d)
}

// decode reads the runs of a document.
func (s *Store) decode(d *document) ([]history.Run, error) {
	runs := make([]history.Run, len(d.runs))
	for i := range d.runs {
		if err := runs[i].UnmarshalJSON(d.row(i)); err != nil {
			return nil, unreadable(s.path, d.Text, d.runs[i].From, fmt.Errorf("run %d of %d: %w", i+1, len(d.runs), err))
		}
	}
	return runs, nil
}

// Champion returns the champion, and false if there is none.
func (s *Store) Champion(ctx context.Context) (history.Champion, bool, error) {
	d, err := s.current(ctx)
	if err != nil {
		return history.Champion{}, false, err
	}
	return s.decodeChampion(d)
}

// decodeChampion reads the champion of a document.
func (s *Store) decodeChampion(d *document) (history.Champion, bool, error) {
	value := d.At(d.champion)
	if !d.hasChampion || bytes.Equal(value, []byte("null")) {
		return history.Champion{}, false, nil
	}
	var champion history.Champion
	if err := json.Unmarshal(value, &champion); err != nil {
		return history.Champion{}, false, unreadable(s.path, d.Text, d.champion.From, fmt.Errorf("champion: %w", err))
	}
	return champion, champion.Model != "", nil
}

// Append records a run; see [history.HistoryStore].
func (s *Store) Append(ctx context.Context, run history.Run) (history.Appended, error) {
	run, err := run.WithID()
	if err != nil {
		return history.Appended{}, fmt.Errorf("append a run: %w", err)
	}
	row, err := history.Text(run)
	if err != nil {
		return history.Appended{}, fmt.Errorf("append a run: %w", err)
	}
	done := history.Appended{ID: run.ID}
	var replaced []string // the hash of the row that is replaced
	err = s.change(ctx, edit{
		text: func(d *document) ([]byte, error) {
			index := d.find(run.ID)
			done.Replaced, replaced = index >= 0, nil
			if index >= 0 {
				replaced = []string{canonical(d.row(index))}
			}
			return d.withRun(row, index)
		},
		entry:    func() entry { return entry{Run: row, Was: replaced} },
		done:     func(d *document) { done.Total = len(d.runs) },
		deferred: func(there bool, runs int) { done.Replaced, done.Total = there, runs },
	})
	if err != nil {
		return history.Appended{}, fmt.Errorf("append a run: %w", err)
	}
	return done, nil
}

// SetChampion replaces the champion.
func (s *Store) SetChampion(ctx context.Context, champion history.Champion) error {
	value, err := history.Text(champion)
	if err != nil {
		return fmt.Errorf("record the champion: %w", err)
	}
	before := json.RawMessage("null")
	if err := s.change(ctx, edit{
		text: func(d *document) ([]byte, error) {
			if d.hasChampion {
				before = d.At(d.champion)
			}
			return d.withChampion(value)
		},
		entry: func() entry { return entry{Champion: value, Before: before} },
	}); err != nil {
		return fmt.Errorf("record the champion: %w", err)
	}
	return nil
}

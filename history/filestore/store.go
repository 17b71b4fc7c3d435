package filestore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/turbone/jarvis/history"
)

const (
	// DefaultKeep is how many runs a file keeps.
	DefaultKeep = 500
	// DefaultPatience is how long a file that can't be read is read again, in
	// case somebody is writing it.
	DefaultPatience = 2 * time.Second
)

// File is a [history.HistoryStore] in a JSON file. See the package's comment for how
// it treats the file. Make it with [Open].
type Store struct {
	path     string
	keep     int
	patience time.Duration
	// turn is held by the one goroutine that changes the file; the lock file is
	// for other processes, and polling it is slower than waiting here.
	turn chan struct{}
}

var _ history.HistoryStore = (*Store)(nil)

// Option is a setting of [Open].
type Option func(*Store)

// Keep sets how many runs the file keeps; older ones move to the archive. Below
// 1 it keeps all.
func Keep(runs int) Option { return func(f *Store) { f.keep = runs } }

// Patience sets how long a broken file is read again before it is taken for
// broken. Zero or less: it is read once.
func Patience(limit time.Duration) Option { return func(f *Store) { f.patience = limit } }

// NewFile returns the history in a file. A file that isn't there is an empty
// history; it and its folder are made by the first change.
func Open(path string, options ...Option) *Store {
	f := &Store{path: path, keep: DefaultKeep, patience: DefaultPatience, turn: make(chan struct{}, 1)}
	for _, option := range options {
		option(f)
	}
	return f
}

// Path returns the file's path as it was given.
func (f *Store) Path() string { return f.path }

// ArchivePath returns where older runs are moved to: JSON lines, one run each,
// in the order in which they left. It stands beside the file itself where the
// path is a link, so that every path to one history leads to one archive.
func (f *Store) ArchivePath() string {
	path := f.target()
	return strings.TrimSuffix(path, filepath.Ext(path)) + ".archive.jsonl"
}

// Runs returns the kept runs, oldest first. The error is an [UnreadableError]
// for a broken file or a row that is no run.
func (f *Store) Runs(ctx context.Context) ([]history.Run, error) {
	d, err := f.current(ctx)
	if err != nil {
		return nil, err
	}
	return f.decode(d)
}

func (f *Store) decode(d *document) ([]history.Run, error) {
	runs := make([]history.Run, len(d.runs))
	for i := range d.runs {
		if err := runs[i].UnmarshalJSON(d.row(i)); err != nil {
			return nil, unreadable(f.path, d.Text, d.runs[i].From, fmt.Errorf("run %d of %d: %w", i+1, len(d.runs), err))
		}
	}
	return runs, nil
}

// Champion returns the champion, false where there is none.
func (f *Store) Champion(ctx context.Context) (history.Champion, bool, error) {
	d, err := f.current(ctx)
	if err != nil {
		return history.Champion{}, false, err
	}
	return f.decodeChampion(d)
}

func (f *Store) decodeChampion(d *document) (history.Champion, bool, error) {
	value := d.At(d.champion)
	if !d.hasChampion || bytes.Equal(value, []byte("null")) {
		return history.Champion{}, false, nil
	}
	var champion history.Champion
	if err := json.Unmarshal(value, &champion); err != nil {
		return history.Champion{}, false, unreadable(f.path, d.Text, d.champion.From, fmt.Errorf("champion: %w", err))
	}
	return champion, champion.Model != "", nil
}

// Append records a run; see [history.HistoryStore].
func (f *Store) Append(ctx context.Context, run history.Run) (history.Appended, error) {
	if run.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return history.Appended{}, fmt.Errorf("name the run: %w", err)
		}
		run.ID = id.String()
	}
	row, err := history.Text(run)
	if err != nil {
		return history.Appended{}, fmt.Errorf("append a run: %w", err)
	}
	done := history.Appended{ID: run.ID}
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
		return history.Appended{}, fmt.Errorf("append a run: %w", err)
	}
	return done, nil
}

// SetChampion replaces the champion.
func (f *Store) SetChampion(ctx context.Context, champion history.Champion) error {
	value, err := history.Text(champion)
	if err == nil {
		before := json.RawMessage("null")
		err = f.change(ctx, edit{
			text: func(d *document) ([]byte, error) {
				if d.hasChampion {
					before = d.At(d.champion)
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

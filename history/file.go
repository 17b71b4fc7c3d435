package history

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	// DefaultKeep is how many runs a file keeps.
	DefaultKeep = 500
	// DefaultPatience is how long a file that can't be read is read again, in
	// case somebody is writing it.
	DefaultPatience = 2 * time.Second
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

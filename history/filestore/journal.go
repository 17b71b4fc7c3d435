package filestore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/turbone/jarvis/history/internal/jsontext"
)

// The journal stands beside the file and remembers what was written into it
// lately. A program that takes no lock reads the file, changes what it read, and
// writes that over what others have written meanwhile; by the journal the next
// read or change finds what is missing, and puts it back.
//
// It has a line for each change, which is on the disk before the file is
// replaced, and after it the state in which the file was left. As long as the
// file is in that state, nothing has to be looked for. While somebody rewrites
// the file again and again, changes are only noted here, and go into the file
// together, when there is a moment for it.
//
// Whoever overwrites the file had a copy of it from some moment, in which all
// earlier changes are, and no later ones. So what is missing while a later change
// is there was taken out on purpose, and stays out.

const (
	// journalMemory is for how long a change is remembered: no program works on
	// a copy for longer.
	journalMemory = 24 * time.Hour
	// journalDoubt is for how long a change is put back though nothing else is
	// new in the file: after that it was a person who took it out.
	journalDoubt = 10 * time.Minute
	// journalRoom is how many bytes a journal may have, beside twice those that
	// it had when it was tidied up last, before that is done again.
	journalRoom = 256 << 10
	// journalTail is how much of its end is looked at for the state of the file.
	journalTail = 512
)

// entry is a line of the journal. Only some fields are set.
type entry struct {
	// At is when it was written.
	At time.Time `json:"at,omitzero"`
	// Run is a row that was recorded, Was are the hashes of what it was before.
	Run json.RawMessage `json:"run,omitempty"`
	Was []string        `json:"was,omitempty"`
	// Champion is one that was set, Before what stood there: null for none.
	Champion json.RawMessage `json:"champion,omitempty"`
	Before   json.RawMessage `json:"before,omitempty"`
	// Moved are the IDs of rows that went to the archive, Dropped those of rows
	// that are not to be put back any more.
	Moved   []string `json:"moved,omitempty"`
	Dropped []string `json:"dropped,omitempty"`
	// ChampionDropped: the champion is not to be put back any more.
	ChampionDropped bool `json:"champion_dropped,omitempty"`
	// Deferred is when it was last tried to change the file: it hasn't been
	// possible, and what stands above, down from the last Left, is to be done.
	Deferred time.Time `json:"deferred,omitzero"`
	// Left is the hash of the file's text, Rows how many rows it has.
	Left string `json:"left,omitempty"`
	Rows int    `json:"rows,omitempty"`
	// Kept is how many bytes were left when the journal was tidied up.
	Kept int `json:"kept,omitempty"`
}

// journalPath is where the journal is.
func (f *Store) journalPath() string {
	path := f.target()
	return strings.TrimSuffix(path, filepath.Ext(path)) + ".journal.jsonl"
}

// hash names a text.
func hash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// left returns the last line of the journal where that says how the file was
// left, or that a change was put off; there is false where there is no journal.
func (f *Store) left() (last entry, there bool, err error) {
	file, err := os.Open(f.journalPath())
	if errors.Is(err, fs.ErrNotExist) {
		return entry{}, false, nil
	}
	if err != nil {
		return entry{}, false, fmt.Errorf("read the history's journal: %w", err)
	}
	defer file.Close() // it is only read
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return entry{}, false, fmt.Errorf("read the history's journal: %w", err)
	}
	text := make([]byte, min(size, journalTail))
	if _, err := file.ReadAt(text, size-int64(len(text))); err != nil && !errors.Is(err, io.EOF) {
		return entry{}, false, fmt.Errorf("read the history's journal: %w", err)
	}
	text, whole := bytes.CutSuffix(text, []byte{'\n'})
	line := text[bytes.LastIndexByte(text, '\n')+1:]
	if !whole || json.Unmarshal(line, &last) != nil || last.Left == "" && last.Deferred.IsZero() {
		return entry{}, true, nil // cut off by a crash
	}
	return last, true, nil
}

// journal reads all lines. A line that can't be read says nothing.
func (f *Store) journal() ([]entry, error) {
	text, err := os.ReadFile(f.journalPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the history's journal: %w", err)
	}
	var list []entry
	for line := range bytes.Lines(text) {
		if e, ok := readEntry(line); ok {
			list = append(list, e)
		}
	}
	return list, nil
}

// readEntry reads a line; false where a crash cut it off. Rows are taken as they
// stand: there are many, and few are ever needed.
func readEntry(line []byte) (e entry, ok bool) {
	list, err := jsontext.ParseObject(line)
	if err != nil {
		return entry{}, false
	}
	rest := jsontext.Object{}
	for _, m := range list {
		if m.Key == "run" {
			e.Run = m.Value
		} else {
			rest = append(rest, m)
		}
	}
	row := e.Run
	short, err := jsontext.Merge(rest, nil, nil)
	if err != nil || json.Unmarshal(short, &e) != nil {
		return entry{}, false
	}
	e.Run = row
	return e, true
}

// note adds lines to the journal. When it returns without an error, they survive
// a crash. The file's lock is held.
func (f *Store) note(mode fs.FileMode, list ...entry) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("note a change in %s: %w", f.journalPath(), err)
		}
	}()
	lines, err := journalLines(list)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(f.journalPath(), os.O_RDWR|os.O_CREATE, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if size > 0 {
		last := make([]byte, 1)
		if _, err := file.ReadAt(last, size-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			lines = append([]byte{'\n'}, lines...) // after a line that a crash cut off
		}
	}
	if _, err := file.WriteAt(lines, size); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if size == 0 {
		return syncFolder(filepath.Dir(f.journalPath()))
	}
	return nil
}

func journalLines(list []entry) ([]byte, error) {
	var out bytes.Buffer
	for _, e := range list {
		line, err := jsontext.Encode(e)
		if err != nil {
			return nil, err
		}
		out.Write(line)
		out.WriteByte('\n')
	}
	return out.Bytes(), nil
}

// remembered is what a journal says in all.
type remembered struct {
	// rows are those that should be in the file, by ID, changes in which order
	// all was done.
	rows    map[string]*rememberedRow
	changes []change
	// moved are the IDs of rows in the archive, and since when.
	moved map[string]time.Time
	// champions are those that were set.
	champions []entry
	left      entry
	// pending are those changes that were never made yet, from that index on.
	pending int
}

// change is a place in the order of what was done.
type change struct {
	id string // "" for the champion
	// version of the row or the champion, counted from 0.
	version int
	at      time.Time
}

// rememberedRow is a row with all that it was.
type rememberedRow struct {
	text json.RawMessage
	// was are the hashes of what it was before, oldest first.
	was []string
}

// versions is how many it had.
func (r *rememberedRow) versions() int { return len(r.was) + 1 }

// remember goes through the lines.
func remember(list []entry) *remembered {
	r := &remembered{rows: map[string]*rememberedRow{}, moved: map[string]time.Time{}}
	for _, e := range list {
		if id := runID(e.Run); id != "" {
			row := r.rows[id]
			if row == nil {
				row = &rememberedRow{}
				r.rows[id] = row
			} else {
				row.was = append(row.was, canonical(row.text))
			}
			row.text = e.Run
			row.was = append(row.was, e.Was...)
			r.changes = append(r.changes, change{id, row.versions() - 1, e.At})
			delete(r.moved, id)
		}
		if len(e.Champion) > 0 {
			r.champions = append(r.champions, e)
			r.changes = append(r.changes, change{"", len(r.champions) - 1, e.At})
		}
		for _, id := range e.Moved {
			delete(r.rows, id)
			r.moved[id] = e.At
		}
		for _, id := range e.Dropped {
			delete(r.rows, id)
		}
		if e.ChampionDropped {
			r.champions = nil
		}
		if e.Left != "" {
			r.left, r.pending = e, len(r.changes)
		}
	}
	// What was dropped or moved is no change any more.
	kept := r.changes[:0]
	pending := 0
	for i, c := range r.changes {
		row := r.rows[c.id]
		if c.id == "" && c.version >= len(r.champions) || c.id != "" && (row == nil || c.version >= row.versions()) {
			continue
		}
		if i < r.pending {
			pending++
		}
		kept = append(kept, c)
	}
	r.changes, r.pending = kept, pending
	return r
}

// runID returns the ID in the text of a run, "" where it has none or is no run.
func runID(row json.RawMessage) string {
	if len(row) == 0 {
		return ""
	}
	members, err := jsontext.ParseObject(row)
	if err != nil {
		return ""
	}
	value, _ := members.Get("run_id")
	var id string
	if json.Unmarshal(value, &id) != nil {
		return ""
	}
	return id
}

// canonical is the same for values that are the same to every reader, however
// they are written.
func canonical(value json.RawMessage) string {
	var parsed any
	if err := json.Unmarshal(value, &parsed); err != nil {
		return hash(value)
	}
	text, err := json.Marshal(parsed)
	if err != nil {
		return hash(value)
	}
	return hash(text)
}

// tidy writes the journal anew without what is of no use any more, where it
// has become too long.
func (f *Store) tidy(now time.Time) error {
	info, err := os.Stat(f.journalPath())
	if err != nil || info.Size() < journalRoom {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return err
	}
	list, err := f.journal()
	if err != nil {
		return err
	}
	if len(list) > 0 && info.Size() < journalRoom+2*int64(list[0].Kept) {
		return nil
	}
	lines, err := journalLines(remember(list).kept(now))
	if err != nil {
		return err
	}
	first, err := journalLines([]entry{{Kept: len(lines)}})
	if err != nil {
		return err
	}
	ready, err := prepare(f.journalPath(), append(first, lines...), info.Mode().Perm())
	if err != nil {
		return err
	}
	return ready.commit()
}

// kept are the lines that are still of use.
func (r *remembered) kept(now time.Time) []entry {
	var list []entry
	moved := entry{At: now}
	for id, at := range r.moved {
		if now.Sub(at) < journalMemory {
			moved.Moved = append(moved.Moved, id)
		}
	}
	if len(moved.Moved) > 0 {
		slices.Sort(moved.Moved)
		list = append(list, moved)
	}
	for i, c := range r.changes {
		if i == r.pending && r.left.Left != "" {
			list = append(list, r.left)
		}
		if now.Sub(c.at) >= journalMemory {
			continue
		}
		if c.id == "" {
			list = append(list, r.champions[c.version])
			continue
		}
		if row := r.rows[c.id]; c.version == row.versions()-1 {
			list = append(list, entry{At: c.at, Run: row.text, Was: row.was})
		}
	}
	if r.pending == len(r.changes) && r.left.Left != "" {
		list = append(list, r.left)
	}
	return list
}

package filestore

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/turbone/jarvis/history/internal/jsontext"
)

// journalMemory is the time for which a change is remembered: no program works on
// a copy of the file for longer.
const journalMemory = 24 * time.Hour

// replay is the state that results from the entries of a journal.
type replay struct {
	// changes are the recorded rows and champions, in their order.
	changes []change
	// pending is the index of the first change that was deferred and is still to be
	// made.
	pending int
	// rows are the recorded rows by their IDs.
	rows map[string]*loggedRow
	// champions are the champions that were set since one was dropped, reign counts
	// how often that happened.
	champions []entry
	reign     int
	// moved are the IDs of archived rows, and when they were archived.
	moved map[string]time.Time
	// left is the state in which the file was left.
	left entry
}

// change is a version of a row, or of the champion.
type change struct {
	id      string     // "" for the champion
	row     *loggedRow // nil for the champion
	reign   int        // of the champion
	version int        // counts from 0
	at      time.Time
}

// loggedRow is a row with its earlier versions.
type loggedRow struct {
	text json.RawMessage
	was  []string // hashes of the earlier versions, oldest first
}

// newest returns the number of the newest version.
func (r *loggedRow) newest() int { return len(r.was) }

// newReplay replays the entries of a journal.
func newReplay(list []entry) *replay {
	r := &replay{rows: map[string]*loggedRow{}, moved: map[string]time.Time{}}
	for _, e := range list {
		r.add(e)
	}
	// A row or champion that was dropped, or moved, is no change any more.
	pending := len(slices.DeleteFunc(slices.Clone(r.changes[:r.pending]), r.gone))
	r.changes, r.pending = slices.DeleteFunc(r.changes, r.gone), pending
	return r
}

// add replays an entry.
func (r *replay) add(e entry) {
	if id := runID(e.Run); id != "" {
		row := r.rows[id]
		if row == nil {
			row = &loggedRow{}
			r.rows[id] = row
		} else {
			row.was = append(row.was, canonical(row.text))
		}
		row.text = e.Run
		row.was = append(row.was, e.Was...)
		r.changes = append(r.changes, change{id: id, row: row, version: row.newest(), at: e.At})
		delete(r.moved, id)
	}
	if len(e.Champion) > 0 {
		r.champions = append(r.champions, e)
		r.changes = append(r.changes, change{reign: r.reign, version: len(r.champions) - 1, at: e.At})
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
		r.reign++
	}
	if e.Left != "" {
		r.left, r.pending = e, len(r.changes)
	}
}

// gone reports whether the row or champion of a change was dropped or moved since.
func (r *replay) gone(c change) bool {
	return c.id == "" && c.reign != r.reign || c.row != r.rows[c.id]
}

// newest reports whether no later change replaces the same row or champion.
func (r *replay) newest(c change) bool {
	if c.id == "" {
		return c.version == len(r.champions)-1
	}
	return c.version == c.row.newest()
}

// entries returns the entries of a shorter journal with the same replay, without
// what is too old to be needed.
func (r *replay) entries(now time.Time) []entry {
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
	list = append(list, r.kept(r.changes[:r.pending], now)...)
	if r.left.Left != "" {
		list = append(list, r.left)
	}
	return append(list, r.kept(r.changes[r.pending:], now)...)
}

// kept returns the entries of changes that are still needed.
func (r *replay) kept(changes []change, now time.Time) []entry {
	var list []entry
	for _, c := range changes {
		switch {
		case now.Sub(c.at) >= journalMemory:
		case c.id == "":
			list = append(list, r.champions[c.version])
		case r.newest(c):
			list = append(list, entry{At: c.at, Run: c.row.text, Was: c.row.was})
		}
	}
	return list
}

// version returns which version a row is, of equal ones the last, or -1. A row
// that has only one version is that one, even if it was edited.
func (r *loggedRow) version(row []byte) int {
	if len(r.was) == 0 {
		return 0
	}
	var line bytes.Buffer
	if err := json.Compact(&line, row); err == nil && bytes.Equal(line.Bytes(), r.text) {
		return r.newest()
	}
	name := canonical(row)
	if name == canonical(r.text) {
		return r.newest()
	}
	for i, version := range slices.Backward(r.was) {
		if version == name {
			return i
		}
	}
	return -1
}

// runID returns the ID in the text of a run, "" if it has none or is no run.
func runID(row json.RawMessage) string {
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

// canonical returns the same hash for texts of the same JSON value.
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

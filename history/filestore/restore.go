package filestore

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

// restored is a document with what another program overwrote put back.
type restored struct {
	*document
	// notes are for the journal.
	notes []entry
	// changed says that something was put back, or taken out again.
	changed bool
}

// restore puts back what the journal knows of and the document lacks.
func (f *Store) restore(d *document) (restored, error) {
	same := restored{document: d}
	if d.absent {
		return same, nil // somebody moved it away, to begin a new one
	}
	last, there, err := f.left()
	if err != nil || !there || last.Left != "" && last.Left == hash(d.Text) {
		return same, err
	}
	list, err := f.journal()
	if err != nil {
		return same, err
	}
	return remember(list).restore(d, time.Now())
}

// found is what a document has of what is remembered.
type found struct {
	// place is the row's index, version which of its versions it is: -1 where
	// there is none, or one that nobody knows, which is somebody's edit.
	place, version int
}

// restore decides what was lost, and puts it back.
func (r *remembered) restore(d *document, now time.Time) (restored, error) {
	rows, returned := r.find(d)
	champion, known := r.findChampion(d)
	seen := func(c change) bool {
		if c.id == "" {
			return champion >= c.version
		}
		return rows[c.id].version >= c.version
	}
	// The last change that is there: a copy that has it has all before it.
	last := -1
	for i, c := range r.changes[:r.pending] {
		if seen(c) {
			last = i
		}
	}

	var lost []change
	missing := 0
	note := entry{At: now}
	for i, c := range r.changes {
		if !r.newest(c) || seen(c) || now.Sub(c.at) >= journalMemory {
			continue
		}
		switch {
		case i >= r.pending:
			lost = append(lost, c) // or rather, to be done
		case c.id == "" && !known, c.id != "" && rows[c.id].place >= 0 && rows[c.id].version < 0:
			// Somebody edited it, and knows better.
		case i < last && c.id == "":
			note.ChampionDropped = true
		case i < last:
			note.Dropped = append(note.Dropped, c.id)
		default:
			lost = append(lost, c)
			if c.id != "" && rows[c.id].place < 0 {
				missing++
			}
		}
	}
	// A program that overwrites has something to say. Where nothing is new,
	// and the change is not just made, a person took it out.
	added := len(d.runs) - len(returned) - (r.left.Rows - missing)
	if r.left.Left != "" && added <= 0 {
		todo := r.changes[r.pending:]
		lost = slices.DeleteFunc(lost, func(c change) bool {
			removed := d.modified.Sub(c.at) > journalDoubt && !slices.Contains(todo, c)
			switch {
			case removed && c.id == "":
				note.ChampionDropped = true
			case removed:
				note.Dropped = append(note.Dropped, c.id)
			}
			return removed
		})
	}
	out := restored{document: d}
	if len(note.Dropped) > 0 || note.ChampionDropped {
		out.notes = append(out.notes, note)
	}
	if len(lost) == 0 && len(returned) == 0 {
		return out, nil
	}
	whole, err := r.putBack(d, lost, rows, returned)
	if err != nil {
		return restored{}, err
	}
	out.document, out.changed = whole, true
	return out, nil
}

// newest reports whether a change wasn't followed by another of the same thing.
func (r *remembered) newest(c change) bool {
	if c.id == "" {
		return c.version == len(r.champions)-1
	}
	return c.version == r.rows[c.id].versions()-1
}

// find finds the remembered rows, and those that are in the archive by now.
func (r *remembered) find(d *document) (rows map[string]found, returned map[int]bool) {
	rows, returned = map[string]found{}, map[int]bool{}
	for id := range r.rows {
		rows[id] = found{-1, -1}
	}
	for i := range d.runs {
		id, ok := d.runID(i)
		if !ok {
			continue
		}
		if row := r.rows[id]; row != nil {
			rows[id] = found{i, row.version(d.row(i))}
		} else if _, is := r.moved[id]; is {
			returned[i] = true
		}
	}
	return rows, returned
}

// version returns which of the versions a row is, the last of several; -1 for
// none. A row that was never anything else is the one it was, edited or not.
func (r *rememberedRow) version(row []byte) int {
	if len(r.was) == 0 {
		return 0
	}
	var line bytes.Buffer
	if err := json.Compact(&line, row); err == nil && bytes.Equal(line.Bytes(), r.text) {
		return len(r.was)
	}
	name := canonical(row)
	if name == canonical(r.text) {
		return len(r.was)
	}
	for i, version := range slices.Backward(r.was) {
		if version == name {
			return i
		}
	}
	return -1
}

// findChampion returns which of the remembered champions the document has, -1
// for none; known says that it is one, or what was there before one.
func (r *remembered) findChampion(d *document) (version int, known bool) {
	value := json.RawMessage("null")
	if d.hasChampion {
		value = d.At(d.champion)
	}
	name := canonical(value)
	for i, e := range slices.Backward(r.champions) {
		if canonical(e.Champion) == name {
			return i, true
		}
		known = known || canonical(e.Before) == name
	}
	return -1, known
}

// putBack returns the document with what was lost, without what had left.
func (r *remembered) putBack(d *document, lost []change, rows map[string]found, returned map[int]bool) (*document, error) {
	replaced := map[int]json.RawMessage{}
	var added []json.RawMessage
	var champion json.RawMessage
	for _, c := range lost {
		switch {
		case c.id == "":
			champion = r.champions[c.version].Champion
		case rows[c.id].place >= 0:
			replaced[rows[c.id].place] = r.rows[c.id].text
		default:
			added = append(added, r.rows[c.id].text)
		}
	}
	steps := []func(*document) ([]byte, error){
		func(d *document) ([]byte, error) { return d.withRuns(replaced) },
		func(d *document) ([]byte, error) { return d.DeleteElements(runsKey, returned), nil },
		func(d *document) ([]byte, error) { return d.withRuns(nil, added...) },
	}
	if champion != nil {
		steps = append(steps, func(d *document) ([]byte, error) { return d.withChampion(champion) })
	}
	whole := d
	for _, step := range steps {
		text, err := step(whole)
		if err != nil {
			return nil, err
		}
		if whole, err = parse(text); err != nil {
			return nil, err
		}
	}
	return whole, nil
}

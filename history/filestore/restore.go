package filestore

import (
	"encoding/json"
	"slices"
	"time"
)

// A program that takes no lock writes back a copy read at one moment. That copy
// has every earlier change and no later one. So a change that is missing while a
// later one is present was deleted on purpose, and is not restored.

// journalDoubt is the time for which a change is restored although nothing else is
// new in the file: after that a person deleted it.
const journalDoubt = 10 * time.Minute

// restored is a document with the changes that another program overwrote.
type restored struct {
	*document
	// entries are to be appended to the journal.
	entries []entry
	// changed is true if the document differs from the file.
	changed bool
}

// restore adds the changes of the journal that a document lacks.
func (s *Store) restore(d *document) (restored, error) {
	same := restored{document: d}
	if d.absent {
		return same, nil // it was moved away to begin a new history
	}
	last, there, err := s.journal().last()
	if err != nil || !there || last.Left != "" && last.Left == hash(d.Text) {
		return same, err
	}
	list, err := s.journal().entries()
	if err != nil {
		return same, err
	}
	return newReplay(list).restore(d, time.Now())
}

// restore adds the changes of the replay that a document lacks.
func (r *replay) restore(d *document, now time.Time) (out restored, err error) {
	out.document = d
	p := r.compare(d, now)
	if len(p.dropped.Dropped) > 0 || p.dropped.ChampionDropped {
		out.entries = []entry{p.dropped}
	}
	if len(p.missing) == 0 && len(p.returned) == 0 {
		return out, nil
	}
	out.changed = true
	out.document, err = r.apply(d, p)
	return out, err
}

// found is the version of a row in a document.
type found struct {
	// index is the row's index, -1 if it is missing.
	index int
	// version is its version, -1 if it is missing or was edited.
	version int
}

// present is what a document has of a replay.
type present struct {
	rows map[string]found
	// champion is the version of the champion, -1 for none of the replay's. known is
	// true if it is one of them or the one before the first.
	champion int
	known    bool
}

// has reports whether the document has a change, or a later one of the same row.
func (p *present) has(c change) bool {
	if c.id == "" {
		return p.champion >= c.version
	}
	return p.rows[c.id].version >= c.version
}

// edited reports whether a person edited the row or the champion of a change.
func (p *present) edited(c change) bool {
	if c.id == "" {
		return !p.known
	}
	return p.rows[c.id].index >= 0 && p.rows[c.id].version < 0
}

// comparison is the difference between a replay and a document.
type comparison struct {
	present
	// missing are the changes to be made.
	missing []change
	// dropped names the changes that were undone on purpose.
	dropped entry
	// returned are the indexes of rows that are archived already, and were written
	// back by another program.
	returned map[int]bool
}

// drop marks a change as undone on purpose.
func (c *comparison) drop(undone change) {
	if undone.id == "" {
		c.dropped.ChampionDropped = true
	} else {
		c.dropped.Dropped = append(c.dropped.Dropped, undone.id)
	}
}

// compare decides which changes of the replay are missing in a document because
// they were overwritten, and which were undone on purpose.
func (r *replay) compare(d *document, now time.Time) comparison {
	p := comparison{dropped: entry{At: now}}
	p.rows, p.returned = r.find(d)
	p.champion, p.known = r.findChampion(d)
	last := -1 // the last change that is present
	for i, c := range r.changes[:r.pending] {
		if p.has(c) {
			last = i
		}
	}
	rows := r.left.Rows // as they would be without the overwritten ones
	for i, c := range r.changes {
		switch {
		case !r.newest(c), p.has(c), now.Sub(c.at) >= journalMemory:
		case i >= r.pending:
			p.missing = append(p.missing, c)
		case p.edited(c):
		case i < last:
			p.drop(c)
		default:
			p.missing = append(p.missing, c)
			if c.id != "" && p.rows[c.id].index < 0 {
				rows--
			}
		}
	}
	// A program that overwrites the file adds something. If nothing is new and the
	// change is not recent, a person deleted it.
	if added := len(d.runs) - len(p.returned) - rows; r.left.Left == "" || added > 0 {
		return p
	}
	pending := r.changes[r.pending:]
	p.missing = slices.DeleteFunc(p.missing, func(c change) bool {
		deleted := d.modified.Sub(c.at) > journalDoubt && !slices.Contains(pending, c)
		if deleted {
			p.drop(c)
		}
		return deleted
	})
	return p
}

// find finds the rows of the replay in a document, and the indexes of those that
// are archived already.
func (r *replay) find(d *document) (rows map[string]found, returned map[int]bool) {
	rows, returned = map[string]found{}, map[int]bool{}
	for id := range r.rows {
		rows[id] = found{-1, -1}
	}
	for i := range d.runs {
		id := runID(d.row(i))
		if row := r.rows[id]; row != nil {
			rows[id] = found{i, row.version(d.row(i))}
		} else if _, is := r.moved[id]; is {
			returned[i] = true
		}
	}
	return rows, returned
}

// findChampion returns which champion of the replay a document has, -1 for none;
// known is true if it is one of them or the one before the first.
func (r *replay) findChampion(d *document) (version int, known bool) {
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

// apply returns the document with the missing changes, and without the rows that
// are archived already.
func (r *replay) apply(d *document, p comparison) (*document, error) {
	replaced := map[int]json.RawMessage{}
	var added []json.RawMessage
	var champion json.RawMessage
	for _, c := range p.missing {
		switch {
		case c.id == "":
			champion = r.champions[c.version].Champion
		case p.rows[c.id].index >= 0:
			replaced[p.rows[c.id].index] = c.row.text
		default:
			added = append(added, c.row.text)
		}
	}
	steps := []func(*document) ([]byte, error){
		func(d *document) ([]byte, error) { return d.withRuns(replaced) },
		func(d *document) ([]byte, error) { return d.DeleteElements(runsKey, p.returned), nil },
		func(d *document) ([]byte, error) { return d.withRuns(nil, added...) },
	}
	if champion != nil {
		steps = append(steps, func(d *document) ([]byte, error) { return d.withChampion(champion) })
	}
	for _, step := range steps {
		text, err := step(d)
		if err != nil {
			return nil, err
		}
		if d, err = parse(text); err != nil {
			return nil, err
		}
	}
	return d, nil
}

package filestore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/turbone/jarvis/history"
)

// readLimit is how often a read starts over because a program that takes no lock
// changed the file meanwhile.
const readLimit = 20

// Content returns the content of the file and its archive; see [history.Movable].
func (s *Store) Content(ctx context.Context) (history.Content, error) {
	for range readLimit {
		d, err := s.current(ctx)
		if err != nil {
			return history.Content{}, err
		}
		content, err := s.content(ctx, d)
		if err != nil {
			return history.Content{}, err
		}
		// A run that was archived meanwhile would be in the content twice.
		if same, err := s.unchanged(d); err != nil {
			return history.Content{}, err
		} else if same {
			return content, nil
		}
	}
	return history.Content{}, fmt.Errorf("another program changed %s %d times while it was being read: try again when it rests", s.path, readLimit)
}

// content returns the content of a document and the archive. Rows that a crash
// left in both are included once.
func (s *Store) content(ctx context.Context, d *document) (content history.Content, err error) {
	archived, marked, err := s.archived(ctx, d.mark())
	if err != nil {
		return history.Content{}, err
	}
	kept, err := s.decode(d)
	if err != nil {
		return history.Content{}, err
	}
	from := len(archived) - marked
	twice, err := common(archived[from:], kept)
	if err != nil {
		return history.Content{}, err
	}
	content.Runs = slices.Concat(archived[:from], archived[from+twice:], kept)
	champion, there, err := s.decodeChampion(d)
	if err != nil {
		return history.Content{}, err
	}
	if there {
		content.Champion = &champion
	}
	for _, key := range d.Keys() {
		if key == runsKey || key == championKey {
			continue
		}
		if content.Extra == nil {
			content.Extra = map[string]json.RawMessage{}
		}
		value, _, _ := d.Member(key)
		content.Extra[key] = d.At(value)
	}
	return content, nil
}

// common returns the length of the longest common prefix of two lists of runs.
func common(one, other []history.Run) (int, error) {
	for i := range min(len(one), len(other)) {
		same, err := equal(one[i], other[i])
		if err != nil {
			return 0, err
		}
		if !same {
			return i, nil
		}
	}
	return min(len(one), len(other)), nil
}

// equal reports whether two values have the same JSON text.
func equal(one, other json.Marshaler) (bool, error) {
	a, err := history.Text(one)
	if err != nil {
		return false, err
	}
	b, err := history.Text(other)
	return bytes.Equal(a, b), err
}

// Import merges the content of another store into this one; see [history.Movable].
// Runs beyond the limit of the file are archived, oldest first. Runs that are
// archived already are not replaced.
func (s *Store) Import(ctx context.Context, content history.Content) (history.Imported, error) {
	var done history.Imported
	err := s.change(ctx, edit{text: func(d *document) (text []byte, err error) {
		was, err := s.content(ctx, d)
		if err != nil {
			return nil, err
		}
		done = history.Imported{}
		return d.merge(was, content, &done)
	}})
	if err != nil {
		return history.Imported{}, fmt.Errorf("import a history: %w", err)
	}
	return done, nil
}

// merge returns the text with other content merged in. was is the content of the
// document and the archive.
func (d *document) merge(was, content history.Content, done *history.Imported) ([]byte, error) {
	replaced, added, err := mergeRuns(was.Runs, content.Runs, len(was.Runs)-len(d.runs))
	if err != nil {
		return nil, err
	}
	done.Added, done.Replaced, done.Total = len(added), len(replaced), len(was.Runs)+len(added)
	text, err := d.withRuns(replaced, added...)
	if err != nil {
		return nil, err
	}
	if done.Crowned, err = succeeds(content.Champion, was.Champion); err != nil {
		return nil, err
	}
	if done.Crowned {
		value, err := history.Text(*content.Champion)
		if err != nil {
			return nil, fmt.Errorf("champion: %w", err)
		}
		if text, err = with(text, championKey, value); err != nil {
			return nil, err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(content.Extra)) {
		if _, there := was.Extra[key]; there || key == runsKey || key == championKey {
			continue
		}
		if text, err = with(text, key, content.Extra[key]); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	return text, nil
}

// mergeRuns returns the runs that replace others, by their index in the file, and
// those that are added. The first of the runs are archived.
func mergeRuns(was, runs []history.Run, archived int) (replaced map[int]json.RawMessage, added []json.RawMessage, err error) {
	there := map[string][]int{}
	for i, run := range was {
		key, err := history.Key(run)
		if err != nil {
			return nil, nil, err
		}
		there[key] = append(there[key], i)
	}
	replaced = map[int]json.RawMessage{}
	for i, run := range runs {
		key, err := history.Key(run)
		if err != nil {
			return nil, nil, fmt.Errorf("run %d of %d: %w", i+1, len(runs), err)
		}
		text, err := history.Text(run)
		if err != nil {
			return nil, nil, fmt.Errorf("run %d of %d: %w", i+1, len(runs), err)
		}
		indexes := there[key]
		if len(indexes) == 0 {
			added = append(added, text)
			continue
		}
		there[key] = indexes[1:]
		index := indexes[0]
		if index < archived || run.Tests < was[index].Tests {
			continue
		}
		same, err := equal(run, was[index])
		if err != nil {
			return nil, nil, err
		}
		if !same {
			replaced[index-archived] = text
		}
	}
	return replaced, added, nil
}

// succeeds reports whether an imported champion replaces the present one.
func succeeds(imported, present *history.Champion) (bool, error) {
	switch {
	case imported == nil:
		return false, nil
	case present == nil:
		return true, nil
	case imported.Since.Before(present.Since):
		return false, nil
	}
	same, err := equal(*imported, *present)
	return !same, err
}

// with returns a text with a member set.
func with(text []byte, key string, value json.RawMessage) ([]byte, error) {
	d, err := parse(text)
	if err != nil {
		return nil, err
	}
	return d.with(key, value)
}

package filestore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/internal/jsontext"
)

// turnLimit is how often a read starts over because somebody else, who takes no
// lock, changed the file meanwhile.
const turnLimit = 20

// Content returns all that the file and its archive hold; see [history.Movable].
func (f *Store) Content(ctx context.Context) (history.Content, error) {
	for range turnLimit {
		d, err := f.current(ctx)
		if err != nil {
			return history.Content{}, err
		}
		content, err := f.content(ctx, d)
		if err != nil {
			return history.Content{}, err
		}
		// Had a run moved to the archive meanwhile, it would be twice in here.
		if same, err := f.unchanged(d); err != nil {
			return history.Content{}, err
		} else if same {
			return content, nil
		}
	}
	return history.Content{}, fmt.Errorf("another program changed %s %d times while it was being read: try again when it rests", f.path, turnLimit)
}

// content is what a document and the archive hold together. A crash can have
// left rows in the archive that the document has, too; they count once.
func (f *Store) content(ctx context.Context, d *document) (content history.Content, err error) {
	archived, marked, err := f.archived(ctx, d.mark())
	if err != nil {
		return history.Content{}, err
	}
	kept, err := f.decode(d)
	if err != nil {
		return history.Content{}, err
	}
	from := len(archived) - marked
	twice, err := common(archived[from:], kept)
	if err != nil {
		return history.Content{}, err
	}
	content.Runs = slices.Concat(archived[:from], archived[from+twice:], kept)
	champion, there, err := f.decodeChampion(d)
	if err != nil {
		return history.Content{}, err
	}
	if there {
		content.Champion = &champion
	}
	members, err := jsontext.ParseObject(d.Text)
	if err != nil {
		return history.Content{}, err
	}
	for _, m := range members {
		if m.Key != "runs" && m.Key != "champion" {
			if content.Extra == nil {
				content.Extra = map[string]json.RawMessage{}
			}
			content.Extra[m.Key] = m.Value
		}
	}
	return content, nil
}

// common is how many runs two lists begin with alike.
func common(one, other []history.Run) (int, error) {
	for i := range min(len(one), len(other)) {
		a, err := history.Text(one[i])
		if err != nil {
			return 0, err
		}
		b, err := history.Text(other[i])
		if err != nil {
			return 0, err
		}
		if !bytes.Equal(a, b) {
			return i, nil
		}
	}
	return min(len(one), len(other)), nil
}

// Import takes over what another store held; see [history.Movable]. Runs beyond the
// limit of the file go to the archive, oldest first; what is archived already
// isn't replaced any more.
func (f *Store) Import(ctx context.Context, content history.Content) (history.Imported, error) {
	var done history.Imported
	err := f.change(ctx, edit{text: func(d *document) (text []byte, err error) {
		text, done, err = f.imported(ctx, d, content)
		return text, err
	}})
	if err != nil {
		return history.Imported{}, fmt.Errorf("import a history: %w", err)
	}
	return done, nil
}

// imported is the text of a document with the content taken over.
func (f *Store) imported(ctx context.Context, d *document, content history.Content) ([]byte, history.Imported, error) {
	was, err := f.content(ctx, d)
	if err != nil {
		return nil, history.Imported{}, err
	}
	archived := len(was.Runs) - len(d.runs)
	there := map[string][]int{}
	for i, run := range was.Runs {
		key, err := history.Key(run)
		if err != nil {
			return nil, history.Imported{}, err
		}
		there[key] = append(there[key], i)
	}
	done := history.Imported{Total: len(was.Runs)}
	replaced := map[int]json.RawMessage{}
	var added []json.RawMessage
	for i, run := range content.Runs {
		key, err := history.Key(run)
		if err != nil {
			return nil, history.Imported{}, fmt.Errorf("run %d of %d: %w", i+1, len(content.Runs), err)
		}
		text, err := history.Text(run)
		if err != nil {
			return nil, history.Imported{}, fmt.Errorf("run %d of %d: %w", i+1, len(content.Runs), err)
		}
		places := there[key]
		if len(places) == 0 {
			added = append(added, text)
			continue
		}
		place := places[0]
		there[key] = places[1:]
		if old, err := history.Text(was.Runs[place]); err != nil {
			return nil, history.Imported{}, err
		} else if place >= archived && run.Tests >= was.Runs[place].Tests && !bytes.Equal(old, text) {
			replaced[place-archived] = text
		}
	}
	done.Added, done.Replaced = len(added), len(replaced)
	done.Total += len(added)
	text, err := d.withRuns(replaced, added...)
	if err != nil {
		return nil, history.Imported{}, err
	}
	if text, done.Crowned, err = withMembers(text, was, content); err != nil {
		return nil, history.Imported{}, err
	}
	return text, done, nil
}

// withMembers is the text with the content's champion, where it is the later
// one, and the members that weren't there.
func withMembers(text []byte, was, content history.Content) ([]byte, bool, error) {
	d, err := parse(text)
	if err != nil {
		return nil, false, err
	}
	crowned := false
	if c := content.Champion; c != nil && (was.Champion == nil || !c.Since.Before(was.Champion.Since)) {
		value, err := history.Text(*c)
		if err != nil {
			return nil, false, fmt.Errorf("champion: %w", err)
		}
		if was.Champion != nil {
			old, err := history.Text(*was.Champion)
			if err != nil {
				return nil, false, err
			}
			crowned = !bytes.Equal(old, value)
		} else {
			crowned = true
		}
		if crowned {
			if text, err = d.withChampion(value); err != nil {
				return nil, false, err
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(content.Extra)) {
		if _, there := was.Extra[key]; there || key == "runs" || key == "champion" {
			continue
		}
		if d, err = parse(text); err != nil {
			return nil, false, err
		}
		if text, err = d.with(key, content.Extra[key]); err != nil {
			return nil, false, fmt.Errorf("%s: %w", key, err)
		}
	}
	return text, crowned, nil
}

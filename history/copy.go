package history

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// turnLimit is how often a read starts over because somebody else, who takes no
// lock, changed the file meanwhile.
const turnLimit = 20

// Content is all that a store holds.
type Content struct {
	// Runs are all runs, oldest first, those of an archive included.
	Runs []Run
	// Champion is nil where there is none.
	Champion *Champion
	// Extra are the other members of the history, as they stand.
	Extra map[string]json.RawMessage
}

// Movable is a store that hands over all that it holds, and takes over what
// another one held.
type Movable interface {
	HistoryStore
	// Content returns all that the store holds at one moment.
	Content(ctx context.Context) (Content, error)
	// Import takes over what another store held, all of it or nothing, even in
	// a crash. Runs keep their text; one without an ID gets none. They come
	// after those that are there already.
	//
	// What is there already isn't added again, so an import may be repeated: a
	// run is recognised by [Key]. Of two reports of one run the one with more
	// tests stays, of two champions the one crowned later, else the imported.
	Import(ctx context.Context, content Content) (Imported, error)
}

var _ Movable = (*File)(nil)

// Imported says what an import changed.
type Imported struct {
	// Added and Replaced count runs, Total those that the store holds now, with
	// its archive.
	Added, Replaced, Total int
	// Crowned says that the champion was taken over.
	Crowned bool
}

// Copy takes over all that from holds into to; see [Movable]. From is read
// only. It blocks until all is written.
func Copy(ctx context.Context, to Movable, from HistoryStore) (Imported, error) {
	content, err := contentOf(ctx, from)
	if err != nil {
		return Imported{}, err
	}
	return to.Import(ctx, content)
}

func contentOf(ctx context.Context, from HistoryStore) (content Content, err error) {
	if whole, ok := from.(interface {
		Content(context.Context) (Content, error)
	}); ok {
		return whole.Content(ctx)
	}
	if content.Runs, err = from.Runs(ctx); err != nil {
		return Content{}, err
	}
	champion, there, err := from.Champion(ctx)
	if err != nil {
		return Content{}, err
	}
	if there {
		content.Champion = &champion
	}
	return content, nil
}

// Key is what a run is recognised by in another store: its ID, or, where it has
// none, its text. Runs of one key pair off in their order.
func Key(run Run) (string, error) {
	if run.ID != "" {
		return "id " + run.ID, nil
	}
	text, err := Text(run)
	return "text " + string(text), err
}

// Text returns the JSON of a [Run] or a [Champion] on one line, what was read
// as it was read; [json.Marshal] escapes characters in it.
func Text(value json.Marshaler) ([]byte, error) {
	text, err := value.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var line bytes.Buffer
	if err := json.Compact(&line, text); err != nil {
		return nil, err
	}
	return line.Bytes(), nil
}

// Content returns all that the file and its archive hold; see [Movable].
func (f *File) Content(ctx context.Context) (Content, error) {
	for range turnLimit {
		d, err := f.current(ctx)
		if err != nil {
			return Content{}, err
		}
		content, err := f.content(ctx, d)
		if err != nil {
			return Content{}, err
		}
		// Had a run moved to the archive meanwhile, it would be twice in here.
		if same, err := f.unchanged(d); err != nil {
			return Content{}, err
		} else if same {
			return content, nil
		}
	}
	return Content{}, fmt.Errorf("another program changed %s %d times while it was being read: try again when it rests", f.path, turnLimit)
}

// content is what a document and the archive hold together. A crash can have
// left rows in the archive that the document has, too; they count once.
func (f *File) content(ctx context.Context, d *document) (content Content, err error) {
	archived, marked, err := f.archived(ctx, d.mark())
	if err != nil {
		return Content{}, err
	}
	kept, err := f.decode(d)
	if err != nil {
		return Content{}, err
	}
	from := len(archived) - marked
	twice, err := common(archived[from:], kept)
	if err != nil {
		return Content{}, err
	}
	content.Runs = slices.Concat(archived[:from], archived[from+twice:], kept)
	champion, there, err := f.decodeChampion(d)
	if err != nil {
		return Content{}, err
	}
	if there {
		content.Champion = &champion
	}
	members, err := parseObject(d.text[d.from:])
	if err != nil {
		return Content{}, err
	}
	for _, m := range members {
		if m.key != "runs" && m.key != "champion" {
			if content.Extra == nil {
				content.Extra = map[string]json.RawMessage{}
			}
			content.Extra[m.key] = m.value
		}
	}
	return content, nil
}

// common is how many runs two lists begin with alike.
func common(one, other []Run) (int, error) {
	for i := range min(len(one), len(other)) {
		a, err := Text(one[i])
		if err != nil {
			return 0, err
		}
		b, err := Text(other[i])
		if err != nil {
			return 0, err
		}
		if !bytes.Equal(a, b) {
			return i, nil
		}
	}
	return min(len(one), len(other)), nil
}

// Import takes over what another store held; see [Movable]. Runs beyond the
// limit of the file go to the archive, oldest first; what is archived already
// isn't replaced any more.
func (f *File) Import(ctx context.Context, content Content) (Imported, error) {
	var done Imported
	err := f.change(ctx, edit{text: func(d *document) (text []byte, err error) {
		text, done, err = f.imported(ctx, d, content)
		return text, err
	}})
	if err != nil {
		return Imported{}, fmt.Errorf("import a history: %w", err)
	}
	return done, nil
}

// imported is the text of a document with the content taken over.
func (f *File) imported(ctx context.Context, d *document, content Content) ([]byte, Imported, error) {
	was, err := f.content(ctx, d)
	if err != nil {
		return nil, Imported{}, err
	}
	archived := len(was.Runs) - len(d.runs)
	there := map[string][]int{}
	for i, run := range was.Runs {
		key, err := Key(run)
		if err != nil {
			return nil, Imported{}, err
		}
		there[key] = append(there[key], i)
	}
	done := Imported{Total: len(was.Runs)}
	replaced := map[int]json.RawMessage{}
	var added []json.RawMessage
	for i, run := range content.Runs {
		key, err := Key(run)
		if err != nil {
			return nil, Imported{}, fmt.Errorf("run %d of %d: %w", i+1, len(content.Runs), err)
		}
		text, err := Text(run)
		if err != nil {
			return nil, Imported{}, fmt.Errorf("run %d of %d: %w", i+1, len(content.Runs), err)
		}
		places := there[key]
		if len(places) == 0 {
			added = append(added, text)
			continue
		}
		place := places[0]
		there[key] = places[1:]
		if old, err := Text(was.Runs[place]); err != nil {
			return nil, Imported{}, err
		} else if place >= archived && run.Tests >= was.Runs[place].Tests && !bytes.Equal(old, text) {
			replaced[place-archived] = text
		}
	}
	done.Added, done.Replaced = len(added), len(replaced)
	done.Total += len(added)
	text, err := d.withRuns(replaced, added)
	if err != nil {
		return nil, Imported{}, err
	}
	if text, done.Crowned, err = withMembers(text, was, content); err != nil {
		return nil, Imported{}, err
	}
	return text, done, nil
}

// withMembers is the text with the content's champion, where it is the later
// one, and the members that weren't there.
func withMembers(text []byte, was, content Content) ([]byte, bool, error) {
	d, err := parse(text)
	if err != nil {
		return nil, false, err
	}
	crowned := false
	if c := content.Champion; c != nil && (was.Champion == nil || !c.Since.Before(was.Champion.Since)) {
		value, err := Text(*c)
		if err != nil {
			return nil, false, fmt.Errorf("champion: %w", err)
		}
		if was.Champion != nil {
			old, err := Text(*was.Champion)
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
		name, err := encode(key)
		if err != nil {
			return nil, false, err
		}
		value, err := d.style.format(content.Extra[key], 1)
		if err != nil {
			return nil, false, fmt.Errorf("%s: %w", key, err)
		}
		text = d.withMember(string(name[1:len(name)-1]), value)
	}
	return text, crowned, nil
}

// withRuns returns the text with some rows replaced, by index, and others added
// at the end, in one go: row by row, a long history would take minutes.
func (d *document) withRuns(replaced map[int]json.RawMessage, added []json.RawMessage) ([]byte, error) {
	if len(d.runs) == 0 {
		if len(added) == 0 {
			return d.text, nil
		}
		text, err := d.withRun(added[0], -1)
		if err != nil {
			return nil, err
		}
		first, err := parse(text)
		if err != nil {
			return nil, err
		}
		return first.withRuns(nil, added[1:])
	}
	var out bytes.Buffer
	at := 0
	for _, i := range slices.Sorted(maps.Keys(replaced)) {
		row, err := d.style.formatRun(replaced[i])
		if err != nil {
			return nil, err
		}
		out.Write(d.text[at:d.runs[i].from])
		out.Write(row)
		at = d.runs[i].to
	}
	last := d.runs[len(d.runs)-1].to
	out.Write(d.text[at:last])
	before := string(d.text[d.list.from+1 : d.runs[0].from])
	if d.style.newline == "" {
		before = " "
	}
	for _, run := range added {
		row, err := d.style.formatRun(run)
		if err != nil {
			return nil, err
		}
		out.WriteString("," + before)
		out.Write(row)
	}
	out.Write(d.text[last:])
	return out.Bytes(), nil
}

// mark names a list of rows; see [archivedFrom].
func (d *document) mark() string {
	sum := sha256.Sum256(d.text[d.list.from:d.list.to])
	return hex.EncodeToString(sum[:8])
}

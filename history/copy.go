package history

import (
	"bytes"
	"context"
	"encoding/json"
)

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

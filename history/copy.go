package history

import (
	"bytes"
	"context"
	"encoding/json"
)

// Content is the whole content of a store.
type Content struct {
	// Runs are all runs, archived ones included, oldest first.
	Runs []Run
	// Champion is nil if there is none.
	Champion *Champion
	// Extra are the members of a history file that are neither runs nor champion.
	Extra map[string]json.RawMessage
}

// Movable is a store that exports and imports its whole content.
type Movable interface {
	HistoryStore
	// Content returns a consistent snapshot of the whole content.
	Content(ctx context.Context) (Content, error)
	// Import merges the content of another store into this one, completely or not
	// at all, also in a crash. New runs are added after the present ones with their
	// JSON unchanged; a run without an ID is not assigned one.
	//
	// Import may be repeated: runs with the [Key] of a present run are not added.
	// Of two such runs the one with more tests is kept, of two champions the one
	// crowned later; if these are equal, the imported one is kept.
	Import(ctx context.Context, content Content) (Imported, error)
}

// Imported is the outcome of [Movable.Import].
type Imported struct {
	// Added and Replaced are numbers of runs. Total is the number of runs in the
	// store afterwards, archived ones included.
	Added, Replaced, Total int
	// Crowned is true if the champion was replaced by the imported one.
	Crowned bool
}

// Copy imports the content of from into to; see [Movable]. It changes nothing in
// from and blocks until everything is written.
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

// Key returns the key that identifies a run across stores: its ID, or its JSON if
// it has none. Runs with equal keys correspond to each other in their order.
func Key(run Run) (string, error) {
	if run.ID != "" {
		return "id " + run.ID, nil
	}
	text, err := Text(run)
	return "text " + string(text), err
}

// Text returns the JSON of a [Run] or a [Champion] on one line. Unlike
// [json.Marshal] it doesn't escape characters that were read unescaped.
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

package daemon

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/filestore"
	"github.com/turbone/jarvis/history/sqlstore"
)

// OpenHistory opens the history at path. A path that ends in .db, .sqlite or
// .sqlite3 is an SQLite database, which is created if it is missing; any other
// path is a JSON file, which isn't touched before it is used. Keep is how many
// runs are kept, or, in a database, returned; 0 means the store's default. Close
// the closer when the store is no longer used.
func OpenHistory(ctx context.Context, path string, keep int) (history.HistoryStore, io.Closer, error) {
	if !IsDatabase(path) {
		var options []filestore.Option
		if keep > 0 {
			options = append(options, filestore.Keep(keep))
		}
		return filestore.Open(path, options...), nopCloser{}, nil
	}
	var options []sqlstore.Option
	if keep > 0 {
		options = append(options, sqlstore.Keep(keep))
	}
	store, err := sqlstore.Open(ctx, path, options...)
	if err != nil {
		return nil, nil, err
	}
	return store, store, nil
}

// IsDatabase reports whether [OpenHistory] opens path as a database.
func IsDatabase(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".db", ".sqlite", ".sqlite3":
		return true
	}
	return false
}

// nopCloser closes a JSON file, which is open only during a call.
type nopCloser struct{}

func (nopCloser) Close() error { return nil }

// Champion returns the winner of the latest tournament in the history at path,
// nil if there is none. It creates no file.
func Champion(ctx context.Context, path string) (_ *healer.Champion, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	store, closer, err := OpenHistory(ctx, path, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	return championOf(ctx, store)
}

// championOf returns the champion of a store, nil if there is none.
func championOf(ctx context.Context, store history.HistoryStore) (*healer.Champion, error) {
	c, ok, err := store.Champion(ctx)
	if err != nil || !ok {
		return nil, err
	}
	return &healer.Champion{Model: c.Model, Score: c.Score, Since: c.Since.Format(time.RFC3339)}, nil
}

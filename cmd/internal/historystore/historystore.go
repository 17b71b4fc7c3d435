// Package historystore opens the history that the config names: a JSON file, or
// a database where the path ends like one.
package historystore

import (
	"context"
	"io"
	"path/filepath"
	"strings"

	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/filestore"
	"github.com/turbone/jarvis/history/sqlstore"
)

// Open opens the history. A path that ends in .db, .sqlite or .sqlite3 is a
// database, which is made where there is none and keeps all runs, whatever
// history.keep says: that is how many are looked at there. Any other path is a
// JSON file, which isn't touched before it is used. The closer has to be called
// when the history is no longer used.
func Open(ctx context.Context, h config.History) (history.HistoryStore, io.Closer, error) {
	if !Database(h.Path) {
		return filestore.Open(h.Path, filestore.Keep(h.Keep)), nothing{}, nil
	}
	store, err := sqlstore.Open(ctx, h.Path, sqlstore.Keep(h.Keep))
	if err != nil {
		return nil, nil, err
	}
	return store, store, nil
}

// Database reports whether a path ends like a database's.
func Database(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".db", ".sqlite", ".sqlite3":
		return true
	}
	return false
}

// nothing is what there is to close of a file: it is closed after each use.
type nothing struct{}

func (nothing) Close() error { return nil }

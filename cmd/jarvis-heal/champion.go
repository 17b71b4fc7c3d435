package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/cmd/internal/historystore"
	"github.com/turbone/jarvis/healer"
)

// champion reads the winner of the latest tournament from the history; nil
// where there is none.
func champion(h config.History) func(context.Context) (*healer.Champion, error) {
	return func(ctx context.Context) (_ *healer.Champion, err error) {
		// Looking makes no file: opening a database would.
		if _, err := os.Stat(h.Path); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		store, closer, err := historystore.Open(ctx, h)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, closer.Close()) }()
		c, ok, err := store.Champion(ctx)
		if err != nil || !ok {
			return nil, err
		}
		return &healer.Champion{Model: c.Model, Score: c.Score, Since: c.Since.Format(time.RFC3339)}, nil
	}
}

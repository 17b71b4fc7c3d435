package main

import (
	"context"
	"time"

	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/history"
)

// champion reads the winner of the latest tournament from the history; nil
// where there is none.
func champion(h config.History) func(context.Context) (*healer.Champion, error) {
	store := history.NewFile(h.Path, history.Keep(h.Keep), history.Patience(time.Second))
	return func(ctx context.Context) (*healer.Champion, error) {
		c, ok, err := store.Champion(ctx)
		if err != nil || !ok {
			return nil, err
		}
		return &healer.Champion{Model: c.Model, Score: c.Score, Since: c.Since.Format(time.RFC3339)}, nil
	}
}

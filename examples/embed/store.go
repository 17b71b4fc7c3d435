package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/turbone/jarvis/history"
)

// Ledger is a [history.HistoryStore] of the house's own, in memory. The zero
// value is empty. It is safe for concurrent use.
type Ledger struct {
	mu       sync.Mutex
	runs     []history.Run
	champion *history.Champion
	assigned int
}

// Append implements [history.HistoryStore].
func (l *Ledger) Append(ctx context.Context, run history.Run) (history.Appended, error) {
	if _, err := json.Marshal(run); err != nil { // what can't be written down is refused
		return history.Appended{}, fmt.Errorf("append: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() != nil {
		return history.Appended{}, context.Cause(ctx)
	}
	if run.ID == "" {
		l.assigned++
		run.ID = fmt.Sprintf("ledger-%d", l.assigned)
	}
	at := slices.IndexFunc(l.runs, func(r history.Run) bool { return r.ID == run.ID })
	if at < 0 {
		l.runs = append(l.runs, run)
	} else {
		l.runs[at] = run
	}
	return history.Appended{ID: run.ID, Replaced: at >= 0, Total: len(l.runs)}, nil
}

// Runs implements [history.HistoryStore].
func (l *Ledger) Runs(ctx context.Context) ([]history.Run, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return slices.Clone(l.runs), nil
}

// Champion implements [history.HistoryStore].
func (l *Ledger) Champion(ctx context.Context) (history.Champion, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() != nil || l.champion == nil {
		return history.Champion{}, false, context.Cause(ctx)
	}
	return *l.champion, true, nil
}

// SetChampion implements [history.HistoryStore].
func (l *Ledger) SetChampion(ctx context.Context, champion history.Champion) error {
	if _, err := json.Marshal(champion); err != nil {
		return fmt.Errorf("set champion: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	l.champion = &champion
	return nil
}

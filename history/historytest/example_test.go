package historytest_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/historytest"
)

// memory is a [history.HistoryStore] of one's own: it keeps the JSON of the runs in
// memory.
type memory struct {
	mu       sync.Mutex
	runs     []string
	ids      []string
	champion string
}

func (m *memory) Append(ctx context.Context, run history.Run) (history.Appended, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return history.Appended{}, context.Cause(ctx)
	}
	run, err := run.WithID()
	if err != nil {
		return history.Appended{}, err
	}
	text, err := history.Text(run)
	if err != nil {
		return history.Appended{}, err
	}
	at := slices.Index(m.ids, run.ID)
	if at >= 0 {
		m.runs[at] = string(text)
	} else {
		m.runs, m.ids = append(m.runs, string(text)), append(m.ids, run.ID)
	}
	return history.Appended{ID: run.ID, Replaced: at >= 0, Total: len(m.runs)}, nil
}

func (m *memory) Runs(ctx context.Context) ([]history.Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	runs := make([]history.Run, len(m.runs))
	for i, text := range m.runs {
		if err := runs[i].UnmarshalJSON([]byte(text)); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

func (m *memory) Champion(ctx context.Context) (champion history.Champion, ok bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return champion, false, context.Cause(ctx)
	}
	if m.champion == "" {
		return champion, false, nil
	}
	err = champion.UnmarshalJSON([]byte(m.champion))
	return champion, err == nil, err
}

func (m *memory) SetChampion(ctx context.Context, champion history.Champion) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	text, err := history.Text(champion)
	if err == nil {
		m.champion = string(text)
	}
	return err
}

// A store of one's own runs the conformance test. All handles on a store in memory
// are the store itself.
func TestMemory(t *testing.T) {
	historytest.Conformance(t, func(*testing.T) (history.HistoryStore, func() history.HistoryStore) {
		store := &memory{}
		return store, func() history.HistoryStore { return store }
	})
}

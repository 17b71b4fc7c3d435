package daemon

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/filestore"
)

// failing fails at the first change of the champion.
type failing struct {
	history.HistoryStore
	failed bool
}

func (f *failing) SetChampion(ctx context.Context, c history.Champion) error {
	if !f.failed {
		f.failed = true
		return errors.New("the disk is full")
	}
	return f.HistoryStore.SetChampion(ctx, c)
}

// TestUndonePromotion: the champion whose promotion the healer undid is none any
// more, told once, also where the first try fails; another one stays.
func TestUndonePromotion(t *testing.T) {
	store := filestore.Open(filepath.Join(t.TempDir(), "history.json"))
	for _, run := range []history.Run{
		{ID: "1-champion", Session: "1", Model: "old", Node: "M1", Time: time.Now(), Score: 7, Tests: 40},
		{ID: "1-candidate", Session: "1", Model: "new", Node: "M1", Time: time.Now(), Score: 8, Tests: 40, Crowned: true},
	} {
		if _, err := store.Append(t.Context(), run); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.SetChampion(t.Context(), history.Champion{Model: "new", Node: "M1", RunID: "1-candidate", Since: time.Now(), Score: 8}); err != nil {
		t.Fatal(err)
	}
	champion := func() string {
		c, _, err := store.Champion(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return c.Model
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var told []string
		undone := "0-candidate"
		w := demotionWatch{
			store: &failing{HistoryStore: store},
			nodes: func() []healer.NodeStatus {
				mu.Lock()
				defer mu.Unlock()
				return []healer.NodeStatus{{Name: "M1", Undone: undone}}
			},
			tell: func(e healer.Event) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, e.String())
			},
		}
		done := make(chan struct{})
		go func() { defer close(done); w.run(ctx) }()
		synctest.Wait()
		mu.Lock()
		if got := champion(); got != "new" || len(told) > 0 {
			t.Errorf("another run was undone, and the champion is %s; told %q", got, told)
		}
		undone = "1-candidate"
		mu.Unlock()
		time.Sleep(3 * historyEvery)
		synctest.Wait()
		if got := champion(); got != "old" {
			t.Errorf("the champion is %s, want old", got)
		}
		cancel()
		<-done
		want := []string{"M1: the champion before new: the disk is full", "M1: old is the champion again, in place of new"}
		if len(told) != 2 || told[0] != want[0] || told[1] != want[1] {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/nodes"
)

// demotionWatch restores the champion before the history's one if the watchdog
// rolled its promotion back. It goes by the watchdog's state file, so that a
// rollback before a restart is not missed.
type demotionWatch struct {
	store history.HistoryStore
	nodes func() []healer.NodeStatus
	tell  func(healer.Event)
	// done are the runs whose promotion was rolled back and corrected here.
	done map[string]bool
}

// run polls until ctx ends. An error is reported once, and the correction is
// tried again.
func (w demotionWatch) run(ctx context.Context) {
	w.done = map[string]bool{}
	told := ""
	for {
		for _, n := range w.nodes() {
			if n.Undone == "" || w.done[n.Undone] {
				continue
			}
			err := w.correct(ctx, n)
			switch {
			case ctx.Err() != nil:
				return
			case err == nil:
				w.done[n.Undone] = true
			case err.Error() != told:
				told = err.Error()
				w.tell(healer.Event{Time: time.Now(), Node: n.Name, Type: healer.EventDegraded, Detail: told})
			}
		}
		if !nodes.Sleep(ctx, historyEvery) {
			return
		}
	}
}

// correct makes the model before the champion the champion again, if the
// champion is still that of the promotion that was rolled back.
func (w demotionWatch) correct(ctx context.Context, n healer.NodeStatus) error {
	lost, crowned, err := w.store.Champion(ctx)
	if err != nil {
		return fmt.Errorf("the champion whose promotion was undone: %w", err)
	}
	if !crowned || lost.RunID != n.Undone {
		return nil
	}
	runs, err := w.store.Runs(ctx)
	if err != nil {
		return fmt.Errorf("the champion before %s: %w", lost.Model, err)
	}
	before, ok := history.Before(runs, lost)
	if !ok {
		return nil
	}
	if err := w.store.SetChampion(ctx, before); err != nil {
		return fmt.Errorf("the champion before %s: %w", lost.Model, err)
	}
	w.tell(healer.Event{
		Time: time.Now(), Node: n.Name, Type: healer.EventRetained,
		Detail: fmt.Sprintf("%s is the champion again, in place of %s", before.Model, lost.Model),
	})
	return nil
}

package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/history"
)

// undoneWatch corrects the history's champion where the healer went back to the
// model before it: a promoted model that was worse in service. It goes by what
// the healer keeps, so that no end of this process leaves it undone.
type undoneWatch struct {
	store history.HistoryStore
	nodes func() []healer.NodeStatus
	tell  func(healer.Event)
	// done are the runs that were seen to.
	done map[string]bool
}

// run looks until ctx ends. What fails is told once, and tried again.
func (w undoneWatch) run(ctx context.Context) {
	tick := time.NewTicker(historyEvery)
	defer tick.Stop()
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
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// correct gives the crown back, if it is still that of the run that was undone.
func (w undoneWatch) correct(ctx context.Context, n healer.NodeStatus) error {
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

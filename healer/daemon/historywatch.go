package daemon

import (
	"context"
	"os"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/history"
)

// historyEvery is how often it is looked whether a run came in.
const historyEvery = 3 * time.Second

// Judge says which nodes got worse, by all runs of the history, oldest first.
// It is called after every change of the history, and must return quickly.
type Judge func(runs []history.Run) []healer.Judgement

// historyWatch has every new run judged, whichever process recorded it.
type historyWatch struct {
	path  string
	runs  func(context.Context) ([]history.Run, error)
	judge Judge
	word  func([]healer.Judgement)
	fail  func(error)
}

// run looks until ctx ends. A history that can't be read is told once, and
// looked at again.
func (w historyWatch) run(ctx context.Context) {
	tick := time.NewTicker(historyEvery)
	defer tick.Stop()
	var seen marks
	told := ""
	for first := true; ; first = false {
		if now := w.marks(); first || !now.same(seen) {
			runs, err := w.runs(ctx)
			switch {
			case ctx.Err() != nil:
				return
			case err == nil:
				w.word(w.judge(runs))
				seen, told = now, "" // marked before it was read: no later run is missed
			case err.Error() != told:
				told = err.Error()
				w.fail(err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// marks tell one state of the history's files from another.
type marks [2]os.FileInfo

// marks looks at the file itself, and at the journal that a database writes
// beside it; nil where there is none.
func (w historyWatch) marks() (m marks) {
	for i, path := range []string{w.path, w.path + "-wal"} {
		if info, err := os.Stat(path); err == nil {
			m[i] = info
		}
	}
	return m
}

func (m marks) same(o marks) bool {
	for i := range m {
		switch a, b := m[i], o[i]; {
		case a == nil && b == nil:
		case a == nil || b == nil || !a.ModTime().Equal(b.ModTime()) || a.Size() != b.Size() || !os.SameFile(a, b):
			return false
		}
	}
	return true
}

package daemon

import (
	"context"
	"os"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/nodes"
)

// historyEvery is the pause between two looks at the history.
const historyEvery = 3 * time.Second

// Judge returns the nodes that got worse, from all runs of the history, oldest
// first. It is called after every change of the history and must return quickly.
type Judge func(runs []history.Run) []healer.Judgement

// historyWatch judges the runs of a history whenever it changed, whichever
// process changed it.
type historyWatch struct {
	path   string // of the file whose changes show a new run; "" reads every time
	runs   func(context.Context) ([]history.Run, error)
	judge  Judge
	result func([]healer.Judgement)
	failed func(error)
}

// run polls until ctx ends. The error of a history that can't be read is
// reported once, and the history is read again.
func (w historyWatch) run(ctx context.Context) {
	var seen fileStates
	told := ""
	for first := true; ; first = false {
		if now := w.states(); first || w.path == "" || !now.same(seen) {
			runs, err := w.runs(ctx)
			switch {
			case ctx.Err() != nil:
				return
			case err == nil:
				w.result(w.judge(runs))
				seen, told = now, "" // taken before the runs were read: no later run is missed
			case err.Error() != told:
				told = err.Error()
				w.failed(err)
			}
		}
		if !nodes.Sleep(ctx, historyEvery) {
			return
		}
	}
}

// fileStates are the states of the history's file and of the journal that a
// database writes beside it; nil if there is none.
type fileStates [2]os.FileInfo

func (w historyWatch) states() (m fileStates) {
	for i, path := range []string{w.path, w.path + "-wal"} {
		if info, err := os.Stat(path); err == nil {
			m[i] = info
		}
	}
	return m
}

func (m fileStates) same(o fileStates) bool {
	for i := range m {
		switch a, b := m[i], o[i]; {
		case a == nil && b == nil:
		case a == nil || b == nil || !a.ModTime().Equal(b.ModTime()) || a.Size() != b.Size() || !os.SameFile(a, b):
			return false
		}
	}
	return true
}

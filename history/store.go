package history

import "context"

// HistoryStore stores runs and the champion. An implementation has to pass
// [github.com/turbone/jarvis/history/historytest.Conformance].
//
// The methods block until the operation is complete and may be called from
// several goroutines. If the context ends before, they return its cause and
// change nothing.
type HistoryStore interface {
	// Append records a run. A run with the ID of a recorded one replaces it at its
	// position; a run without an ID is assigned one. When Append returns nil, the
	// run survives a crash.
	Append(ctx context.Context, run Run) (Appended, error)
	// Runs returns the kept runs in the order in which they were recorded.
	Runs(ctx context.Context) ([]Run, error)
	// Champion returns the champion, and false if there is none.
	Champion(ctx context.Context) (Champion, bool, error)
	// SetChampion replaces the champion.
	SetChampion(ctx context.Context, champion Champion) error
}

// WriteChecker is a [HistoryStore] that can check whether it can be changed.
type WriteChecker interface {
	HistoryStore
	// CheckWrite returns an error if a change can't be made now. It changes no
	// content, and makes what a change needs, such as the folder.
	CheckWrite(ctx context.Context) error
}

// Appended is the outcome of [HistoryStore.Append].
type Appended struct {
	// ID is the ID of the run.
	ID string
	// Replaced is true if a recorded run had this ID.
	Replaced bool
	// Total is the number of runs kept now.
	Total int
}

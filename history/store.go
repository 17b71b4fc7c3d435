package history

import "context"

// HistoryStore keeps runs and the champion. All methods may be called from any
// number of goroutines, block until it is done, and stop with the context's
// error when that ends first; nothing is changed then.
type HistoryStore interface {
	// Append records a run. One with the ID of a recorded run replaces it, in
	// its place; one without an ID is given one. When Append returns without an
	// error, the run survives a crash.
	Append(ctx context.Context, run Run) (Appended, error)
	// Runs returns the kept runs in the order in which they were recorded.
	Runs(ctx context.Context) ([]Run, error)
	// Champion returns the champion, false where there is none.
	Champion(ctx context.Context) (Champion, bool, error)
	// SetChampion replaces the champion.
	SetChampion(ctx context.Context, champion Champion) error
}

// Appended says what became of a run.
type Appended struct {
	// ID is the run's.
	ID string
	// Replaced says that a recorded run had this ID.
	Replaced bool
	// Total is how many runs are kept now.
	Total int
}

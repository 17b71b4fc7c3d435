package history

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	// recognised begins the ID of a run that gave none, and is known by its
	// figures alone.
	recognised = "result-"
	// sameResult is for how long one and the same result is one and the same
	// run: in an outage two runs may well have the same figures.
	sameResult = 24 * time.Hour
)

// AppendToHistory records what an autotest measured: the one call that an
// autotest needs at its end, or after each of its cycles. It may be repeated: a
// run is recorded once, with its last report. It blocks until the run would
// survive a crash, and may be called from several goroutines and processes.
//
// A run is recognised by its RunID, or by its type, model, node and the time
// that it Started. A result that has neither, such as a file that only counts,
// is taken for a report of a recorded run where it has the same figures, or
// where it has grown out of it by just one cycle; if that is not certain it is
// a run of its own.
func AppendToHistory(ctx context.Context, store HistoryStore, result Result) (Appended, error) {
	run, err := result.Run()
	if err != nil {
		return Appended{}, fmt.Errorf("record a result: %w", err)
	}
	switch {
	case run.ID != "":
	case !result.Started.IsZero():
		run.ID = result.startedID(run)
	default:
		if err := recognise(ctx, store, &run, result.Ended.IsZero()); err != nil {
			return Appended{}, fmt.Errorf("record a result: %w", err)
		}
	}
	done, err := store.Append(ctx, run)
	if err != nil {
		return Appended{}, fmt.Errorf("record a result: %w", err)
	}
	return done, nil
}

// recognise gives the run the ID of the one that it is a report of, or a new
// one. A run that is there with the same figures keeps its time, unless the
// result says when it ended.
func recognise(ctx context.Context, store HistoryStore, run *Run, timeless bool) error {
	rows, err := store.Runs(ctx)
	if err != nil {
		return err
	}
	for i := len(rows) - 1; i >= 0; i-- {
		known := rows[i]
		if !strings.HasPrefix(known.ID, recognised) {
			continue
		}
		if same(known, *run) && run.Time.Sub(known.Time).Abs() < sameResult {
			run.ID = known.ID
			if timeless {
				run.Time = known.Time
			}
			return nil
		}
		if nextCycle(known, *run) {
			run.ID = known.ID
			return nil
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("name the run: %w", err)
	}
	run.ID = recognised + id.String()
	return nil
}

// same reports whether two runs have the same figures.
func same(a, b Run) bool {
	return sameKind(a, b) && a.Tests == b.Tests && passed(a) == passed(b) && a.ErrorCount() == b.ErrorCount() &&
		sameTallies(a.ByNode, b.ByNode) && sameTallies(a.ByDomain, b.ByDomain)
}

// nextCycle reports whether a run is another one with just one cycle more.
func nextCycle(known, run Run) bool {
	before, after := cycles(known), cycles(run)
	if before < 1 || after != before+1 || known.Tests*after != run.Tests*before {
		return false
	}
	known.ID = ""
	run.ID = ""
	return grew(known, run) && run.ErrorCount() >= known.ErrorCount()
}

func cycles(run Run) int {
	n, err := strconv.Atoi(string(run.Extra[cyclesKey]))
	if err != nil {
		return 0
	}
	return n
}

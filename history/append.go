package history

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	// generatedPrefix begins the ID of a run whose result has neither RunID nor
	// Started. Only such a run is recognised by its counts.
	generatedPrefix = "result-"
	// sameResult is the longest time between two equal results of one run: in an
	// outage two runs may have equal counts.
	sameResult = 24 * time.Hour
)

// AppendToHistory records the result of an autotest. An autotest calls it at its
// end, or after each of its cycles: a run that is reported again replaces its last
// report. AppendToHistory blocks until the run would survive a crash, and may be
// called from several goroutines and processes.
//
// A run is identified by RunID, or else by its type, model, node and Started. A
// result with neither is a report of a recorded run if its counts are equal or
// exceed those of the run by exactly one cycle; otherwise it is a new run.
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

// recognise sets the ID of a run by its counts: that of the recorded run it
// reports, or a new one. With equal counts the recorded time is kept if the result
// is timeless.
func recognise(ctx context.Context, store HistoryStore, run *Run, timeless bool) error {
	rows, err := store.Runs(ctx)
	if err != nil {
		return err
	}
	for i := len(rows) - 1; i >= 0; i-- {
		known := rows[i]
		if !strings.HasPrefix(known.ID, generatedPrefix) {
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
	named, err := run.WithID()
	if err != nil {
		return err
	}
	run.ID = generatedPrefix + named.ID
	return nil
}

// same reports whether two runs have equal counts.
func same(a, b Run) bool {
	return sameKind(a, b) && a.Tests == b.Tests && passed(a) == passed(b) && a.ErrorCount() == b.ErrorCount() &&
		sameTallies(a.ByNode, b.ByNode) && sameTallies(a.ByDomain, b.ByDomain)
}

// nextCycle reports whether run, which has no ID, is known with exactly one cycle more.
func nextCycle(known, run Run) bool {
	before, after := cycles(known), cycles(run)
	if before < 1 || after != before+1 || known.Tests*after != run.Tests*before {
		return false
	}
	known.ID = "" // as that of run
	return grew(known, run) && run.ErrorCount() >= known.ErrorCount()
}

// cycles returns the number of cycles of a run, 0 if unknown.
func cycles(run Run) int {
	n, err := strconv.Atoi(string(run.Extra[cyclesKey]))
	if err != nil {
		return 0
	}
	return n
}

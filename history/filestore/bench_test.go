package filestore_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/filestore"
	"github.com/turbone/jarvis/history/historytest"
)

// fullFile returns a file of 500 runs with 200 tests each.
func fullFile(b *testing.B) *filestore.Store {
	b.Helper()
	file := filestore.Open(filepath.Join(b.TempDir(), "history.json"))
	var content history.Content
	for number := range filestore.DefaultKeep {
		run := historytest.Run(number)
		run.Results = historytest.Results(number, 200)
		content.Runs = append(content.Runs, run)
	}
	if _, err := file.Import(b.Context(), content); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(file.Path())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/1e6, "MB")
	return file
}

// BenchmarkAppend records a run with 200 tests in a full file; one moves to the
// archive each time.
func BenchmarkAppend(b *testing.B) {
	file := fullFile(b)
	number := filestore.DefaultKeep
	for b.Loop() {
		run := historytest.Run(number)
		run.Results = historytest.Results(number, 200)
		if _, err := file.Append(b.Context(), run); err != nil {
			b.Fatal(err)
		}
		number++
	}
}

// BenchmarkRuns reads a full file.
func BenchmarkRuns(b *testing.B) {
	file := fullFile(b)
	for b.Loop() {
		runs, err := file.Runs(b.Context())
		if err != nil || len(runs) != filestore.DefaultKeep {
			b.Fatal(len(runs), err)
		}
	}
}

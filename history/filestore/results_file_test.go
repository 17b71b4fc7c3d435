package filestore_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/turbone/jarvis/history/filestore"
	"github.com/turbone/jarvis/history/historytest"
)

// A run of 40 tasks and 5 cycles takes a few kilobytes, also in a file with a
// line for each member.
func TestResultsAreCompact(t *testing.T) {
	run := historytest.Run(0)
	run.Results = historytest.Results(0, 200)
	path := filepath.Join(t.TempDir(), "history.json")
	if _, err := filestore.Open(path).Append(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	text := contents(t, path)
	if size := len(text); size < 3000 || size > 10_000 {
		t.Errorf("the file has %d bytes, want a few kilobytes", size)
	}
	if lines := strings.Count(text, "\n"); lines > 90 {
		t.Errorf("the file has %d lines, want about one for each task", lines)
	}
	if !strings.Contains(text, `{"task":"task-17","domain":"système","pass":"`) {
		t.Error("a task's tests aren't on one line")
	}
}

// A program that knows nothing of single results reads the file as before.
func TestAnOldReaderIgnoresResults(t *testing.T) {
	run := historytest.Run(3)
	run.Results, run.Session, run.Crowned = historytest.Results(3, 80), "s", true
	text, err := json.Marshal(run)
	if err != nil {
		t.Fatal(err)
	}
	var old struct {
		Timestamp string  `json:"timestamp"`
		Score     float64 `json:"score_composite"`
		Tests     int     `json:"total_tests"`
		ByNode    map[string]struct{ Pass, Total int }
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&old); err != nil || old.Score != 9.24 || old.Tests != 33 {
		t.Errorf("an old reader reads %+v, %v", old, err)
	}
}

package history_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/turbone/jarvis/history"
)

// TestFold folds the rows in testdata/fold.txt. A row is a line of
//
//	MINUTES:SECONDS PASSED/TESTS [KEY=VALUE]...
//
// where M1=PASSED/TESTS@MILLISECONDS is a node, any other key with a / a domain.
func TestFold(t *testing.T) {
	datadriven.RunTest(t, "testdata/fold.txt", func(t *testing.T, d *datadriven.TestData) string {
		if d.Cmd != "fold" {
			d.Fatalf(t, "unknown command %s", d.Cmd)
		}
		var rows []history.Run
		for line := range strings.Lines(d.Input) {
			row, err := parseRow(line)
			if err != nil {
				d.Fatalf(t, "%s: %v", line, err)
			}
			rows = append(rows, row)
		}
		var out strings.Builder
		for _, f := range history.Fold(rows) {
			fmt.Fprintf(&out, "%d tests: rows %v", f.Tests, f.Rows)
			if f.Duplicates > 0 {
				fmt.Fprintf(&out, ", %d duplicates", f.Duplicates)
			}
			out.WriteByte('\n')
		}
		return out.String()
	})
}

func parseRow(line string) (row history.Run, err error) {
	fields := strings.Fields(line)
	var minutes, seconds int
	if _, err := fmt.Sscanf(fields[0], "%d:%d", &minutes, &seconds); err != nil {
		return row, err
	}
	row.Time = time.Date(2026, 3, 7, 18, minutes, seconds, 0, time.UTC)
	total, err := parseTally(fields[1])
	if err != nil {
		return row, err
	}
	row.Tests, row.PassRate, row.Score = total.Total, 100*float64(total.Pass)/float64(total.Total), float64(total.Pass)
	for _, field := range fields[2:] {
		key, value, _ := strings.Cut(field, "=")
		switch {
		case strings.Contains(value, "/"):
			part, err := parseTally(value)
			if err != nil {
				return row, err
			}
			parts := &row.ByDomain
			if strings.HasPrefix(key, "M") {
				parts = &row.ByNode
			}
			if *parts == nil {
				*parts = map[string]history.Tally{}
			}
			(*parts)[key] = part
		case key == "id":
			row.ID = value
		case key == "type":
			row.Type = value
		case key == "model":
			row.Model = value
		case key == "node":
			row.Node = value
		case key == "suite":
			row.Suite = value
		case key == "context":
			row.Config = map[string]any{"context_length": value}
		case key == "score":
			if row.Score, err = strconv.ParseFloat(value, 64); err != nil {
				return row, err
			}
		default:
			return row, fmt.Errorf("unknown field %s", field)
		}
	}
	return row, nil
}

func parseTally(text string) (part history.Tally, err error) {
	counts, latency, timed := strings.Cut(text, "@")
	if timed {
		milliseconds, err := strconv.Atoi(latency)
		if err != nil {
			return part, err
		}
		mean := time.Duration(milliseconds) * time.Millisecond
		part.Latency = &mean
	}
	_, err = fmt.Sscanf(counts, "%d/%d", &part.Pass, &part.Total)
	return part, err
}

func TestRunsAreSortedByTime(t *testing.T) {
	at := func(minute int) history.Folded {
		return history.Folded{Run: history.Run{ID: strconv.Itoa(minute), Time: time.Date(2026, 3, 7, 18, minute, 0, 0, time.UTC)}}
	}
	runs := history.Runs([]history.Folded{at(5), at(1), at(3)})
	if got := strings.Join(runIDs(runs), " "); got != "1 3 5" {
		t.Errorf("Runs = %s", got)
	}
}

func runIDs(runs []history.Run) []string {
	var list []string
	for _, run := range runs {
		list = append(list, run.ID)
	}
	return list
}

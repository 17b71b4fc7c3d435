package main

import (
	"strings"
	"testing"

	"github.com/turbone/jarvis/nodes"
)

// TestADownloadIsShown: one line that changes on a terminal, a line each tenth
// and for each step elsewhere, whatever the engine tells.
func TestADownloadIsShown(t *testing.T) {
	told := []nodes.Progress{
		{Status: "pulling manifest"},
		{Status: "pulling 6a0746a1ec1a", Total: 5 << 30},
		{Status: "pulling 6a0746a1ec1a", Completed: 1 << 28, Total: 5 << 30},
		{Status: "pulling 6a0746a1ec1a", Completed: 1 << 30, Total: 5 << 30},
		{Status: "pulling 6a0746a1ec1a", Completed: 1<<30 + 1, Total: 5 << 30},
		{Status: "pulling 6a0746a1ec1a", Completed: 6 << 30, Total: 5 << 30},
		{Status: "success"},
	}
	for _, test := range []struct {
		name    string
		columns int
		want    string
	}{
		{"a terminal", 80, strings.Join([]string{
			"M1: pulling manifest", "M1: pulling 6a0746a1ec1a 0 %, 0.0 GiB of 5.0 GiB", "M1: pulling 6a0746a1ec1a 5 %, 0.2 GiB of 5.0 GiB",
			"M1: pulling 6a0746a1ec1a 20 %, 1.0 GiB of 5.0 GiB", "M1: pulling 6a0746a1ec1a 20 %, 1.0 GiB of 5.0 GiB",
			"M1: pulling 6a0746a1ec1a 100 %, 5.0 GiB of 5.0 GiB", "M1: success", "",
		}, "|")},
		{"a narrow one", 24, strings.Join([]string{
			"M1: pulling manifest", "M1: pulling 6a0746a1ec1", "M1: pulling 6a0746a1ec1", "M1: pulling 6a0746a1ec1", "M1: pulling 6a0746a1ec1",
			"M1: pulling 6a0746a1ec1", "M1: success", "",
		}, "|")},
		{"a file", 0, strings.Join([]string{
			"M1: pulling manifest\n", "M1: pulling 6a0746a1ec1a 0 %, 0.0 GiB of 5.0 GiB\n", "M1: pulling 6a0746a1ec1a 20 %, 1.0 GiB of 5.0 GiB\n",
			"M1: pulling 6a0746a1ec1a 100 %, 5.0 GiB of 5.0 GiB\n", "M1: success\n",
		}, "")},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			d := newDownload(&out, "M1")
			if test.columns > 0 {
				d.Columns = func() int { return test.columns }
			}
			for _, p := range told {
				d.show(p)
			}
			d.Clear()
			got := strings.TrimPrefix(strings.ReplaceAll(out.String(), "\r\x1b[K", "|"), "|")
			if got != test.want {
				t.Errorf("printed %q, want %q", got, test.want)
			}
		})
	}
}

func TestFiguresForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1k", 40_000: "40k", 1_260_000: "1.3M", 7_600_000_000: "7.6B", 70_000_000_000: "70B"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %s, want %s", n, got, want)
		}
	}
	for value, want := range map[any]int{8192: 8192, int64(8192): 8192, uint64(8192): 8192, 8192.0: 8192, -1: 0, "8192": 0, nil: 0} {
		if got := contextOf(nodes.Model{Settings: nodes.Settings{"num_ctx": value}}); got != want {
			t.Errorf("contextOf(%T %v) = %d, want %d", value, value, got, want)
		}
	}
}

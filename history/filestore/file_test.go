package filestore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/filestore"
	"github.com/turbone/jarvis/history/historytest"
)

func TestFileConformance(t *testing.T) {
	historytest.Conformance(t, func(t *testing.T) (history.HistoryStore, func() history.HistoryStore) {
		path := filepath.Join(t.TempDir(), "new", "history.json")
		open := func() history.HistoryStore { return filestore.Open(path, filestore.Patience(filestore.NoPatience)) }
		return open(), open
	})
}

// The styles in which a file may be laid out, all to be kept.
func TestFileConformanceInEveryStyle(t *testing.T) {
	for name, start := range map[string]string{
		"no runs":         "{}",
		"null":            `{"runs": null, "champion": null}`,
		"one line":        `{"runs":[]}`,
		"four spaces":     "{\n    \"champion\": null,\n    \"runs\": []\n}\n",
		"tabs":            "{\n\t\"runs\": [\n\t]\n}",
		"Windows lines":   "{\r\n  \"runs\": []\r\n}\r\n",
		"byte order mark": "\xef\xbb\xbf{\n  \"runs\": []\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			historytest.Conformance(t, func(t *testing.T) (history.HistoryStore, func() history.HistoryStore) {
				path := written(t, start)
				t.Cleanup(func() {
					got := contents(t, path)
					if strings.Count(got, "\r\n") > 0 && strings.Count(got, "\n") != strings.Count(got, "\r\n") {
						t.Errorf("lines end in two ways: %q", got)
					}
					if strings.HasSuffix(start, "\n") != strings.HasSuffix(got, "\n") || strings.HasPrefix(start, "\xef") != strings.HasPrefix(got, "\xef") {
						t.Errorf("start or end of the file changed: %q", got)
					}
					if !strings.Contains(start, "\n") && strings.Contains(got, "\n") && start != "{}" {
						t.Errorf("one line became several: %q", got)
					}
				})
				open := func() history.HistoryStore { return filestore.Open(path, filestore.Patience(filestore.NoPatience)) }
				return open(), open
			})
		})
	}
}

func TestRealHistoryIsRead(t *testing.T) {
	file := filestore.Open("../testdata/benchmark_history_104.json")
	runs, err := file.Runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(runs) != 104 {
		t.Fatalf("%d runs, want 104", len(runs))
	}
	first := runs[0]
	m1 := 35788 * time.Millisecond
	type row struct {
		Time                    time.Time
		Type, Model             string
		Config                  map[string]any
		Score, PassRate         float64
		Latency                 time.Duration
		Tests, M1Pass, M1Total  int
		M1                      *time.Duration
		WebPass, WebTotal, Errs int
	}
	want := row{
		time.Date(2026, 2, 25, 20, 23, 57, 0, time.Local), "autotest", "qwen/qwen3-30b-a3b-2507",
		map[string]any{"context_length": json.Number("8192"), "temperature": json.Number("0.2")},
		7, 100, 28775 * time.Millisecond, 10, 8, 8, &m1, 1, 1, 0,
	}
	got := row{
		first.Time, first.Type, first.Model, first.Config, first.Score, first.PassRate, first.Latency, first.Tests,
		first.ByNode["M1"].Pass, first.ByNode["M1"].Total, first.ByNode["M1"].Latency,
		first.ByDomain["web"].Pass, first.ByDomain["web"].Total, first.ErrorCount(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("first run (-want +got):\n%s", diff)
	}
	// The errors that the file doesn't store: an outage, and the last run's two.
	errorsAt := map[string]int{}
	for _, run := range runs {
		errorsAt[run.Time.Format("2006-01-02T15:04:05")] = run.ErrorCount()
	}
	wanted := map[string]int{"2026-03-27T04:01:51": 50, "2026-03-07T18:24:27": 62, "2026-03-27T04:57:48": 2, "2026-02-26T00:44:37": 0}
	for at, want := range wanted {
		if errorsAt[at] != want {
			t.Errorf("%s: %d errors, want %d", at, errorsAt[at], want)
		}
	}
	champion, there, err := file.Champion(t.Context())
	if err != nil || !there {
		t.Fatalf("Champion: %v, %v", there, err)
	}
	if champion.Model != "qwen/qwen3-8b" || champion.Score != 9.24 || !champion.Since.Equal(time.Date(2026, 2, 26, 0, 0, 0, 0, time.Local)) {
		t.Errorf("champion = %+v", champion)
	}
}

func TestRealHistoryIsKeptToTheByte(t *testing.T) {
	path, original := realHistory(t)
	file := filestore.Open(path)

	champion, _, err := file.Champion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := file.SetChampion(t.Context(), champion); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(original, contents(t, path)); diff != "" {
		t.Fatalf("an unchanged history was written otherwise (-want +got):\n%s", diff)
	}

	if _, err := file.Append(t.Context(), historytest.Run(1)); err != nil {
		t.Fatal(err)
	}
	// The new row goes before the end of the list; all else is as it was.
	const listEnd = "\n  ],\n  \"champion\""
	before, after, _ := strings.Cut(original, listEnd)
	got := contents(t, path)
	if !strings.HasPrefix(got, before+",\n    {\n      \"timestamp\": ") || !strings.HasSuffix(got, "\n    }"+listEnd+after) {
		t.Errorf("the history around the new run changed: … %s", got[len(before)-20:])
	}
	if _, err := file.Append(t.Context(), historytest.Run(1)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, contents(t, path)); diff != "" {
		t.Errorf("replacing a run by itself changed the file (-want +got):\n%s", diff)
	}
}

// A row that goes through Go and back is the same row.
func TestRowsKeepTheirText(t *testing.T) {
	_, original := realHistory(t)
	var whole struct{ Runs []json.RawMessage }
	if err := json.Unmarshal([]byte(original), &whole); err != nil {
		t.Fatal(err)
	}
	rows := whole.Runs
	for _, odd := range []string{
		`{}`, `{"total_tests":10.0}`, `{"timestamp":"2026-02-25T20:23:57.123456","avg_latency_ms":28775.4}`,
		`{"timestamp":"2026-02-25T20:23:57Z"}`, `{"timestamp":"2026-02-25T20:23:57+01:00"}`, `{"timestamp":"2026-02-25 20:23:57"}`, `{"timestamp":null}`,
		`{"pass_rate":29.166666666666668}`, `{"score_composite":9.239999}`, `{"x":1,"x":2}`, `{"type":"a","type":"b"}`, `{"by_node":{"Z":{},"A":null}}`,
		`{"errors":0,"node":"M1","deep":{"b":[1.50],"a":1E5}}`, `{"type":"\u00e9\ud800"}`,
	} {
		rows = append(rows, json.RawMessage(odd))
	}
	for _, row := range rows {
		var run history.Run
		if err := json.Unmarshal(row, &run); err != nil {
			t.Errorf("%s: %v", row, err)
			continue
		}
		text, err := json.Marshal(run)
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		if err := json.Compact(&want, row); err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(text, bytes.TrimSuffix(want.Bytes(), []byte("}"))) {
			t.Errorf("row (-want +got):\n%s", cmp.Diff(want.String(), string(text)))
		}
	}
}

func TestAChangedMemberChangesAlone(t *testing.T) {
	const row = `{"by_node":{"M2":{"odd":1.50,"total":2,"pass":1}},"score_composite":7.0,"note":"x","type":"autotest","timestamp":"2026-02-25T20:23:57","model_m1":"a","config_m1":{},"pass_rate":50.0,"avg_latency_ms":10,"total_tests":2,"by_domain":{}}`
	var run history.Run
	if err := json.Unmarshal([]byte(row), &run); err != nil {
		t.Fatal(err)
	}
	run.Score = 8
	tally := run.ByNode["M2"]
	tally.Pass = 2
	run.ByNode["M2"] = tally
	delete(run.Extra, "note")
	run.Node = "M2"
	text, err := json.Marshal(run)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(`"pass":1`, `"pass":2`, "7.0", "8.0", `"note":"x",`, "", `"by_domain":{}}`, `"by_domain":{},"node":"M2"}`).Replace(row)
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
}

func TestABrokenFileIsNeverOverwritten(t *testing.T) {
	_, original := realHistory(t)
	tests := []struct {
		name, text, place, cause string
	}{
		{"empty", "", ":1:1 (byte 0)", "empty"},
		{"blank", " \n", ":1:1 (byte 0)", "empty"},
		{"zeros", "\x00\x00\x00", ":1:1 (byte 0)", "empty"},
		{"cut off", original[:5000], ":250:2 (byte 5000)", "unexpected end"},
		{"another syntax", "{\n  \"runs\": [\n    NaN\n  ]\n}", ":3:", "invalid character 'N'"},
		{"text after the end", `{"runs":[]}}`, ":1:", "after top-level value"},
		{"a list", `[]`, ":1:", `want an object with "runs"`},
		{"runs is no list", "{\n\"runs\": {}}", ":2:9 ", "no list"},
		{"UTF-16", "\xff\xfe{\x00}\x00", ":1:", "invalid character"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := written(t, test.text)
			file := filestore.Open(path, filestore.Patience(filestore.NoPatience))
			_, appendError := file.Append(t.Context(), historytest.Run(0))
			_, runsError := file.Runs(t.Context())
			_, _, championError := file.Champion(t.Context())
			for _, err := range []error{appendError, runsError, championError, file.SetChampion(t.Context(), history.Champion{Model: "x"})} {
				var broken *filestore.UnreadableError
				if !errors.As(err, &broken) || !errors.Is(err, history.ErrUnreadable) {
					t.Fatalf("error = %v, want an UnreadableError", err)
				}
				for _, part := range []string{path + test.place, test.cause, "put a copy back"} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("error = %v\nwithout %q", err, part)
					}
				}
			}
			if diff := cmp.Diff(test.text, contents(t, path)); diff != "" {
				t.Errorf("the file changed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARowThatIsNoRunIsNamedAndKept(t *testing.T) {
	path := written(t, "{\n  \"runs\": [\n    {\"total_tests\": \"ten\"},\n    7\n  ]\n}")
	file := filestore.Open(path, filestore.Patience(filestore.NoPatience))
	if _, err := file.Append(t.Context(), historytest.Run(0)); err != nil {
		t.Fatal(err)
	}
	_, err := file.Runs(t.Context())
	if err == nil || !strings.Contains(err.Error(), `:3:5 `) || !strings.Contains(err.Error(), `run 1 of 3: total_tests: want a number, found "\"ten\""`) {
		t.Errorf("Runs: %v", err)
	}
	if got := contents(t, path); !strings.HasPrefix(got, "{\n  \"runs\": [\n    {\"total_tests\": \"ten\"},\n    7,\n    {\n") {
		t.Errorf("the rows changed: %s", got)
	}
}

// A program that doesn't write atomically truncates the file first, and fills it in
// pieces.
func TestAFileThatIsBeingWrittenIsReadAgain(t *testing.T) {
	_, original := realHistory(t)
	for _, cut := range []int{0, 1, 5000, len(original) - 1} {
		path, _ := realHistory(t)
		if err := os.WriteFile(path, []byte(original[:cut]), 0o644); err != nil {
			t.Fatal(err)
		}
		type result struct {
			done history.Appended
			err  error
		}
		results := make(chan result, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		go func() {
			done, err := filestore.Open(path, filestore.Patience(time.Minute)).Append(ctx, historytest.Run(0))
			results <- result{done, err}
		}()
		// The lock file tells that the append is under way.
		for ctx.Err() == nil {
			if _, err := os.Stat(path + ".lock"); err == nil {
				break
			}
			runtime.Gosched()
		}
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString(original[cut:]); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		got := <-results
		cancel()
		if diff := cmp.Diff(history.Appended{ID: "run-0", Total: 105}, got.done); got.err != nil || diff != "" {
			t.Errorf("cut at %d: %v\n%s", cut, got.err, diff)
		}
	}
}

func TestPatienceEndsWithTheContext(t *testing.T) {
	path := written(t, "{")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := filestore.Open(path, filestore.Patience(time.Hour)).Runs(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Runs = %v, want the context's error", err)
	}
}

func TestALinkStaysALink(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("making links needs a privilege there")
		return
	}
	path, _ := realHistory(t)
	link := filepath.Join(t.TempDir(), "link.json")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := filestore.Open(link).Append(t.Context(), historytest.Run(0)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v, %v", info, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode changed: %v, %v", info, err)
	}
	if runs, err := filestore.Open(path).Runs(t.Context()); err != nil || len(runs) != 105 {
		t.Errorf("%d runs, %v", len(runs), err)
	}
}

func realHistory(t *testing.T) (path, text string) {
	t.Helper()
	original, err := os.ReadFile("../testdata/benchmark_history_104.json")
	if err != nil {
		t.Fatal(err)
	}
	return written(t, string(original)), string(original)
}

func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.json")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func contents(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestCheckWrite tells a history that can't be written, and changes none.
func TestCheckWrite(t *testing.T) {
	folder := t.TempDir()
	store := filestore.Open(filepath.Join(folder, "new", "history.json"))
	if err := store.CheckWrite(t.Context()); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(folder, "new", "*"))
	if err != nil || len(left) != 1 || !strings.HasSuffix(left[0], ".lock") {
		t.Errorf("it left %q, %v; want the lock alone", left, err)
	}
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := filestore.Open(filepath.Join(file, "history.json")).CheckWrite(t.Context()); err == nil {
		t.Error("a history in a file can be written")
	}
}

package history_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/filestore"
	"github.com/turbone/jarvis/history/historytest"
	"github.com/turbone/jarvis/scoring"
)

const resultFile = "testdata/autotest_results_50.json"

func readResult(t *testing.T, path string) history.Result {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	result, err := history.ReadResult(text)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// The file's run stands in the real history, too: the figures must agree.
func TestRealResult(t *testing.T) {
	result := readResult(t, resultFile)
	result.Model, result.Config = "google/gemma-3-4b", map[string]any{"context_length": 8192, "temperature": 0.2}
	got, err := result.Run()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := filestore.Open("testdata/benchmark_history_104.json").Runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := rows[len(rows)-1]
	type figures struct {
		Type, Model             string
		Score, PassRate         float64
		Tests, Errors, OL1, Web int
		OL1Latency, M3Latency   time.Duration
	}
	of := func(r history.Run) figures {
		return figures{r.Type, r.Model, scoring.Round(r.Score), r.PassRate, r.Tests, r.ErrorCount(), r.ByNode["OL1"].Pass, r.ByDomain["web"].Pass, *r.ByNode["OL1"].Latency, *r.ByNode["M3"].Latency}
	}
	if diff := cmp.Diff(of(want), of(got)); diff != "" {
		t.Errorf("run (-in the history +from the result):\n%s", diff)
	}
	if got.Latency.Truncate(time.Millisecond) != want.Latency {
		t.Errorf("mean latency %v, want %v", got.Latency, want.Latency)
	}
	if len(result.Extra) != 4 || len(result.Extra["failures"]) < 500 {
		t.Errorf("unknown members: %d, want failures, improvements, corrections, offline_nodes", len(result.Extra))
	}
}

func TestReadResultSaysWhatIsWrong(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "", "it is empty"},
		{"blanks", " \n\x00", "it is empty"},
		{"half written", "{\n \"total\": 5,\n \"pa", "line 3, byte"},
		{"no JSON", "total: 5", "line 1, byte 2"},
		{"a list", `[{"total":5}]`, "want an object"},
		{"a history", `{"runs":[],"champion":null}`, `it has "runs"`},
		{"another program's", `{"score":5}`, "total: it is missing"},
		{"no pass", `{"total":5}`, "pass: it is missing"},
		{"no test", `{"total":0,"pass":0}`, "total: no test"},
		{"negative total", `{"total":-5,"pass":0}`, "total: -5"},
		{"negative pass", `{"total":5,"pass":-1}`, "pass: -1"},
		{"negative errors", `{"total":5,"pass":1,"errors":-1}`, "errors: -1"},
		{"more passed than made", `{"total":5,"pass":6}`, "pass: 6 of 5"},
		{"more errors than left", `{"total":5,"pass":4,"errors":2}`, "errors: 4 passed and 2 without an answer are more than"},
		{"counts that don't add up", `{"total":5,"pass":4,"fail":1,"errors":1}`, "fail: 4 passed, 1 failed and 1"},
		{"a text for a count", `{"total":"5","pass":4}`, `total: want a number, found "\"5\""`},
		{"half a test", `{"total":5.5,"pass":4}`, "total: want a whole number"},
		{"a node with more passed", `{"total":5,"pass":4,"by_node":{"M1":{"total":4,"pass":5}}}`, "by_node.M1: pass: 5 of 4"},
		{"a domain's negative count", `{"total":5,"pass":4,"by_domain":{"web":{"total":-4,"pass":0}}}`, "by_domain.web: total: -4"},
		{"a node's errors", `{"total":5,"pass":4,"by_node":{"M1":{"total":4,"pass":3,"error":2}}}`, "by_node.M1: error: 2, where 3 of 4"},
		{"a node that is none", `{"total":5,"pass":4,"by_node":{"M1":7}}`, "by_node: M1"},
		{"a negative latency", `{"total":5,"pass":4,"avg_latency_ms":-7}`, "avg_latency_ms"},
		{"results that differ", `{"results":[{"task":"a","pass":"11","latency_ms":[1]}]}`, `results: task "a"`},
		{"a result too many", `{"total":2,"pass":1,"results":[{"task":"a","pass":"1","latency_ms":[1]}]}`, "total: 2, but there are results of 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := history.ReadResult([]byte(test.text))
			if !errors.Is(err, history.ErrResult) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestResultsMakeTheCounts(t *testing.T) {
	result := history.Result{Node: "M1", Model: "m", Results: historytest.Results(0, 80)}
	run, err := result.Run()
	if err != nil {
		t.Fatal(err)
	}
	sample := scoring.Measure(result.Results)
	want := scoring.Default().Score(sample).Composite
	if run.Tests != 80 || *run.Errors != sample.Errors || run.Latency != sample.Latency || run.Score != want || run.P95 == 0 || run.FirstToken == 0 {
		t.Errorf("run = %d tests, %d errors, %v, score %v, %v, %v", run.Tests, *run.Errors, run.Latency, run.Score, run.P95, run.FirstToken)
	}
	if run.ByNode["M1"].Pass != sample.Passed || len(run.ByDomain) != 3 {
		t.Errorf("parts are %v, %v", run.ByNode, run.ByDomain)
	}
	// Another scorer.
	result.Scorer = scoring.Composite{Quality: 1}
	if run, err = result.Run(); err != nil || run.Score != 10*float64(sample.Passed)/80 {
		t.Errorf("score = %v, %v", run.Score, err)
	}
}

// grown is the result after so many cycles of ten tests.
func grown(cycles int) history.Result {
	latency := func(total int) *time.Duration { d := time.Duration(1000+total) * time.Millisecond; return &d }
	m1, m2 := 7*cycles, 3*cycles
	return history.Result{
		Cycles: cycles, Tests: 10 * cycles, Pass: 9 * cycles, Errors: cycles / 2,
		ByNode: map[string]history.Tally{"M1": {Total: m1, Pass: m1 - cycles, Latency: latency(m1)}, "M2": {Total: m2, Pass: m2, Latency: latency(m2)}},
		Model:  "m",
	}
}

func TestAppendToHistory(t *testing.T) {
	started := time.Date(2026, 3, 7, 18, 16, 0, 0, time.UTC)
	with := func(r history.Result, change func(*history.Result)) history.Result { change(&r); return r }
	at := func(cycles int, ended time.Duration) history.Result {
		return with(grown(cycles), func(r *history.Result) { r.Ended = started.Add(ended) })
	}
	for _, test := range []struct {
		name    string
		results []history.Result
		want    []int // the tests of the runs that are recorded
	}{
		{"snapshots with an ID", []history.Result{
			with(grown(1), func(r *history.Result) { r.RunID = "a" }), with(grown(2), func(r *history.Result) { r.RunID = "a" }), with(grown(5), func(r *history.Result) { r.RunID = "a" }),
			with(grown(1), func(r *history.Result) { r.RunID = "b" }),
		}, []int{50, 10}},
		{"snapshots with a start", []history.Result{
			with(grown(1), func(r *history.Result) { r.Started = started }), with(grown(5), func(r *history.Result) { r.Started = started }),
			with(grown(5), func(r *history.Result) { r.Started = started.Add(time.Second) }),
			with(grown(5), func(r *history.Result) { r.Started, r.Model = started, "other" }),
		}, []int{50, 50, 50}},
		{"a file twice", []history.Result{grown(5), grown(5)}, []int{50}},
		{"files of a growing run", []history.Result{grown(1), grown(2), grown(3), grown(3), grown(4)}, []int{40}},
		{"two growing runs at once", []history.Result{
			grown(1), with(grown(1), func(r *history.Result) { r.Model = "n" }), grown(2), with(grown(2), func(r *history.Result) { r.Model = "n" }),
		}, []int{20, 20}},
		{"a bigger run after a small one", []history.Result{at(5, 0), at(10, 20*time.Minute)}, []int{50, 100}},
		{"the same a day later", []history.Result{at(5, 0), at(5, 24*time.Hour)}, []int{50, 50}},
		{"the same almost a day later, reported in another order", []history.Result{at(5, 24*time.Hour-1), at(5, 0)}, []int{50}},
		{"two cycles at once", []history.Result{grown(1), grown(3)}, []int{10, 30}},
		{"a cycle of another length", []history.Result{grown(2), with(grown(3), func(r *history.Result) { r.Tests, r.ByNode = 31, nil })}, []int{20, 31}},
		{"without cycles", []history.Result{with(grown(1), func(r *history.Result) { r.Cycles = 0 }), with(grown(2), func(r *history.Result) { r.Cycles = 1 })}, []int{10, 20}},
		{"fewer errors than before", []history.Result{with(grown(2), func(r *history.Result) { r.Errors = 2 }), with(grown(3), func(r *history.Result) { r.Errors = 1 })}, []int{20, 30}},
		{"as many errors as before", []history.Result{with(grown(2), func(r *history.Result) { r.Errors = 1 }), with(grown(3), func(r *history.Result) { r.Errors = 1 })}, []int{30}},
		{"other counts of a node", []history.Result{grown(5), with(grown(5), func(r *history.Result) { r.ByNode = nil })}, []int{50, 50}},
		{"other counts of a domain", []history.Result{grown(5), with(grown(5), func(r *history.Result) { r.ByDomain = map[string]history.Tally{"math": {}} })}, []int{50, 50}},
		{"other errors", []history.Result{grown(5), with(grown(5), func(r *history.Result) { r.Errors-- })}, []int{50, 50}},
		{"the next cycle, but much later", []history.Result{at(5, 0), at(6, 20*time.Hour)}, []int{50, 60}},
		{"the same outage on two days", []history.Result{at(5, 0), at(5, 25*time.Hour)}, []int{50, 50}},
		{"a run that doesn't go on from the other", []history.Result{grown(1), with(grown(2), func(r *history.Result) { r.Pass, r.Errors = 8, 12 })}, []int{10, 20}},
		{"a second run of the same length", []history.Result{grown(5), with(grown(5), func(r *history.Result) { r.Pass-- })}, []int{50, 50}},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := filestore.Open(filepath.Join(t.TempDir(), "history.json"))
			var last history.Appended
			for _, result := range test.results {
				var err error
				if last, err = history.AppendToHistory(t.Context(), file, result); err != nil {
					t.Fatal(err)
				}
			}
			runs, err := file.Runs(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []int
			for _, run := range runs {
				got = append(got, run.Tests)
			}
			if diff := cmp.Diff(test.want, got); diff != "" || last.Total != len(test.want) || last.ID == "" {
				t.Errorf("%v (-want +got):\n%s", last, diff)
			}
		})
	}
}

// What an autotest appends again later is the run it was, not a newer one.
func TestAFileAppendedAgainKeepsItsTime(t *testing.T) {
	file := filestore.Open(filepath.Join(t.TempDir(), "history.json"))
	first, err := history.AppendToHistory(t.Context(), file, readResult(t, resultFile))
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(file.Path())
	if err != nil {
		t.Fatal(err)
	}
	again, err := history.AppendToHistory(t.Context(), file, readResult(t, resultFile))
	if err != nil || again.ID != first.ID || !again.Replaced || again.Total != 1 {
		t.Errorf("again: %+v, %v", again, err)
	}
	after, err := os.ReadFile(file.Path())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Errorf("the file changed (-before +after):\n%s", diff)
	}
}

func TestAppendToHistoryRefuses(t *testing.T) {
	file := filestore.Open(filepath.Join(t.TempDir(), "history.json"))
	if _, err := history.AppendToHistory(t.Context(), file, history.Result{Tests: 4, Pass: 5}); err == nil || !strings.Contains(err.Error(), "pass: 5 of 4") {
		t.Errorf("error is %v", err)
	}
	if _, err := os.Stat(file.Path()); err == nil {
		t.Error("a file was written")
	}
}

// FuzzReadResult: whatever a file holds, it is read or refused, and what is
// read can be recorded.
func FuzzReadResult(f *testing.F) {
	text, err := os.ReadFile(resultFile)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"total":2,"pass":1,"results":[{"task":"a","pass":"10","error":"01","cycle":[3,4],"latency_ms":[1.5,2]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		result, err := history.ReadResult(text)
		if err != nil {
			return
		}
		run, err := result.Run()
		if err != nil {
			t.Fatalf("read, but not recorded: %v", err)
		}
		if _, err := json.Marshal(run); err != nil {
			t.Fatal(err)
		}
	})
}

func ExampleAppendToHistory() {
	folder, err := os.MkdirTemp("", "history")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	file := filestore.Open(filepath.Join(folder, "history.json"))
	text, err := os.ReadFile("testdata/autotest_results_50.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := history.ReadResult(text)
	if err != nil {
		fmt.Println(err)
		return
	}
	result.Model, result.RunID = "google/gemma-3-4b", "friday"
	done, err := history.AppendToHistory(context.Background(), file, result)
	if err != nil {
		fmt.Println(err)
		return
	}
	runs, err := file.Runs(context.Background())
	fmt.Println(done.ID, done.Replaced, runs[0].Tests, runs[0].Score, err)
	// Output: friday false 50 6.48 <nil>
}

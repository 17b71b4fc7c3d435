package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/turbone/jarvis/scoring"
)

// resultsKey is the key of a run's single tests.
const resultsKey = "results"

// taskResults are the tests of one task in the JSON of a run. Each list has an
// item for each test, Pass and Error a character. Grouped by task, a run of 200
// tests takes a few kilobytes, and stays readable if another program writes each
// item of a list on a line of its own.
type taskResults struct {
	Task   string `json:"task"`
	Domain string `json:"domain,omitempty"`
	// Cycle is omitted if the cycles are 0, 1, 2 and so on.
	Cycle []int `json:"cycle,omitempty"`
	// Pass is 1 for a test that passed, else 0.
	Pass string `json:"pass"`
	// Error is an index of outcomes. It is omitted if all tests were answered.
	Error string `json:"error,omitempty"`
	// Latency and First are in milliseconds and may have fractions.
	Latency []json.Number `json:"latency_ms"`
	First   []json.Number `json:"ttft_ms,omitempty"`
	Tokens  []int         `json:"tokens,omitempty"`
	// Burst is a digit for each test: the number of the burst of errors that it was
	// lost in, 0 for none. It is omitted if there was no burst.
	Burst string   `json:"burst,omitempty"`
	Mark  []string `json:"mark,omitempty"`
}

// outcomes are the outcomes by their character in taskResults.Error.
var outcomes = [...]scoring.Outcome{'0': scoring.Answered, '1': scoring.TimedOut, '2': scoring.Failed}

// outcomeFigure returns the character of an outcome.
func outcomeFigure(o scoring.Outcome) byte {
	switch o {
	case scoring.Answered:
		return '0'
	case scoring.TimedOut:
		return '1'
	default:
		return '2'
	}
}

// groupResults groups tests by task. The order of the tests is kept within a task;
// the tasks are in the order of their first tests. Since the order of all tests is lost, the bursts
// of errors are marked.
func groupResults(tests []scoring.Test) []taskResults {
	type kind struct{ task, domain string }
	list := []taskResults{}
	place := map[kind]int{}
	for _, t := range scoring.MarkBursts(tests) {
		of := kind{t.Task, t.Domain}
		i, there := place[of]
		if !there {
			i = len(list)
			place[of] = i
			list = append(list, taskResults{Task: t.Task, Domain: t.Domain})
		}
		list[i].add(t)
	}
	for i := range list {
		list[i].shorten()
	}
	return list
}

// add appends a test.
func (g *taskResults) add(t scoring.Test) {
	pass := "0"
	if t.Passed {
		pass = "1"
	}
	g.Cycle, g.Pass = append(g.Cycle, t.Cycle), g.Pass+pass
	g.Error += string(outcomeFigure(t.Outcome))
	g.Burst += strconv.Itoa(min(max(t.Burst, 0), 9))
	g.Latency, g.First = append(g.Latency, toMilliseconds(t.Latency)), append(g.First, toMilliseconds(t.FirstToken))
	g.Tokens, g.Mark = append(g.Tokens, t.Tokens), append(g.Mark, string(t.Anomaly))
}

// shorten omits lists of default values.
func (g *taskResults) shorten() {
	inOrder := true
	for i, cycle := range g.Cycle {
		inOrder = inOrder && cycle == i
	}
	if inOrder {
		g.Cycle = nil
	}
	if strings.Trim(g.Error, "0") == "" {
		g.Error = ""
	}
	if strings.Trim(g.Burst, "0") == "" {
		g.Burst = ""
	}
	if all(g.Mark, "") {
		g.Mark = nil
	}
	if all(g.First, "0") {
		g.First = nil
	}
	if all(g.Tokens, 0) {
		g.Tokens = nil
	}
}

// all reports whether all items of a list are equal to value.
func all[T comparable](list []T, value T) bool {
	for _, v := range list {
		if v != value {
			return false
		}
	}
	return true
}

// toMilliseconds formats a duration, rounded to microseconds.
func toMilliseconds(d time.Duration) json.Number {
	micro := max(0, d.Round(time.Microsecond).Microseconds())
	return json.Number(strconv.FormatFloat(float64(micro)/1000, 'f', -1, 64))
}

// results parses the single tests of a run.
func results(value json.RawMessage) ([]scoring.Test, error) {
	var list []taskResults
	if err := json.Unmarshal(value, &list); err != nil {
		return nil, err
	}
	count := 0
	for i := range list {
		count += len(list[i].Pass)
	}
	tests := make([]scoring.Test, 0, count)
	for i := range list {
		var err error
		if tests, err = list[i].tests(tests); err != nil {
			return nil, fmt.Errorf("task %q: %w", list[i].Task, err)
		}
	}
	return tests, nil
}

// tests appends the tests of the task to a list.
func (g *taskResults) tests(list []scoring.Test) ([]scoring.Test, error) {
	n := len(g.Pass)
	if len(g.Latency) != n || !fits(len(g.Cycle), n) || !fits(len(g.Error), n) || !fits(len(g.Burst), n) || !fits(len(g.First), n) || !fits(len(g.Tokens), n) || !fits(len(g.Mark), n) {
		return nil, errors.New("its lists differ in length")
	}
	for i := range n {
		t, err := g.test(i)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

// test returns one test. The lists have the same length or are omitted.
func (g *taskResults) test(i int) (t scoring.Test, err error) {
	t = scoring.Test{Task: g.Task, Domain: g.Domain, Cycle: i, Outcome: scoring.Answered, Passed: g.Pass[i] == '1'}
	if !t.Passed && g.Pass[i] != '0' {
		return t, fmt.Errorf("pass: want 0 or 1 for each test, found %q", g.Pass)
	}
	if len(g.Error) > 0 {
		if int(g.Error[i]) >= len(outcomes) || outcomes[g.Error[i]] == "" {
			return t, fmt.Errorf("error: want 0, 1 or 2 for each test, found %q", g.Error)
		}
		t.Outcome = outcomes[g.Error[i]]
	}
	if len(g.Burst) > 0 {
		if t.Burst = int(g.Burst[i] - '0'); t.Burst < 0 || t.Burst > 9 {
			return t, fmt.Errorf("burst: want a digit for each test, found %q", g.Burst)
		}
	}
	if t.Latency, err = fromMilliseconds(g.Latency[i]); err != nil {
		return t, fmt.Errorf("latency_ms: %w", err)
	}
	if len(g.First) > 0 {
		if t.FirstToken, err = fromMilliseconds(g.First[i]); err != nil {
			return t, fmt.Errorf("ttft_ms: %w", err)
		}
	}
	if len(g.Cycle) > 0 {
		t.Cycle = g.Cycle[i]
	}
	if len(g.Tokens) > 0 {
		t.Tokens = g.Tokens[i]
	}
	if len(g.Mark) > 0 {
		t.Anomaly = scoring.Anomaly(g.Mark[i])
	}
	return t, nil
}

// fits reports whether a list that may be omitted has the wanted length.
func fits(length, want int) bool { return length == 0 || length == want }

// fromMilliseconds parses a duration.
func fromMilliseconds(n json.Number) (time.Duration, error) {
	figure, err := n.Float64()
	switch {
	case err != nil:
		return 0, err
	case math.IsNaN(figure) || figure < 0 || figure > float64(math.MaxInt64/time.Millisecond)/2:
		return 0, fmt.Errorf("%s is no time", n)
	}
	return time.Duration(math.Round(figure*1000)) * time.Microsecond, nil
}

package history

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/turbone/jarvis/scoring"
)

// resultsKey is the member of a run that holds its tests.
const resultsKey = "results"

// taskResults are one task's tests in the file, one item of each list or one
// figure of each text a test. Grouped so, a run of 200 tests takes some
// kilobytes, and stays readable where another program puts each item of a list
// on a line of its own.
type taskResults struct {
	Task   string `json:"task"`
	Domain string `json:"domain,omitempty"`
	// Cycle is left out where the cycles are 0, 1, 2 and so on.
	Cycle []int `json:"cycle,omitempty"`
	// Pass has a 1 for a test that passed.
	Pass string `json:"pass"`
	// Error has an outcome's place in outcomes; it is left out where all tests
	// were answered.
	Error string `json:"error,omitempty"`
	// Latency and First may have fractions.
	Latency []json.Number `json:"latency_ms"`
	First   []json.Number `json:"ttft_ms,omitempty"`
	Tokens  []int         `json:"tokens,omitempty"`
	Mark    []string      `json:"mark,omitempty"`
}

// outcomes are what the figures in a task's errors stand for.
var outcomes = [...]scoring.Outcome{'0': scoring.Answered, '1': scoring.TimedOut, '2': scoring.Failed}

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

// groupResults writes tests as the file keeps them. The order of the tests is
// kept within a task; that of the tasks is the order of their first tests.
func groupResults(tests []scoring.Test) []taskResults {
	type kind struct{ task, domain string }
	list := []taskResults{}
	place := map[kind]int{}
	for _, t := range tests {
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

func (g *taskResults) add(t scoring.Test) {
	pass := "0"
	if t.Passed {
		pass = "1"
	}
	g.Cycle, g.Pass = append(g.Cycle, t.Cycle), g.Pass+pass
	g.Error += string(outcomeFigure(t.Outcome))
	g.Latency, g.First = append(g.Latency, toMilliseconds(t.Latency)), append(g.First, toMilliseconds(t.FirstToken))
	g.Tokens, g.Mark = append(g.Tokens, t.Tokens), append(g.Mark, t.Mark)
}

// shorten leaves out the lists that say nothing.
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

func all[T comparable](list []T, value T) bool {
	for _, v := range list {
		if v != value {
			return false
		}
	}
	return true
}

// toMilliseconds keeps microseconds, which is more than a network leaves sure.
func toMilliseconds(d time.Duration) json.Number {
	micro := max(0, d.Round(time.Microsecond).Microseconds())
	return json.Number(strconv.FormatFloat(float64(micro)/1000, 'f', -1, 64))
}

// results reads them.
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

// tests adds the task's tests to a list.
func (g *taskResults) tests(list []scoring.Test) ([]scoring.Test, error) {
	n := len(g.Pass)
	if len(g.Latency) != n || !fits(len(g.Cycle), n) || !fits(len(g.Error), n) || !fits(len(g.First), n) || !fits(len(g.Tokens), n) || !fits(len(g.Mark), n) {
		return nil, fmt.Errorf("its lists differ in length")
	}
	for i := range n {
		t := scoring.Test{Task: g.Task, Domain: g.Domain, Cycle: i, Outcome: scoring.Answered}
		switch g.Pass[i] {
		case '0':
		case '1':
			t.Passed = true
		default:
			return nil, fmt.Errorf("pass: want 0 or 1 for each test, found %q", g.Pass)
		}
		if len(g.Error) > 0 {
			if int(g.Error[i]) >= len(outcomes) || outcomes[g.Error[i]] == "" {
				return nil, fmt.Errorf("error: want 0, 1 or 2 for each test, found %q", g.Error)
			}
			t.Outcome = outcomes[g.Error[i]]
		}
		var err error
		if t.Latency, err = fromMilliseconds(g.Latency[i]); err != nil {
			return nil, fmt.Errorf("latency_ms: %w", err)
		}
		if len(g.First) > 0 {
			if t.FirstToken, err = fromMilliseconds(g.First[i]); err != nil {
				return nil, fmt.Errorf("ttft_ms: %w", err)
			}
		}
		if len(g.Cycle) > 0 {
			t.Cycle = g.Cycle[i]
		}
		if len(g.Tokens) > 0 {
			t.Tokens = g.Tokens[i]
		}
		if len(g.Mark) > 0 {
			t.Mark = g.Mark[i]
		}
		list = append(list, t)
	}
	return list, nil
}

func fits(length, want int) bool { return length == 0 || length == want }

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

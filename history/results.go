package history

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/turbone/jarvis/scoring"
)

// taskResults are one task's tests in the file, one item of each list a test.
// Grouped so, a run of 200 tests takes some kilobytes.
type taskResults struct {
	Task    string            `json:"task"`
	Domain  string            `json:"domain,omitempty"`
	Cycle   []int             `json:"cycle"`
	Pass    []int             `json:"pass"`
	Outcome []scoring.Outcome `json:"outcome,omitempty"` // left out where all were answered
	Latency []json.Number     `json:"latency_ms"`
	First   []json.Number     `json:"ttft_ms,omitempty"`
	Tokens  []int             `json:"tokens,omitempty"`
	Mark    []string          `json:"mark,omitempty"`
}

// groupResults writes tests as the file keeps them. The order of the tests is
// kept within a task; that of the tasks is the order of their first tests.
func groupResults(tests []scoring.Test) []taskResults {
	var list []taskResults
	place := map[string]int{}
	for _, t := range tests {
		i, ok := place[t.Task]
		if !ok {
			i = len(list)
			place[t.Task] = i
			list = append(list, taskResults{Task: t.Task, Domain: t.Domain})
		}
		g := &list[i]
		pass := 0
		if t.Passed {
			pass = 1
		}
		g.Cycle, g.Pass = append(g.Cycle, t.Cycle), append(g.Pass, pass)
		g.Outcome, g.Mark = append(g.Outcome, t.Outcome), append(g.Mark, t.Mark)
		g.Latency, g.First = append(g.Latency, toMilliseconds(t.Latency)), append(g.First, toMilliseconds(t.FirstToken))
		g.Tokens = append(g.Tokens, t.Tokens)
	}
	for i := range list {
		list[i].shorten()
	}
	return list
}

// shorten leaves out the lists that say nothing.
func (g *taskResults) shorten() {
	if all(g.Outcome, scoring.Answered) {
		g.Outcome = nil
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

func toMilliseconds(d time.Duration) json.Number {
	text, _ := json.Marshal(float64(d.Microseconds()) / 1000)
	return json.Number(text)
}

// results reads them.
func results(value json.RawMessage) ([]scoring.Test, error) {
	var list []taskResults
	if err := json.Unmarshal(value, &list); err != nil {
		return nil, err
	}
	var tests []scoring.Test
	for _, g := range list {
		if n := len(g.Cycle); len(g.Pass) != n || len(g.Latency) != n || !fits(len(g.Outcome), n) || !fits(len(g.First), n) || !fits(len(g.Tokens), n) || !fits(len(g.Mark), n) {
			return nil, fmt.Errorf("task %q: its lists differ in length", g.Task)
		}
		for i := range g.Cycle {
			t := scoring.Test{Task: g.Task, Domain: g.Domain, Cycle: g.Cycle[i], Passed: g.Pass[i] != 0, Outcome: scoring.Answered}
			var err error
			if t.Latency, err = fromMilliseconds(g.Latency[i]); err != nil {
				return nil, fmt.Errorf("task %q: latency_ms: %w", g.Task, err)
			}
			if len(g.First) > 0 {
				if t.FirstToken, err = fromMilliseconds(g.First[i]); err != nil {
					return nil, fmt.Errorf("task %q: ttft_ms: %w", g.Task, err)
				}
			}
			if len(g.Outcome) > 0 {
				t.Outcome = g.Outcome[i]
			}
			if len(g.Tokens) > 0 {
				t.Tokens = g.Tokens[i]
			}
			if len(g.Mark) > 0 {
				t.Mark = g.Mark[i]
			}
			tests = append(tests, t)
		}
	}
	return tests, nil
}

func fits(length, want int) bool { return length == 0 || length == want }

func fromMilliseconds(n json.Number) (time.Duration, error) {
	figure, err := n.Float64()
	switch {
	case err != nil:
		return 0, err
	case math.IsNaN(figure) || figure < 0 || figure > float64(math.MaxInt64/time.Millisecond):
		return 0, fmt.Errorf("%s is no time", n)
	}
	return time.Duration(math.Round(figure*1000)) * time.Microsecond, nil
}

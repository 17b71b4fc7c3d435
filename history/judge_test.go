package history_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/historytest"
	"github.com/turbone/jarvis/scoring"
)

// parts are counts of one test each.
func parts(names ...string) map[string]history.Tally {
	list := map[string]history.Tally{}
	for _, name := range names {
		list[name] = history.Tally{Total: 1}
	}
	return list
}

func TestJudgeGroupsComparableRuns(t *testing.T) {
	tests := historytest.Results(0, 20)
	run := func(change func(*history.Run)) history.Run {
		r := history.Run{Type: "autotest", Model: "m", Node: "M1", Suite: "s", Config: map[string]any{"context_length": 8192}, Results: tests}
		change(&r)
		return r
	}
	sums := func(change func(*history.Run)) history.Run {
		return run(func(r *history.Run) { r.Results = nil; change(r) })
	}
	as := func(*history.Run) {}
	in := func(domains ...string) func(*history.Run) {
		return func(r *history.Run) { r.Suite, r.ByDomain = "", parts(domains...) }
	}
	on := func(nodes ...string) func(*history.Run) {
		return func(r *history.Run) { r.Node, r.ByNode = "", parts(nodes...) }
	}
	for name, test := range map[string]struct {
		one, other history.Run
		same       bool
	}{
		"equal":                          {run(as), run(as), true},
		"another type":                   {run(as), run(func(r *history.Run) { r.Type = "arena" }), false},
		"another model":                  {run(as), run(func(r *history.Run) { r.Model = "n" }), false},
		"another node":                   {run(as), run(func(r *history.Run) { r.Node = "M2" }), false},
		"another suite":                  {run(as), run(func(r *history.Run) { r.Suite = "t" }), false},
		"other settings":                 {run(as), run(func(r *history.Run) { r.Config = nil }), false},
		"with and without results":       {run(as), sums(as), false},
		"counts of another suite":        {sums(as), sums(func(r *history.Run) { r.Suite = "t" }), false},
		"counts of other domains":        {sums(in("web", "code")), sums(in("web", "math")), false},
		"counts of a run cut short":      {sums(in("web", "code")), sums(in("web")), true},
		"counts of a longer run":         {sums(in("web")), sums(in("web", "code")), true},
		"counts with and without suite":  {sums(as), sums(in()), false},
		"a node known by its counts":     {run(as), run(on("M1")), true},
		"nodes known by their counts":    {sums(on("M1")), sums(on("M2")), false},
		"a node, and several":            {sums(on("M1")), sums(on("M1", "M2")), false},
		"several nodes":                  {sums(on("M1", "M2")), sums(on("M1", "M3")), true},
		"counts of another node":         {sums(as), sums(func(r *history.Run) { r.Node = "M2" }), false},
		"settings that are no JSON":      {run(func(r *history.Run) { r.Config["x"] = math.Inf(1) }), run(func(r *history.Run) { r.Config["x"] = math.Inf(-1) }), false},
		"equal, though they aren't JSON": {run(func(r *history.Run) { r.Config["x"] = math.Inf(1) }), run(func(r *history.Run) { r.Config["x"] = math.Inf(1) }), true},
	} {
		test.one.ID, test.other.ID = "1", "2"
		series := history.Judge([]history.Run{test.one, test.other}, scoring.Composite{})
		if want := map[bool]int{true: 1, false: 2}[test.same]; len(series) != want {
			t.Errorf("%s: %d series, want %d", name, len(series), want)
		}
	}
}

func TestJudgeFoldsAndSorts(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 3, 7, 18, minute, 0, 0, time.UTC) }
	rows := []history.Run{
		{Time: at(9), Model: "m", Tests: 10, ID: "later", Node: "M3"},
		{Time: at(1), Model: "m", Tests: 10, ByNode: map[string]history.Tally{"M3": {Total: 10}}},
		{Time: at(2), Model: "m", Tests: 20, ByNode: map[string]history.Tally{"M3": {Total: 20}}},
	}
	series := history.Judge(rows, scoring.Composite{})
	if len(series) != 1 || len(series[0].Runs) != 2 || series[0].Runs[0].Tests != 20 || series[0].Runs[1].ID != "later" {
		t.Fatalf("series are %+v", series)
	}
	// The node is that of the first run, whose counts have only one.
	if series[0].Node != "M3" || series[0].Model != "m" {
		t.Errorf("the series is of %q on %q", series[0].Model, series[0].Node)
	}
}

func TestTheNodeOfASeries(t *testing.T) {
	for _, test := range []struct {
		run  history.Run
		want string
	}{
		{history.Run{Node: "M1"}, "M1"},
		{history.Run{Node: "M1", ByNode: parts("M2")}, "M1"},
		{history.Run{ByNode: parts("M2")}, "M2"},
		{history.Run{ByNode: parts("M1", "M2")}, ""},
		{history.Run{}, ""},
	} {
		if got := history.Judge([]history.Run{test.run}, scoring.Composite{})[0].Node; got != test.want {
			t.Errorf("%v: node %q, want %q", test.run, got, test.want)
		}
	}
}

// drop returns runs of a model that answers fewer and fewer questions from the
// eleventh run on.
func drop(model string, day int) []history.Run {
	var runs []history.Run
	for i := range 20 {
		tests := make([]scoring.Test, 40)
		for task := range tests {
			tests[task] = scoring.Test{
				Task: fmt.Sprint(task), Outcome: scoring.Answered, Latency: time.Second + time.Duration((task*7+i*3)%11)*time.Millisecond,
				Passed: (task+i)%20 > 0 && (i < 10 || task > 16),
			}
		}
		run := history.Run{
			ID: fmt.Sprintf("%s-%d", model, i), Time: time.Date(2026, 3, day+i, 0, 0, 0, 0, time.UTC), Type: "autotest", Model: model, Node: "M1", Suite: "s", Results: tests,
		}
		runs = append(runs, run)
	}
	return runs
}

func TestAlarms(t *testing.T) {
	list := history.Alarms(history.Judge(append(drop("late", 2), drop("early", 1)...), scoring.Composite{}))
	if len(list) != 2 {
		t.Fatalf("%d alarms: %v", len(list), list)
	}
	for i, model := range []string{"early", "late"} {
		a := list[i]
		if a.Model != model || a.Node != "M1" || a.Kind != scoring.Regression || !strings.HasPrefix(a.RunID, model+"-1") || !strings.HasPrefix(a.Text, "[REGRESSION] M1 ") {
			t.Errorf("alarm %d is %+v", i, a)
		}
		if a.From != scoring.Round(a.From) || a.To != scoring.Round(a.To) || a.From <= a.To || a.Sureness == "" {
			t.Errorf("alarm %d goes from %v to %v, %q", i, a.From, a.To, a.Sureness)
		}
	}
	if !list[0].Time.Before(list[1].Time) {
		t.Error("the alarms are not in their order")
	}
}

// A drop that begins with another file of the model, another version of the engine or
// other settings is told as one since that change.
func TestJudgeComparesWithTheRunsBeforeAChange(t *testing.T) {
	since := func(first int, change func(*history.Run)) []history.Run {
		runs := drop("m", 1)
		for i := range runs {
			runs[i].Engine, runs[i].EngineVersion = "ollama", "0.32.1"
			runs[i].Config = map[string]any{"context_length": 8192, "temperature": 0.2}
			if i >= first {
				change(&runs[i])
			}
		}
		return runs
	}
	counts := func(runs []history.Run) []history.Run {
		for i := range runs {
			sample := scoring.Measure(runs[i].Results)
			runs[i].Tests, runs[i].PassRate, runs[i].Latency = sample.Tests, 100*float64(sample.Passed)/float64(sample.Tests), sample.Latency
			runs[i].Score, runs[i].Results = scoring.Default().Score(sample).Composite, nil
		}
		return runs
	}
	file := func(r *history.Run) { r.Digest = "other" }
	version := func(r *history.Run) { r.EngineVersion = "0.33.0" }
	shorter := func(r *history.Run) { r.Config = map[string]any{"context_length": 4096, "temperature": 0.2} }
	fewer := func(r *history.Run) { r.Config = map[string]any{"context_length": 8192} }
	others := func(r *history.Run) { r.Config = map[string]any{"a": 1, "b": 1, "c": 1, "d": 1} }
	candidate := func(r *history.Run) { shorter(r); r.Session = "s" }
	for name, test := range map[string]struct {
		runs []history.Run
		want string
	}{
		"nothing":                        {since(10, func(*history.Run) {}), "[REGRESSION] M1 score 9.4 → 7.0"},
		"another file":                   {since(10, file), "[REGRESSION] M1 since another file of the model: score 9.4 → 7.0"},
		"another version":                {since(10, version), "[REGRESSION] M1 since Ollama 0.33.0: score 9.4 → 7.0"},
		"a version long before the drop": {since(4, version), "[REGRESSION] M1 score 9.4 → 7.0"},
		"a setting":                      {since(10, shorter), "[REGRESSION] M1 since context_length 4096: score 9.4 → 7.0"},
		"a setting that is gone":         {since(10, fewer), "[REGRESSION] M1 since temperature unset: score 9.4 → 7.0"},
		"many settings":                  {since(10, others), "[REGRESSION] M1 since other settings: score 9.4 → 7.0"},
		"a candidate's settings":         {since(10, candidate), ""},
		"another version, counts":        {counts(since(10, version)), "[REGRESSION] M1 since Ollama 0.33.0: score 9.4 → 7.0"},
		"a setting, counts":              {counts(since(10, shorter)), "[REGRESSION] M1 since context_length 4096: score 9.4 → 7.0"},
		"a version before it, counts":    {counts(since(9, version)), "[REGRESSION] M1 score 9.4 → 7.0"},
	} {
		var texts []string
		for _, a := range history.Alarms(history.Judge(test.runs, scoring.Composite{})) {
			texts = append(texts, a.Text)
		}
		switch {
		case test.want == "" && len(texts) == 0:
		case len(texts) != 1 || test.want == "" || !strings.HasPrefix(texts[0], test.want):
			t.Errorf("%s: %q, want %q", name, texts, test.want)
		}
	}
}

func TestJudgeNothing(t *testing.T) {
	if series := history.Judge(nil, scoring.Composite{}); len(series) != 0 {
		t.Errorf("series of no runs: %v", series)
	}
}

// The alarms of all series are in the order of their times.
func TestAlarmsAreInTheirOrder(t *testing.T) {
	at := func(day int) time.Time { return time.Date(2026, 3, day, 0, 0, 0, 0, time.UTC) }
	found := func(id string, day int) history.Series {
		return history.Series{Node: id, Report: scoring.Report{Alarms: []scoring.Alarm{{ID: id, Time: at(day)}}}}
	}
	alarms := history.Alarms([]history.Series{found("later", 9), found("first", 1), found("last", 20)})
	var got []string
	for _, a := range alarms {
		got = append(got, a.RunID)
	}
	if want := "first later last"; strings.Join(got, " ") != want {
		t.Errorf("alarms %q, want %q", got, want)
	}
}

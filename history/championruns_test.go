package history_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/historytest"
	"github.com/turbone/jarvis/scoring"
)

// TestUnusedRuns tells which runs are no evidence about a model any more.
func TestUnusedRuns(t *testing.T) {
	now := time.Date(2026, 3, 7, 0, 0, 0, 0, time.UTC)
	run := func(change func(*history.Run)) history.Run {
		r := history.Run{
			Time: now, Type: "arena", Model: "m", Node: "M1", Suite: "s", Digest: "d", Engine: "ollama", EngineVersion: "0.33.0",
			Config: map[string]any{"context_length": 8192}, Results: historytest.Results(0, 20),
		}
		change(&r)
		return r
	}
	as := func(*history.Run) {}
	older := func(r *history.Run) { r.EngineVersion = "0.17.4" }
	runs := []history.Run{
		run(older), run(older), run(older), run(as),
		run(func(r *history.Run) { r.Digest = "e" }),
		run(func(r *history.Run) { r.Config = map[string]any{"context_length": 4096} }),
		run(func(r *history.Run) { r.EngineVersion = "" }), run(func(r *history.Run) { r.EngineVersion = "" }),
		run(func(r *history.Run) { r.Model = "n" }),
		run(func(r *history.Run) { r.Time = now.Add(-time.Hour) }),
		run(func(r *history.Run) { r.Crowned = true }),
	}
	var got []string
	for _, u := range history.UnusedRuns(runs, run(as), now) {
		got = append(got, u.String())
	}
	want := []string{
		"2 earlier runs not used: ollama of an unknown version, now 0.33.0",
		"1 earlier run not used: other settings",
		"1 earlier run not used: another file of the model",
		"3 earlier runs not used: ollama 0.17.4, now 0.33.0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unused runs (-want +got):\n%s", diff)
	}
	if used := history.Evidence(runs, run(as), now); len(used) != 1 {
		t.Errorf("%d runs are evidence, want 1", len(used))
	}
	for name, row := range map[string]struct {
		now  history.Run
		want string
	}{
		"another engine":     {run(func(r *history.Run) { r.Engine, r.EngineVersion = "llamacpp", "b1" }), "1 earlier run not used: ollama 0.33.0, now llamacpp b1"},
		"an unknown version": {run(func(r *history.Run) { r.EngineVersion = "" }), "1 earlier run not used: ollama 0.33.0, now ollama of an unknown version"},
	} {
		if unused := history.UnusedRuns([]history.Run{run(as)}, row.now, now); len(unused) != 1 || unused[0].String() != row.want {
			t.Errorf("%s: %v, want %q", name, unused, row.want)
		}
	}
}

func TestChampionRuns(t *testing.T) {
	crowned := time.Date(2026, 3, 7, 0, 0, 0, 0, time.UTC)
	champion := history.Champion{Model: "m", Score: 9.2, Since: crowned, Node: "M1", RunID: "crowning", Config: map[string]any{"context_length": json.Number("8192")}}
	run := func(id string, change func(*history.Run)) history.Run {
		r := history.Run{
			ID: id, Time: crowned.Add(time.Hour), Type: "arena", Model: "m", Node: "M1", Suite: "s", Digest: "d",
			Config: map[string]any{"context_length": 8192, "temperature": 0.2}, Results: historytest.Results(0, 20),
		}
		change(&r)
		return r
	}
	as := func(*history.Run) {}
	runs := []history.Run{
		run("before", func(r *history.Run) { r.Time = crowned.Add(-time.Hour) }),
		run("crowning", func(r *history.Run) { r.Crowned = true }),
		run("one", as),
		run("other model", func(r *history.Run) { r.Model = "n" }),
		run("other node", func(r *history.Run) { r.Node = "M2" }),
		run("other tasks", func(r *history.Run) { r.Suite = "t" }),
		run("other type", func(r *history.Run) { r.Type = "autotest" }),
		run("other settings", func(r *history.Run) { r.Config = map[string]any{"context_length": 4096, "temperature": 0.2} }),
		run("other temperature", func(r *history.Run) { r.Config = map[string]any{"context_length": 8192, "temperature": 1} }),
		run("other file", func(r *history.Run) { r.Digest = "e" }),
		run("without tests", func(r *history.Run) { r.Results = nil }),
		run("crowned again", func(r *history.Run) { r.Crowned = true }),
		run("two", as),
	}
	ids := func(list []history.Run) (names []string) {
		for _, r := range list {
			names = append(names, r.ID)
		}
		return names
	}
	for _, test := range []struct {
		name string
		runs []history.Run
		want []string
	}{
		{"all", runs, []string{"one", "two"}},
		{"the crowning run is archived", runs[2:], []string{"one", "two"}},
		{"after an update of the engine", append(slices.Clone(runs),
			run("new", func(r *history.Run) { r.EngineVersion = "2" }),
			run("new, other file", func(r *history.Run) { r.EngineVersion, r.Digest = "3", "e" }),
			run("new, other settings", func(r *history.Run) { r.EngineVersion, r.Config = "4", nil }),
			run("new, other model", func(r *history.Run) { r.EngineVersion, r.Model = "5", "n" }),
		), []string{"new"}},
		{"none since", runs[:2], nil},
		{"no runs", nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, ids(history.ChampionRuns(test.runs, champion))); diff != "" {
				t.Errorf("runs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestScoreChampion(t *testing.T) {
	champion := history.Champion{Model: "m", Score: 9.2}
	if diff := cmp.Diff(history.ChampionScore{Mean: 9.2, High: 10}, history.ScoreChampion(nil, champion, scoring.Composite{})); diff != "" {
		t.Errorf("without runs (-want +got):\n%s", diff)
	}
	var runs []history.Run
	var scores []float64
	for i := range 5 {
		tests := historytest.Results(i, 80)
		runs = append(runs, history.Run{ID: fmt.Sprint(i), Model: "m", Suite: "s", Results: tests, Score: 1})
		scores = append(scores, scoring.Default().Score(scoring.Measure(tests)).Composite)
	}
	mean, low, high := scoring.MeanInterval(scores)
	got := history.ScoreChampion(runs, champion, scoring.Composite{})
	if diff := cmp.Diff(history.ChampionScore{Mean: mean, Low: low, High: high, Runs: 5}, got); diff != "" || low >= mean || high <= mean {
		t.Errorf("five runs (-want +got):\n%s", diff)
	}
}

func TestEvidence(t *testing.T) {
	since := time.Date(2026, 3, 7, 0, 0, 0, 0, time.UTC)
	like := history.Run{Model: "m", Digest: "d", Node: "M1", Type: "arena", Suite: "s", Time: since, Results: historytest.Results(0, 5)}
	for name, row := range map[string]struct {
		change func(*history.Run)
		want   bool
	}{
		"at the moment":   {func(*history.Run) {}, true},
		"earlier":         {func(r *history.Run) { r.Time = since.Add(-1) }, false},
		"later":           {func(r *history.Run) { r.Time = since.Add(1) }, true},
		"another model":   {func(r *history.Run) { r.Model = "n" }, false},
		"another file":    {func(r *history.Run) { r.Digest = "e" }, false},
		"an unknown file": {func(r *history.Run) { r.Digest = "" }, false},
		"another node":    {func(r *history.Run) { r.Node = "M2" }, false},
		"without results": {func(r *history.Run) { r.Results = nil }, false},
		"crowned":         {func(r *history.Run) { r.Crowned = true }, false},
	} {
		run := like
		row.change(&run)
		if got := len(history.Evidence([]history.Run{run}, like, since)) == 1; got != row.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// Without the crowning run the conditions are those of the champion's latest run
// that has its settings.
func TestChampionRunsWithoutTheCrowningRun(t *testing.T) {
	since := time.Date(2026, 3, 7, 0, 0, 0, 0, time.UTC)
	run := func(id string, change func(*history.Run)) history.Run {
		r := history.Run{ID: id, Model: "m", Node: "M1", Suite: "s", Time: since, Config: map[string]any{"num_ctx": 1}, Results: historytest.Results(0, 5)}
		change(&r)
		return r
	}
	champion := history.Champion{Model: "m", Since: since, Node: "M1", Config: map[string]any{"num_ctx": 1}}
	early := run("early", func(r *history.Run) { r.Suite = "t" })
	for name, row := range map[string]struct {
		last     history.Run
		champion history.Champion
		want     string
	}{
		"the latest":                {run("last", func(*history.Run) {}), champion, "last"},
		"an ID that nothing has":    {run("last", func(r *history.Run) { r.ID = "" }), champion, ""},
		"another model":             {run("last", func(r *history.Run) { r.Model = "n" }), champion, "early"},
		"without results":           {run("last", func(r *history.Run) { r.Results = nil }), champion, "early"},
		"another node":              {run("last", func(r *history.Run) { r.Node = "M2" }), champion, "early"},
		"crowned":                   {run("last", func(r *history.Run) { r.Crowned = true }), champion, "early"},
		"before":                    {run("last", func(r *history.Run) { r.Time = since.Add(-1) }), champion, "early"},
		"other settings":            {run("last", func(r *history.Run) { r.Config = map[string]any{"num_ctx": 2} }), champion, "early"},
		"without the setting":       {run("last", func(r *history.Run) { r.Config = nil }), champion, "early"},
		"more settings":             {run("last", func(r *history.Run) { r.Config = map[string]any{"num_ctx": 1, "top_k": 2} }), champion, "last"},
		"a champion of no node":     {run("last", func(r *history.Run) { r.Node = "M2" }), history.Champion{Model: "m", Since: since, Config: champion.Config}, "last"},
		"the crowning run is there": {run("last", func(*history.Run) {}), history.Champion{Model: "m", Since: since, Node: "M1", RunID: "early", Config: champion.Config}, "early"},
	} {
		if got := history.ChampionRuns([]history.Run{early, row.last}, row.champion); len(got) != 1 || got[0].ID != row.want {
			t.Errorf("%s: %v, want %s", name, runIDs(got), row.want)
		}
	}
}

// TestBefore: the crown goes back to whom it was taken from.
func TestBefore(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 5, 1, hour, 0, 0, 0, time.UTC) }
	run := func(id, session, model string, hour int, score float64, crowned bool) history.Run {
		return history.Run{ID: id, Session: session, Model: model, Node: "M1", Time: at(hour), Score: score, Crowned: crowned}
	}
	first := []history.Run{run("1-champion", "1", "old", 1, 7.004, false), run("1-candidate", "1", "new", 1, 8, true)}
	second := append(slices.Clip(first), run("2-champion", "2", "new", 5, 7.5, false), run("2-candidate", "2", "newer", 5, 9, true))
	for name, row := range map[string]struct {
		runs []history.Run
		lost string
		want history.Champion
		ok   bool
	}{
		"never crowned before": {first, "1-candidate", history.Champion{Model: "old", Score: 7, Since: at(1), Node: "M1", RunID: "1-champion"}, true},
		"crowned before":       {second, "2-candidate", history.Champion{Model: "new", Score: 8, Since: at(1), Node: "M1", RunID: "1-candidate"}, true},
		"an unknown run":       {second, "9-candidate", history.Champion{}, false},
		"no run":               {second, "", history.Champion{}, false},
		"the other is gone":    {first[1:], "1-candidate", history.Champion{}, false},
		"the winner first":     {[]history.Run{first[1], first[0]}, "1-candidate", history.Champion{Model: "old", Score: 7, Since: at(1), Node: "M1", RunID: "1-champion"}, true},
		"no tournament":        {[]history.Run{run("a", "", "old", 1, 7, false), run("b", "", "new", 1, 8, true)}, "b", history.Champion{}, false},
		"nothing has the ID":   {[]history.Run{run("", "1", "old", 1, 7, false), run("", "1", "new", 1, 8, true)}, "", history.Champion{}, false},
		"crowned twice before, the later counts": {
			append([]history.Run{run("0", "0", "new", 0, 6, true)}, second...), "2-candidate", history.Champion{Model: "new", Score: 8, Since: at(1), Node: "M1", RunID: "1-candidate"}, true,
		},
		"crowned twice before, in another order": {
			append(slices.Clip(second), run("0", "0", "new", 0, 6, true)), "2-candidate", history.Champion{Model: "new", Score: 8, Since: at(1), Node: "M1", RunID: "1-candidate"}, true,
		},
		"crowned since": {
			append(slices.Clip(second), run("9", "9", "new", 9, 6, true)), "2-candidate", history.Champion{Model: "new", Score: 8, Since: at(1), Node: "M1", RunID: "1-candidate"}, true,
		},
		"crowned in the same moment": {
			append(slices.Clip(second), run("5", "5", "new", 5, 6, true)), "2-candidate", history.Champion{Model: "new", Score: 8, Since: at(1), Node: "M1", RunID: "1-candidate"}, true,
		},
		"another one crowned on the node, and the same on another": {
			append(slices.Clip(second), run("3", "3", "third", 3, 6, true), history.Run{ID: "4", Session: "4", Model: "new", Node: "M2", Time: at(3), Crowned: true}),
			"2-candidate", history.Champion{Model: "new", Score: 8, Since: at(1), Node: "M1", RunID: "1-candidate"}, true,
		},
		"a run that crowned nothing": {
			append(slices.Clip(second), run("3", "3", "new", 3, 6, false)), "2-candidate", history.Champion{Model: "new", Score: 8, Since: at(1), Node: "M1", RunID: "1-candidate"}, true,
		},
	} {
		got, ok := history.Before(row.runs, history.Champion{RunID: row.lost})
		if diff := cmp.Diff(row.want, got, cmpopts.IgnoreUnexported(history.Champion{})); diff != "" || ok != row.ok {
			t.Errorf("%s: %t (-want +got):\n%s", name, ok, diff)
		}
	}
}

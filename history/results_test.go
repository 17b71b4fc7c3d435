package history

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/scoring"
)

func TestResultsComeBack(t *testing.T) {
	tests := []scoring.Test{
		{Task: "a", Domain: "math", Cycle: 0, Passed: true, Outcome: scoring.Answered, Latency: 1234567 * time.Microsecond, FirstToken: 250 * time.Microsecond, Tokens: 7},
		{Task: "a", Domain: "math", Cycle: 3, Outcome: scoring.TimedOut, Latency: time.Minute},
		{Task: "b", Domain: "web", Cycle: 1, Outcome: scoring.Answered, Latency: time.Millisecond, Anomaly: scoring.AnomalyCut, Tokens: 4},
		{Task: "b", Domain: "web", Cycle: 2, Outcome: scoring.Failed},
	}
	lost := slices.Clone(tests)
	lost[1].Burst, lost[3].Burst = 1, 2
	for name, want := range map[string][]scoring.Test{"all kinds": tests, "answered only": tests[:1], "none": nil, "bursts": lost} {
		t.Run(name, func(t *testing.T) {
			run := Run{ID: "x", Results: want, Session: "s", Crowned: true, Unsteady: "busy", FirstToken: 12 * time.Millisecond}
			written, err := json.Marshal(run)
			if err != nil {
				t.Fatal(err)
			}
			var got Run
			if err := json.Unmarshal(written, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.Results); diff != "" {
				t.Error(diff)
			}
			if got.Session != "s" || !got.Crowned || got.Unsteady != "busy" || got.FirstToken != 12*time.Millisecond {
				t.Errorf("the other fields came back as %+v", got)
			}
		})
	}
}

// A burst of errors is one after it was recorded, although the order is lost.
func TestBurstsAreRecorded(t *testing.T) {
	var tests []scoring.Test
	for place := range 12 {
		one := scoring.Test{Task: string(rune('a' + place%6)), Cycle: place / 6, Outcome: scoring.Answered, Latency: time.Second}
		if place > 3 && place < 8 {
			one.Outcome, one.Latency = scoring.Failed, 0
		}
		tests = append(tests, one)
	}
	written, err := json.Marshal(Run{ID: "x", Results: tests})
	if err != nil {
		t.Fatal(err)
	}
	var run Run
	if err := json.Unmarshal(written, &run); err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, one := range run.Results {
		got += fmt.Sprint(one.Task, one.Burst, " ")
	}
	if want := "a0 a1 b0 b1 c0 c0 d0 d0 e1 e0 f1 f0 "; got != want {
		t.Errorf("came back as %s, want %s", got, want)
	}
	if tests[4].Burst != 0 {
		t.Error("the caller's tests were changed")
	}
}

func TestForeignResultsAreKept(t *testing.T) {
	for _, text := range []string{
		`{"run_id":"1","results":{"ok":3},"session":5,"crowned":"yes"}`,
		`{"run_id":"1","results":[{"task":"a","cycle":[0,1],"pass":[1],"latency_ms":[1]}]}`,
		`{"run_id":"1","results":[{"task":"a","cycle":[0],"pass":[1],"latency_ms":[-5]}]}`,
		`{"run_id":"1","results":[{"task":"a","pass":"1","burst":"00","latency_ms":[1]}]}`,
		`{"run_id":"1","results":[{"task":"a","pass":"1","burst":"x","latency_ms":[1]}]}`,
	} {
		var run Run
		if err := json.Unmarshal([]byte(text), &run); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if run.Results != nil {
			t.Errorf("%s: read as %v", text, run.Results)
		}
		run.PassRate = 50
		written, err := json.Marshal(run)
		if err != nil {
			t.Fatal(err)
		}
		var before, after map[string]json.RawMessage
		_ = json.Unmarshal([]byte(text), &before)
		_ = json.Unmarshal(written, &after)
		for name, value := range before {
			if string(after[name]) != string(value) {
				t.Errorf("%s: %s became %s", text, name, after[name])
			}
		}
	}
}

func TestComparable(t *testing.T) {
	run := Run{Suite: "s", Node: "M1", Type: "arena", Config: map[string]any{"temperature": 0.2, "num_ctx": 8192}}
	change := func(edit func(*Run)) Run {
		r := run
		r.Config = map[string]any{"temperature": json.Number("0.2"), "num_ctx": json.Number("8192.0")}
		edit(&r)
		return r
	}
	for _, test := range []struct {
		name string
		edit func(*Run)
		want bool
	}{
		{"the same, read from a file", func(*Run) {}, true},
		{"another model", func(r *Run) { r.Model = "x" }, true},
		{"other tasks", func(r *Run) { r.Suite = "x" }, false},
		{"another node", func(r *Run) { r.Node = "M2" }, false},
		{"another type", func(r *Run) { r.Type = "autotest" }, false},
		{"another temperature", func(r *Run) { r.Config["temperature"] = 1 }, false},
		{"a setting more", func(r *Run) { r.Config["x"] = true }, false},
		{"a setting renamed", func(r *Run) { delete(r.Config, "num_ctx"); r.Config["n_ctx"] = 8192 }, false},
		{"text for a number", func(r *Run) { r.Config["num_ctx"] = "8192" }, false},
		{"a number of another type", func(r *Run) { r.Config["num_ctx"] = float32(8192) }, true},
		{"no tasks known", func(r *Run) { r.Suite = "" }, false},
	} {
		if got := Comparable(run, change(test.edit)); got != test.want {
			t.Errorf("%s: %t", test.name, got)
		}
		if got := Comparable(change(test.edit), run); got != test.want {
			t.Errorf("%s, the other way: %t", test.name, got)
		}
	}
	if Comparable(Run{Node: "M1"}, Run{Node: "M1"}) {
		t.Error("runs of unknown tasks are comparable")
	}
	if !sameValue([]any{"a"}, []any{"a"}) || sameValue(0, "x") || sameValue(true, "true") || sameValue(1, true) || sameValue(json.Number("x"), json.Number("y")) {
		t.Error("other values aren't compared as they are")
	}
}

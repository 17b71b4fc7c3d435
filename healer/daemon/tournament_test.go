package daemon

import (
	"testing"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/ollama"
)

// TestLastGood: the other model that did best when it was last measured, by the
// same questions.
func TestLastGood(t *testing.T) {
	backend, err := ollama.New(nodes.Connection{Node: "M1", URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	node, err := nodes.New(nodes.Node{Name: "M1", Engine: "ollama", Backend: backend})
	if err != nil {
		t.Fatal(err)
	}
	run := func(node, model, suite string, score float64) history.Run {
		return history.Run{Node: node, Model: model, Suite: suite, Score: score}
	}
	for name, c := range map[string]struct {
		runs []history.Run
		want string
	}{
		"no runs":         {nil, ""},
		"only its own":    {[]history.Run{run("M1", "a:latest", "s", 9)}, ""},
		"one other":       {[]history.Run{run("M1", "b", "s", 7), run("M1", "a:latest", "s", 9)}, "b"},
		"the best":        {[]history.Run{run("M1", "b", "s", 7), run("M1", "c", "s", 8), run("M1", "a", "s", 9)}, "c"},
		"by its last run": {[]history.Run{run("M1", "b", "s", 9), run("M1", "c", "s", 8), run("M1", "b:latest", "s", 6), run("M1", "a", "s", 9)}, "c"},
		"another suite":   {[]history.Run{run("M1", "b", "s", 7), run("M1", "c", "old", 8), run("M1", "a", "s", 9)}, "b"},
		"another node":    {[]history.Run{run("M2", "b", "s", 7), run("M1", "a", "s", 9)}, ""},
	} {
		if got, ok := lastGood(c.runs, node, "a"); got != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %t, want %q", name, got, ok, c.want)
		}
	}
}

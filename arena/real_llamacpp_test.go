package arena_test

import (
	"testing"
	"time"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/arena/suite/suitetest"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/llamacpp"
	"github.com/turbone/jarvis/nodes/nodetest/realllamacpp"
	"github.com/turbone/jarvis/nodes/nodetest/tinygguf"
	"github.com/turbone/jarvis/scoring"
)

// TestRealLlamaServerTournament: on a real llama-server in router mode a much
// better model is promoted and serves, and an equal one is not.
func TestRealLlamaServerTournament(t *testing.T) {
	tasks, err := suite.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	tasks = tasks.Draw(realTasks, 0)
	for _, test := range []struct {
		name      string
		candidate float64
		want      arena.Verdict
		serves    string
	}{
		{"much better", 0.95, arena.VerdictPromoted, "new"},
		{"worse", 0.3, arena.VerdictRetained, "old"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := realllamacpp.Start(t, realllamacpp.Options{Router: true, Models: map[string]tinygguf.Spec{
				"old": suitetest.Model(suitetest.Knowing(tasks, 0.5)), "new": suitetest.Model(suitetest.Knowing(tasks, test.candidate)),
			}})
			server.LoadBehindBack("old")
			backend, err := llamacpp.New(nodes.Connection{Node: "M1", URL: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			s := onStage(t, "llamacpp", backend, "old")
			s.tasks = tasks
			s.figures.Timeout, s.weights = time.Minute, scoring.Default()
			if !full() {
				s.figures.Tasks, s.figures.Cycles = 20, 2
			}
			began := time.Now()
			r, err := s.arena().Hold(t.Context(), challenge(s, "new"))
			if err != nil {
				t.Fatal(err)
			}
			told(t, r, began)
			if r.Verdict != test.want {
				t.Errorf("verdict %s, want %s", r.Verdict, test.want)
			}
			for _, e := range server.List(false) {
				if loaded := e.Status.Value == "loaded"; loaded != (e.ID == test.serves) {
					t.Errorf("%s is %s after the tournament", e.ID, e.Status.Value)
				}
			}
		})
	}
}

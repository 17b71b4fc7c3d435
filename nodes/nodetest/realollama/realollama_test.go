package realollama_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/nodetest/realollama"
)

// ask sends one question; an error is its text.
func ask(t *testing.T, s *realollama.Server, model, prompt string, limit time.Duration) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	body, err := json.Marshal(map[string]any{
		"model": model, "stream": false, "messages": []map[string]string{{"role": "user", "content": prompt}},
	})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/api/chat", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "error: " + err.Error()
	}
	defer resp.Body.Close()
	var reply struct {
		Message struct{ Content string }
		Error   string
	}
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil {
		return "error: " + err.Error()
	}
	if reply.Error != "" {
		return "error: " + reply.Error
	}
	return reply.Message.Content
}

func TestTheModelsKnowWhatTheyAreSaidToKnow(t *testing.T) {
	s := realollama.Start(t, realollama.Options{Models: []realollama.Model{
		{Name: "right", Spec: realollama.Right()},
		{Name: "wrong", Spec: realollama.Wrong()},
		{Name: "partly", Spec: realollama.Partly(func(q string) bool { return q == "2+2" })},
	}})
	know := nodetest.Knowledge()
	for question, answer := range know {
		got := []string{ask(t, s, "right", question+"?", time.Minute), ask(t, s, "wrong", question+"?", time.Minute)}
		if diff := cmp.Diff([]string{answer, "banana"}, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", question, diff)
		}
	}
	got := []string{ask(t, s, "partly", "2+2", time.Minute), ask(t, s, "partly", "capital of France", time.Minute), ask(t, s, "right", "what?", time.Minute)}
	if diff := cmp.Diff([]string{"4", "banana", "I do not know."}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRestartCommand(t *testing.T) {
	s := realollama.Start(t, realollama.Options{Models: []realollama.Model{{Name: "good", Spec: realollama.Right()}}})
	restart := func() {
		t.Helper()
		args := s.RestartCommand()
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for _, test := range []struct {
		name   string
		broken func()
	}{
		{"a healthy server", func() {}},
		{"a killed server and its orphans", s.Kill},
		{"a stopped server", s.Stop},
		{"a stopped runner", s.StopRunner},
		{"twice", restart},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.LoadBehindBack("good", nil, -1)
			old, runners := s.PID(), s.Runners()
			test.broken()
			restart()
			if s.PID() == old || !s.Alive() {
				t.Errorf("pid %d before, %d after, alive %v", old, s.PID(), s.Alive())
			}
			if left := s.Runners(); len(runners) != 1 || len(left) != 0 || len(s.Loaded()) != 0 {
				t.Errorf("runners %v before, %v after; loaded %v", runners, left, s.Loaded())
			}
			if got := ask(t, s, "good", "2+2", time.Minute); got != "4" {
				t.Errorf("answers %q afterwards", got)
			}
		})
	}
}

func TestRunnersCanBeBroken(t *testing.T) {
	s := realollama.Start(t, realollama.Options{Models: []realollama.Model{{Name: "good", Spec: realollama.Right()}}})
	s.LoadBehindBack("good", nil, -1)

	s.StopRunner()
	if got := ask(t, s, "good", "2+2", 300*time.Millisecond); !strings.Contains(got, "deadline") {
		t.Errorf("stopped runner: %q, want a hang", got)
	}
	s.ContRunner()
	if got := ask(t, s, "good", "2+2", time.Minute); got != "4" {
		t.Errorf("continued runner: %q", got)
	}
	s.KillRunner()
	if len(s.Runners()) != 0 || len(s.Loaded()) != 1 {
		t.Errorf("killed runner: runners %v, listed %v; want none, and listed", s.Runners(), s.Loaded())
	}
	s.UnloadBehindBack("good")
	if len(s.Loaded()) != 0 {
		t.Errorf("unloaded: listed %v", s.Loaded())
	}
}

func TestClusterNodesAreApart(t *testing.T) {
	list := realollama.StartCluster(t, 3)
	for _, s := range list {
		s.AddModel("good", realollama.Right())
		s.LoadBehindBack("good", nil, -1)
	}
	list[0].Kill()
	for i, s := range list {
		if alive := s.Alive(); alive != (i != 0) {
			t.Errorf("node %d alive: %v", i, alive)
		}
	}
	if got := ask(t, list[2], "good", "2+2", time.Minute); got != "4" {
		t.Errorf("another node answers %q", got)
	}
}

package healer_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/llamacpp"
	"github.com/turbone/jarvis/nodes/nodetest/realllamacpp"
	"github.com/turbone/jarvis/nodes/nodetest/realollama"
	"github.com/turbone/jarvis/nodes/nodetest/tinygguf"
)

// llamaServerNode is a node on a real llama-server, restarted by its own command.
func llamaServerNode(t *testing.T, s *realllamacpp.Server, model string) *nodes.Node {
	t.Helper()
	return must[*nodes.Node](t)(nodes.New(nodes.Node{
		Name: "L1", Engine: "llamacpp", Wanted: nodes.Model{Name: model}, ProbeTimeout: 3 * time.Second,
		Backend:   must[*llamacpp.Backend](t)(llamacpp.New(nodes.Connection{Node: "L1", URL: s.URL})),
		Restarter: nodes.Command{Node: "L1", Args: s.RestartCommand(), Timeout: 30 * time.Second},
	}))
}

func llamaModels() map[string]tinygguf.Spec {
	return map[string]tinygguf.Spec{"good": realollama.Right(), "spare": realollama.Right(), "wrong": realollama.Wrong()}
}

// talkForever opens a stream that never ends, and returns once it has begun.
func talkForever(t *testing.T, s *realllamacpp.Server) (hangUp func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	req := must[*http.Request](t)(http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/v1/chat/completions",
		strings.NewReader(`{"model":"good","stream":true,"max_tokens":2000,"messages":[{"role":"user","content":"count forever"}]}`)))
	resp := must[*http.Response](t)(http.DefaultClient.Do(req))
	if _, err := io.ReadFull(resp.Body, make([]byte, 512)); err != nil {
		t.Fatal(err)
	}
	return func() { cancel(); _ = resp.Body.Close() }
}

// TestRealLlamaServerIsHealed breaks a real llama-server in each way that a
// process can break, and waits until the node answers rightly again.
func TestRealLlamaServerIsHealed(t *testing.T) {
	for _, test := range []struct {
		name   string
		single bool
		args   []string
		broken func(t *testing.T, s *realllamacpp.Server)
		want   []string // a part of the repairs told, in order
	}{
		{"the router is killed", false, nil, func(_ *testing.T, s *realllamacpp.Server) { s.Kill() }, []string{"server down: restarting the server"}},
		{"the router is stopped", false, nil, func(_ *testing.T, s *realllamacpp.Server) { s.Stop() }, []string{"restarting the server"}},
		{"the model's process is killed", false, nil, func(_ *testing.T, s *realllamacpp.Server) { s.KillChild("good") }, nil},
		{"the model's process is stopped", false, nil, func(_ *testing.T, s *realllamacpp.Server) { s.StopChild("good") }, []string{"wedged"}},
		{"the model's process ends half, under a stream", false, nil, func(t *testing.T, s *realllamacpp.Server) {
			talkForever(t, s)
			s.TerminateChild("good")
		}, []string{"loading good"}},
		{"the model is unloaded", false, nil, func(_ *testing.T, s *realllamacpp.Server) { s.UnloadBehindBack("good") }, []string{"model missing: loading good"}},
		{"the model is unloaded under a stream", false, nil, func(t *testing.T, s *realllamacpp.Server) {
			talkForever(t, s)
			s.Must(http.MethodPost, "/models/unload", map[string]string{"model": "good"}, nil)
		}, nil},
		{"another model takes its place", false, []string{"--models-max", "1"}, func(_ *testing.T, s *realllamacpp.Server) { s.LoadBehindBack("spare") }, []string{"loading good"}},
		{"the server is killed", true, nil, func(_ *testing.T, s *realllamacpp.Server) { s.Kill() }, []string{"server down: restarting the server"}},
		{"the server is stopped", true, nil, func(_ *testing.T, s *realllamacpp.Server) { s.Stop() }, []string{"restarting the server"}},
		{"the server ends half, under a stream", true, nil, func(t *testing.T, s *realllamacpp.Server) {
			talkForever(t, s)
			s.Terminate()
		}, []string{"restarting the server"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // each waits for its server most of the time
			options := realllamacpp.Options{Router: true, Models: llamaModels(), Args: test.args}
			if test.single {
				options = realllamacpp.Options{Model: realollama.Right(), Name: "good"}
			}
			s := realllamacpp.Start(t, options)
			if !test.single {
				s.LoadBehindBack("good")
			}
			c := newCluster(t, llamaServerNode(t, s, "good"))
			c.start()
			c.settle("L1")
			c.mark()
			broken := time.Now()
			test.broken(t, s)
			// A question before the repair would load the model that it asks for.
			c.until(fmt.Sprintf("L1 is repaired by %q", test.want), generous, func() bool {
				told := strings.Join(c.texts("L1", healer.EventRepair), "\n")
				return !slices.ContainsFunc(test.want, func(want string) bool { return !strings.Contains(told, want) })
			})
			c.until("L1 answers again", generous, func() bool {
				now := c.status("L1")
				return now.State == healer.Healthy && now.LastOK.After(broken) && c.questions(s) == "4"
			})
			t.Logf("healthy %s after the fault:\n%s", time.Since(broken).Round(time.Millisecond), c.story())
		})
	}
}

// questions asks the server itself.
func (c *cluster) questions(s *realllamacpp.Server) string {
	var reply struct {
		Choices []struct{ Message struct{ Content string } }
	}
	err := s.Call(http.MethodPost, "/v1/chat/completions", map[string]any{
		"model": "good", "messages": []map[string]string{{"role": "user", "content": "2+2"}},
	}, &reply)
	if err != nil || len(reply.Choices) == 0 {
		return ""
	}
	return reply.Choices[0].Message.Content
}

func TestRealLlamaServerAnswersWrongIsRolledBack(t *testing.T) {
	t.Parallel()
	s := realllamacpp.Start(t, realllamacpp.Options{Router: true, Models: llamaModels()})
	s.LoadBehindBack("good")
	c := newCluster(t, llamaServerNode(t, s, "good"))
	c.start()
	c.settle("L1")
	c.stop()
	c.mark()
	c.list[0] = llamaServerNode(t, s, "wrong") // the config edited to a bad model
	c.run()
	e := c.wait("L1", healer.EventHealed, generous)
	t.Log(e)
	if got := s.Status("good"); got != "loaded" {
		t.Errorf("good is %q", got)
	}
}

// TestRealLlamaServerSleepsOn: a model that sleeps is healthy, and nothing of the
// healer wakes it.
func TestRealLlamaServerSleepsOn(t *testing.T) {
	t.Parallel()
	s := realllamacpp.Start(t, realllamacpp.Options{Router: true, Models: llamaModels(), Args: []string{"--sleep-idle-seconds", "1"}})
	s.LoadBehindBack("good")
	c := newCluster(t, llamaServerNode(t, s, "good"))
	s.Until("good sleeps", func() bool { return s.Status("good") == "sleeping" })
	c.start()
	looks := time.Now()
	c.until("it was looked at for some rounds", generous, func() bool {
		return time.Since(looks) > 10*c.policy.Interval && c.status("L1").State == healer.Healthy
	})
	if got := s.Status("good"); got != "sleeping" {
		t.Errorf("good is %q after the healer watched it", got)
	}
	if told := c.texts("L1", healer.EventRepair); len(told) > 0 {
		t.Errorf("repairs of a sleeper: %q", told)
	}
}

func TestRealLlamaServersFileIsGone(t *testing.T) {
	t.Parallel()
	s := realllamacpp.Start(t, realllamacpp.Options{Router: true, Models: llamaModels()})
	s.LoadBehindBack("good")
	c := newCluster(t, llamaServerNode(t, s, "good"))
	c.start()
	c.settle("L1")
	c.mark()
	s.DeleteModel("good")
	s.KillChild("good") // or it would go on serving from memory
	router := s.PID()
	e := c.wait("L1", healer.EventOffline, generous)
	t.Log(e)
	if s.PID() != router {
		t.Error("the router was restarted for a file that is missing")
	}
	s.AddModel("good", realollama.Right())
	c.until("L1 comes back by itself", generous, func() bool { return c.status("L1").State == healer.Healthy })
}

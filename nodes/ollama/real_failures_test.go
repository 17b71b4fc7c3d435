package ollama_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest/realollama"
)

// endless is a question whose answer does not end by itself.
func endless(model string) nodes.ChatRequest {
	return nodes.ChatRequest{
		Model: model, Messages: []nodes.Message{{Role: nodes.RoleUser, Text: "count forever"}}, Stream: true,
	}
}

// underWay starts an endless answer, and returns when its first token is
// there. ended receives what becomes of it.
func underWay(t *testing.T, b nodes.Backend, req nodes.ChatRequest) (cancel func(), ended <-chan error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	began, done := make(chan struct{}), make(chan error, 1)
	var once bool
	req.OnToken = func(string) {
		if !once {
			once = true
			close(began)
		}
	}
	go func() { // ended by stop at the latest, and waited for by the reader of ended
		_, err := b.Chat(ctx, req)
		done <- err
	}()
	select {
	case <-began:
	case err := <-done:
		t.Fatalf("no first token: %v", err)
	case <-time.After(long):
		t.Fatal("no first token")
	}
	return stop, done
}

func realServer(t *testing.T, models ...realollama.Model) *realollama.Server {
	t.Helper()
	if models == nil {
		models = []realollama.Model{{Name: "good", Spec: realollama.Right()}}
	}
	return realollama.Start(t, realollama.Options{Models: models})
}

func TestRealUnloadIsOnlyAcknowledgedWhileARequestIsUnderWay(t *testing.T) {
	t.Parallel()
	s := realServer(t, realollama.Model{Name: "good", Spec: realollama.Slow()})
	b := backend(t, s.URL)
	s.LoadBehindBack("good", nil, -1)
	cancel, ended := underWay(t, b, endless("good"))
	if err := b.Unload(within(t, long), "good:latest"); err != nil {
		t.Fatal(err)
	}
	loaded := snapshot(t, b).Loaded
	if len(loaded) != 1 || !loaded[0].Stopping {
		t.Errorf("loaded %+v, want it listed and stopping", loaded)
	}
	_, err := b.Chat(within(t, long), canary("good"))
	wantFault(t, "canary to a model that is being unloaded", err, nodes.NotLoaded)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the request under way: %v", err)
	}
	eventually(t, "gone once the request is", func() bool { return len(snapshot(t, b).Loaded) == 0 })
}

// TestRealBusyPastItsExpiryIsNotStopping: the server does not move an expiry on
// while a request is under way. A model at work past it looks like one that is
// being unloaded, and is not.
func TestRealBusyPastItsExpiryIsNotStopping(t *testing.T) {
	t.Parallel()
	s := realollama.Start(t, realollama.Options{
		Models: []realollama.Model{{Name: "good", Spec: realollama.Slow()}},
		Env:    []string{"OLLAMA_NUM_PARALLEL=2"},
	})
	b := backend(t, s.URL)
	s.LoadBehindBack("good", nil, "2s")
	seen := snapshot(t, b).Loaded[0]
	cancel, ended := underWay(t, b, endless("good"))
	eventually(t, "the expiry has passed", func() bool { return time.Now().After(seen.Expires) })
	loaded := snapshot(t, b).Loaded
	if len(loaded) != 1 || loaded[0].Stopping || !loaded[0].Expires.Equal(seen.Expires) {
		t.Errorf("before %+v, after %+v: want the same, and not stopping", seen, loaded)
	}
	if reply, err := b.Chat(within(t, long), canary("good")); err != nil || reply.Text != "OK" {
		t.Errorf("canary: %q, %v", reply.Text, err)
	}
	cancel()
	<-ended
	eventually(t, "the expiry is moved on", func() bool { return snapshot(t, b).Loaded[0].Expires.After(seen.Expires) })
}

func TestRealKilledRunnerIsListedAndLoadsByItself(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	b := backend(t, s.URL)
	s.LoadBehindBack("good", nil, -1)
	s.KillRunner()
	if loaded := snapshot(t, b).Loaded; len(loaded) != 1 {
		t.Errorf("loaded %+v: want the dead one listed", loaded)
	}
	reply, err := b.Chat(within(t, long), canary("good"))
	if err != nil || reply.Text != "OK" {
		t.Errorf("answer %q, %v", reply.Text, err)
	}
}

func TestRealRunnerKilledInAStream(t *testing.T) {
	t.Parallel()
	s := realServer(t, realollama.Model{Name: "good", Spec: realollama.Slow()})
	b := backend(t, s.URL)
	s.LoadBehindBack("good", nil, -1)
	_, ended := underWay(t, b, endless("good"))
	s.KillRunner()
	wantFault(t, "stream", <-ended, nodes.Crashed)
	_, err := node(t, b, "good").Ensure(within(t, long), nodes.Model{Name: "good"}, nodes.EnsureOptions{Reload: true})
	if err != nil {
		t.Errorf("reload: %v", err)
	}
}

func TestRealStoppedRunnerLooksHealthyAndHangs(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	b := backend(t, s.URL)
	s.LoadBehindBack("good", nil, -1)
	s.StopRunner()
	if loaded := snapshot(t, b).Loaded; len(loaded) != 1 {
		t.Errorf("loaded %+v: want it listed", loaded)
	}
	req := canary("good")
	req.FirstToken = 300 * time.Millisecond
	_, err := b.Chat(within(t, long), req)
	wantFault(t, "canary", err, nodes.TimedOut)
	// The canary is over: its unload comes through, the server kills the runner.
	if _, err := node(t, b, "good").Ensure(within(t, long), nodes.Model{Name: "good"}, nodes.EnsureOptions{Reload: true}); err != nil {
		t.Fatalf("reload: %v", err)
	}
	if _, err := b.Chat(within(t, long), canary("good")); err != nil {
		t.Errorf("canary after the reload: %v", err)
	}
}

func TestRealUnloadOfAStoppedRunnerWaitsForTheHangingRequest(t *testing.T) {
	t.Parallel()
	s := realServer(t, realollama.Model{Name: "good", Spec: realollama.Slow()})
	b := backend(t, s.URL)
	s.LoadBehindBack("good", nil, -1)
	cancel, ended := underWay(t, b, endless("good"))
	s.StopRunner()
	n, err := nodes.New(nodes.Node{Name: "OL1", Backend: b, UnloadTimeout: 3 * time.Second, LoadTimeout: long})
	if err != nil {
		t.Fatal(err)
	}
	reload := func() error {
		_, err := n.Ensure(within(t, long), nodes.Model{Name: "good"}, nodes.EnsureOptions{Reload: true})
		return err
	}
	wantFault(t, "with the request open", reload(), nodes.UnloadStuck)
	cancel()
	<-ended
	eventually(t, "gone once the request is", func() bool { return len(snapshot(t, b).Loaded) == 0 })
	if err := reload(); err != nil {
		t.Errorf("after the request: %v", err)
	}
}

func TestRealStoppedServer(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	b := backend(t, s.URL)
	s.LoadBehindBack("good", nil, -1)
	s.Stop()
	_, err := b.Probe(within(t, 300*time.Millisecond))
	wantFault(t, "probe", err, nodes.TimedOut)
	if strings.Contains(err.Error(), "scheduler") {
		t.Errorf("not even the version answered, but the error blames the scheduler: %v", err)
	}
	req := canary("good")
	req.FirstToken = 300 * time.Millisecond
	_, err = b.Chat(within(t, long), req)
	wantFault(t, "canary", err, nodes.TimedOut)
	s.Cont()
	if _, err := b.Chat(within(t, long), canary("good")); err != nil {
		t.Errorf("canary after it went on: %v", err)
	}
}

func TestRealKilledServer(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	b := backend(t, s.URL)
	s.LoadBehindBack("good", nil, -1)
	s.Kill()
	_, err := b.Probe(within(t, long))
	wantFault(t, "probe", err, nodes.Refused)
	_, err = nodes.Command{Node: "OL1", Args: s.RestartCommand()}.Restart(within(t, long))
	if err != nil {
		t.Fatal(err)
	}
	if loaded := snapshot(t, b).Loaded; len(loaded) != 0 {
		t.Errorf("loaded after the restart: %+v", loaded)
	}
}

func TestRealLoadsThatFail(t *testing.T) {
	t.Parallel()
	s := realServer(t,
		realollama.Model{Name: "broken", Spec: realollama.Right(), Broken: true},
		realollama.Model{Name: "huge", Spec: realollama.TooLarge()},
		realollama.Model{Name: "cut", Spec: realollama.Right()},
		realollama.Model{Name: "garbled", Spec: realollama.Right()},
		realollama.Model{Name: "gone", Spec: realollama.Right()},
	)
	s.CutBlob("cut")
	s.GarbleBlob("garbled")
	s.DeleteBlob("gone")
	b := backend(t, s.URL)
	for _, test := range []struct {
		model    nodes.Model
		load     nodes.Fault
		question nodes.Fault
	}{
		{nodes.Model{Name: "broken"}, nodes.LoadFailed, nodes.LoadFailed},
		{nodes.Model{Name: "huge", Settings: nodes.Settings{"num_ctx": 200_000_000}}, nodes.OutOfMemory, nodes.OutOfMemory},
		{nodes.Model{Name: "cut"}, nodes.LoadFailed, nodes.LoadFailed},
		{nodes.Model{Name: "garbled"}, nodes.LoadFailed, nodes.ServerFailed},
		{nodes.Model{Name: "gone"}, nodes.ModelNotFound, nodes.ModelNotFound},
		{nodes.Model{Name: "nope"}, nodes.ModelNotFound, nodes.ModelNotFound},
	} {
		t.Run(test.model.Name, func(t *testing.T) {
			_, err := b.Load(within(t, long), test.model)
			wantFault(t, "load", err, test.load)
			t.Log(err)
			req := canary(test.model.Name)
			req.OnlyLoaded, req.Settings = false, test.model.Settings
			_, err = b.Chat(within(t, long), req)
			wantFault(t, "chat", err, test.question)
			t.Log(err)
			if loaded := snapshot(t, b).Loaded; len(loaded) != 0 {
				t.Errorf("loaded afterwards: %+v", loaded)
			}
		})
	}
}

func TestRealPromptTooLong(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	b := backend(t, s.URL)
	s.LoadBehindBack("good", nil, -1)
	req := canary("good")
	req.Messages[0].Text = strings.Repeat("2+2 and ", 3000)
	for _, stream := range []bool{true, false} {
		req.Stream = stream
		_, err := b.Chat(within(t, long), req)
		wantFault(t, "prompt over num_ctx", err, nodes.TooLong)
	}
}

func TestRealFullQueue(t *testing.T) {
	t.Parallel()
	s := realollama.Start(t, realollama.Options{
		Models: []realollama.Model{{Name: "slow", Spec: realollama.Slow()}, {Name: "other", Spec: realollama.Right()}},
		Env:    []string{"OLLAMA_MAX_QUEUE=1", "OLLAMA_MAX_LOADED_MODELS=1"},
	})
	b := backend(t, s.URL)
	cancel, ended := underWay(t, b, endless("slow"))
	// One waits in the scheduler's hand for the first to end, one in the queue.
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	results := make(chan error, 8)
	for range cap(results) {
		go func() { // ended by stop, waited for below
			req := canary("other")
			req.OnlyLoaded = false
			_, err := b.Chat(ctx, req)
			results <- err
		}()
	}
	err := <-results
	wantFault(t, "one too many", err, nodes.Busy)
	stop()
	cancel()
	<-ended
	for range cap(results) - 1 {
		<-results
	}
}

func TestRealAnswers(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	b := backend(t, s.URL)
	ask := func(prompt string, most int) nodes.ChatReply {
		t.Helper()
		zero := 0.0
		reply, err := b.Chat(within(t, long), nodes.ChatRequest{
			Model: "good", Messages: []nodes.Message{{Role: nodes.RoleUser, Text: prompt}},
			MaxTokens: most, Temperature: &zero, Stream: true,
		})
		if err != nil {
			t.Fatalf("%q: %v", prompt, err)
		}
		return reply
	}
	if r := ask("capital of Italy", 0); r.Text != "The capital is Rome." || r.Finish != "stop" || r.Tokens != 5 || r.PromptTokens == 0 {
		t.Errorf("got %+v", r)
	}
	if r := ask("capital of Italy", 2); r.Text != "The capital" || r.Finish != "length" || r.Tokens != 2 {
		t.Errorf("got %+v", r)
	}
	if r := ask("say nothing", 0); r.Text != "" || r.Tokens != 0 {
		t.Errorf("got %+v, want no token: the end mark is none", r)
	}
}

// TestRealClientThatLeavesFreesTheRunner: an answer that nobody waits for any
// more does not keep the next one waiting.
func TestRealClientThatLeavesFreesTheRunner(t *testing.T) {
	t.Parallel()
	s := realServer(t, realollama.Model{Name: "good", Spec: realollama.Slow()})
	b := backend(t, s.URL)
	cancel, ended := underWay(t, b, endless("good"))
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the request: %v", err)
	}
	runners := s.Runners()
	if reply, err := b.Chat(within(t, long), canary("good")); err != nil || reply.Text != "OK" {
		t.Errorf("answer %q, %v", reply.Text, err)
	}
	if !slices.Equal(runners, s.Runners()) {
		t.Error("another runner answers")
	}
}

// eventually waits for a state that must come.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(long); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not so after %s", what, long)
		}
	}
}

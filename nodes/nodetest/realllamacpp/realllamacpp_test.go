package realllamacpp_test

import (
	"net/http"
	"testing"

	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/nodetest/realllamacpp"
	"github.com/turbone/jarvis/nodes/nodetest/realollama"
	"github.com/turbone/jarvis/nodes/nodetest/tinygguf"
)

// ask sends one question and returns the answer.
func ask(t *testing.T, s *realllamacpp.Server, model, prompt string) string {
	t.Helper()
	var reply struct {
		Choices []struct{ Message struct{ Content string } }
	}
	s.Must(http.MethodPost, "/v1/chat/completions", map[string]any{
		"model": model, "messages": []map[string]string{{"role": "user", "content": prompt}},
	}, &reply)
	if len(reply.Choices) != 1 {
		t.Fatalf("%d choices", len(reply.Choices))
	}
	return reply.Choices[0].Message.Content
}

func TestTheModelsKnowWhatTheyAreSaidToKnow(t *testing.T) {
	single := realllamacpp.Start(t, realllamacpp.Options{Model: realollama.Right(), Name: "right"})
	router := realllamacpp.Start(t, realllamacpp.Options{Router: true, Models: map[string]tinygguf.Spec{
		"right": realollama.Right(), "wrong": realollama.Wrong(),
	}})
	for question, answer := range nodetest.Knowledge() {
		if got := ask(t, single, "right", question+"?"); got != answer {
			t.Errorf("single server, %q: %q, want %q", question, got, answer)
		}
		if got := ask(t, router, "right", question+"?"); got != answer {
			t.Errorf("router, %q: %q, want %q", question, got, answer)
		}
		if got := ask(t, router, "wrong", question+"?"); got != "banana" {
			t.Errorf("router, %q: %q, want the wrong answer", question, got)
		}
	}
}

func TestRouterCanBeBroken(t *testing.T) {
	s := realllamacpp.Start(t, realllamacpp.Options{Router: true, Models: map[string]tinygguf.Spec{"good": realollama.Right()}})
	s.LoadBehindBack("good")
	s.KillChild("good")
	s.Until("the router sees the end of its process", func() bool { return s.Status("good") == "unloaded" })
	if got := ask(t, s, "good", "2+2"); got != "4" {
		t.Errorf("loaded again by a chat, it answers %q", got)
	}
	s.UnloadBehindBack("good")
	s.AddModel("later", realollama.Right())
	if s.Status("later") != "" || len(s.List(true)) != 2 {
		t.Errorf("a file put there later is listed before the router looks again, or not after: %v", s.List(false))
	}
	s.Kill()
	s.Until("a killed router's processes end", func() bool { return len(s.Children("")) == 0 })
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, s, "later", "2+2"); got != "4" {
		t.Errorf("after a restart it answers %q", got)
	}
}

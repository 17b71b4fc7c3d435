package realllamacpp_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
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

// TestAnAnswerIsContinued: a stream holds what follows the beginning in the request,
// and nothing of the beginning: what carries on a broken answer is no new one.
func TestAnAnswerIsContinued(t *testing.T) {
	story := realollama.Story()
	for _, args := range [][]string{nil, {"--no-prefill-assistant"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			s := realllamacpp.Start(t, realllamacpp.Options{Model: realollama.Storyteller(), Name: "teller", Args: args})
			for _, given := range []string{"Once", story[:strings.Index(story, " upon75")], strings.TrimSuffix(story, " end.")} {
				body := fmt.Sprintf(`{"model":"teller","stream":true,"continue_final_message":true,"add_generation_prompt":false,
					"messages":[{"role":"user","content":"tell a story"},{"role":"assistant","content":%q}]}`, given)
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v1/chat/completions", strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				req.Close = true // the server ends idle connections when it likes
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				var said strings.Builder
				lines := bufio.NewScanner(resp.Body)
				for lines.Scan() {
					var chunk struct {
						Choices []struct{ Delta struct{ Content string } }
					}
					data, ok := strings.CutPrefix(lines.Text(), "data: ")
					if ok && data != "[DONE]" && json.Unmarshal([]byte(data), &chunk) == nil && len(chunk.Choices) > 0 {
						said.WriteString(chunk.Choices[0].Delta.Content)
					}
				}
				_ = resp.Body.Close()
				if err := lines.Err(); err != nil || given+said.String() != story {
					t.Errorf("%v, after %q came %q", err, given[max(0, len(given)-20):], said.String())
				}
			}
		})
	}
}

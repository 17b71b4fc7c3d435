package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ollama/ollama/api"
	"github.com/sashabaranov/go-openai"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/nodetest/realollama"
	"github.com/turbone/jarvis/nodes/ollama"
)

// seen keeps what the gateway observed.
type seen struct {
	mu   sync.Mutex
	list []gateway.Observation
}

// Observe implements gateway.Observer.
func (s *seen) Observe(o gateway.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, o)
}

// wait waits for n observations, or for a minute, and returns all of them: a
// client may have its answer before the request is observed.
func (s *seen) wait(t *testing.T, n int) []gateway.Observation {
	t.Helper()
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(time.Millisecond) {
		if list := s.all(); len(list) >= n {
			return list
		}
	}
	return s.all()
}

func (s *seen) all() []gateway.Observation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]gateway.Observation(nil), s.list...)
}

// realNode starts a real Ollama that can tell the story.
func realNode(t *testing.T, name string) (*realollama.Server, *nodes.Node) {
	t.Helper()
	s := realollama.Start(t, realollama.Options{})
	s.AddModel("teller", realollama.Storyteller())
	s.LoadBehindBack("teller", nil, -1)
	backend, err := ollama.New(nodes.Connection{Node: name, URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	return s, node(t, nodes.Node{Name: name, Engine: "ollama", Backend: backend, Wanted: nodes.Model{Name: "teller"}})
}

// tellers are clients of three kinds. Each asks for the story as a stream,
// calls heard for each piece, and returns the whole.
var tellers = map[string]func(ctx context.Context, address string, heard func()) (string, error){
	"go-openai": func(ctx context.Context, address string, heard func()) (string, error) {
		config := openai.DefaultConfig("")
		config.BaseURL = address + "/v1"
		stream, err := openai.NewClientWithConfig(config).CreateChatCompletionStream(ctx, openai.ChatCompletionRequest{
			Model: "auto", Messages: []openai.ChatCompletionMessage{{Role: "user", Content: "tell a story"}},
		})
		if err != nil {
			return "", err
		}
		defer stream.Close()
		var text strings.Builder
		for finish := ""; ; {
			r, err := stream.Recv()
			switch {
			case errors.Is(err, io.EOF) && finish == "stop":
				return text.String(), nil
			case err != nil:
				return text.String(), fmt.Errorf("finish %q: %w", finish, err)
			}
			for _, c := range r.Choices {
				text.WriteString(c.Delta.Content)
				finish += string(c.FinishReason)
			}
			heard()
		}
	},
	"ollama": func(ctx context.Context, address string, heard func()) (string, error) {
		base, err := url.Parse(address)
		if err != nil {
			return "", err
		}
		var text strings.Builder
		done := false
		err = api.NewClient(base, &http.Client{}).Chat(ctx, &api.ChatRequest{
			Model: "auto", Messages: []api.Message{{Role: "user", Content: "tell a story"}},
		}, func(r api.ChatResponse) error {
			text.WriteString(r.Message.Content)
			done = done || r.Done
			heard()
			return nil
		})
		if err == nil && !done {
			err = errors.New("the stream ended before it was done")
		}
		return text.String(), err
	},
	"curl": func(ctx context.Context, address string, heard func()) (string, error) {
		cmd := exec.CommandContext(ctx, "curl", "-sSN", address+"/api/generate", "-d", `{"model": "auto", "prompt": "tell a story"}`)
		var problem bytes.Buffer
		cmd.Stderr = &problem
		out, err := cmd.StdoutPipe()
		if err != nil {
			return "", err
		}
		if err := cmd.Start(); err != nil {
			return "", err
		}
		var text strings.Builder
		done := false
		for lines := bufio.NewScanner(out); lines.Scan(); heard() {
			var r struct {
				Response, Error string
				Done            bool
			}
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil || r.Error != "" {
				return text.String(), fmt.Errorf("%s: %w", lines.Text(), err)
			}
			text.WriteString(r.Response)
			done = r.Done
		}
		if err := cmd.Wait(); err != nil || !done {
			return text.String(), fmt.Errorf("done %t: %w: %s", done, err, problem.String())
		}
		return text.String(), nil
	},
}

// TestRealStreamsAreCarriedOn: the server that answers is killed, or stopped,
// in the middle of its sentence, and the client hears it to the end.
func TestRealStreamsAreCarriedOn(t *testing.T) {
	for name, teller := range tellers {
		for _, how := range []string{"SIGKILL", "SIGSTOP"} {
			t.Run(name+" "+how, func(t *testing.T) {
				first, m1 := realNode(t, "M1")
				_, m2 := realNode(t, "M2")
				var observed seen
				_, address := startGateway(t, serving(m1, m2), gateway.Options{Between: 3 * time.Second, Observer: &observed})
				heard := 0
				began := time.Now()
				var struck time.Time
				text, err := teller(t.Context(), address, func() {
					if heard++; heard != 20 {
						return
					}
					struck = time.Now()
					if how == "SIGKILL" {
						first.Kill()
					} else {
						first.Stop()
					}
				})
				if err != nil || text != realollama.Story() {
					t.Fatalf("%v, heard %q", err, text)
				}
				t.Logf("whole after %s, %s after the %s", time.Since(began).Round(time.Millisecond), time.Since(struck).Round(time.Millisecond), how)
				if how == "SIGSTOP" {
					first.Cont()
				}
				if o := observed.wait(t, 1); len(o) != 1 || o[0].Resumed == 0 || o[0].Node != "M2" {
					t.Errorf("observed %+v, want one stream that M2 carried on", o)
				}
			})
		}
	}
}

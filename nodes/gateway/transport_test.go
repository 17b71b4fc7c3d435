package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ollama/ollama/api"
	goopenai "github.com/sashabaranov/go-openai"
	"github.com/sourcegraph/conc"
	"go.uber.org/goleak"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/route"
)

// through is an HTTP client whose requests go to the nodes of a table.
func through(t *testing.T, table *route.Table, o gateway.Options) *http.Client {
	t.Helper()
	transport, err := gateway.NewTransport(table, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func openAIClient(client *http.Client) *goopenai.Client {
	config := goopenai.DefaultConfig("")
	config.BaseURL, config.HTTPClient = "http://cluster/v1", client // an address that there is not
	return goopenai.NewClientWithConfig(config)
}

func ollamaClient(client *http.Client) *api.Client {
	return api.NewClient(&url.URL{Scheme: "http", Host: "cluster"}, client)
}

// TestTransport: clients of two protocols hear the story whole, in pieces or
// not, from nodes of which the first breaks in the middle.
func TestTransport(t *testing.T) {
	tellers := map[string]func(ctx context.Context, client *http.Client) (string, error){
		"go-openai": func(ctx context.Context, client *http.Client) (string, error) {
			r, err := openAIClient(client).CreateChatCompletion(ctx, goopenai.ChatCompletionRequest{
				Model: "auto", Messages: []goopenai.ChatCompletionMessage{{Role: "user", Content: "tell a story"}},
			})
			if err != nil || len(r.Choices) != 1 {
				return "", err
			}
			return r.Choices[0].Message.Content, nil
		},
		"go-openai, stream": func(ctx context.Context, client *http.Client) (string, error) {
			stream, err := openAIClient(client).CreateChatCompletionStream(ctx, goopenai.ChatCompletionRequest{
				Model: "auto", Messages: []goopenai.ChatCompletionMessage{{Role: "user", Content: "tell a story"}},
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
					return text.String(), err
				}
				for _, c := range r.Choices {
					text.WriteString(c.Delta.Content)
					finish += string(c.FinishReason)
				}
			}
		},
		"ollama": func(ctx context.Context, client *http.Client) (string, error) { return ollamaTells(ctx, client, false) },
		"ollama, stream": func(ctx context.Context, client *http.Client) (string, error) {
			return ollamaTells(ctx, client, true)
		},
	}
	for name, teller := range tellers {
		for _, breaks := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				running := goleak.IgnoreCurrent()
				fake, m1 := onOllama(t, "M1", storyteller("good"))
				other, m2 := onOllama(t, "M2", storyteller("good"))
				table := serving(m1, m2)
				transport, err := gateway.NewTransport(table, gateway.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if breaks {
					fake.BreakWith(nodetest.CutOff, nodetest.Detail{After: 20, Routes: nodetest.Chats})
				}
				text, err := teller(t.Context(), &http.Client{Transport: transport})
				if err != nil || text != story {
					t.Errorf("%v, %q", err, text)
				}
				if n := table.InFlight("M1") + table.InFlight("M2"); n != 0 {
					t.Errorf("%d requests are still counted", n)
				}
				transport.CloseIdleConnections()
				fake.Close()
				other.Close()
				goleak.VerifyNone(t, running)
			})
		}
	}
}

func ollamaTells(ctx context.Context, client *http.Client, stream bool) (string, error) {
	var text strings.Builder
	done := false
	err := ollamaClient(client).Chat(ctx, &api.ChatRequest{
		Model: "auto", Messages: []api.Message{{Role: "user", Content: "tell a story"}}, Stream: &stream,
	}, func(r api.ChatResponse) error {
		text.WriteString(r.Message.Content)
		done = done || r.Done
		return nil
	})
	if err == nil && !done {
		err = errors.New("the answer ended before it was done")
	}
	return text.String(), err
}

func TestTransportLists(t *testing.T) {
	_, m1 := onOllama(t, "M1", storyteller("good"))
	client := through(t, serving(m1), gateway.Options{})
	if list, err := openAIClient(client).ListModels(t.Context()); err != nil || len(list.Models) != 2 || list.Models[1].ID != "good:latest" {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := ollamaClient(client).List(t.Context()); err != nil || len(list.Models) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	if v, err := ollamaClient(client).Version(t.Context()); err != nil || v == "" {
		t.Errorf("%q, %v", v, err)
	}
}

// TestClientLeaves: the node's work ends with its client, and speaks against
// nobody.
func TestClientLeaves(t *testing.T) {
	for _, how := range []string{"before the first token", "in mid-answer", "by closing the body"} {
		t.Run(how, func(t *testing.T) {
			teller := storyteller("good")
			teller.TokensPerSecond = 20
			fake, m1 := onOllama(t, "M1", teller)
			_, m2 := onOllama(t, "M2", teller)
			if how == "before the first token" {
				fake.Break(nodetest.Wedged)
			}
			table := serving(m1, m2)
			table.OnFailure(func(f route.Failure) { t.Errorf("a client that leaves is no failure: %+v", f) })
			var observed seen
			client := through(t, table, gateway.Options{Observer: &observed})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://cluster/api/chat", strings.NewReader(`{"model":"good","messages":[{"role":"user","content":"tell a story"}]}`))
			if err != nil {
				t.Fatal(err)
			}
			if how == "before the first token" {
				var waits conc.WaitGroup
				waits.Go(func() {
					for fake.UnderWay() == 0 && ctx.Err() == nil {
						time.Sleep(time.Millisecond)
					}
					cancel()
				})
				resp, err := client.Do(req)
				waits.Wait()
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%v %v", resp, err)
				}
			} else {
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				if how == "in mid-answer" {
					cancel()
				}
				if err := resp.Body.Close(); err != nil {
					t.Error(err)
				}
			}
			await(t, "the node to end its work", func() bool { return fake.UnderWay() == 0 })
			if n := table.InFlight("M1") + table.InFlight("M2"); n != 0 {
				t.Errorf("%d requests are still counted", n)
			}
			if o := observed.wait(t, 1); len(o) != 1 || !o[0].Left || o[0].Attempts != 1 {
				t.Errorf("observed %+v", o)
			}
		})
	}
}

// TestTransportRefuses in the client's protocol, in words that its library
// understands.
func TestTransportRefuses(t *testing.T) {
	t.Run("the queue is full", func(t *testing.T) {
		_, m1 := onOllama(t, "M1", storyteller("good"))
		table := serving(m1)
		defer table.Begin("M1").Done()
		client := through(t, table, gateway.Options{Rules: route.Rules{PerNode: 1, Queue: route.NoQueue}})
		resp, body := do(t, client, "/v1/chat/completions", question)
		if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "1" || errorShape(body) != "OpenAI" {
			t.Errorf("%s %v %s", resp.Status, resp.Header, body)
		}
		_, err := openAIClient(client).CreateChatCompletion(t.Context(), goopenai.ChatCompletionRequest{Model: "auto"})
		if e := new(goopenai.APIError); !errors.As(err, &e) || e.HTTPStatusCode != http.StatusTooManyRequests {
			t.Errorf("go-openai: %v", err)
		}
		_, err = ollamaTells(t.Context(), client, true)
		if e := (api.StatusError{}); !errors.As(err, &e) || e.StatusCode != http.StatusTooManyRequests || e.ErrorMessage == "" {
			t.Errorf("ollama: %v", err)
		}
	})
	t.Run("nobody has the model", func(t *testing.T) {
		fake, m1 := onOllama(t, "M1", storyteller("good"))
		client := through(t, serving(m1), gateway.Options{Strict: true})
		for path, shape := range map[string]string{"/v1/chat/completions": "OpenAI", "/v1/messages": "Anthropic", "/api/chat": "Ollama"} {
			resp, body := do(t, client, path, `{"model":"unheard-of","max_tokens":9,"messages":[{"role":"user","content":"2+2"}]}`)
			if resp.StatusCode != http.StatusNotFound || errorShape(body) != shape || !strings.Contains(body, "unheard-of") {
				t.Errorf("%s: %s %s", path, resp.Status, body)
			}
		}
		table := route.New(m1, node(t, nodes.Node{Name: "M2", Engine: "ollama", Backend: m1.Backend, Wanted: nodes.Model{Name: "absent"}}))
		table.Serve("M1", true)
		before := len(fake.CallsTo(nodetest.Chats))
		resp, body := do(t, through(t, table, gateway.Options{Strict: true, Wait: time.Millisecond}), "/api/chat", `{"model":"absent","messages":[{"role":"user","content":"2+2"}]}`)
		if resp.StatusCode != http.StatusServiceUnavailable || errorShape(body) != "Ollama" || len(fake.CallsTo(nodetest.Chats)) != before {
			t.Errorf("a model whose node is out: %s %s", resp.Status, body)
		}
	})
	t.Run("a bad request", func(t *testing.T) {
		const said = " {\"error\":\t{\"message\":\"'top_p' must be \\u2264 1\",\"type\":\"invalid_request_error\",\"more\":[1, 2]}}\n"
		asked := 0
		at := tripper(func(r *http.Request) (*http.Response, error) {
			asked++
			resp := answering(r, http.StatusBadRequest, "application/json; charset=utf-8", strings.NewReader(said))
			resp.Header.Set("X-Request-Id", "7")
			return resp, nil
		})
		table := serving(onTransport(t, "M1", at), onTransport(t, "M2", at))
		table.OnFailure(func(f route.Failure) { t.Errorf("a client's mistake is no failure: %+v", f) })
		client := through(t, table, gateway.Options{})
		for _, path := range []string{"/v1/chat/completions", "/api/chat", "/v1/messages", "/v1/embeddings"} {
			asked = 0
			resp, body := do(t, client, path, question)
			if resp.StatusCode != http.StatusBadRequest || body != said || resp.Header.Get("X-Request-Id") != "7" || resp.Header.Get("Content-Type") != "application/json; charset=utf-8" {
				t.Errorf("%s: %s %v %q", path, resp.Status, resp.Header, body)
			}
			if asked != 1 {
				t.Errorf("%s: %d nodes were asked", path, asked)
			}
		}
	})
	t.Run("what no node can be asked", func(t *testing.T) {
		_, m1 := onOllama(t, "M1", storyteller("good"))
		client := through(t, serving(m1), gateway.Options{MaxBody: 1 << 10})
		for path, body := range map[string]string{"/v1/audio/speech": "{}", "/api/chat": strings.Repeat(" ", 2<<10)} {
			resp, err := client.Post("http://cluster"+path, "application/json", strings.NewReader(body))
			if err == nil {
				_ = resp.Body.Close()
				if resp.StatusCode < 400 {
					t.Errorf("%s: %s", path, resp.Status)
				}
			}
		}
	})
}

func do(t *testing.T, client *http.Client, path, body string) (*http.Response, string) {
	t.Helper()
	resp, err := client.Post("http://cluster"+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(answer)
}

// TestNothingIsChanged on the way, in either direction, that needs not be.
func TestNothingIsChanged(t *testing.T) {
	const (
		asks   = "{ \"messages\" : [{\"role\":\"user\",\"content\":\"\\u00e9 \\/\"}],\r\n\"mine\":{\"x\":[1.0,1e3,null]}, \"model\":\"good\" ,\"model_extra\":1}\n"
		says   = " {\"choices\":[{\"message\":{\"content\":\"\\u0034\",\"more\":1.50},\"finish_reason\":\"stop\"}],\"timings\":{\"a\":1e-3}}\n\n"
		frames = ": hello\r\n\r\nid: 7\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"\\u0034\",\"more\":1.50}}],\"timings\":1}\r\n\r\ndata:{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
	)
	for _, tt := range []struct{ name, asks, says string }{
		{"whole", asks, says},
		{"a stream", strings.Replace(asks, `"mine"`, `"stream":true,"mine"`, 1), frames},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []byte
			var header http.Header
			m1 := onTransport(t, "M1", tripper(func(r *http.Request) (*http.Response, error) {
				got, _ = io.ReadAll(r.Body)
				header = r.Header.Clone()
				resp := answering(r, http.StatusOK, "text/event-stream; charset=x", strings.NewReader(tt.says))
				resp.Header["X-Theirs"] = []string{"1", "2"}
				return resp, nil
			}))
			client := through(t, serving(m1), gateway.Options{})
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://cluster/v1/chat/completions?x=1", strings.NewReader(tt.asks))
			if err != nil {
				t.Fatal(err)
			}
			req.Header = http.Header{"X-Mine": {"1", "2"}, "Content-Type": {"application/json; charset=y"}, "Authorization": {"Bearer " + clientKey}}
			mine := req.Header.Clone()
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			answer, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.asks, string(got)); diff != "" {
				t.Errorf("the node got (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.says, string(answer)); diff != "" {
				t.Errorf("the client got (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(http.Header{"X-Mine": {"1", "2"}, "Content-Type": {"application/json; charset=y"}}, header); diff != "" {
				t.Errorf("the node's header (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(mine, req.Header); diff != "" {
				t.Errorf("the client's own request was changed (-want +got):\n%s", diff)
			}
			want := http.Header{
				"X-Theirs": {"1", "2"}, "Content-Type": {"text/event-stream; charset=x"},
				gateway.HeaderNode: {"M1"}, gateway.HeaderModel: {"good"}, gateway.HeaderAttempts: {"1"},
			}
			if diff := cmp.Diff(want, resp.Header); diff != "" {
				t.Errorf("the client's header (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRoleOnTheWay: a role is replaced by the model's name and nothing else is.
func TestRoleOnTheWay(t *testing.T) {
	var got []byte
	m1 := onTransport(t, "M1", tripper(func(r *http.Request) (*http.Response, error) {
		got, _ = io.ReadAll(r.Body)
		return answering(r, http.StatusOK, "application/json", strings.NewReader(wholeAnswer)), nil
	}))
	client := through(t, serving(m1), gateway.Options{Roles: map[string]map[string]string{"writer": {"M1": "good:7b"}}})
	resp, _ := do(t, client, "/v1/chat/completions", `{"x":1 , "model" : "writer", "y":"writer"}`)
	if want := `{"x":1 , "model" : "good:7b", "y":"writer"}`; !bytes.Equal(got, []byte(want)) || resp.Header.Get(gateway.HeaderModel) != "good:7b" {
		t.Errorf("%s by %s", got, resp.Header.Get(gateway.HeaderModel))
	}
	if !json.Valid(got) {
		t.Errorf("no JSON: %s", got)
	}
}

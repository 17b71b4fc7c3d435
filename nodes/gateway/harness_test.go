package gateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/ollama"
	"github.com/turbone/jarvis/nodes/openai"
)

// onServer makes a node of the OpenAI protocol out of a handler.
func onServer(t testing.TB, name string, key string, h http.HandlerFunc) *nodes.Node {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	backend, err := openai.New(nodes.Connection{Node: name, URL: server.URL, Key: nodes.NewSecret(key)})
	if err != nil {
		t.Fatal(err)
	}
	return node(t, nodes.Node{Name: name, Engine: "openai", Backend: backend, Wanted: nodes.Model{Name: "good"}})
}

// onTransport makes a node that has every API of Ollama and is asked without a
// network.
func onTransport(t testing.TB, name string, tripper http.RoundTripper) *nodes.Node {
	t.Helper()
	backend, err := ollama.New(nodes.Connection{Node: name, URL: "http://" + strings.ToLower(name) + ".invalid", Transport: tripper})
	if err != nil {
		t.Fatal(err)
	}
	return node(t, nodes.Node{Name: name, Engine: "ollama", Backend: backend, Wanted: nodes.Model{Name: "good"}})
}

// tripper is a transport that is a function.
type tripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answering(r *http.Request, status int, kind string, body io.Reader) *http.Response {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(body), ContentLength: -1, Request: r,
	}
}

// wholeAnswer and streamed are OpenAI's smallest answers.
const (
	wholeAnswer = `{"id":"x","object":"chat.completion","created":1,"model":"good","choices":[{"index":0,"message":{"role":"assistant","content":"4"},"finish_reason":"stop"}]}`
	streamed    = `data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"good","choices":[{"index":0,"delta":{"content":"4"},"finish_reason":null}]}` + "\n\n" +
		`data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"good","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
)

// post sends a body with headers, name and value in turns.
func post(t testing.TB, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	return send(t, http.MethodPost, url, strings.NewReader(body), header...)
}

func send(t testing.TB, method, url string, body io.Reader, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
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

// errorShape names the protocol of an error's body, "" for none.
func errorShape(body string) string {
	var e struct {
		Type  string
		Error json.RawMessage
	}
	var inner struct{ Type, Message string }
	var text string
	switch err := json.Unmarshal([]byte(body), &e); {
	case err != nil || e.Error == nil:
		return ""
	case json.Unmarshal(e.Error, &text) == nil && text != "":
		return "Ollama"
	case json.Unmarshal(e.Error, &inner) != nil || inner.Message == "" || inner.Type == "":
		return ""
	case e.Type == "error":
		return "Anthropic"
	}
	return "OpenAI"
}

// chatPaths are the chat paths with the protocols of their errors.
var chatPaths = map[string]string{
	"/v1/chat/completions": "OpenAI", "/v1/completions": "OpenAI", "/v1/responses": "OpenAI", "/v1/embeddings": "OpenAI",
	"/v1/messages": "Anthropic", "/api/chat": "Ollama", "/api/generate": "Ollama", "/api/embed": "Ollama", "/api/embeddings": "Ollama",
	"/api/show": "Ollama",
}

const question = `{"model":"auto","max_tokens":9,"messages":[{"role":"user","content":"2+2"}],"prompt":"2+2","input":"2+2"}`

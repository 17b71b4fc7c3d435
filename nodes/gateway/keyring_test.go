package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sourcegraph/conc"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/ollama"
	"github.com/turbone/jarvis/nodes/openai"
	"github.com/turbone/jarvis/nodes/route"
)

const (
	clientKey = "sk-of-the-client-0123456789"
	nodeKey   = "sk-of-the-node-9876543210"
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

func TestKeys(t *testing.T) {
	_, m1 := onOllama(t, "M1", storyteller("good"))
	var observed seen
	_, address := startGateway(t, serving(m1), gateway.Options{Observer: &observed},
		gateway.Key{Name: "Ada", Secret: nodes.NewSecret(clientKey)}, gateway.Key{Name: "Bob", Secret: nodes.NewSecret("sk-of-bob")})
	for _, tt := range []struct {
		name   string
		header []string
		client string // empty: turned away
	}{
		{"OpenAI's header", []string{"Authorization", "Bearer " + clientKey}, "Ada"},
		{"in small letters", []string{"Authorization", "bearer " + clientKey}, "Ada"},
		{"Anthropic's header", []string{"X-Api-Key", clientKey}, "Ada"},
		{"Azure's header", []string{"Api-Key", clientKey}, "Ada"},
		{"another client's", []string{"Authorization", "Bearer sk-of-bob"}, "Bob"},
		{"none", nil, ""},
		{"an unknown one", []string{"Authorization", "Bearer sk-of-nobody"}, ""},
		{"an unknown one of Anthropic's", []string{"X-Api-Key", "sk-of-nobody"}, ""},
		{"the beginning of one", []string{"Authorization", "Bearer " + clientKey[:9]}, ""},
		{"more than one", []string{"Authorization", "Bearer " + clientKey + "0"}, ""},
		{"in another case", []string{"Authorization", "Bearer " + strings.ToUpper(clientKey)}, ""},
		{"an empty one", []string{"Authorization", "Bearer "}, ""},
		{"another scheme", []string{"Authorization", "Basic " + clientKey}, ""},
		{"in the address's place", []string{"X-Forwarded-For", clientKey}, ""},
	} {
		for path, shape := range chatPaths {
			t.Run(tt.name+" "+path, func(t *testing.T) {
				before := len(observed.all())
				resp, body := post(t, address+path, question, tt.header...)
				if tt.client == "" {
					if resp.StatusCode != http.StatusUnauthorized || errorShape(body) != shape || resp.Header.Get("WWW-Authenticate") != "Bearer" {
						t.Errorf("want a 401 of %s's: %s %s", shape, resp.Status, body)
					}
					if o := observed.wait(t, before+1); len(o) != before+1 || o[before].Client != "" || o[before].API != path || o[before].Status != http.StatusUnauthorized {
						t.Errorf("observed %+v", o[before:])
					}
					return
				}
				if resp.StatusCode == http.StatusUnauthorized {
					t.Errorf("turned away: %s", body)
				}
				if o := observed.wait(t, before+1); len(o) != before+1 || o[before].Client != tt.client || o[before].API != path {
					t.Errorf("observed %+v", o[before:])
				}
			})
		}
		t.Run(tt.name+" /v1/models", func(t *testing.T) {
			resp, body := send(t, http.MethodGet, address+"/v1/models", nil, tt.header...)
			if (resp.StatusCode == http.StatusOK) != (tt.client != "") || tt.client == "" && strings.Contains(body, "good") {
				t.Errorf("%s: %s", resp.Status, body)
			}
		})
	}
}

func TestGuard(t *testing.T) {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") })
	locked, err := gateway.New(route.New(), gateway.Options{}, gateway.Key{Name: "Ada", Secret: nodes.NewSecret(clientKey)})
	if err != nil {
		t.Fatal(err)
	}
	open, err := gateway.New(route.New(), gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		by     *gateway.Gateway
		key    string
		status int
	}{
		{"without keys", open, "", http.StatusOK},
		{"with the key", locked, clientKey, http.StatusOK},
		{"without it", locked, "", http.StatusUnauthorized},
		{"with another", locked, "sk-of-nobody", http.StatusUnauthorized},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			r.Header.Set("Authorization", "Bearer "+tt.key)
			w := httptest.NewRecorder()
			tt.by.Guard(metrics).ServeHTTP(w, r)
			if w.Code != tt.status || (w.Body.String() == "metrics") != (tt.status == http.StatusOK) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

// TestPerMinute: a key begins so many requests in a minute, and the next are
// told when that is over; others have a minute of their own.
func TestPerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := gateway.New(route.New(), gateway.Options{},
			gateway.Key{Name: "Ada", Secret: nodes.NewSecret("a"), PerMinute: 2}, gateway.Key{Name: "Bob", Secret: nodes.NewSecret("b")})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(key string) (status int, wait string) {
			r := httptest.NewRequest(http.MethodGet, "/v1/models", nil)
			r.Header.Set("X-Api-Key", key)
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			if w.Code == http.StatusTooManyRequests && errorShape(w.Body.String()) != "OpenAI" {
				t.Errorf("not OpenAI's: %s", w.Body)
			}
			return w.Code, w.Header().Get("Retry-After")
		}
		for i, step := range []struct {
			key    string
			status int
			wait   string
			pause  time.Duration
		}{
			{"a", http.StatusOK, "", 10 * time.Second},
			{"a", http.StatusOK, "", 10 * time.Second},
			{"a", http.StatusTooManyRequests, "40", 0},
			{"b", http.StatusOK, "", 0},
			{"b", http.StatusOK, "", 0},
			{"b", http.StatusOK, "", 39500 * time.Millisecond},
			{"a", http.StatusTooManyRequests, "1", 500 * time.Millisecond},
			{"a", http.StatusOK, "", 0},
			{"a", http.StatusOK, "", 0},
			{"a", http.StatusTooManyRequests, "60", 0},
		} {
			if status, wait := ask(step.key); status != step.status || wait != step.wait {
				t.Errorf("step %d: %d after %q, want %d after %q", i, status, wait, step.status, step.wait)
			}
			time.Sleep(step.pause)
		}
	})
}

// TestAtOnce: a key has so many requests under way, and a place is free as soon
// as one ends.
func TestAtOnce(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	m1 := onServer(t, "M1", "", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		entered <- struct{}{}
		<-release
		_, _ = io.WriteString(w, wholeAnswer)
	})
	_, address := startGateway(t, serving(m1), gateway.Options{},
		gateway.Key{Name: "Ada", Secret: nodes.NewSecret("a"), AtOnce: 2}, gateway.Key{Name: "Bob", Secret: nodes.NewSecret("b")})
	var under conc.WaitGroup
	ask := func(key string) {
		under.Go(func() {
			if resp, body := post(t, address+"/v1/chat/completions", question, "X-Api-Key", key); resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", resp.Status, body)
			}
		})
		<-entered
	}
	ask("a")
	ask("a")
	for path, shape := range chatPaths {
		resp, body := post(t, address+path, question, "X-Api-Key", "a")
		if resp.StatusCode != http.StatusTooManyRequests || errorShape(body) != shape || resp.Header.Get("Retry-After") != "1" || !strings.Contains(body, "Ada") {
			t.Errorf("%s: want a 429 of %s's: %s %s", path, shape, resp.Status, body)
		}
	}
	ask("b")
	for range 3 {
		release <- struct{}{}
	}
	under.Wait()
	ask("a")
	release <- struct{}{}
	under.Wait()
}

// TestNoKeyLeaks: the client's key goes to no node, the node's to no client,
// whatever the node says.
func TestNoKeyLeaks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		stream bool
	}{
		{"an answer", http.StatusOK, wholeAnswer, false},
		{"a stream", http.StatusOK, streamed, true},
		{"a bad request, in the node's words", http.StatusBadRequest, `{"error":{"message":"no header KEY is known","type":"invalid_request_error"}}`, false},
		{"a key that the node doesn't know", http.StatusUnauthorized, `{"error":{"message":"Incorrect API key provided: KEY","type":"authentication_error"}}`, false},
		{"an unknown model", http.StatusNotFound, `{"error":{"message":"no model for KEY","type":"not_found_error"}}`, false},
		{"busy", http.StatusTooManyRequests, `{"error":{"message":"KEY is busy","type":"rate_limit_error"}}`, false},
		{"a failure", http.StatusInternalServerError, `{"error":{"message":"KEY broke it","type":"server_error"}}`, false},
		{"an error inside a 200", http.StatusOK, `{"error":{"message":"KEY broke it","type":"server_error"}}`, false},
		{"an error inside a stream", http.StatusOK, `data: {"error":{"message":"KEY broke it","type":"server_error"}}` + "\n\n", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var mu sync.Mutex
			var got []string
			m1 := onServer(t, "M1", nodeKey, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				mu.Lock()
				got = append(got, fmt.Sprint(r.URL, r.Header, r.Trailer, string(body)))
				if v := r.Header["Authorization"]; !cmp.Equal(v, []string{"Bearer " + nodeKey}) {
					t.Errorf("the node was sent %q", v)
				}
				mu.Unlock()
				if tt.status != http.StatusOK {
					w.Header().Set("X-Seen", r.Header.Get("Authorization"))
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, strings.ReplaceAll(tt.body, "KEY", nodeKey))
			})
			table := serving(m1)
			told := make(chan route.Failure, 9)
			table.OnFailure(func(f route.Failure) {
				select {
				case told <- f:
				default:
				}
			})
			_, address := startGateway(t, table, gateway.Options{Wait: 50 * time.Millisecond}, gateway.Key{Name: "Ada", Secret: nodes.NewSecret(clientKey)})
			for _, header := range []string{"Authorization", "X-Api-Key", "Api-Key"} {
				key := clientKey
				if header == "Authorization" {
					key = "Bearer " + key
				}
				resp, body := post(t, address+"/v1/chat/completions", fmt.Sprintf(`{"stream":%t,"messages":[{"role":"user","content":"2+2"}]}`, tt.stream),
					header, key, "Cookie", "session="+clientKey, "Proxy-Authorization", "Bearer "+clientKey, "Connection", "X-Mine", "X-Mine", clientKey)
				if all := fmt.Sprint(resp.Header, resp.Trailer, body); strings.Contains(all, nodeKey) {
					t.Errorf("the node's key in %s %s", resp.Status, all)
				}
				if (resp.StatusCode == http.StatusOK) != (tt.status == http.StatusOK && !strings.Contains(tt.body, "KEY")) {
					t.Errorf("%s: %s", resp.Status, body)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if len(got) < 3 {
				t.Errorf("the node was asked %d times", len(got))
			}
			for _, r := range got {
				if strings.Contains(r, clientKey) {
					t.Errorf("the client's key at the node: %s", r)
				}
			}
			close(told)
			for f := range told {
				if strings.Contains(f.Detail, nodeKey) {
					t.Errorf("the node's key in what the healer is told: %+v", f)
				}
			}
		})
	}
}

// TestKeyOfAFake: a node that wants a key is asked with its own, whatever the
// client sent.
func TestKeyOfAFake(t *testing.T) {
	fake := nodetest.NewOpenAI(t, nodetest.Options{Key: nodeKey, Models: []nodetest.Model{storyteller("good")}})
	backend, err := openai.New(nodes.Connection{Node: "M1", URL: fake.URL, Key: nodes.NewSecret(nodeKey)})
	if err != nil {
		t.Fatal(err)
	}
	m1 := node(t, nodes.Node{Name: "M1", Engine: "openai", Backend: backend, Wanted: nodes.Model{Name: "good"}})
	_, address := startGateway(t, serving(m1), gateway.Options{})
	for _, key := range []string{"", "Bearer " + clientKey} {
		resp, body := post(t, address+"/v1/chat/completions", question, "Authorization", key)
		if resp.StatusCode != http.StatusOK || !strings.Contains(body, `"4"`) {
			t.Errorf("with %q: %s %s", key, resp.Status, body)
		}
	}
}

// TestHeaders: what is the route's own stays between the client and the route,
// and the rest gets through in both directions.
func TestHeaders(t *testing.T) {
	var got http.Header
	m1 := onServer(t, "M1", "", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got = r.Header.Clone()
		h := w.Header()
		h.Set("Content-Type", "application/json; charset=utf-8")
		h.Set("X-Request-Id", "from the node")
		h.Add("X-Many", "1")
		h.Add("X-Many", "2")
		h.Set("Set-Cookie", "a=b")
		h.Set("Keep-Alive", "timeout=5")
		h.Set("Connection", "X-Hop, keep-alive")
		h.Set("X-Hop", "1")
		h.Set(gateway.HeaderNode, "another")
		_, _ = io.WriteString(w, wholeAnswer)
	})
	_, address := startGateway(t, serving(m1), gateway.Options{})
	resp, body := post(t, address+"/v1/chat/completions", question,
		"Content-Type", "application/json", "X-Stainless-Lang", "go", "Anthropic-Beta", "x", "User-Agent", "mine", "X-Many", "1", "X-Many", "2",
		gateway.HeaderSession, "s", gateway.HeaderRestart, "true", gateway.HeaderTimeout, "30s", gateway.HeaderNode, "M9", gateway.HeaderModel, "x", gateway.HeaderAttempts, "7")
	want := http.Header{
		"Content-Type": {"application/json"}, "X-Stainless-Lang": {"go"}, "Anthropic-Beta": {"x"}, "User-Agent": {"mine"}, "X-Many": {"1", "2"},
		"Content-Length": got["Content-Length"],
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the node got (-want +got):\n%s", diff)
	}
	if body != wholeAnswer {
		t.Errorf("the answer was changed: %s", body)
	}
	delete(resp.Header, "Date")
	wantBack := http.Header{
		"Content-Type": {"application/json; charset=utf-8"}, "X-Request-Id": {"from the node"}, "X-Many": {"1", "2"},
		"Content-Length": {fmt.Sprint(len(wholeAnswer))}, gateway.HeaderNode: {"M1"}, gateway.HeaderModel: {"good"}, gateway.HeaderAttempts: {"1"},
	}
	if diff := cmp.Diff(wantBack, resp.Header); diff != "" {
		t.Errorf("the client got (-want +got):\n%s", diff)
	}
}

// TestWrongAddresses: what is not asked so, or not at all, is said in the
// protocol that the address is of.
func TestWrongAddresses(t *testing.T) {
	_, m1 := onOllama(t, "M1", storyteller("good"))
	_, address := startGateway(t, serving(m1), gateway.Options{})
	type request struct {
		method, path, shape string
		status              int
	}
	list := []request{
		{http.MethodPost, "/v1/models", "OpenAI", http.StatusMethodNotAllowed},
		{http.MethodPost, "/api/tags", "Ollama", http.StatusMethodNotAllowed},
		{http.MethodGet, "/v1/models/unheard-of", "OpenAI", http.StatusNotFound},
		{http.MethodGet, "/v1/audio/speech", "OpenAI", http.StatusNotFound},
		{http.MethodPost, "/v1/audio/speech", "OpenAI", http.StatusNotFound},
		{http.MethodPost, "/v1/messages/count_tokens", "Anthropic", http.StatusNotFound},
		{http.MethodGet, "/v1/messages/batches", "Anthropic", http.StatusNotFound},
		{http.MethodPost, "/api/pull", "Ollama", http.StatusNotFound},
		{http.MethodDelete, "/api/delete", "Ollama", http.StatusNotFound},
		{http.MethodGet, "/api/nothing", "Ollama", http.StatusNotFound},
		{http.MethodGet, "/nothing", "OpenAI", http.StatusNotFound},
		{http.MethodGet, "/v1/../api/chat/../../metrics", "OpenAI", http.StatusNotFound},
		{http.MethodPost, "/v1/chat/completions/more", "OpenAI", http.StatusNotFound},
	}
	for path, shape := range chatPaths {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPatch} {
			list = append(list, request{method, path, shape, http.StatusMethodNotAllowed})
		}
	}
	for _, tt := range list {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			resp, body := send(t, tt.method, address+tt.path, strings.NewReader("{}"))
			if resp.StatusCode != tt.status || errorShape(body) != tt.shape || resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("want a %d of %s's: %s %s %s", tt.status, tt.shape, resp.Status, resp.Header.Get("Content-Type"), body)
			}
		})
	}
}

// TestTooLarge: a body has an end, whether its length was told or not.
func TestTooLarge(t *testing.T) {
	const most = 1 << 10
	_, m1 := onOllama(t, "M1", storyteller("good"))
	_, address := startGateway(t, serving(m1), gateway.Options{MaxBody: most})
	fits := question + strings.Repeat(" ", most-len(question))
	for path, shape := range chatPaths {
		for name, body := range map[string]io.Reader{
			"told": strings.NewReader(fits + " "), "not told": io.MultiReader(strings.NewReader(fits + " ")), "much": strings.NewReader(strings.Repeat("x", 1<<20)),
		} {
			t.Run(name+" "+path, func(t *testing.T) {
				resp, answer := send(t, http.MethodPost, address+path, body)
				if resp.StatusCode != http.StatusRequestEntityTooLarge || errorShape(answer) != shape {
					t.Errorf("want a 413 of %s's: %s %s", shape, resp.Status, answer)
				}
			})
		}
	}
	for name, body := range map[string]io.Reader{"told": strings.NewReader(fits), "not told": io.MultiReader(strings.NewReader(fits))} {
		if resp, answer := send(t, http.MethodPost, address+"/v1/chat/completions", body); resp.StatusCode != http.StatusOK {
			t.Errorf("as large as may be, %s: %s %s", name, resp.Status, answer)
		}
	}
}

// TestAddressesComeFromTheTable alone: whatever a client says of hosts, its
// request goes to the node.
func TestAddressesComeFromTheTable(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("somebody else was asked: %s %s", r.Method, r.URL)
	}))
	t.Cleanup(elsewhere.Close)
	foreign := strings.TrimPrefix(elsewhere.URL, "http://")
	var host, asked string
	m1 := onServer(t, "M1", "", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		host, asked = r.Host, r.RequestURI
		_, _ = io.WriteString(w, wholeAnswer)
	})
	_, address := startGateway(t, serving(m1), gateway.Options{})
	address = strings.TrimPrefix(address, "http://")
	for _, tt := range []struct {
		name, line, host string
		header           string
		status           int
		asked            string
	}{
		{"an absolute address", "POST http://" + foreign + "/v1/chat/completions HTTP/1.1", foreign, "", 200, "/v1/chat/completions"},
		{"another host", "POST /v1/chat/completions HTTP/1.1", foreign, "", 200, "/v1/chat/completions"},
		{"another host behind a proxy", "POST /v1/chat/completions HTTP/1.1", address, "X-Forwarded-Host: " + foreign, 200, "/v1/chat/completions"},
		{"a host in the headers of other proxies", "POST /v1/chat/completions HTTP/1.1", address, "Forwarded: host=" + foreign + "\r\nX-Original-Url: http://" + foreign, 200, "/v1/chat/completions"},
		{"a query", "POST /v1/chat/completions?url=http://" + foreign + "&a=%2F HTTP/1.1", address, "", 200, "/v1/chat/completions?url=http://" + foreign + "&a=%2F"},
		{"a tunnel", "CONNECT " + foreign + " HTTP/1.1", foreign, "", 405, ""},
		{"a path with two slashes", "POST //" + foreign + "/v1/chat/completions HTTP/1.1", address, "", 404, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			host, asked = "", ""
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			header := tt.header
			if header != "" {
				header += "\r\n"
			}
			if _, err := fmt.Fprintf(conn, "%s\r\nHost: %s\r\nConnection: close\r\n%sContent-Length: %d\r\n\r\n%s", tt.line, tt.host, header, len(question), question); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			answer, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != tt.status {
				t.Errorf("%s %s %v", resp.Status, answer, err)
			}
			if asked != tt.asked || host == foreign || strings.Contains(string(answer), foreign) && tt.status == 200 {
				t.Errorf("the node was asked %q as %q; the client got %s", asked, host, answer)
			}
		})
	}
}

// pipes is a listener without a network, so that time may be a test's own.
type pipes struct {
	clients chan net.Conn
	done    chan struct{}
	once    sync.Once
}

func newPipes() *pipes { return &pipes{clients: make(chan net.Conn), done: make(chan struct{})} }

// Accept implements net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.clients:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *pipes) Close() error { p.once.Do(func() { close(p.done) }); return nil }

// Addr implements net.Listener.
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.clients <- server
	return client
}

// TestSlowClients: who sends too slowly, or leaves too much unread, is cut off,
// and the node's work for it ends.
func TestSlowClients(t *testing.T) {
	type client func(conn net.Conn, sends *conc.WaitGroup) (answer string)
	read := func(conn net.Conn) string {
		b, _ := io.ReadAll(conn)
		return string(b)
	}
	for _, tt := range []struct {
		name   string
		client client
		after  time.Duration
		answer string
		left   bool
	}{
		{"a header that doesn't end", func(conn net.Conn, _ *conc.WaitGroup) string {
			_, _ = io.WriteString(conn, "POST /api/chat HTTP/1.1\r\nHost: x\r\n")
			return read(conn)
		}, 10 * time.Second, "", false},
		{"a header larger than may be", func(conn net.Conn, sends *conc.WaitGroup) string {
			sends.Go(func() { _, _ = io.WriteString(conn, "POST /api/chat HTTP/1.1\r\nX: "+strings.Repeat("x", 1<<20)) })
			return read(conn)
		}, 500 * time.Millisecond, "431 Request Header Fields Too Large", false},
		{"a body that doesn't end", func(conn net.Conn, _ *conc.WaitGroup) string {
			_, _ = io.WriteString(conn, "POST /api/chat HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100\r\n\r\n{")
			return read(conn)
		}, time.Minute, `{"error":"the request is incomplete`, false},
		{"a body byte by byte", func(conn net.Conn, sends *conc.WaitGroup) string {
			_, _ = io.WriteString(conn, "POST /api/chat HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100\r\n\r\n{")
			sends.Go(func() {
				for range 99 {
					time.Sleep(7 * time.Second)
					if _, err := io.WriteString(conn, " "); err != nil {
						return
					}
				}
			})
			return read(conn)
		}, time.Minute, `{"error":"the request is incomplete`, false},
		{"a connection on which nothing is asked any more", func(conn net.Conn, _ *conc.WaitGroup) string {
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			return read(conn)
		}, 2 * time.Minute, "Ollama is running", false},
		{"a stream that isn't read", func(conn net.Conn, _ *conc.WaitGroup) string {
			_, _ = io.WriteString(conn, "POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
			time.Sleep(time.Minute + time.Second)
			return read(conn)
		}, time.Minute + time.Second, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				body := &tirelessly{line: []byte(`{"model":"good","message":{"role":"assistant","content":"more "},"done":false}` + "\n")}
				m1 := onTransport(t, "M1", tripper(func(r *http.Request) (*http.Response, error) {
					return answering(r, http.StatusOK, "application/x-ndjson", body), nil
				}))
				table := serving(m1)
				var observed seen
				g, err := gateway.New(table, gateway.Options{Observer: &observed})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				l := newPipes()
				var serves conc.WaitGroup
				serves.Go(func() {
					if err := g.Serve(ctx, l, time.Second); err != nil {
						t.Error(err)
					}
				})
				conn := l.dial()
				began := time.Now()
				var sends conc.WaitGroup
				answer := tt.client(conn, &sends)
				if took := time.Since(began); took != tt.after {
					t.Errorf("cut off after %s, want %s", took, tt.after)
				}
				if !strings.Contains(answer, tt.answer) || tt.answer == "" && strings.Contains(answer, `"done":true`) {
					t.Errorf("%q, want %q in it", answer, tt.answer)
				}
				_ = conn.Close()
				sends.Wait()
				cancel()
				serves.Wait()
				if o := observed.all(); tt.left && (len(o) != 1 || !o[0].Left) {
					t.Errorf("observed %+v", o)
				}
				if n := table.InFlight("M1"); n != 0 {
					t.Errorf("%d are still under way", n)
				}
			})
		})
	}
}

// tirelessly says one line for ever.
type tirelessly struct{ line []byte }

// Read implements io.Reader.
func (e *tirelessly) Read(p []byte) (int, error) { return copy(p, e.line), nil }

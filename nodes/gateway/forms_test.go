package gateway_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
)

// heard is a node that keeps what it was asked.
type heard struct {
	paths  []string
	bodies []string
	header http.Header
}

// RoundTrip implements http.RoundTripper.
func (h *heard) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	h.paths, h.bodies, h.header = append(h.paths, r.URL.Path), append(h.bodies, string(body)), r.Header.Clone()
	if strings.HasPrefix(r.URL.Path, "/api/") {
		const answer = `{"model":"good","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"4"},"response":"4","done":true,"done_reason":"stop"}` + "\n"
		return answering(r, http.StatusOK, "application/x-ndjson", strings.NewReader(answer)), nil
	}
	return answering(r, http.StatusOK, "application/json", strings.NewReader(wholeAnswer)), nil
}

// askedOnce sends a request to a gateway of one node.
func askedOnce(t *testing.T, h *heard, o gateway.Options, path string, body []byte, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	g, err := gateway.New(serving(onTransport(t, "M1", h)), o)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

func gzipped(t *testing.T, body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(body)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstandard(t *testing.T, body []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(body, nil)
}

// TestPackedRequests: a packed request reaches the node as it is meant; one that
// is a bomb, or is packed otherwise, is the client's mistake
// (QuantumNous/new-api#4913, langwatch/langwatch#6344, Wei-Shaw/sub2api#1990).
func TestPackedRequests(t *testing.T) {
	const path = "/v1/chat/completions"
	plain := []byte(question)
	bomb := append([]byte(`{"model":"auto","a":"`), bytes.Repeat([]byte("a"), 4<<20)...)
	for _, tt := range []struct {
		name, coding string
		body         []byte
		status       int
	}{
		{"gzip", "gzip", gzipped(t, plain), 200},
		{"zstd", "zstd", zstandard(t, plain), 200},
		{"in capitals", "GZIP", gzipped(t, plain), 200},
		{"identity", "identity", plain, 200},
		{"no gzip", "gzip", plain, 400},
		{"no zstd", "zstd", plain, 400},
		{"cut off", "gzip", gzipped(t, plain)[:30], 400},
		{"a gzip bomb", "gzip", gzipped(t, bomb), 413},
		{"a zstd bomb", "zstd", zstandard(t, bomb), 413},
		{"brotli", "br", plain, 415},
		{"twice", "gzip, gzip", plain, 415},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := &heard{}
			w := askedOnce(t, h, gateway.Options{MaxBody: 1 << 20}, path, tt.body, "Content-Encoding", tt.coding)
			asked := strings.Join(h.bodies, "\n")
			want := strings.Replace(question, `"auto"`, `"good:latest"`, 1)
			if w.Code != tt.status || (w.Code == 200) != (asked == want) || w.Code != 200 && (asked != "" || errorShape(w.Body.String()) != "OpenAI") {
				t.Errorf("%d, want %d; asked %q; %.200s", w.Code, tt.status, asked, w.Body)
			}
			if h.header.Get("Content-Encoding") != "" {
				t.Errorf("the node is told of %q", h.header.Get("Content-Encoding"))
			}
		})
	}
}

// TestStreamNull: Ollama's field is a pointer, whose null is the default.
func TestStreamNull(t *testing.T) {
	for path, stream := range map[string]bool{"/api/chat": true, "/api/generate": true, "/v1/chat/completions": false} {
		w := askedOnce(t, &heard{}, gateway.Options{}, path, []byte(`{"stream":null,`+question[1:]))
		if got := w.Header().Get("Content-Type") == "application/x-ndjson"; w.Code != 200 || got != stream {
			t.Errorf("%s: %d, a stream: %v, want %v", path, w.Code, got, stream)
		}
	}
}

// TestSlashes: a slash too many of a base URL changes no API (ollama/ollama#1579,
// lfnovo/esperanto#113, langchain-ai/langchain#18260).
func TestSlashes(t *testing.T) {
	for path, want := range map[string]string{
		"/api/generate/": "/api/generate", "//v1/chat/completions": "/v1/chat/completions", "/v1//chat/completions/": "/v1/chat/completions",
	} {
		h := &heard{}
		if w := askedOnce(t, h, gateway.Options{}, path, []byte(question)); w.Code != 200 || len(h.paths) != 1 || h.paths[0] != want {
			t.Errorf("%s: %d, the node was asked for %v", path, w.Code, h.paths)
		}
	}
	g, err := gateway.New(serving(onTransport(t, "M1", &heard{})), gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1//models/", nil))
	if w.Code != 200 {
		t.Errorf("the list: %d", w.Code)
	}
}

// TestWithoutAPrompt: a request of Ollama's API without a prompt loads a model. It
// is answered for a node of any engine, asks none, and no client unloads what
// others use (ollama/ollama#2431, open-webui/open-webui#22316, ollama/ollama-js#162,
// ollama/ollama#3094).
func TestWithoutAPrompt(t *testing.T) {
	for _, tt := range []struct{ name, path, body, reason string }{
		{"the ollama command", "/api/generate", `{"model":"auto","prompt":"","keep_alive":"5m"}`, "load"},
		{"without the field", "/api/generate", `{"model":"good"}`, "load"},
		{"a null", "/api/generate", `{"model":"good","prompt":null}`, "load"},
		{"a chat", "/api/chat", `{"model":"good"}`, "load"},
		{"a chat without messages", "/api/chat", `{"model":"good","messages":[ ],"stream":false}`, "load"},
		{"stop", "/api/generate", `{"model":"good","keep_alive":0}`, "unload"},
		{"stop by a text", "/api/chat", `{"model":"good","messages":[],"keep_alive":"0s"}`, "unload"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := &heard{}
			w := askedOnce(t, h, gateway.Options{}, tt.path, []byte(tt.body))
			var got struct {
				Model    string
				Done     bool
				Reason   string  `json:"done_reason"`
				Response *string `json:"response"`
				Message  *struct{ Role string }
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || !got.Done || got.Reason != tt.reason || len(h.paths) != 0 {
				t.Errorf("%d %s (%v); the node was asked %v", w.Code, w.Body, err, h.paths)
			}
			if (got.Response != nil) == (tt.path == "/api/chat") || (got.Message != nil) != (tt.path == "/api/chat") {
				t.Errorf("the form of another API: %s", w.Body)
			}
		})
	}
	h := &heard{}
	if w := askedOnce(t, h, gateway.Options{}, "/api/generate", []byte(`{"model":"good","prompt":"2+2","keep_alive":"5m"}`)); w.Code != 200 || len(h.paths) != 1 {
		t.Errorf("with a prompt: %d, the node was asked %v", w.Code, h.paths)
	}
}

// TestDataURLs: an image of Ollama's API may be a data URL, which the engine itself
// does not take.
func TestDataURLs(t *testing.T) {
	for path, tt := range map[string]struct{ body, want string }{
		"/api/chat": {
			`{"model":"good","messages":[{"role":"user","content":"\"data:image/png;base64,x\"","images":["data:image/png;base64,AAAA","BBBB","data:image/jpeg;base64,CCCC"]}],"stream":false}`,
			`{"model":"good","messages":[{"role":"user","content":"\"data:image/png;base64,x\"","images":["AAAA","BBBB","CCCC"]}],"stream":false}`,
		},
		"/api/generate": {
			`{"prompt":"see","images":["data:image/png;base64,AAAA"],"model":"auto","stream":false}`,
			`{"prompt":"see","images":["AAAA"],"model":"good:latest","stream":false}`,
		},
	} {
		h := &heard{}
		if w := askedOnce(t, h, gateway.Options{}, path, []byte(tt.body)); w.Code != 200 || strings.Join(h.bodies, "") != tt.want {
			t.Errorf("%s: %d %s\n got %s\nwant %s", path, w.Code, w.Body, h.bodies, tt.want)
		}
	}
}

// TestHealth: who runs the gateway learns without a key whether it runs, and
// whether a node serves.
func TestHealth(t *testing.T) {
	table := serving(onTransport(t, "M1", &heard{}))
	g, err := gateway.New(table, gateway.Options{}, gateway.Key{Name: "desk", Secret: nodes.NewSecret("sk-client-0123456789")})
	if err != nil {
		t.Fatal(err)
	}
	check := func(method, path string, want int) {
		t.Helper()
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code != want {
			t.Errorf("%s %s: %d, want %d", method, path, w.Code, want)
		}
	}
	check("GET", "/healthz", 200)
	check("GET", "/readyz", 200)
	check("POST", "/readyz", 405)
	check("GET", "/v1/models", 401)
	table.Serve("M1", false)
	check("GET", "/healthz", 200)
	check("GET", "/readyz", 503)
}

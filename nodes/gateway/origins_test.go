package gateway_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
)

// TestOrigins: a web page of another site makes nobody's node work, unless its
// origin is allowed or it has a key (ggml-org/llama.cpp#25606, open-mercato/cezar#426,
// jwadow/kiro-gateway#6, envoyproxy/ai-gateway#965).
func TestOrigins(t *testing.T) {
	const (
		page = "https://chat.example"
		key  = "sk-client-0123456789"
		chat = "/v1/chat/completions"
	)
	type gate struct {
		status  int
		asked   int    // nodes
		allowed string // Access-Control-Allow-Origin
	}
	simple := []string{"Content-Type", "text/plain", "Sec-Fetch-Site", "cross-site", "Origin", page}
	preflight := []string{"Origin", page, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type"}
	for _, tt := range []struct {
		name    string
		keys    bool
		origins []string
		method  string
		path    string
		header  []string
		want    gate
	}{
		{"a page posts text", false, nil, "POST", chat, simple, gate{403, 0, ""}},
		{"to Ollama's API", false, nil, "POST", "/api/chat", simple, gate{403, 0, ""}},
		{"an old browser", false, nil, "POST", chat, []string{"Origin", page}, gate{403, 0, ""}},
		{"a sandboxed page", false, nil, "POST", chat, []string{"Origin", "null"}, gate{403, 0, ""}},
		{"a form without an origin", false, nil, "POST", chat, []string{"Sec-Fetch-Site", "cross-site"}, gate{403, 0, ""}},
		{"another port of the same site", false, nil, "POST", chat, []string{"Sec-Fetch-Site", "same-site", "Origin", "http://example.com:3000"}, gate{403, 0, ""}},
		{"the same origin", false, nil, "POST", chat, []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://example.com"}, gate{200, 1, ""}},
		{"no browser", false, nil, "POST", chat, nil, gate{200, 1, ""}},
		{"a preflight", false, nil, "OPTIONS", chat, preflight, gate{403, 0, ""}},
		{"allowed", false, []string{page}, "POST", chat, simple, gate{200, 1, page}},
		{"allowed, a preflight", false, []string{page}, "OPTIONS", chat, preflight, gate{204, 0, page}},
		{"another is allowed", false, []string{"https://other.example"}, "POST", chat, simple, gate{403, 0, ""}},
		{"an app is allowed", false, []string{"app://obsidian.md"}, "POST", chat, []string{"Origin", "app://obsidian.md"}, gate{200, 1, "app://obsidian.md"}},
		{"with a key", true, nil, "POST", chat, append([]string{"Authorization", "Bearer " + key}, simple...), gate{200, 1, ""}},
		{"without the key", true, nil, "POST", chat, simple, gate{401, 0, ""}},
		{"a preflight has no key", true, []string{page}, "OPTIONS", chat, preflight, gate{204, 0, page}},
		{"not allowed, with keys", true, nil, "OPTIONS", chat, preflight, gate{403, 0, ""}},
		{"all are allowed", true, []string{"*"}, "OPTIONS", chat, preflight, gate{204, 0, page}},
		{"allowed without the key", true, []string{page}, "POST", chat, simple, gate{401, 0, page}}, // a page can read why
		{"lists", false, []string{page}, "GET", "/v1/models", []string{"Origin", page}, gate{200, 0, page}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m1 := &scripted{}
			var keys []gateway.Key
			if tt.keys {
				keys = []gateway.Key{{Name: "desk", Secret: nodes.NewSecret(key)}}
			}
			g, err := gateway.New(serving(onTransport(t, "M1", m1)), gateway.Options{Origins: tt.origins}, keys...)
			if err != nil {
				t.Fatal(err)
			}
			body := io.Reader(strings.NewReader(question))
			if tt.method != http.MethodPost {
				body = nil
			}
			r := httptest.NewRequest(tt.method, tt.path, body)
			for i := 0; i < len(tt.header); i += 2 {
				r.Header.Set(tt.header[i], tt.header[i+1])
			}
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			asked := 0
			for _, path := range m1.paths {
				if path == tt.path {
					asked++
				}
			}
			if got := (gate{w.Code, asked, w.Header().Get("Access-Control-Allow-Origin")}); got != tt.want {
				t.Errorf("%+v, want %+v: %s", got, tt.want, w.Body)
			}
			if w.Code == 403 && errorShape(w.Body.String()) == "" {
				t.Errorf("the refusal has no protocol's form: %s", w.Body)
			}
			if tt.want.status == 204 && w.Header().Get("Access-Control-Allow-Headers") != "authorization,content-type" {
				t.Errorf("header %v", w.Header())
			}
		})
	}
}

// TestOriginMistakes: an option that is no origin, or that opens a gateway without
// keys to every page, is refused.
func TestOriginMistakes(t *testing.T) {
	for _, origin := range []string{"*", "chat.example", "https://chat.example/", "https://chat.example/a", ""} {
		if _, err := gateway.New(serving(onTransport(t, "M1", &scripted{})), gateway.Options{Origins: []string{origin}}); err == nil {
			t.Errorf("%q is taken", origin)
		}
	}
}

// TestBrowsersHeaders: what a browser tells of its page does not reach a node,
// and what a node allows to pages not the client (ollama/ollama#6021,
// janhq/jan#8131, n4ze3m/page-assist#309).
func TestBrowsersHeaders(t *testing.T) {
	const page = "https://chat.example"
	sent := http.Header{}
	n := onTransport(t, "M1", tripper(func(r *http.Request) (*http.Response, error) {
		for name := range r.Header {
			sent[name] = r.Header[name]
		}
		resp := answering(r, http.StatusOK, "application/json", strings.NewReader(wholeAnswer))
		resp.Header.Set("Access-Control-Allow-Origin", "*")
		resp.Header.Set("Access-Control-Allow-Credentials", "true")
		return resp, nil
	}))
	g, err := gateway.New(serving(n), gateway.Options{Origins: []string{page}})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(question))
	for _, name := range []string{"Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Ch-Ua", "Sec-Gpc"} {
		r.Header.Set(name, page)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Trace", "1")
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if diff := cmp.Diff(http.Header{"Content-Type": {"application/json"}, "X-Trace": {"1"}}, sent); w.Code != 200 || diff != "" {
		t.Errorf("%d, the node's header (-want +got):\n%s", w.Code, diff)
	}
	for name, want := range map[string]string{"Access-Control-Allow-Origin": page, "Access-Control-Allow-Credentials": "", "Vary": "Origin"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

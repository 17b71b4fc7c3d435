package remote

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/turbone/jarvis/nodes"
)

// TestFetch: what asking for a status ends in.
func TestFetch(t *testing.T) {
	const status = `{"version":"v1","started":"2026-02-25T20:15:00Z","serving":"M1","nodes":[],"events":[]}`
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"a healer", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer sk-secret" {
				w.WriteHeader(401)
			}
			_, _ = io.WriteString(w, status)
		}, ""},
		{"another token", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, "HTTP 401; set healer.listen_token"},
		{"another program", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, "HTTP 404; is it another program?"},
		{"a page", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "is no healer"},
		{"other JSON", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }, "is no healer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := httptest.NewServer(c.answer)
			defer s.Close()
			got, err := Fetch(t.Context(), strings.TrimPrefix(s.URL, "http://"), nodes.NewSecret("sk-secret"))
			switch {
			case c.want == "" && (err != nil || got.Serving != "M1"):
				t.Errorf("got %+v, %v", got, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "sk-")):
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	if _, err := Fetch(t.Context(), "127.0.0.1:1", nodes.Secret{}); !errors.Is(err, ErrNotRunning) {
		t.Errorf("nobody there: %v", err)
	}
}

// TestReachable: an address to listen on becomes one to ask.
func TestReachable(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1:7070": "127.0.0.1:7070", "0.0.0.0:7070": "127.0.0.1:7070", ":7070": "127.0.0.1:7070",
		"[::]:7070": "127.0.0.1:7070", "box:7070": "box:7070",
	} {
		if got := reachable(in); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

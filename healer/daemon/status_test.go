package daemon

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// TestGuard: who may ask what.
func TestGuard(t *testing.T) {
	for _, c := range []struct {
		name, token, path, host, header string
		want                            int
	}{
		{"no token, by address", "", "/api/v1/status", "127.0.0.1:7070", "", 200},
		{"no token, by name", "", "/api/v1/status", "localhost:7070", "", 200},
		{"no token, IPv6", "", "/api/v1/status", "[::1]:7070", "", 200},
		{"no token, a page of another site", "", "/api/v1/status", "evil.example:7070", "", 403},
		{"no token, a site that begins like it", "", "/api/v1/status", "127.0.0.1.evil.example", "", 403},
		{"right token", "sk-secret", "/api/v1/status", "10.0.0.1:7070", "Bearer sk-secret", 200},
		{"the scheme in small letters", "sk-secret", "/api/v1/status", "10.0.0.1:7070", "bearer sk-secret", 200},
		{"another scheme", "sk-secret", "/api/v1/status", "10.0.0.1:7070", "Basic sk-secret", 401},
		{"wrong token", "sk-secret", "/api/v1/status", "10.0.0.1:7070", "Bearer sk-secrez", 401},
		{"half a token", "sk-secret", "/api/v1/status", "10.0.0.1:7070", "Bearer sk", 401},
		{"empty token", "sk-secret", "/api/v1/status", "127.0.0.1:7070", "Bearer ", 401},
		{"none", "sk-secret", "/api/v1/events", "127.0.0.1:7070", "", 401},
		{"another scheme", "sk-secret", "/api/v1/status", "127.0.0.1:7070", "Basic sk-secret", 401},
		{"health without a token", "sk-secret", "/healthz", "10.0.0.1:7070", "", 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), nodes.NewSecret(c.token))
			r := httptest.NewRequest(http.MethodGet, "http://"+c.host+c.path, nil)
			if c.header != "" {
				r.Header.Set("Authorization", c.header)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("HTTP %d, want %d", w.Code, c.want)
			}
			if strings.Contains(w.Body.String(), "sk-") {
				t.Errorf("the token is printed: %s", w.Body)
			}
		})
	}
}

// TestServe: the server ends with its context, streams or not.
func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- serveStatus(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}))
	}()
	resp, err := http.Get("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it serves on")
	}
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("the stream ended as if it were complete")
	}
}

// TestLimits: a body that is too large or never ends is refused, and the limit
// of reading ends no answer that takes longer.
func TestLimits(t *testing.T) {
	const limit = 20 * time.Millisecond
	ended := make(chan error, 1)
	s := httptest.NewServer(limited(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		time.Sleep(5 * limit) // an answer longer than the limit
		ended <- r.Context().Err()
		_, _ = w.Write(body)
	}), limit))
	defer s.Close()
	for name, c := range map[string]struct {
		body io.Reader
		want int
	}{
		"none":      {nil, 200},
		"small":     {strings.NewReader("{}"), 200},
		"too large": {strings.NewReader(strings.Repeat("x", maxBody+1)), 400},
		"endless":   {&endless{ctx: t.Context()}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			resp, err := http.Post(s.URL, "application/json", c.body)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != c.want {
				t.Errorf("HTTP %d, want %d", resp.StatusCode, c.want)
			}
			if c.want == 200 {
				if err := <-ended; err != nil {
					t.Errorf("the request's context ended: %v", err)
				}
			}
		})
	}
}

// endless is a body of one byte after which nothing comes.
type endless struct {
	ctx   context.Context
	began bool
}

func (e *endless) Read(p []byte) (int, error) {
	if !e.began {
		e.began = true
		return copy(p, "{"), nil
	}
	<-e.ctx.Done()
	return 0, e.ctx.Err()
}

// Close implements io.Closer.
func (e *endless) Close() error { return nil }

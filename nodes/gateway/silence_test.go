package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/route"
)

// chattering is a stream that sends some tokens, and then a filler for ever.
type chattering struct {
	ctx    context.Context
	begin  string
	filler string
	every  time.Duration
	begun  bool
}

// Read implements io.Reader.
func (c *chattering) Read(p []byte) (int, error) {
	if !c.begun {
		c.begun = true
		return copy(p, c.begin), nil
	}
	if !nodes.Sleep(c.ctx, c.every) {
		return 0, context.Cause(c.ctx)
	}
	return copy(p, c.filler), nil
}

const begunStream = `data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"good","choices":[{"index":0,"delta":{"content":"4"},"finish_reason":null}]}` + "\n\n"

// TestBytesAreNoProgress: comments and empty frames go on while the generation
// hangs, as anthony-chaudhary/fak#5486 and theopenco/llmgateway#2222 report. The
// answer is carried on elsewhere.
func TestBytesAreNoProgress(t *testing.T) {
	for name, filler := range map[string]string{
		"a comment": ": ping\n\n", "an empty event": "data:\n\n",
		"an empty delta": `data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"good","choices":[{"index":0,"delta":{},"finish_reason":null}]}` + "\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m1 := tripper(func(r *http.Request) (*http.Response, error) {
					return answering(r, 200, "text/event-stream", &chattering{ctx: r.Context(), begin: begunStream, filler: filler, every: time.Second}), nil
				})
				g, err := gateway.New(serving(onTransport(t, "M1", m1), onTransport(t, "M2", &delayed{})), gateway.Options{Between: 5 * time.Second})
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				text, err := joined([]byte(ask(t, g)))
				if took := time.Since(began); err != nil || text != "44" || took > 6*time.Second {
					t.Errorf("%q, %v after %s", text, err, took)
				}
			})
		})
	}
}

// TestLostOnABusyNode: a node that sends tokens to others has lost one request,
// before its first token or after it. It is rescued too, and the node is not
// suspect.
func TestLostOnABusyNode(t *testing.T) {
	for _, begin := range []string{"", begunStream} {
		synctest.Test(t, func(t *testing.T) {
			m1 := tripper(func(r *http.Request) (*http.Response, error) {
				return answering(r, 200, "text/event-stream", &chattering{ctx: r.Context(), begin: begin, filler: ": ping\n\n", every: time.Second}), nil
			})
			table := serving(onTransport(t, "M1", m1), onTransport(t, "M2", &delayed{}))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			other := table.Begin("M1")
			defer other.Done()
			go func() { // ends with ctx
				for nodes.Sleep(ctx, 100*time.Millisecond) {
					other.Token()
				}
			}()
			defer func() { cancel(); synctest.Wait() }()
			g, err := gateway.New(table, gateway.Options{FirstToken: 2 * time.Second, Between: 2 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			text, err := joined([]byte(ask(t, g)))
			if took := time.Since(began); err != nil || !strings.HasSuffix(text, "4") || took < 10*time.Second || took > 20*time.Second {
				t.Errorf("%q, %v after %s", text, err, took)
			}
		})
	}
}

// TestOwnTokensSetTheLimit: a stream whose tokens came fast is not waited for as
// long as that of an unknown node.
func TestOwnTokensSetTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m1 := tripper(func(r *http.Request) (*http.Response, error) {
			body, pipe := io.Pipe()
			go func() { // ends with the request
				for range 20 {
					_ = nodes.Sleep(r.Context(), 20*time.Millisecond)
					_, _ = io.WriteString(pipe, begunStream)
				}
				<-r.Context().Done()
				_ = pipe.CloseWithError(context.Cause(r.Context()))
			}()
			return answering(r, 200, "text/event-stream", body), nil
		})
		g, err := gateway.New(serving(onTransport(t, "M1", m1), onTransport(t, "M2", &delayed{})), gateway.Options{})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = joined([]byte(ask(t, g)))
		if took := time.Since(began); err != nil || took > 6*time.Second {
			t.Errorf("%v after %s, want the least limit", err, took)
		}
	})
}

// TestSilenceIsShared: requests that wait on a node found silent move with the
// first one, not each after its own limit.
func TestSilenceIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m1 := &delayed{delay: never}
		g, err := gateway.New(serving(onTransport(t, "M1", m1), onTransport(t, "M2", &delayed{})), gateway.Options{})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var late atomic.Int64
		var all conc.WaitGroup
		for i := range 10 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				if text, err := joined([]byte(ask(t, g))); err != nil || text != "4" {
					t.Errorf("%q, %v", text, err)
				}
				if time.Since(began) > 31*time.Second {
					late.Add(1)
				}
			})
		}
		all.Wait()
		if n := late.Load(); n != 0 {
			t.Errorf("%d of 10 waited on after the first had found it silent", n)
		}
	})
}

// waiting is a client's end of a stream that notes when something was written.
type waiting struct {
	*httptest.ResponseRecorder
	mu    sync.Mutex
	times []time.Duration
	began time.Time
}

// Write implements io.Writer.
func (w *waiting) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.times = append(w.times, time.Since(w.began))
	return w.ResponseRecorder.Write(p)
}

// TestSignsOfLife: a client that waits for a long prompt gets a byte each few
// seconds, in a form that its protocol skips, and the answer; an error comes in
// the stream then. antirez/ds4#151, ml-explore/mlx-lm#362 and
// mostlygeek/llama-swap#604 report clients and proxies with idle limits.
func TestSignsOfLife(t *testing.T) {
	for _, tt := range []struct {
		path, sign string
	}{
		{"/v1/chat/completions", ": keep-alive\n\n"}, {"/v1/messages", ": keep-alive\n\n"}, {"/api/chat", " "}, {"/api/generate", " "},
	} {
		for _, fails := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.path, fails), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m1 := tripper(func(r *http.Request) (*http.Response, error) {
						if !nodes.Sleep(r.Context(), 18*time.Second) {
							return nil, context.Cause(r.Context())
						}
						if fails {
							return answering(r, 400, "application/json", strings.NewReader(`{"error":{"message":"too hot"}}`)), nil
						}
						if strings.HasPrefix(r.URL.Path, "/api/") {
							return answering(r, 200, "application/x-ndjson", strings.NewReader(`{"model":"good","message":{"role":"assistant","content":"4"},"response":"4","done":true,"done_reason":"stop"}`+"\n")), nil
						}
						if r.URL.Path == "/v1/messages" {
							return answering(r, 404, "text/plain", strings.NewReader("404 page not found")), nil
						}
						return answering(r, 200, "text/event-stream", strings.NewReader(streamed)), nil
					})
					g, err := gateway.New(serving(onTransport(t, "M1", m1)), gateway.Options{})
					if err != nil {
						t.Fatal(err)
					}
					w := &waiting{ResponseRecorder: httptest.NewRecorder(), began: time.Now()}
					g.ServeHTTP(w, httptest.NewRequest(http.MethodPost, tt.path, strings.NewReader(`{"model":"auto","stream":true,"max_tokens":9,"prompt":"2+2","messages":[{"role":"user","content":"2+2"}]}`)))
					last := time.Duration(0)
					for _, at := range w.times {
						if at-last > 6*time.Second {
							t.Errorf("silent from %s to %s", last, at)
						}
						last = at
					}
					body := w.Body.String()
					if w.Code != 200 || !strings.HasPrefix(body, strings.Repeat(tt.sign, 3)) {
						t.Errorf("%d %q", w.Code, body)
					}
					if fails != strings.Contains(body, "too hot") || fails == strings.Contains(body, `4"`) {
						t.Errorf("%q", body)
					}
				})
			})
		}
	}
}

// TestNoSignBeforeANode: while no node was asked, the status is still open.
func TestNoSignBeforeANode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := route.New(onTransport(t, "M1", &delayed{}))
		g, err := gateway.New(table, gateway.Options{Wait: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(`{"stream":true,"messages":[]}`)))
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
		}
	})
}

package gateway_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/route"
)

// scripted is a node in memory that answers whole until it has a fault.
type scripted struct {
	status int // of its responses, 0 for answers
	header http.Header
	body   string
	paths  []string // that were asked
}

// RoundTrip implements http.RoundTripper.
func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	s.paths = append(s.paths, r.URL.Path)
	if s.status == 0 {
		return answering(r, http.StatusOK, "application/json", strings.NewReader(wholeAnswer)), nil
	}
	resp := answering(r, s.status, "application/json", strings.NewReader(s.body))
	for name, values := range s.header {
		resp.Header[name] = values
	}
	return resp, nil
}

// asking returns the status and the node of the response to a question.
func asking(g http.Handler, path string, header ...string) (status int, node string) {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(question))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w.Code, w.Header().Get(gateway.HeaderNode)
}

// TestNextRequests: a node that failed, or asked for a pause, is not asked by the
// next requests while another one serves.
func TestNextRequests(t *testing.T) {
	for _, tt := range []struct {
		name     string
		m1       scripted
		pause    time.Duration // until M1 is asked again
		reported []route.Failure
	}{
		{"a server error", scripted{status: 500, body: `{"error":{"message":"it broke"}}`}, time.Second,
			[]route.Failure{{Node: "M1", Fault: nodes.ServerFailed, Detail: "HTTP 500 it broke", Answered: true}}},
		{"busy", scripted{status: 429, header: http.Header{"Retry-After": {"7"}}, body: `{"error":{"message":"later"}}`}, 7 * time.Second, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m1, m2 := tt.m1, scripted{}
				table := serving(onTransport(t, "M1", &m1), onTransport(t, "M2", &m2))
				var reported []route.Failure
				table.OnFailure(func(f route.Failure) { reported = append(reported, f) })
				var observed seen
				g, err := gateway.New(table, gateway.Options{Observer: &observed})
				if err != nil {
					t.Fatal(err)
				}
				for range 3 {
					if status, node := asking(g, "/v1/chat/completions"); status != http.StatusOK || node != "M2" {
						t.Errorf("%d from %q", status, node)
					}
				}
				if len(m1.paths) != 1 || len(m2.paths) != 3 {
					t.Errorf("M1 was asked %d times, M2 %d times", len(m1.paths), len(m2.paths))
				}
				if diff := cmp.Diff(tt.reported, reported); diff != "" {
					t.Errorf("reported, -want +got:\n%s", diff)
				}
				if o := observed.wait(t, 2); o[0].Attempts != 2 || o[0].Moves != 1 || o[1].Attempts != 1 || o[1].Moves != 0 {
					t.Errorf("observed %+v", o)
				}
				m1.status = 0
				time.Sleep(tt.pause)
				if _, node := asking(g, "/v1/chat/completions"); node != "M1" {
					t.Errorf("after the pause: %q", node)
				}
			})
		})
	}
}

// TestSticky: a conversation stays on its node, though another is less busy.
func TestSticky(t *testing.T) {
	table := serving(onTransport(t, "M1", &scripted{}), onTransport(t, "M2", &scripted{}))
	g, err := gateway.New(table, gateway.Options{Rules: route.Rules{Policy: route.Sticky{}}})
	if err != nil {
		t.Fatal(err)
	}
	const chat = "/v1/chat/completions"
	if _, node := asking(g, chat, gateway.HeaderSession, "a"); node != "M1" {
		t.Errorf("the first request: %q", node)
	}
	defer table.Begin("M1").Done()
	for session, want := range map[string]string{"a": "M1", "b": "M2"} {
		if _, node := asking(g, chat, gateway.HeaderSession, session); node != want {
			t.Errorf("session %s: %q, want %s", session, node, want)
		}
	}
}

// TestLimitFollowsLatency: a node that was fast is late sooner than an unknown
// one.
func TestLimitFollowsLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m1, m2 := &delayed{delay: time.Millisecond}, &delayed{delay: time.Millisecond}
		g, err := gateway.New(serving(onTransport(t, "M1", m1), onTransport(t, "M2", m2)), gateway.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			ask(t, g)
		}
		m1.delay = never
		time.Sleep(time.Minute) // the node is not busy
		began := time.Now()
		text, err := joined([]byte(ask(t, g)))
		if took := time.Since(began); err != nil || text != "4" || took != 2*time.Second+time.Millisecond {
			t.Errorf("%q, %v after %s", text, err, took)
		}
	})
}

// TestSleeperGetsTimeToWake: the first request after a pause may load the model.
func TestSleeperGetsTimeToWake(t *testing.T) {
	for sleeps, want := range map[bool]time.Duration{true: 20 * time.Second, false: 2*time.Second + time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			m1, m2 := &delayed{delay: time.Millisecond}, &delayed{delay: time.Millisecond}
			table := serving(onTransport(t, "M1", m1), onTransport(t, "M2", m2))
			g, err := gateway.New(table, gateway.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				ask(t, g)
			}
			table.SetSleeps("M1", sleeps)
			table.OnFailure(func(f route.Failure) {
				if sleeps {
					t.Errorf("it was blamed: %+v", f)
				}
			})
			m1.delay = 20 * time.Second
			time.Sleep(time.Minute)
			began := time.Now()
			text, err := joined([]byte(ask(t, g)))
			if took := time.Since(began); err != nil || text != "4" || took != want {
				t.Errorf("sleeps %t: %q, %v after %s, want %s", sleeps, text, err, took, want)
			}
		})
	}
}

// paused is a stream that sends its parts, with a pause after the first.
type paused struct {
	ctx   context.Context
	parts []string
	pause time.Duration
	sent  int
}

// Read implements io.Reader.
func (s *paused) Read(p []byte) (int, error) {
	if s.sent == len(s.parts) {
		return 0, io.EOF
	}
	if s.sent == 1 && !nodes.Sleep(s.ctx, s.pause) {
		return 0, context.Cause(s.ctx)
	}
	s.sent++
	return copy(p, s.parts[s.sent-1]), nil
}

// TestPauseInAStream: a stream that stands still is resumed on another node,
// unless other requests on its node receive tokens.
func TestPauseInAStream(t *testing.T) {
	for _, busy := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			end := `data: {"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
			answers := func(pause time.Duration) http.RoundTripper {
				return tripper(func(r *http.Request) (*http.Response, error) {
					return answering(r, http.StatusOK, "text/event-stream", &paused{ctx: r.Context(), parts: []string{deltas("word "), end}, pause: pause}), nil
				})
			}
			table := serving(onTransport(t, "M1", answers(15*time.Second)), onTransport(t, "M2", answers(0)))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if busy {
				other := table.Begin("M1")
				defer other.Done()
				go func() { // ends with ctx
					for nodes.Sleep(ctx, 300*time.Millisecond) {
						other.Token()
					}
				}()
			}
			var observed seen
			g, err := gateway.New(table, gateway.Options{Between: 3 * time.Second, Observer: &observed})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := joined([]byte(ask(t, g))); err != nil {
				t.Error(err)
			}
			cancel()
			synctest.Wait()
			o := observed.all()
			if len(o) != 1 || (o[0].Resumed == 0) != busy {
				t.Errorf("busy %t: observed %+v", busy, o)
			}
		})
	}
}

// TestTwoEmptyAnswers: if two nodes have no answer, the question is the reason,
// and the client gets the second one's response.
func TestTwoEmptyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const empty = `{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"stop"}]}`
		at := tripper(func(r *http.Request) (*http.Response, error) {
			return answering(r, http.StatusOK, "application/json", strings.NewReader(empty)), nil
		})
		var observed seen
		g, err := gateway.New(serving(onTransport(t, "M1", at), onTransport(t, "M2", at), onTransport(t, "M3", at)), gateway.Options{Observer: &observed})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(question)))
		if w.Code != http.StatusOK || w.Body.String() != empty || time.Since(began) != 0 {
			t.Errorf("%d %s after %s", w.Code, w.Body, time.Since(began))
		}
		if o := observed.wait(t, 1); len(o) != 1 || o[0].Attempts != 2 {
			t.Errorf("observed %+v", o)
		}
	})
}

// TestResumedUsage: the count of a resumed stream includes what came before the
// break.
func TestResumedUsage(t *testing.T) {
	m1 := onTransport(t, "M1", tripper(func(r *http.Request) (*http.Response, error) {
		return answering(r, http.StatusOK, "text/event-stream", breaking([]byte(deltas("Once ", "upon ")))), nil
	}))
	m2 := onTransport(t, "M2", tripper(func(r *http.Request) (*http.Response, error) {
		return answering(r, http.StatusOK, "text/event-stream", strings.NewReader(deltas("a ", "time.")+
			`data: {"id":"y","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\n"+
			`data: {"id":"y","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}}`+"\n\ndata: [DONE]\n\n")), nil
	}))
	var observed seen
	g, err := gateway.New(serving(m1, m2), gateway.Options{Observer: &observed})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := joined([]byte(ask(t, g))); err != nil || text != "Once upon a time." {
		t.Errorf("%q, %v", text, err)
	}
	if o := observed.wait(t, 1); len(o) != 1 || o[0].Resumed != 1 || o[0].PromptTokens != 9-2 || o[0].Tokens != 2+5 {
		t.Errorf("observed %+v", o)
	}
}

// TestPauseBeforeAToolCall: a stream that may call a tool is given a minute, as
// some servers send a call only when it is complete.
func TestPauseBeforeAToolCall(t *testing.T) {
	for body, want := range map[string]int{`{"stream":true,"messages":[{"role":"user","content":"x"}]}`: 1, `{"stream":true,"messages":[{"role":"user","content":"x"}],"tools":[{}]}`: 0} {
		synctest.Test(t, func(t *testing.T) {
			end := `data: {"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
			answers := func(pause time.Duration) http.RoundTripper {
				return tripper(func(r *http.Request) (*http.Response, error) {
					return answering(r, http.StatusOK, "text/event-stream", &paused{ctx: r.Context(), parts: []string{deltas("word "), end}, pause: pause}), nil
				})
			}
			var observed seen
			g, err := gateway.New(serving(onTransport(t, "M1", answers(55*time.Second)), onTransport(t, "M2", answers(0))), gateway.Options{Observer: &observed})
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			g.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(body)))
			if o := observed.wait(t, 1); len(o) != 1 || o[0].Resumed != want || o[0].Broken {
				t.Errorf("%s: observed %+v, %s", body, o, w.Body)
			}
		})
	}
}

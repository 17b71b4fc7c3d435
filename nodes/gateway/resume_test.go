package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/turbone/jarvis/nodes/gateway"
)

// deltas are the frames of a stream, each with one of the texts.
func deltas(texts ...string) string {
	var b strings.Builder
	for _, text := range texts {
		fmt.Fprintf(&b, `data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"good","choices":[{"index":0,"delta":{"content":%q},"finish_reason":null}]}`+"\n\n", text)
	}
	return b.String()
}

// ask is the gateway's answer to a question whose answer is a stream.
func ask(t *testing.T, g http.Handler, header ...string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(`{"model":"good","stream":true,"messages":[{"role":"user","content":"tell a story"}]}`))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r.WithContext(t.Context()))
	return w.Body.String()
}

// TestWhatBreaksEveryNode: a question that breaks whoever answers it ends in an
// error, before it has broken them over and over.
func TestWhatBreaksEveryNode(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answer  func(asked int64) string
		restart string
		most    int64
	}{
		{"after a token", func(asked int64) string { return deltas(fmt.Sprintf("word%d ", asked)) }, "false", 6},
		{"they echo, and go no further", func(int64) string { return deltas("Once upon ", "a time ") }, "false", 6},
		{"they begin anew, each in its own way", func(asked int64) string {
			return deltas("Once upon a time there was ", fmt.Sprintf("number %d ", asked))
		}, "false", 6},
		{"and the client wants it from the start", func(asked int64) string {
			return deltas("Once upon a time there was ", fmt.Sprintf("number %d ", asked))
		}, "true", 12},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int64
				at := tripper(func(r *http.Request) (*http.Response, error) {
					n := asked.Add(1)
					if n > 1000 {
						return answering(r, http.StatusBadRequest, "application/json", strings.NewReader(`{"error":{"message":"enough"}}`)), nil
					}
					return answering(r, http.StatusOK, "text/event-stream", breaking([]byte(tt.answer(n)))), nil
				})
				g, err := gateway.New(serving(onTransport(t, "M1", at), onTransport(t, "M2", at)), gateway.Options{})
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				answer := ask(t, g, gateway.HeaderRestart, tt.restart)
				if n := asked.Load(); n > tt.most || n < 3 {
					t.Errorf("%d nodes were asked, want at most %d", n, tt.most)
				}
				if took := time.Since(began); took > 2*time.Minute {
					t.Errorf("it took %s", took)
				}
				if !strings.Contains(answer, "the answer broke off") {
					t.Errorf("want an error at its end: %s", answer)
				}
			})
		})
	}
}

// TestALongAnswerMayBreakOften as long as it gets ahead.
func TestALongAnswerMayBreakOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var words []string
		for i := range 400 {
			words = append(words, fmt.Sprintf("word%d ", i))
		}
		said := 0
		at := tripper(func(r *http.Request) (*http.Response, error) {
			part := words[said:min(said+20, len(words))]
			if said += len(part); said == len(words) {
				return answering(r, http.StatusOK, "text/event-stream", strings.NewReader(deltas(part...)+
					`data: {"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")), nil
			}
			return answering(r, http.StatusOK, "text/event-stream", breaking([]byte(deltas(part...)))), nil
		})
		g, err := gateway.New(serving(onTransport(t, "M1", at), onTransport(t, "M2", at)), gateway.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if text, err := joined([]byte(ask(t, g))); err != nil || text != strings.Join(words, "") {
			t.Errorf("%v, %q", err, text)
		}
	})
}

// TestSeam: wherever in its line ends a node breaks off, what the next one says
// stands in a frame of its own.
func TestSeam(t *testing.T) {
	whole := deltas("Once", " upon")
	for cut := 0; cut <= 2; cut++ {
		for _, how := range []string{"breaks", "ends"} {
			for _, next := range []string{"is carried on", "fails"} {
				t.Run(fmt.Sprintf("%s %d bytes early and %s", how, cut, next), func(t *testing.T) {
					said := whole[:len(whole)-cut]
					m1 := onTransport(t, "M1", tripper(func(r *http.Request) (*http.Response, error) {
						var body io.Reader = strings.NewReader(said)
						if how == "breaks" {
							body = breaking([]byte(said))
						}
						return answering(r, http.StatusOK, "text/event-stream", body), nil
					}))
					m2 := onTransport(t, "M2", tripper(func(r *http.Request) (*http.Response, error) {
						if next == "fails" {
							return answering(r, http.StatusBadRequest, "application/json", strings.NewReader(`{"error":{"message":"no"}}`)), nil
						}
						return answering(r, http.StatusOK, "text/event-stream", strings.NewReader(deltas(" a time")+
							`data: {"id":"y","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")), nil
					}))
					g, err := gateway.New(serving(m1, m2), gateway.Options{})
					if err != nil {
						t.Fatal(err)
					}
					answer := ask(t, g)
					text := ""
					for event := range strings.SplitSeq(strings.TrimSpace(answer), "\n\n") {
						if data, ok := strings.CutPrefix(strings.TrimSpace(event), "data: "); !ok || strings.Contains(data, "data: ") {
							t.Errorf("%q is no event of its own", event)
						}
						text += event
					}
					if want := map[string]string{"fails": "the answer broke off", "is carried on": " a time"}[next]; !strings.Contains(text, want) {
						t.Errorf("no %q in %s", want, answer)
					}
				})
			}
		}
	}
}

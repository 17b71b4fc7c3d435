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

	"github.com/turbone/jarvis/nodes/gateway"
)

// TestTheEndMarkIsAdded where a server said why its answer ended, and then
// broke off.
func TestTheEndMarkIsAdded(t *testing.T) {
	n := onServer(t, "M1", "", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"4"},"finish_reason":null}]}`+"\n\n"+
			`data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	var observed seen
	_, address := startGateway(t, serving(n), gateway.Options{Observer: &observed})
	if text, err := tell(address, true); err != nil || text != "4" {
		t.Errorf("%q, %v", text, err)
	}
	if o := observed.wait(t, 1); len(o) != 1 || len(o[0].Failures) != 0 || o[0].Attempts != 1 {
		t.Errorf("observed %+v", o)
	}
}

// TestAStreamKeepsItsDeadline: a stream that is not complete by the client's
// timeout ends in an error of the client's protocol, by no node's fault.
func TestAStreamKeepsItsDeadline(t *testing.T) {
	frames := map[string]string{
		"OpenAI": `data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}` + "\n\n",
		"Anthropic": "event: content_block_delta\n" +
			`data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"word "}}` + "\n\n",
		"Ollama": `{"model":"good","message":{"role":"assistant","content":"word "},"done":false}` + "\n",
	}
	for protocol, a := range asked {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := onTransport(t, "M1", tripper(func(r *http.Request) (*http.Response, error) {
					return answering(r, http.StatusOK, "text/event-stream", &ticker{r.Context(), frames[protocol], 110 * time.Millisecond}), nil
				}))
				var observed seen
				table := serving(n)
				g, err := gateway.New(table, gateway.Options{Observer: &observed})
				if err != nil {
					t.Fatal(err)
				}
				r := httptest.NewRequest(http.MethodPost, a.path, strings.NewReader(`{"model":"auto","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}`))
				r.Header.Set(gateway.HeaderTimeout, "1s")
				w := httptest.NewRecorder()
				began := time.Now()
				g.ServeHTTP(w, r)
				if took := time.Since(began); took != time.Second {
					t.Errorf("it took %s", took)
				}
				if last := table.LastToken("M1").Sub(began); last != 990*time.Millisecond {
					t.Errorf("the last token is said to have come after %s", last)
				}
				text, whole := a.read(w.Body.Bytes())
				if whole || text != strings.Repeat("word ", 9) || !strings.Contains(w.Body.String(), "not whole within "+gateway.HeaderTimeout) {
					t.Errorf("whole %t: %s", whole, w.Body)
				}
				if o := observed.wait(t, 1); len(o) != 1 || !o[0].Broken || len(o[0].Failures) != 0 {
					t.Errorf("observed %+v, want one broken stream without a failure of the node", o)
				}
			})
		})
	}
}

// ticker is a stream that repeats a frame at an interval, until ctx ends.
type ticker struct {
	ctx   context.Context
	frame string
	every time.Duration
}

// Read implements io.Reader.
func (s *ticker) Read(p []byte) (int, error) {
	select {
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	case <-time.After(s.every):
		return copy(p, s.frame), nil
	}
}

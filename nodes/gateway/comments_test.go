package gateway_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/openai"
	"github.com/turbone/jarvis/nodes/route"
)

// TestCommentsBeforeTheFirstToken: a node that sends comments without end costs
// about as much memory as the bytes that are read of it.
func TestCommentsBeforeTheFirstToken(t *testing.T) {
	comments := []byte(strings.Repeat(": ping\n\n", 4096))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			if _, err := w.Write(comments); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	backend, err := openai.New(nodes.Connection{Node: "M1", URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	node, err := nodes.New(nodes.Node{Name: "M1", Engine: "openai", Backend: backend, Wanted: nodes.Model{Name: "good"}})
	if err != nil {
		t.Fatal(err)
	}
	table := route.New(node)
	table.Serve("M1", true)
	transport, err := gateway.NewTransport(table, gateway.Options{Rules: route.Rules{Queue: route.NoQueue}})
	if err != nil {
		t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failures := make(chan route.Failure, 1)
	table.OnFailure(func(f route.Failure) {
		select {
		case failures <- f:
		default:
		}
		cancel() // one attempt is enough
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://cluster/v1/chat/completions",
		strings.NewReader(`{"model":"auto","stream":true,"messages":[{"role":"user","content":"Hello"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := transport.RoundTrip(req); err == nil {
		_ = resp.Body.Close()
		t.Errorf("HTTP %d", resp.StatusCode)
	}
	runtime.ReadMemStats(&after)
	if f := <-failures; f.Fault != nodes.Protocol {
		t.Errorf("failed by %+v", f)
	}
	if allocated := (after.TotalAlloc - before.TotalAlloc) >> 20; allocated > 400 {
		t.Errorf("%d MiB were allocated for one attempt", allocated)
	}
}

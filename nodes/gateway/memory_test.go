package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sourcegraph/conc/pool"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/openai"
	"github.com/turbone/jarvis/nodes/route"
)

// TestMemoryIsFlat: after a hundred thousand requests no more memory is in use,
// and no more goroutines run, than after the first few hundred.
func TestMemoryIsFlat(t *testing.T) {
	total := sample(100_000, 4_000)
	server := httptest.NewServer(quickServer(1<<10, false))
	defer server.Close()
	backend, err := openai.New(nodes.Connection{Node: "M1", URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	n := node(t, nodes.Node{Name: "M1", Engine: "openai", Backend: backend, Wanted: nodes.Model{Name: "good"}})
	g, err := gateway.New(serving(n), gateway.Options{Rules: route.Rules{Policy: route.Sticky{}}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.CloseIdleConnections()
	var failed atomic.Int64
	ask := func(requests int) (heap uint64, goroutines int) {
		p := pool.New().WithMaxGoroutines(16)
		for range 16 {
			p.Go(func() {
				for range requests / 16 {
					body := strings.NewReader(`{"model":"auto","messages":[{"role":"user","content":"hello"}]}`)
					w := httptest.NewRecorder()
					g.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/chat/completions", body))
					if w.Code != http.StatusOK {
						failed.Add(1)
					}
				}
			})
		}
		p.Wait()
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc, runtime.NumGoroutine()
	}
	before, runBefore := ask(total / 20)
	after, runAfter := ask(total)
	t.Logf("%d KB and %d goroutines after %d requests, %d KB and %d after %d more", before>>10, runBefore, total/20, after>>10, runAfter, total)
	if after > before+2<<20 || runAfter > runBefore+8 || failed.Load() > 0 {
		t.Errorf("want them flat, and no request failed (%d)", failed.Load())
	}
}

package backend_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/turbone/jarvis/examples/backend"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
)

const key = "the-house-key"

// TestConformance is all that a backend needs: open makes a server and a
// backend for each subtest. Without Faulty, only what a healthy server shows
// is checked, which is how it runs against a real one.
func TestConformance(t *testing.T) {
	nodetest.Run(t, func(t *testing.T) nodetest.Subject {
		s := &server{faults: map[nodetest.Fault]bool{}, changed: make(chan struct{})}
		srv := httptest.NewServer(s)
		t.Cleanup(srv.Close)
		return nodetest.Subject{
			Backend: &backend.Backend{Node: "house", URL: srv.URL, Key: nodes.NewSecret(key)},
			Node:    "house", Key: nodes.NewSecret(key), Model: "tiny",
			Faulty: s, Faults: []nodetest.Fault{nodetest.Hang, nodetest.Status500, nodetest.NotJSON, nodetest.Unauthorized, nodetest.EmptyStream},
		}
	})
}

// server is the engine as far as the backend sees it, and fails on demand.
type server struct {
	mu      sync.Mutex
	faults  map[nodetest.Fault]bool
	changed chan struct{}
}

// BreakWith implements nodetest.Faulty.
func (s *server) BreakWith(f nodetest.Fault, _ nodetest.Detail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[f] = true
}

// Mend implements nodetest.Faulty.
func (s *server) Mend(...nodetest.Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.faults)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // only then a server sees its client leave
	s.mu.Lock()
	hang, failing, page, empty := s.faults[nodetest.Hang], s.faults[nodetest.Status500], s.faults[nodetest.NotJSON], s.faults[nodetest.EmptyStream]
	locked, changed := s.faults[nodetest.Unauthorized], s.changed
	s.mu.Unlock()
	switch {
	case hang:
		select {
		case <-r.Context().Done():
		case <-changed:
		}
	case failing:
		http.Error(w, "out of order", http.StatusInternalServerError)
	case locked || r.Header.Get("Authorization") != "Bearer "+key:
		http.Error(w, "who are you?", http.StatusUnauthorized)
	case page:
		_, _ = io.WriteString(w, "<!doctype html>")
	case r.URL.Path == "/state":
		_, _ = io.WriteString(w, `{"model":"tiny"}`)
	case empty:
		_, _ = io.WriteString(w, `{"model":"tiny","text":"","words":0}`)
	default:
		_, _ = io.WriteString(w, `{"model":"tiny","text":"4","words":1}`)
	}
}

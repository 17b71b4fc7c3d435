package healer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// aliveLimit is how long the healer's own loops may stand still.
const aliveLimit = 15 * time.Second

// keepAlive is how often a stream of events without any says that it lives.
const keepAlive = 20 * time.Second

// Handler serves the status API:
//
//	GET /api/v1/status   a [Status]
//	GET /api/v1/events   the events as a stream (server-sent events)
//	GET /healthz         200 while the healer's own loops run, else 503
//
// It has no authentication of its own: put it behind one, or on loopback.
func (h *Healer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/status", h.serveStatus)
	mux.HandleFunc("GET /api/v1/events", h.serveEvents)
	mux.HandleFunc("GET /healthz", h.serveHealth)
	return mux
}

func (h *Healer) serveStatus(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(h.Status()) // fails only where the reader is gone
}

func (h *Healer) serveHealth(w http.ResponseWriter, _ *http.Request) {
	h.mu.Lock()
	still := time.Since(h.alive)
	h.mu.Unlock()
	if still > aliveLimit {
		http.Error(w, "the healer's loops stand still", http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ok")
}

// serveEvents sends the latest events and then each as it happens.
func (h *Healer) serveEvents(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	// The server's write time-out is meant for answers that end.
	_ = control.SetWriteDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	past, events := h.events.subscribe()
	defer h.events.unsubscribe(events)
	for _, e := range past {
		if writeEvent(w, e) != nil {
			return
		}
	}
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for control.Flush() == nil {
		select {
		case <-r.Context().Done():
			return
		case e, ok := <-events:
			if !ok || writeEvent(w, e) != nil {
				return
			}
		case <-tick.C:
			if _, err := fmt.Fprint(w, ": alive\n\n"); err != nil {
				return
			}
		}
	}
}

func writeEvent(w http.ResponseWriter, e Event) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", e.Type, b)
	return err
}

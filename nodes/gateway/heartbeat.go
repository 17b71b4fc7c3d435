package gateway

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// beatEvery is the silence of a stream after which its client gets a sign of
// life: clients and proxies give up on connections that are idle, and a long
// prompt takes longer.
const beatEvery = 5 * time.Second

// heartbeat writes a stream to a client, with signs of life while there is
// nothing to send. They begin once a node works on the request; the status is 200
// from then on, and an error comes in the stream.
type heartbeat struct {
	control *http.ResponseController
	asked   *atomic.Bool // a node was asked
	sign    []byte

	mu      sync.Mutex
	w       http.ResponseWriter
	events  bool
	timer   *time.Timer // nil for a response that is not streamed
	begun   bool        // the header is sent
	stopped bool
	err     error
	until   time.Time // the write deadline
}

// newHeartbeat starts the heartbeat of a request's response.
func newHeartbeat(w http.ResponseWriter, a *request) *heartbeat {
	h := &heartbeat{control: http.NewResponseController(w), asked: &a.asked, w: w}
	if !a.stream || a.Codec == nil {
		return h
	}
	h.events = a.Codec.Events()
	h.sign = []byte(": keep-alive\n\n")
	if !h.events {
		h.sign = []byte(" ") // before the next line, where every JSON reader skips it
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer = time.AfterFunc(beatEvery, h.beat)
	return h
}

// beat sends a sign of life.
func (h *heartbeat) beat() {
	if !h.mu.TryLock() {
		return // something is being sent, which starts the timer anew
	}
	defer h.mu.Unlock()
	if h.stopped {
		return
	}
	if h.begun || h.asked.Load() {
		if !h.begun {
			h.w.Header()["Content-Type"] = []string{contentType(h.events)}
			h.writeHeader(http.StatusOK)
		}
		h.send(h.sign)
	}
	h.timer.Reset(beatEvery)
}

// begin sends the header of a stream, unless a sign of life did.
func (h *heartbeat) begin(o *response) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.timer != nil {
		h.timer.Reset(beatEvery)
	}
	if h.begun {
		return h.err
	}
	header := h.w.Header()
	for name, values := range o.header {
		header[name] = values
	}
	h.writeHeader(o.status)
	return nil
}

func (h *heartbeat) writeHeader(status int) {
	h.begun = true
	h.w.WriteHeader(status)
}

// write sends a part of a stream at once.
func (h *heartbeat) write(part []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.send(part); h.err == nil && h.timer != nil && !h.stopped {
		h.timer.Reset(beatEvery)
	}
	return h.err
}

// send writes and flushes. The mutex is held.
func (h *heartbeat) send(part []byte) {
	if h.err != nil {
		return
	}
	if now := time.Now(); h.until.Sub(now) < responseWriteTimeout/2 {
		h.until = now.Add(responseWriteTimeout)
		_ = h.control.SetWriteDeadline(h.until)
	}
	if _, h.err = h.w.Write(part); h.err == nil {
		h.err = h.control.Flush()
	}
}

// stop ends the signs of life, and reports whether the response has begun.
func (h *heartbeat) stop() (begun bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	if h.timer != nil {
		h.timer.Stop()
	}
	return h.begun
}

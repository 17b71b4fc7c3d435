package healer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// aliveLimit is how long the watchdog's own loops may stand still.
const aliveLimit = 15 * time.Second

// keepAlive is the pause after which a stream without events sends a comment.
const keepAlive = 20 * time.Second

// mostBody bounds the body of a request, in bytes.
const mostBody = 64 << 10

// Liveness is implemented by a [Healer] that can tell whether its own loops
// run. [NewHandler] asks it for /healthz.
type Liveness interface {
	// Alive returns nil while the loops run, else what stands still.
	Alive() error
}

// NewHandler serves a healer's status API:
//
//	GET  /api/v1/status               a [Status]
//	GET  /api/v1/events               a stream of [Event]s (server-sent events)
//	POST /api/v1/nodes/{name}/check   [Healer.Check]; answers a [NodeStatus]
//	POST /api/v1/pause                [Healer.Pause] of a [Pause]; answers 204
//	POST /api/v1/resume               [Healer.Resume] of {"node": "M1"}; answers 204
//	GET  /healthz                     200 while the healer's own loops run, else 503
//
// The stream begins after the event that the Last-Event-ID header names, or the
// query parameter "after", see [Healer.Events]. The body of a POST is JSON, or
// empty for "check". An error is answered with a text: 404 for an unknown node,
// 503 where the healer does not run.
//
// A browser cannot be made to send the POST requests by a page of another
// origin: they need the Content-Type application/json, and are refused with
// another Origin than the host's, or a Sec-Fetch-Site other than same-origin or
// none. The handler has no further authentication: put it behind one, or on
// loopback.
func NewHandler(h Healer) http.Handler {
	a := api{h}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/status", a.status)
	mux.HandleFunc("GET /api/v1/events", a.events)
	mux.HandleFunc("POST /api/v1/nodes/{name}/check", guardPost(a.check))
	mux.HandleFunc("POST /api/v1/pause", guardPost(a.pause))
	mux.HandleFunc("POST /api/v1/resume", guardPost(a.resume))
	mux.HandleFunc("GET /healthz", a.health)
	return mux
}

type api struct{ healer Healer }

func (a api) status(w http.ResponseWriter, r *http.Request) {
	s, err := a.healer.Status(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, s)
}

func (a api) health(w http.ResponseWriter, _ *http.Request) {
	if l, ok := a.healer.(Liveness); ok {
		if err := l.Alive(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	_, _ = fmt.Fprintln(w, "ok")
}

func (a api) check(w http.ResponseWriter, r *http.Request) {
	// A check may take longer than the server's write time-out, which is meant
	// for answers that are ready.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	n, err := a.healer.Check(r.Context(), r.PathValue("name"))
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, n)
}

func (a api) pause(w http.ResponseWriter, r *http.Request) {
	var p Pause
	if !decode(w, r, &p) {
		return
	}
	if err := a.healer.Pause(r.Context(), p); err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (a api) resume(w http.ResponseWriter, r *http.Request) {
	var p struct {
		Node string `json:"node"`
	}
	if !decode(w, r, &p) {
		return
	}
	if err := a.healer.Resume(r.Context(), p.Node); err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// events streams events until the request's context ends.
func (a api) events(w http.ResponseWriter, r *http.Request) {
	after, err := position(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Time{}) // a stream does not end by itself
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	if control.Flush() != nil { // the reader is told that it is connected
		return
	}
	events := make(chan Event)
	ctx, cancel := context.WithCancel(r.Context())
	done := make(chan struct{})
	go func() { // waited for below
		defer close(done)
		defer close(events)
		for e, err := range a.healer.Events(ctx, after) {
			if err != nil {
				return
			}
			select {
			case events <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		cancel()
		<-done
	}()
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for {
		select {
		case e, ok := <-events:
			if !ok || writeEvent(w, e) != nil {
				return
			}
		case <-tick.C:
			if _, err := fmt.Fprint(w, ": alive\n\n"); err != nil {
				return
			}
		}
		if control.Flush() != nil {
			return
		}
	}
}

// position reads after which event a stream is to begin, 0 for none. The header
// is the later one: an EventSource sends it when it connects again to the same
// address.
func position(r *http.Request) (uint64, error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("after")
	}
	if text == "" {
		return 0, nil
	}
	after, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not the ID of an event", text)
	}
	return after, nil
}

func writeEvent(w http.ResponseWriter, e Event) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", e.ID, e.Type, b)
	return err
}

// guardPost refuses requests that a page of another origin can make a browser
// send.
func guardPost(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
			http.Error(w, "requests of pages of another site are refused", http.StatusForbidden)
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" && !sameHost(origin, r.Host) {
			http.Error(w, "requests of pages of another origin are refused", http.StatusForbidden)
			return
		}
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			http.Error(w, "send the Content-Type application/json", http.StatusUnsupportedMediaType)
			return
		}
		next(w, r)
	}
}

func sameHost(origin, host string) bool {
	_, its, ok := strings.Cut(origin, "://")
	return ok && strings.EqualFold(its, host)
}

// decode reads the one JSON object of a body into a struct, and answers for
// itself if there is another body.
func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBody))
	if err == nil && !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		err = errors.New("it is not an object") // null would mean all nodes
	}
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		err = d.Decode(into)
		if _, more := d.Token(); err == nil && more != io.EOF {
			err = errors.New("more follows the object")
		}
	}
	if err != nil {
		http.Error(w, "the body is not the JSON that is wanted: "+err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v) // fails only where the reader is gone
}

// ErrorHeader is the header of an error of the status API that names which error
// of a [Healer] it is, see [ErrorNamed].
const ErrorHeader = "X-Jarvis-Error"

// apiErrors are the errors of a [Healer] that the API tells apart.
var apiErrors = [...]struct {
	name string
	err  error
	code int
}{
	{"unknown-node", ErrUnknownNode, http.StatusNotFound},
	{"not-running", ErrNotRunning, http.StatusServiceUnavailable},
	{"invalid-pause", ErrInvalidPause, http.StatusBadRequest},
}

// ErrorNamed returns the error that a value of [ErrorHeader] names, nil for
// none.
func ErrorNamed(name string) error {
	for _, e := range apiErrors {
		if e.name == name {
			return e.err
		}
	}
	return nil
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	for _, e := range apiErrors {
		if errors.Is(err, e.err) {
			code = e.code
			w.Header().Set(ErrorHeader, e.name)
		}
	}
	http.Error(w, err.Error(), code)
}

package nodetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options say how a fake starts.
type Options struct {
	// Models are on its disk; nil means one, "good".
	Models []Model
	// Loaded names the models in memory at the start; nil means the first of
	// Models, an empty slice none.
	Loaded []string
	// Key, where not empty, is asked for as Authorization: Bearer.
	Key string
	// Addr to listen on; empty means a free port on loopback.
	Addr string
	// Version the server tells.
	Version string
	// Forget keeps no calls, for tests that make very many.
	Forget bool
}

// Call is one request that a fake got.
type Call struct {
	Time   time.Time
	Method string
	Path   string
	Body   string
	Route  Route
}

// dialect is one engine's protocol on top of Server.
type dialect interface {
	route(r *http.Request) Route
	// sameName reports whether two names mean one model.
	sameName(a, b string) bool
	serve(w http.ResponseWriter, r *http.Request, body []byte)
	// fail writes an error in the engine's own shape.
	fail(w http.ResponseWriter, r *http.Request, status int, text string)
}

// Server is a fake engine that listens on loopback. Its methods are safe for
// concurrent use.
type Server struct {
	// URL is its base address. It stays the same over Down and back.
	URL string

	dialect dialect
	options Options

	mu        sync.Mutex
	faults    map[Fault]*fault
	changed   chan struct{} // closed and replaced when the faults change
	calls     []Call
	models    []Model
	instances []*instance
	http      *http.Server
	served    chan struct{} // closed when http's Serve returned
	addr      string
	closed    bool
	life      int // counts the ends of the process: what was under way dies with it
}

// tb is what a fake needs of testing.TB; programs that show the fakes off
// bring one of their own.
type tb interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

func start(t tb, o Options, make func(*Server) dialect) *Server {
	t.Helper()
	if o.Models == nil {
		o.Models = []Model{{Name: "good"}}
	}
	if o.Loaded == nil {
		o.Loaded = []string{o.Models[0].Name}
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	s := &Server{options: o, faults: map[Fault]*fault{}, changed: newChange(), models: slices.Clone(o.Models)}
	s.dialect = make(s)
	if missing := s.bringUp(o.Loaded); missing != "" {
		t.Fatalf("nodetest: loaded model %q is not among the models", missing)
	}
	s.addr = o.Addr
	if err := s.listen(); err != nil {
		t.Fatalf("nodetest: %v", err)
	}
	s.URL = "http://" + s.addr
	t.Cleanup(s.Close)
	return s
}

// bringUp puts models into memory, and returns the first that is not on disk.
// s.mu is held, or nobody else knows s yet.
func (s *Server) bringUp(names []string) (missing string) {
	for _, name := range names {
		m, ok := findModel(s.models, s.dialect.sameName, name)
		if !ok {
			return name
		}
		s.instances = append(s.instances, &instance{id: m.Name, model: m, settings: map[string]any{}})
	}
	return ""
}

func newChange() chan struct{} { return make(chan struct{}) }

func (s *Server) listen() error {
	var ln net.Listener
	var err error
	for range 50 { // the port may take a moment to be free again
		if ln, err = net.Listen("tcp", s.addr); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.addr, err)
	}
	s.addr = ln.Addr().String()
	srv := &http.Server{Handler: http.HandlerFunc(s.handle), ReadHeaderTimeout: time.Minute}
	if d, ok := s.dialect.(interface{ idleTimeout() time.Duration }); ok {
		srv.IdleTimeout = d.idleTimeout()
	}
	served := make(chan struct{})
	s.http, s.served = srv, served
	go func() { // ended and waited for by stop
		defer close(served)
		_ = srv.Serve(ln)
	}()
	return nil
}

// stop closes the port and every connection. s.mu is held.
func (s *Server) stop() {
	if s.http == nil {
		return
	}
	_ = s.http.Close()
	<-s.served
	s.http = nil
	s.life++
}

// Close ends the server. Requests that hang are dropped.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.change()
	s.stop()
}

func (s *Server) change() {
	close(s.changed)
	s.changed = newChange()
}

// Break switches a fault on.
func (s *Server) Break(f Fault) { s.BreakWith(f, Detail{}) }

// BreakWith switches a fault on, tuned.
func (s *Server) BreakWith(f Fault, d Detail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[f] = &fault{Detail: d}
	if f == Down {
		s.stop()
	}
	if f == Crashed {
		for _, i := range s.instances {
			i.crashed = true
		}
	}
	s.change()
}

// Mend switches faults off; none named means all. Requests that hang for one
// of them go on.
func (s *Server) Mend(list ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(list) == 0 {
		for f := range s.faults {
			list = append(list, f)
		}
	}
	for _, f := range list {
		if _, on := s.faults[f]; !on {
			continue
		}
		delete(s.faults, f)
		if f == Down && !s.closed {
			if err := s.listen(); err != nil {
				panic(err) // a test without its server proves nothing
			}
		}
	}
	s.change()
}

// Restart is what a restart command does to a real server: the process is a
// new one, and what was wrong with the old one is gone. Nothing is loaded,
// except on servers that are started with their model.
func (s *Server) Restart() {
	s.mu.Lock()
	s.instances = nil
	s.life++
	if d, ok := s.dialect.(interface{ startsLoaded() bool }); ok && d.startsLoaded() {
		s.bringUp(s.options.Loaded)
	}
	s.mu.Unlock()
	s.Mend(Down, Hang, HangMidAnswer, Status500, Wedged, Crashed, MemoryNotFreed, UnloadOnlyAcknowledged, LoadHangs)
}

// Calls returns what was asked so far.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// CallsTo returns the calls of some routes.
func (s *Server) CallsTo(routes Route) []Call {
	return slices.DeleteFunc(s.Calls(), func(c Call) bool { return c.Route&routes == 0 })
}

// Loaded returns the ids of what is in memory.
func (s *Server) Loaded() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, i := range s.instances {
		ids = append(ids, i.id)
	}
	return ids
}

// Drop takes everything out of memory behind everybody's back.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instances = nil
}

// Replace makes another model the one in memory, behind everybody's back.
func (s *Server) Replace(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := findModel(s.models, s.dialect.sameName, name); ok {
		s.instances = []*instance{{id: m.Name, model: m, settings: map[string]any{}}}
	}
}

// AddInstance loads one more instance, behind everybody's back.
func (s *Server) AddInstance(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := findModel(s.models, s.dialect.sameName, name); ok {
		s.instances = append(s.instances, &instance{id: s.freeID(m.Name), model: m, settings: map[string]any{}})
	}
}

// SetModels replaces what is on disk. What is in memory stays.
func (s *Server) SetModels(models ...Model) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.models = slices.Clone(models)
}

// freeID returns the id of the next instance: key, key:2, key:3. s.mu is held.
func (s *Server) freeID(key string) string {
	id := key
	for n := 2; slices.ContainsFunc(s.instances, func(i *instance) bool { return i.id == id }); n++ {
		id = key + ":" + strconv.Itoa(n)
	}
	return id
}

// on returns the fault's detail where it is switched on for the route, and
// counts the hit.
func (s *Server) on(f Fault, route Route) (Detail, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.onLocked(f, route)
}

func (s *Server) onLocked(f Fault, route Route) (Detail, bool) {
	x, ok := s.faults[f]
	if !ok || x.Routes != 0 && x.Routes&route == 0 {
		return Detail{}, false
	}
	x.hits++
	if x.Times > 0 && x.hits >= x.Times {
		delete(s.faults, f)
	}
	return x.Detail, true
}

// strikes is on for a fault in the middle of an answer, of which so many pieces
// were sent.
func (s *Server) strikes(f Fault, sent int) (Detail, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.faults[f]
	if !ok || sent != max(x.After, 1) || f == NoEndMark && x.After == 0 {
		return Detail{}, false
	}
	return s.onLocked(f, Chats)
}

// lacksEnd reports whether an answer that was said in full has no end mark.
func (s *Server) lacksEnd() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x, ok := s.faults[NoEndMark]; !ok || x.After > 0 {
		return false
	}
	_, on := s.onLocked(NoEndMark, Chats)
	return on
}

// active reports whether a fault is switched on, without counting a hit.
func (s *Server) active(f Fault) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.faults[f]
	return ok
}

// hang blocks while the fault is on; false means that the client went away or
// the server closed.
func (s *Server) hang(ctx context.Context, f Fault) bool {
	return s.waitWhile(ctx, func() bool {
		_, on := s.faults[f]
		return on
	})
}

// waitWhile blocks while something holds, which is asked with s.mu held after
// every change; false means that the client went away or the server closed.
func (s *Server) waitWhile(ctx context.Context, holds func() bool) bool {
	for {
		s.mu.Lock()
		wait := holds()
		changed, closed := s.changed, s.closed
		s.mu.Unlock()
		if closed {
			return false
		}
		if !wait {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		}
	}
}

// pause waits; false means that the client went away.
func (s *Server) pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// handle records the call, plays the faults that are the same on every engine
// and hands the rest to the dialect.
func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	route := s.dialect.route(r)
	if !s.options.Forget {
		s.mu.Lock()
		s.calls = append(s.calls, Call{time.Now(), r.Method, r.URL.RequestURI(), string(body), route})
		s.mu.Unlock()
	}

	if _, on := s.on(Hang, route); on && !s.hang(r.Context(), Hang) {
		panic(http.ErrAbortHandler)
	}
	if d, on := s.on(Slow, route); on && !s.pause(r.Context(), d.Delay) {
		return
	}
	if _, on := s.on(Huge, route); on {
		s.flood(w, r)
		return
	}
	if _, on := s.on(Drip, route); on {
		s.drip(w, r)
		return
	}
	if _, on := s.on(RedirectLoop, route); on {
		http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		return
	}
	if key := s.options.Key; key != "" && r.Header.Get("Authorization") != "Bearer "+key || s.hit(Unauthorized, route) {
		s.dialect.fail(w, r, http.StatusUnauthorized, "invalid API key")
		return
	}
	if d, on := s.on(TooManyRequests, route); on {
		if d.Delay > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(d.Delay.Seconds())))
		}
		s.dialect.fail(w, r, http.StatusTooManyRequests, "too many requests")
		return
	}
	if d, on := s.on(Status500, route); on {
		s.dialect.fail(w, r, http.StatusInternalServerError, or(d.Text, "internal error"))
		return
	}
	if _, on := s.on(NotJSON, route); on {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>Sign in</title>")
		return
	}
	if route != Chats { // a chat is cut in the middle of its text, by the dialect
		if _, on := s.on(CutOff, route); on {
			w.Header().Set("Content-Length", "4096")
			_, _ = io.WriteString(w, "{")
			panic(http.ErrAbortHandler)
		}
	}
	s.dialect.serve(w, r, body)
}

func (s *Server) hit(f Fault, route Route) bool {
	_, on := s.on(f, route)
	return on
}

func (s *Server) flood(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"models":[{"key":"`)
	chunk := strings.Repeat("x", 64<<10)
	for r.Context().Err() == nil && s.active(Huge) {
		if _, err := io.WriteString(w, chunk); err != nil {
			return
		}
	}
}

func (s *Server) drip(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	for r.Context().Err() == nil && s.active(Drip) {
		_, _ = io.WriteString(w, " ")
		_ = http.NewResponseController(w).Flush()
		if !s.pause(r.Context(), time.Minute) {
			return
		}
	}
}

func or(text, otherwise string) string {
	if text != "" {
		return text
	}
	return otherwise
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil && !errors.Is(err, http.ErrHandlerTimeout) {
		return // the client is gone; the call is on record
	}
}

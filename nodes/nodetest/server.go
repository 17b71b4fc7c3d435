package nodetest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Call is one request that a fake received.
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
	// fail writes an error of the engine's shape.
	fail(w http.ResponseWriter, r *http.Request, status int, text string)
}

// Server is a fake server that listens on loopback. Its methods are safe for
// concurrent use.
type Server struct {
	// URL is its base address. It stays the same after [Down].
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
	listener  net.Listener
	served    chan struct{} // closed when http's Serve returned
	addr      string
	closed    bool
	life      int // counts the restarts, which end the requests under way
}

// bringUp puts models into memory, and returns the first that is not on disk.
// s.mu is held, or s is not shared yet.
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

func (s *Server) listen() error {
	listen := func(addr string) (net.Listener, error) { return net.Listen("tcp", addr) }
	if s.options.Network != nil {
		listen = s.options.Network.Listen
	}
	var ln net.Listener
	var err error
	for range 50 { // the port may take a moment to be free again
		if ln, err = listen(s.addr); err == nil {
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
	s.http, s.served, s.listener = srv, served, ln
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

// Close ends the server and breaks off its requests.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.change()
	s.stop()
}

func (s *Server) change() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Restart replaces the server's process, as a restart command does: the faults of
// the old process end. Nothing is loaded afterwards, except on servers that are
// started with their model.
func (s *Server) Restart() {
	s.mu.Lock()
	s.instances = nil
	s.life++
	if d, ok := s.dialect.(interface{ restarted() }); ok {
		d.restarted()
	}
	if d, ok := s.dialect.(interface{ startsLoaded() bool }); ok && d.startsLoaded() {
		s.bringUp(s.options.Loaded)
	}
	s.mu.Unlock()
	s.Mend(Down, Hang, HangMidAnswer, Status500, Wedged, Crashed, MemoryNotFreed, UnloadOnlyAcknowledged, LoadHangs, HalfDead)
}

// Calls returns the requests so far.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// CallsTo returns the requests of these routes so far.
func (s *Server) CallsTo(routes Route) []Call {
	return slices.DeleteFunc(s.Calls(), func(c Call) bool { return c.Route&routes == 0 })
}

// Loaded returns the IDs of the instances in memory.
func (s *Server) Loaded() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, i := range s.instances {
		ids = append(ids, i.id)
	}
	return ids
}

// Drop removes all models from memory without a request.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instances = nil
}

// Replace makes another model the one in memory without a request.
func (s *Server) Replace(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := findModel(s.models, s.dialect.sameName, name); ok {
		s.instances = []*instance{{id: m.Name, model: m, settings: map[string]any{}}}
	}
}

// AddInstance loads one more instance without a request.
func (s *Server) AddInstance(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := findModel(s.models, s.dialect.sameName, name); ok {
		s.instances = append(s.instances, &instance{id: s.freeID(m.Name), model: m, settings: map[string]any{}})
	}
}

// SetModels replaces the models on disk. Those in memory stay.
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

// waitWhile blocks while holds returns true. It calls holds with s.mu held, after
// every change. It returns false if the client left or the server closed.
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

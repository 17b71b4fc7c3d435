package nodetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// handle records a request and plays the faults that all engines have in common.
// The dialect handles the rest.
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
	if d, on := s.on(Slow, route); on && !nodes.Sleep(r.Context(), d.Delay) {
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
	if !s.admits(r) || s.hit(Unauthorized, route) {
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

// admits reports whether a request has the key that it needs.
func (s *Server) admits(r *http.Request) bool {
	key := s.options.Key
	if key == "" || r.Header.Get("Authorization") == "Bearer "+key {
		return true
	}
	d, ok := s.dialect.(interface{ opens(*http.Request) bool })
	return ok && d.opens(r)
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
		if !nodes.Sleep(r.Context(), time.Minute) {
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
		return // the client left; the call is recorded
	}
}

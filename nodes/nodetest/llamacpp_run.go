package nodetest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// manage is a router's load, unload and download.
func (l *LlamaCPP) manage(w http.ResponseWriter, path string, body []byte) {
	var in struct{ Model string }
	if err := json.Unmarshal(body, &in); err != nil {
		llamaError(w, http.StatusInternalServerError, "parse error: "+err.Error())
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	m, known := findModel(l.models, l.sameName, in.Model)
	var running *instance
	if i := slices.IndexFunc(l.instances, func(i *instance) bool { return i.model.Name == m.Name }); known && i >= 0 {
		running = l.instances[i]
	}
	switch {
	case path == "/models":
		_, under := l.downloads[in.Model]
		switch {
		case in.Model == "":
			llamaError(w, http.StatusBadRequest, "model must be a non-empty string")
			return
		case known || under:
			llamaError(w, http.StatusBadRequest, "model '"+in.Model+"' already exists")
			return
		case !strings.Contains(in.Model, "/"):
			llamaError(w, http.StatusBadRequest, "model validation failed, unable to download")
			return
		}
		l.downloads[in.Model] = 0
	case path == "/models/load":
		switch {
		case !known:
			llamaError(w, http.StatusNotFound, "model is not found")
			return
		case running != nil:
			llamaError(w, http.StatusBadRequest, "model is already running")
			return
		}
		l.spawn(m)
	default:
		switch {
		case !known:
			llamaError(w, http.StatusBadRequest, "model is not found")
			return
		case running == nil:
			llamaError(w, http.StatusBadRequest, "model is not running")
			return
		}
		if _, onlyWords := l.onLocked(UnloadOnlyAcknowledged, Unloads); !onlyWords {
			l.retire(running)
		}
	}
	writeJSON(w, http.StatusOK, map[string]bool{"success": true})
}

// spawn starts a model's process, for which another may have to go. l.mu is
// held.
func (l *LlamaCPP) spawn(m Model) *instance {
	for len(l.instances) >= l.settings.modelsMax() {
		oldest := slices.MinFunc(l.instances, func(a, b *instance) int { return l.state(a).used.Compare(l.state(b).used) })
		l.end(oldest, false, 0)
	}
	delete(l.failed, m.Name)
	l.settings.Sleeping = false
	_, fails := l.onLocked(LoadFails, Loads)
	_, full := l.faults[MemoryNotFreed]
	now := time.Now()
	i := &instance{id: m.Name, model: m, settings: map[string]any{}, loading: true}
	l.instances = append(slices.Clone(l.instances), i)
	*l.state(i) = llamaState{ready: now.Add(m.LoadTime), used: now, fails: fails || m.Broken || full && l.leaked}
	return i
}

// retire ends a process: at once while it loads, after a moment otherwise, and
// by force if it hangs. l.mu is held.
func (l *LlamaCPP) retire(i *instance) {
	if i.loading {
		l.end(i, l.settings.StaleFailure, 9)
		return
	}
	wait := l.settings.StopTime
	if wait <= 0 {
		wait = 20 * time.Millisecond
	}
	if _, hangs := l.faults[Wedged]; hangs {
		if wait = l.settings.KillTime; wait <= 0 {
			wait = 10 * time.Second
		}
	}
	if s := l.state(i); s.ends.IsZero() {
		s.ends = time.Now().Add(wait)
	}
}

func (l *LlamaCPP) chat(w http.ResponseWriter, r *http.Request, c LlamaCPPSettings, body []byte) {
	v := openAIVoice{
		fail:  llamaError,
		crash: l.crash,
		extra: llamaTimings, reasoning: c.Reasoning,
	}
	q, ok := readOpenAI(w, body, v)
	if !ok {
		return
	}
	i, ok := l.process(w, r, c, q.Model)
	if !ok {
		return
	}
	if words := len(strings.Fields(q.prompt())); words > c.context() {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": map[string]any{
			"code": 400, "message": "request exceeds the available context size, try increasing it",
			"type": "exceed_context_size_error", "n_prompt_tokens": words, "n_ctx": c.context()}})
		return
	}
	l.Configure(func(c *LlamaCPPSettings) { c.Sleeping = false }) // a question wakes it
	l.work(i, 1)
	defer l.work(i, -1)
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if i.crashed && slices.Contains(l.instances, i) {
			l.end(i, true, 137)
		}
	}()
	v.continues, v.echoes = true, c.EchoPrefill
	l.speakOpenAI(w, r, q, i, v)
}

func (l *LlamaCPP) work(i *instance, change int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s, ok := l.states[i]; ok || change > 0 {
		if !ok {
			s = l.state(i)
		}
		s.working += change
		s.used = time.Now()
	}
}

// process finds the process that answers. A server with one model answers for
// every name; a router loads the model first, unless it was told not to.
func (l *LlamaCPP) process(w http.ResponseWriter, r *http.Request, c LlamaCPPSettings, name string) (*instance, bool) {
	l.mu.Lock()
	if !l.router {
		defer l.mu.Unlock()
		if len(l.instances) == 0 {
			llamaError(w, http.StatusServiceUnavailable, "Loading model")
			return nil, false
		}
		return l.instances[0], true
	}
	autoload := !c.NoAutoload
	if told := r.URL.Query(); told.Has("autoload") {
		autoload = wantsAutoload(told)
	}
	m, known := findModel(l.models, l.sameName, name)
	running := func() *instance {
		for _, i := range l.instances {
			if i.model.Name == m.Name {
				return i
			}
		}
		return nil
	}
	i := running()
	switch {
	case !known:
		l.mu.Unlock()
		llamaError(w, http.StatusBadRequest, "model '"+name+"' not found")
		return nil, false
	case i == nil && !autoload:
		l.mu.Unlock()
		llamaError(w, http.StatusBadRequest, "model is not loaded")
		return nil, false
	case i == nil:
		i = l.spawn(m)
	}
	l.mu.Unlock()
	if !l.awaitLoad(r.Context(), i) {
		return nil, false
	}
	l.mu.Lock()
	i = running()
	l.mu.Unlock()
	if i == nil {
		llamaError(w, http.StatusInternalServerError, "model name="+m.Name+" failed to load")
		return nil, false
	}
	return i, true
}

func wantsAutoload(q url.Values) bool {
	value := q.Get("autoload")
	return value == "true" || value == "1"
}

// awaitLoad waits until a process is ready or gone; false means that the
// client went away or the server closed.
func (l *LlamaCPP) awaitLoad(ctx context.Context, i *instance) bool {
	for {
		l.mu.Lock()
		l.settle()
		waiting, closed := i.loading && slices.Contains(l.instances, i), l.closed
		l.mu.Unlock()
		if closed {
			return false
		}
		if !waiting {
			return true
		}
		if !nodes.Sleep(ctx, 2*time.Millisecond) {
			return false
		}
	}
}

// crash is a router's last words about a process that died: raw text after the
// last event of the stream. A server with one model is itself that process.
func (l *LlamaCPP) crash(w http.ResponseWriter, stream bool) {
	if !l.router {
		panic(http.ErrAbortHandler)
	}
	const text = "proxy error: Failed to read connection"
	if !stream {
		w.WriteHeader(http.StatusInternalServerError)
	}
	_, _ = io.WriteString(w, text)
}

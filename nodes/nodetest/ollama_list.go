package nodetest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

func (l *Ollama) root(w http.ResponseWriter, _ *http.Request, _ OllamaSettings, _ []byte) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "Ollama is running")
}

func (l *Ollama) showVersion(w http.ResponseWriter, _ *http.Request, _ OllamaSettings, _ []byte) {
	writeJSON(w, http.StatusOK, map[string]string{"version": l.options.Version})
}

func (l *Ollama) details(Model) map[string]any {
	return map[string]any{
		"parent_model": "", "format": "gguf", "family": "llama", "families": []string{"llama"},
		"parameter_size": "8.0B", "quantization_level": "Q4_K_M",
	}
}

// tags is GET /api/tags: what is on disk, loaded or not, and the cloud's
// models that the server knows of.
func (l *Ollama) tags(w http.ResponseWriter, _ *http.Request, c OllamaSettings, _ []byte) {
	l.mu.Lock()
	list := []map[string]any{}
	for _, m := range l.models {
		name := ollamaName(m.Name)
		entry := map[string]any{
			"name": name, "model": name, "modified_at": "2026-01-02T03:04:05.678Z",
			"size": m.size(), "digest": m.digest(), "details": l.details(m),
		}
		if l.named(c.Remote, m) {
			entry["remote_host"], entry["remote_model"] = "https://ollama.com:443", m.Name
			entry["size"] = 384
		}
		list = append(list, entry)
	}
	l.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"models": list})
}

// ps is GET /api/ps: what is loaded, the longest expiry first.
func (l *Ollama) ps(w http.ResponseWriter, r *http.Request, c OllamaSettings, _ []byte) {
	if _, on := l.on(SchedulerWedged, Lists); on && !l.hang(r.Context(), SchedulerWedged) {
		return
	}
	if l.onLlamaServer() && !l.waitWhile(r.Context(), l.hangsOnQuestion) {
		return
	}
	if l.hit(ListPanics, Lists) {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	type entry struct {
		Name          string         `json:"name"`
		Model         string         `json:"model"`
		Size          int64          `json:"size"`
		Digest        string         `json:"digest"`
		Details       map[string]any `json:"details"`
		ExpiresAt     time.Time      `json:"expires_at"`
		SizeVRAM      int64          `json:"size_vram"`
		ContextLength int            `json:"context_length"`
	}
	now := time.Now()
	list := []entry{}
	l.mu.Lock()
	for _, i := range l.instances {
		s := l.state(i)
		if i.loading && !c.ListsLoading || now.Sub(s.loaded) < c.ListDelay {
			continue
		}
		e := entry{
			Name: s.name, Model: s.name, Size: i.model.size(), Digest: i.model.digest(), Details: l.details(i.model),
			ExpiresAt: i.expires, SizeVRAM: i.model.vram(), ContextLength: min(contextOf(s.options), l.trained()),
		}
		if s.vram != nil {
			e.SizeVRAM = int64(*s.vram * float64(e.Size))
		}
		if e.ExpiresAt.IsZero() { // never, or still loading
			e.ExpiresAt = now.Add(s.keep)
		}
		e.ExpiresAt = e.ExpiresAt.Add(c.ClockSkew)
		list = append(list, e)
	}
	l.mu.Unlock()
	slices.SortStableFunc(list, func(a, b entry) int { return b.ExpiresAt.Compare(a.ExpiresAt) })
	writeJSON(w, http.StatusOK, map[string]any{"models": list})
}

func (l *Ollama) openAIModels(w http.ResponseWriter, _ *http.Request, _ OllamaSettings, _ []byte) {
	l.mu.Lock()
	list := []map[string]any{}
	for _, m := range l.models {
		list = append(list, map[string]any{"id": ollamaName(m.Name), "object": "model", "created": 1767323045, "owned_by": "library"})
	}
	l.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": list})
}

// model finds the model of a request; false means that the error is written.
func (l *Ollama) model(w http.ResponseWriter, r *http.Request, c OllamaSettings, body []byte) (ollamaRequest, Model, bool) {
	var in ollamaRequest
	if err := json.Unmarshal(body, &in); err != nil {
		l.unread(w, r, err.Error())
		return in, Model{}, false
	}
	if in.Model == "" {
		in.Model = in.Name
	}
	if in.Model == "" {
		l.fail(w, r, http.StatusBadRequest, "model is required")
		return in, Model{}, false
	}
	in.asked = readAsked(body)
	l.mu.Lock()
	m, found := findModel(l.models, l.sameName, in.Model)
	l.mu.Unlock()
	if !found {
		l.fail(w, r, http.StatusNotFound, fmt.Sprintf(or(c.NotFoundText, "model '%s' not found"), in.Model))
	}
	return in, m, found
}

// named reports whether a model is in a list of names.
func (l *Ollama) named(list []string, m Model) bool {
	return slices.ContainsFunc(list, func(n string) bool { return l.sameName(n, m.Name) })
}

// show is POST /api/show: what a model's file says of it.
func (l *Ollama) show(w http.ResponseWriter, r *http.Request, c OllamaSettings, body []byte) {
	_, m, ok := l.model(w, r, c, body)
	if !ok {
		return
	}
	parameters := "stop                           \"<|im_end|>\""
	l.mu.Lock()
	trained := l.trained()
	l.mu.Unlock()
	for name, n := range c.ModelContext {
		if l.sameName(name, m.Name) {
			parameters += fmt.Sprintf("\nnum_ctx                        %d", n)
		}
	}
	capabilities := l.capabilities(m)
	writeJSON(w, http.StatusOK, map[string]any{
		"modelfile": "FROM " + m.Name, "parameters": parameters, "template": "{{ .Prompt }}", "details": l.details(m),
		"model_info":   map[string]any{"general.architecture": "llama", "llama.context_length": trained},
		"capabilities": capabilities, "modified_at": "2026-01-02T03:04:05.678Z",
	})
}

// pull is POST /api/pull: progress, line by line; errors come in the stream.
func (l *Ollama) pull(w http.ResponseWriter, r *http.Request, c OllamaSettings, body []byte) {
	var in ollamaRequest
	if err := json.Unmarshal(body, &in); err != nil || in.Model == "" && in.Name == "" {
		l.fail(w, r, http.StatusBadRequest, "invalid model name")
		return
	}
	lines := newLines(w, in.streams())
	lines.send(map[string]any{"status": "pulling manifest"})
	m, found := findModel(c.Registry, l.sameName, or(in.Model, in.Name))
	if !found {
		lines.end(http.StatusInternalServerError, map[string]any{"error": "pull model manifest: file does not exist"})
		return
	}
	digest := "sha256:" + m.digest()
	for part := range int64(4) {
		lines.send(map[string]any{"status": "pulling " + m.digest()[:12], "digest": digest, "total": m.size(), "completed": part * m.size() / 4})
		if c.PullStops && part == 2 {
			return
		}
	}
	l.mu.Lock()
	if _, there := findModel(l.models, l.sameName, m.Name); !there {
		l.models = append(slices.Clone(l.models), m)
	}
	l.mu.Unlock()
	for _, status := range []string{"verifying sha256 digest", "writing manifest"} {
		lines.send(map[string]any{"status": status})
	}
	lines.end(http.StatusOK, map[string]any{"status": "success"})
}

// delete is DELETE /api/delete. What is loaded stays, out of reach.
func (l *Ollama) delete(w http.ResponseWriter, r *http.Request, c OllamaSettings, body []byte) {
	if _, m, ok := l.model(w, r, c, body); ok {
		l.mu.Lock()
		l.models = slices.DeleteFunc(slices.Clone(l.models), func(o Model) bool { return l.sameName(o.Name, m.Name) })
		l.mu.Unlock()
	}
}

// copy is POST /api/copy: a second tag for one file.
func (l *Ollama) copy(w http.ResponseWriter, r *http.Request, _ OllamaSettings, body []byte) {
	var in ollamaRequest
	if err := json.Unmarshal(body, &in); err != nil {
		l.fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	m, found := findModel(l.models, l.sameName, in.Source)
	if !found {
		l.fail(w, r, http.StatusNotFound, fmt.Sprintf("model %q not found", in.Source))
		return
	}
	m.Digest, m.Name = m.digest(), in.Destination
	l.models = append(slices.Clone(l.models), m)
}

// lines writes newline-delimited JSON, or only the last object of it.
type lines struct {
	w      http.ResponseWriter
	stream bool
	begun  bool
}

func newLines(w http.ResponseWriter, stream bool) *lines { return &lines{w: w, stream: stream} }

// send writes one object of a stream.
func (l *lines) send(v any) {
	if !l.stream {
		return
	}
	if !l.begun {
		l.w.Header().Set("Content-Type", "application/x-ndjson")
		l.begun = true
	}
	_ = json.NewEncoder(l.w).Encode(v) // a client that left has no use for it
	_ = http.NewResponseController(l.w).Flush()
}

// end writes the last object. Its status counts only where nothing was sent.
func (l *lines) end(status int, v any) {
	if l.stream && (l.begun || status == http.StatusOK) {
		l.send(v)
		return
	}
	writeJSON(l.w, status, v)
}

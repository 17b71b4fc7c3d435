package nodetest

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// LlamaCPPSettings are the settings of a fake llama-server.
type LlamaCPPSettings struct {
	// EchoPrefill repeats the partial answer in its continuation, as some
	// versions do.
	EchoPrefill bool
	// ModelsMax is the number of models that a router keeps in memory. One more
	// evicts the least recently used. 0 means 4.
	ModelsMax int
	// NoAutoload keeps chats from loading a model.
	NoAutoload bool
	// StopTime is the time that a process takes to end. 0 means 20 ms. A process
	// that hangs is killed after KillTime. 0 means ten seconds.
	StopTime, KillTime time.Duration
	// StaleFailure lists an unloaded model as one that failed.
	StaleFailure bool
	// NoSlots is the server's option --no-slots.
	NoSlots bool
	// Starting makes a server with one model still load it.
	Starting bool
	// Sleeping puts the models in memory to sleep.
	Sleeping bool
	// Aliases are other names of a model, by its name.
	Aliases map[string][]string
	// Context is the context length. 0 means 4096.
	Context int
	// DownloadFails makes every download fail.
	DownloadFails bool
	// Reasoning is the field of thinking. "" means "reasoning_content".
	Reasoning string
}

// LlamaCPP is a fake llama-server, either started with one model, or a router with
// a process for each model.
type LlamaCPP struct {
	*Server
	router bool

	// All below is guarded by Server.mu.
	settings  LlamaCPPSettings
	states    map[*instance]*llamaState
	failed    map[string]int // exit codes of processes that ended, by model
	downloads map[string]int // looks at a download, by model
	leaked    bool           // an unload did not free its memory
}

// llamaState is the state of a router's process.
type llamaState struct {
	ready   time.Time // when its load is over
	ends    time.Time // when its unload is over; zero: not unloading
	fails   bool      // its load ends with an exit code
	used    time.Time
	working int // chats under way
}

// StartLlamaCPP starts a fake llama-server that serves one model, the one that
// is loaded. The caller closes it.
func StartLlamaCPP(o Options) (*LlamaCPP, error) { return startLlamaCPP(o, false) }

// StartLlamaCPPRouter starts a fake llama-server in router mode. The caller
// closes it.
func StartLlamaCPPRouter(o Options) (*LlamaCPP, error) { return startLlamaCPP(o, true) }

func startLlamaCPP(o Options, router bool) (*LlamaCPP, error) {
	return start(&LlamaCPP{
		Server: &Server{}, router: router,
		states: map[*instance]*llamaState{}, failed: map[string]int{}, downloads: map[string]int{},
	}, o)
}

// NewLlamaCPP is [StartLlamaCPP] with a fake that ends with the test.
func NewLlamaCPP(t TB, o Options) *LlamaCPP {
	t.Helper()
	return owned(t, StartLlamaCPP, o)
}

// NewLlamaCPPRouter is [StartLlamaCPPRouter] with a fake that ends with the
// test.
func NewLlamaCPPRouter(t TB, o Options) *LlamaCPP {
	t.Helper()
	return owned(t, StartLlamaCPPRouter, o)
}

// startsLoaded: without a router, the server is started with its model.
func (l *LlamaCPP) startsLoaded() bool { return !l.router }

// Configure changes the settings. It may be called at any time.
func (l *LlamaCPP) Configure(change func(*LlamaCPPSettings)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.settings)
	l.change()
}

func (l *LlamaCPP) config() LlamaCPPSettings {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.settings
}

// Loaded returns the IDs of the models in memory.
func (l *LlamaCPP) Loaded() []string {
	l.mu.Lock()
	l.settle()
	l.mu.Unlock()
	return l.Server.Loaded()
}

// state returns the state of a process. l.mu is held.
func (l *LlamaCPP) state(i *instance) *llamaState {
	s, ok := l.states[i]
	if !ok {
		s = &llamaState{}
		l.states[i] = s
	}
	return s
}

// settle completes the loads and unloads whose time is over. A load that hangs is
// never complete. l.mu is held.
func (l *LlamaCPP) settle() {
	now := time.Now()
	_, stuck := l.faults[LoadHangs]
	for _, i := range slices.Clone(l.instances) {
		s := l.state(i)
		switch {
		case !s.ends.IsZero() && !now.Before(s.ends):
			l.end(i, l.settings.StaleFailure, 9)
			_, l.leaked = l.faults[MemoryNotFreed]
		case i.loading && !stuck && !now.Before(s.ready):
			i.loading = false
			if s.fails {
				l.end(i, true, 1)
			}
			l.change()
		}
	}
}

// end removes a process. l.mu is held.
func (l *LlamaCPP) end(gone *instance, failed bool, code int) {
	l.instances = slices.DeleteFunc(slices.Clone(l.instances), func(i *instance) bool { return i == gone })
	delete(l.states, gone)
	if failed {
		l.failed[gone.model.Name] = code
	}
	l.change() // requests that wait for it or hang in it end
}

func (l *LlamaCPP) sameName(a, b string) bool {
	return a == b || slices.Contains(l.settings.Aliases[a], b) || slices.Contains(l.settings.Aliases[b], a)
}

func (l *LlamaCPP) route(r *http.Request) Route {
	switch get, path := r.Method == http.MethodGet, r.URL.Path; {
	case get && (path == "/models" || path == "/v1/models" || path == "/props"):
		return Lists
	case get:
		return Others
	case path == "/v1/chat/completions":
		return Chats
	case path == "/models/load":
		return Loads
	case path == "/models/unload":
		return Unloads
	}
	return Others
}

var llamaTypes = map[int]string{
	http.StatusBadRequest:          "invalid_request_error",
	http.StatusUnauthorized:        "authentication_error",
	http.StatusForbidden:           "permission_error",
	http.StatusNotFound:            "not_found_error",
	http.StatusInternalServerError: "server_error",
	http.StatusNotImplemented:      "not_supported_error",
	http.StatusServiceUnavailable:  "unavailable_error",
}

func (l *LlamaCPP) fail(w http.ResponseWriter, _ *http.Request, status int, text string) {
	llamaError(w, status, text)
}

func llamaError(w http.ResponseWriter, status int, text string) {
	writeJSON(w, status, map[string]any{"error": map[string]any{"code": status, "message": text, "type": or(llamaTypes[status], "server_error")}})
}

func (l *LlamaCPP) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	l.mu.Lock()
	l.settle()
	l.mu.Unlock()
	c := l.config()
	w.Header().Set("Server", "llama.cpp")
	method, path := r.Method, r.URL.Path
	if !l.router && c.Starting {
		llamaError(w, http.StatusServiceUnavailable, "Loading model")
		return
	}
	switch method + " " + path {
	case "GET /health", "GET /v1/health":
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	case "GET /props":
		l.props(w, c)
	case "GET /v1/models", "GET /models":
		l.list(w, c)
	case "GET /slots":
		l.slots(w, r, c)
	case "POST /v1/chat/completions":
		l.chat(w, r, c, body)
	case "POST /models/load", "POST /models/unload", "POST /models":
		if !l.router {
			llamaError(w, http.StatusNotFound, "File Not Found")
			return
		}
		l.manage(w, path, body)
	default:
		llamaError(w, http.StatusNotFound, "File Not Found")
	}
}

func (c LlamaCPPSettings) context() int {
	if c.Context > 0 {
		return c.Context
	}
	return 4096
}

func (c LlamaCPPSettings) modelsMax() int {
	if c.ModelsMax > 0 {
		return c.ModelsMax
	}
	return 4
}

func (l *LlamaCPP) props(w http.ResponseWriter, c LlamaCPPSettings) {
	build := or(l.options.Version, "b6500-3f545be")
	if l.router {
		writeJSON(w, http.StatusOK, map[string]any{
			"role": "router", "max_instances": c.modelsMax(), "models_autoload": !c.NoAutoload,
			"model_alias": "llama-server", "model_path": "none", "build_info": build,
			"default_generation_settings": map[string]any{"params": map[string]any{}, "n_ctx": 0},
		})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"default_generation_settings": map[string]any{"n_ctx": c.context(), "params": map[string]any{"seed": 4294967295}},
		"total_slots":                 4, "model_path": "/models/model.gguf", "chat_template": "", "modalities": map[string]bool{"vision": false},
		"build_info": build, "is_sleeping": c.Sleeping,
	})
}

// list is GET /models. On a server with one model it is that one, without a
// status.
func (l *LlamaCPP) list(w http.ResponseWriter, c LlamaCPPSettings) {
	l.mu.Lock()
	defer l.mu.Unlock()
	data := []any{}
	entry := func(m Model) map[string]any {
		aliases := c.Aliases[m.Name]
		if aliases == nil {
			aliases = []string{}
		}
		return map[string]any{"id": m.Name, "aliases": aliases, "tags": []string{}, "object": "model", "owned_by": "llamacpp", "created": time.Now().Unix()}
	}
	meta := func(m Model) map[string]any {
		return map[string]any{"vocab_type": 2, "n_vocab": 32000, "n_ctx_train": 131072, "n_ctx": c.context(), "n_embd": 64, "n_params": m.size() / 2, "size": m.size()}
	}
	if !l.router {
		for _, i := range l.instances {
			e := entry(i.model)
			e["meta"] = meta(i.model)
			data = append(data, e)
		}
		writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": data})
		return
	}
	for _, m := range l.models {
		e := entry(m)
		e["source"], e["can_remove"], e["path"] = "models_dir", false, "/models/"+m.Name+".gguf"
		e["architecture"] = map[string]any{"input_modalities": []string{"text"}, "output_modalities": []string{"text"}}
		status := map[string]any{"value": "unloaded", "args": []string{"llama-server"}}
		if code, ok := l.failed[m.Name]; ok {
			status["failed"], status["exit_code"] = true, code
		}
		for _, i := range l.instances {
			if i.model.Name != m.Name {
				continue
			}
			status = map[string]any{"value": "loaded", "args": []string{"llama-server", "--alias", m.Name}}
			switch {
			case i.loading:
				status["value"] = "loading"
			case c.Sleeping:
				status["value"] = "sleeping"
			default:
				e["meta"] = meta(m)
			}
		}
		e["status"] = status
		data = append(data, e)
	}
	for name := range l.downloads {
		l.lookAtDownload(name, c, func(done int64, status string) {
			e := entry(Model{Name: name})
			e["status"] = map[string]any{"value": status, "args": []string{}, "progress": map[string]any{
				"https://huggingface.co/" + name: map[string]int64{"downloaded": done, "total": 1 << 30}}}
			data = append(data, e)
		})
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": data})
}

// lookAtDownload finds a download a quarter further with each look. l.mu is
// held.
func (l *LlamaCPP) lookAtDownload(name string, c LlamaCPPSettings, show func(done int64, status string)) {
	looks := l.downloads[name]
	l.downloads[name] = looks + 1
	switch {
	case looks < 4:
		show(int64(looks)<<28, "downloading")
	case c.DownloadFails:
		delete(l.downloads, name)
	default:
		delete(l.downloads, name)
		l.models = append(slices.Clone(l.models), Model{Name: name})
		show(1<<30, "downloaded")
	}
}

func (l *LlamaCPP) slots(w http.ResponseWriter, r *http.Request, c LlamaCPPSettings) {
	if c.NoSlots {
		llamaError(w, http.StatusNotImplemented, "This server does not support slots endpoint. Start it with `--slots`")
		return
	}
	name := r.URL.Query().Get("model")
	l.mu.Lock()
	defer l.mu.Unlock()
	working, found := 0, false
	for _, i := range l.instances {
		if !l.router || l.sameName(i.model.Name, name) {
			working, found = working+l.state(i).working, true
		}
	}
	if !found {
		llamaError(w, http.StatusBadRequest, "model is not loaded")
		return
	}
	list := []any{}
	for id := range 4 {
		list = append(list, map[string]any{
			"id": id, "id_task": id, "n_ctx": c.context(), "is_processing": id < working,
			"next_token": map[string]int{"n_decoded": 0, "n_remain": -1},
		})
	}
	writeJSON(w, http.StatusOK, list)
}

// timings is what llama-server tells of its work beyond the protocol.
func llamaTimings(tokens int) map[string]any {
	return map[string]any{"timings": map[string]any{"predicted_n": tokens, "predicted_ms": float64(tokens), "predicted_per_second": 1000.0}, "system_fingerprint": "b" + strconv.Itoa(6500)}
}

package nodetest

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// LlamaCPPSettings are the settings of a fake llama-server.
type LlamaCPPSettings struct {
	// NoPrefill is the option --no-prefill-assistant: an answer that the request
	// begins is continued only where continue_final_message asks for it.
	NoPrefill bool
	// ModelsMax is the number of models that a router keeps in memory. One more
	// evicts the least recently used that is idle, and waits for one if all are
	// busy. 0 means 4.
	ModelsMax int
	// NoAutoload keeps chats from loading a model.
	NoAutoload bool
	// StopTime is the time that an idle process takes to end. 0 means 20 ms. One
	// that hangs, or answers, is killed after KillTime. 0 means ten seconds.
	StopTime, KillTime time.Duration
	// NoSlots, NoEmbeddings are the options --no-slots, and none --embeddings.
	NoSlots, NoEmbeddings bool
	// Slots is the number of requests that are answered at once; the others wait
	// in line. 0 means 4.
	Slots int
	// Starting makes a server with one model still load it.
	Starting bool
	// SleepIdle is the option --sleep-idle-seconds: a model without a request for
	// so long is put to sleep. 0 means never.
	SleepIdle time.Duration
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
// a process for each model. It behaves as build 11669 of the server, from which its
// answers were captured; the progress of a download was captured by others.
type LlamaCPP struct {
	*Server
	router bool

	// All below is guarded by Server.mu.
	settings   LlamaCPPSettings
	states     map[*instance]*llamaState
	failed     map[string]int // exit codes of processes that ended, by model
	downloads  map[string]int // looks at a download, by model
	listed     []Model        // what a router found in its folder; nil before it looked
	ports      int            // processes so far
	leaked     bool           // an unload did not free its memory
	terminated bool           // a server with one model was told to end
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

// restarted: a new process reads its folder, and knows of no failure. l.mu is
// held.
func (l *LlamaCPP) restarted() {
	for _, s := range l.states {
		s.kill()
	}
	clear(l.states)
	clear(l.failed)
	l.listed, l.leaked, l.terminated = nil, false, false
}

// broke: a router that is killed takes the processes of its models along. l.mu is
// held.
func (l *LlamaCPP) broke(f Fault) {
	if f == Down && l.router {
		l.instances = nil
	}
}

// Configure changes the settings. It may be called at any time.
func (l *LlamaCPP) Configure(change func(*LlamaCPPSettings)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.settings)
	l.change()
}

// Terminate asks a server with one model to end, as a service manager does: it
// refuses new connections at once, answers under way stand still, and the process
// lives until their clients leave. [Server.Restart] replaces it.
func (l *LlamaCPP) Terminate() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.terminated = true
	l.faults[Down] = &fault{}
	_ = l.listener.Close() // it may be closed already
	l.change()
}

// known are the models that the server knows of. l.mu is held.
func (l *LlamaCPP) known() []Model {
	if l.listed == nil {
		l.listed = append([]Model{}, l.models...)
	}
	return l.listed
}

func (l *LlamaCPP) sameName(a, b string) bool {
	return a == b || slices.Contains(l.settings.Aliases[a], b) || slices.Contains(l.settings.Aliases[b], a)
}

func (l *LlamaCPP) route(r *http.Request) Route {
	get, path := r.Method == http.MethodGet, r.URL.Path
	switch {
	case get && (path == "/models" || path == "/v1/models" || path == "/props"):
		return Lists
	case get:
		return Others
	case path == "/models/load":
		return Loads
	case path == "/models/unload":
		return Unloads
	case llamaAPIs[path] != nil:
		return Chats
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
	if status == http.StatusUnauthorized {
		text = "Invalid API Key"
	}
	llamaError(w, status, text)
}

func llamaError(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Connection", "close") // with every error
	w.Header().Del("Keep-Alive")
	writeJSON(w, status, map[string]any{"error": map[string]any{"code": status, "message": text, "type": or(llamaTypes[status], "server_error")}})
}

// refusal is an answer that is an error.
type refusal struct {
	status int
	text   string
}

// write writes the refusal; that of a proxy is bare text.
func (r *refusal) write(w http.ResponseWriter) {
	if strings.HasPrefix(r.text, "proxy error:") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(r.status)
		_, _ = io.WriteString(w, r.text)
		return
	}
	llamaError(w, r.status, r.text)
}

func fileNotFound(w http.ResponseWriter) { llamaError(w, http.StatusNotFound, "File Not Found") }

// opens: two paths need no key, and there is a second header for it.
func (l *LlamaCPP) opens(r *http.Request) bool {
	return r.URL.Path == "/health" || r.URL.Path == "/v1/health" || r.Header.Get("X-Api-Key") == l.options.Key
}

func (l *LlamaCPP) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	l.mu.Lock()
	l.settle()
	c, terminated := l.settings, l.terminated
	l.mu.Unlock()
	if terminated {
		panic(http.ErrAbortHandler) // a connection from before
	}
	w.Header().Set("Server", "llama.cpp")
	w.Header().Set("Keep-Alive", "timeout=5, max=100")
	w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	if !l.router && c.Starting {
		llamaError(w, http.StatusServiceUnavailable, "Loading model")
		return
	}
	get, path := r.Method == http.MethodGet, r.URL.Path
	switch {
	case get && (path == "/health" || path == "/v1/health"):
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	case get && path == "/props":
		l.props(w, r, c)
	case get && (path == "/models" || path == "/v1/models"):
		if l.router && r.URL.Query().Get("reload") == "1" {
			l.rescan()
		}
		l.list(w, c)
	case get && path == "/slots":
		l.slots(w, r, c)
	case l.router && get && path == "/models/sse":
		l.tell(w, r)
	case l.router && r.Method == http.MethodDelete && path == "/models":
		llamaError(w, http.StatusInternalServerError, "model name="+r.URL.Query().Get("model")+" is not removable (not from cache)")
	case l.router && r.Method == http.MethodPost && (path == "/models" || strings.HasPrefix(path, "/models/")):
		l.manage(w, r, body)
	case r.Method == http.MethodPost && llamaAPIs[path] != nil:
		l.infer(w, r, c, body)
	case r.Method == http.MethodPost && llamaTools[path] != nil:
		l.compute(w, r, c, body)
	default:
		fileNotFound(w)
	}
}

func (c LlamaCPPSettings) context() int { return orInt(c.Context, 4096) }

func (c LlamaCPPSettings) modelsMax() int { return orInt(c.ModelsMax, 4) }

func (c LlamaCPPSettings) slots() int { return orInt(c.Slots, 4) }

func orInt(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

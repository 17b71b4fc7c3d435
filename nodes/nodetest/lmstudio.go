package nodetest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// LMStudioSettings are the settings of a fake LM Studio. The zero value is LM
// Studio 0.4 with its defaults: it loads models just in time, unloads them after
// an hour, and keeps only the last of them.
type LMStudioSettings struct {
	// Old makes it a server before 0.4, without /api/v1, and so without load and
	// unload. An [Options.Version] that begins with "0.3" sets it.
	Old bool
	// NoV0 removes /api/v0.
	NoV0 bool
	// NotFound404 answers unknown routes with status 404 in place of 200, as
	// another server with LM Studio's API is said to.
	NotFound404 bool
	// NoJIT switches just-in-time loading off.
	NoJIT bool
	// JITTTL is the idle time after which a model that was loaded just in time
	// is unloaded. 0 means an hour.
	JITTTL time.Duration
	// KeepJIT keeps all models that were loaded just in time, not only the last.
	KeepJIT bool
	// Reasoning is the place of an answer's thinking: "reasoning_content" (also
	// for ""), "reasoning", or "think" for <think> tags in the content.
	Reasoning string
	// ThinkingEfforts are the values of "reasoning" that reasoning models allow.
	// Nil means "off" and "on".
	ThinkingEfforts []string
	// NoCapabilities omits the capabilities from the list.
	NoCapabilities bool
	// Embeddings and MLX name the models of these kinds. MLX ignores
	// context_length and takes the model's maximum.
	Embeddings, MLX []string
	// MaxContext is the longest context of every model, and DefaultContext that
	// of a load without one. 0 means 131072 and 4096.
	MaxContext, DefaultContext int
	// EmptyOverflow answers a prompt that does not fit with a well-formed stream
	// without a token, in place of an error.
	EmptyOverflow bool
	// AcceptParallel accepts "parallel" in a load.
	AcceptParallel bool
	// LoadErrorStatus is the status of a failed load. 0 means 500.
	LoadErrorStatus int
	// DuplicateKeys lists every model twice, its instances spread over both.
	DuplicateKeys bool
	// InstanceIDField lists instances by "instance_id" instead of "id".
	InstanceIDField bool
	// SparseFields omits the optional fields of the list, or sets them to null.
	SparseFields bool
	// HideInstances lists instances only in /api/v0/models.
	HideInstances bool
	// CloseReused closes a connection at its second request, as a server does
	// that closes an idle connection while the client writes.
	CloseReused bool
	// DownloadFails ends downloads with the status "failed", and DownloadLost
	// forgets their jobs.
	DownloadFails, DownloadLost bool
}

// LMStudio is a fake LM Studio.
type LMStudio struct {
	*Server

	// All below is guarded by Server.mu.
	settings LMStudioSettings
	states   map[*instance]*lmState
	jobs     map[string]*lmJob
	remotes  map[string]bool // connections that were used
	leaked   bool            // an unload did not free its memory
	chats    int
}

// lmState is the state of an instance that only LM Studio has.
type lmState struct {
	ttl  time.Duration // 0: loaded explicitly, stays
	hung bool
}

// StartLMStudio starts a fake LM Studio. The caller closes it. It has the native
// API in both versions, and the OpenAI list and chat. LM Studio's routes for
// completions, embeddings, responses and Anthropic's messages are missing: they
// are answered as unknown.
func StartLMStudio(o Options) (*LMStudio, error) {
	l := &LMStudio{Server: &Server{}, states: map[*instance]*lmState{}, jobs: map[string]*lmJob{}, remotes: map[string]bool{}}
	l.settings.Old = strings.HasPrefix(o.Version, "0.3")
	return start(l, o)
}

// NewLMStudio is [StartLMStudio] with a fake that ends with the test.
func NewLMStudio(t TB, o Options) *LMStudio {
	t.Helper()
	return owned(t, StartLMStudio, o)
}

// Configure changes the settings. It may be called at any time.
func (l *LMStudio) Configure(change func(*LMStudioSettings)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.settings)
}

// HangInstances makes the current model processes hang. A reload ends it, other
// than [Wedged].
func (l *LMStudio) HangInstances() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.instances {
		l.state(i).hung = true
	}
}

// ExpireIn unloads the models in memory after d, even if they are not idle.
func (l *LMStudio) ExpireIn(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.instances {
		i.expires = time.Now().Add(d)
	}
}

// Loaded returns the IDs of the instances in memory.
func (l *LMStudio) Loaded() []string {
	l.expire()
	return l.Server.Loaded()
}

// state returns the state of an instance. l.mu is held.
func (l *LMStudio) state(i *instance) *lmState {
	s, ok := l.states[i]
	if !ok {
		s = &lmState{}
		l.states[i] = s
	}
	return s
}

func (l *LMStudio) config() LMStudioSettings {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.settings
}

// expire unloads the instances that were idle for their TTL.
func (l *LMStudio) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, i := range slices.Clone(l.instances) {
		if !i.expires.IsZero() && !now.Before(i.expires) {
			l.remove(i)
		}
	}
}

// remove unloads an instance. l.mu is held.
func (l *LMStudio) remove(gone *instance) {
	l.instances = slices.DeleteFunc(slices.Clone(l.instances), func(i *instance) bool { return i == gone })
	delete(l.states, gone)
	l.change() // requests that hang in it end
}

func (l *LMStudio) idleTimeout() time.Duration { return 5 * time.Second }

// sameName ignores case, as LM Studio does.
func (l *LMStudio) sameName(a, b string) bool { return strings.EqualFold(a, b) }

func (l *LMStudio) route(r *http.Request) Route {
	switch path := r.URL.Path; {
	case r.Method == http.MethodGet && (path == "/api/v1/models" || path == "/v1/models" || strings.HasPrefix(path, "/api/v0/models")):
		return Lists
	case r.Method != http.MethodPost:
		return Others
	case path == "/v1/chat/completions", path == "/api/v0/chat/completions", path == "/api/v1/chat":
		return Chats
	case path == "/api/v1/models/load":
		return Loads
	case path == "/api/v1/models/unload":
		return Unloads
	}
	return Others
}

func (l *LMStudio) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	l.expire()
	c := l.config()
	w.Header().Set("X-Powered-By", "Express")
	w.Header().Set("Keep-Alive", "timeout=5")
	if c.CloseReused && l.reused(r.RemoteAddr) {
		panic(http.ErrAbortHandler)
	}
	for _, e := range l.endpoints() {
		if rest, ok := e.matches(r, c); ok {
			e.serve(w, r, c, body, rest)
			return
		}
	}
	// LM Studio answers an unknown route with a success.
	status := http.StatusOK
	if c.NotFound404 {
		status = http.StatusNotFound
	}
	writeJSON(w, status, map[string]string{"error": "Unexpected endpoint or method. (" + r.Method + " " + r.URL.Path + ")"})
}

// lmEndpoint is one of the server's endpoints. A path that ends with a slash
// stands for all below it.
type lmEndpoint struct {
	method, path string
	serve        func(w http.ResponseWriter, r *http.Request, c LMStudioSettings, body []byte, rest string)
}

// matches reports whether a request is for the endpoint, which the server has,
// and returns what follows the endpoint's path.
func (e lmEndpoint) matches(r *http.Request, c LMStudioSettings) (rest string, ok bool) {
	if r.Method != e.method || c.Old && strings.HasPrefix(e.path, "/api/v1/") || c.NoV0 && strings.HasPrefix(e.path, "/api/v0/") {
		return "", false
	}
	rest, ok = strings.CutPrefix(r.URL.Path, e.path)
	return rest, ok && (rest == "" || strings.HasSuffix(e.path, "/"))
}

func (l *LMStudio) endpoints() []lmEndpoint {
	// list is an endpoint that answers with what it is given.
	list := func(path string, answer func(LMStudioSettings) map[string]any) lmEndpoint {
		return lmEndpoint{http.MethodGet, path, func(w http.ResponseWriter, _ *http.Request, c LMStudioSettings, _ []byte, _ string) {
			writeJSON(w, http.StatusOK, answer(c))
		}}
	}
	return []lmEndpoint{
		list("/lmstudio-greeting", func(LMStudioSettings) map[string]any { return map[string]any{"lmstudio": true} }),
		list("/api/v1/models", func(c LMStudioSettings) map[string]any { return map[string]any{"models": l.listV1(c)} }),
		list("/api/v0/models", func(c LMStudioSettings) map[string]any {
			return map[string]any{"object": "list", "data": l.listV0(c)}
		}),
		list("/v1/models", func(c LMStudioSettings) map[string]any {
			return map[string]any{"object": "list", "data": l.listOpenAI(c)}
		}),
		{http.MethodGet, "/api/v0/models/", func(w http.ResponseWriter, _ *http.Request, c LMStudioSettings, _ []byte, name string) {
			l.oneV0(w, c, name)
		}},
		{http.MethodPost, "/api/v1/models/load", func(w http.ResponseWriter, r *http.Request, c LMStudioSettings, body []byte, _ string) {
			l.load(w, r, c, body)
		}},
		{http.MethodPost, "/api/v1/models/unload", func(w http.ResponseWriter, _ *http.Request, _ LMStudioSettings, body []byte, _ string) {
			l.unload(w, body)
		}},
		{http.MethodPost, "/api/v1/models/download", func(w http.ResponseWriter, _ *http.Request, _ LMStudioSettings, body []byte, _ string) {
			l.download(w, body)
		}},
		{http.MethodGet, "/api/v1/models/download/status/", func(w http.ResponseWriter, _ *http.Request, c LMStudioSettings, _ []byte, job string) {
			l.downloadStatus(w, c, job)
		}},
		{http.MethodPost, "/api/v1/chat", func(w http.ResponseWriter, r *http.Request, c LMStudioSettings, body []byte, _ string) {
			l.nativeChat(w, r, c, body)
		}},
		{http.MethodPost, "/v1/chat/completions", func(w http.ResponseWriter, r *http.Request, c LMStudioSettings, body []byte, _ string) {
			l.openAIChat(w, r, c, body, false)
		}},
		{http.MethodPost, "/api/v0/chat/completions", func(w http.ResponseWriter, r *http.Request, c LMStudioSettings, body []byte, _ string) {
			l.openAIChat(w, r, c, body, true)
		}},
	}
}

func (l *LMStudio) reused(remote string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.remotes[remote]
	l.remotes[remote] = true
	return was
}

// lmError is an error of the native API.
type lmError struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	Code    string `json:"code,omitempty"`
	Param   string `json:"param,omitempty"`
}

func (e lmError) write(w http.ResponseWriter, status int) {
	writeJSON(w, status, map[string]lmError{"error": e})
}

const tokenRequired = "An LM Studio API token is required to make requests to this server, but none was provided using " +
	"the Authorization header using the 'Bearer' scheme (i.e., 'Authorization: Bearer $LM_API_TOKEN')"

func (l *LMStudio) fail(w http.ResponseWriter, r *http.Request, status int, text string) {
	switch {
	case status == http.StatusUnauthorized && r.Header.Get("Authorization") == "":
		lmError{"invalid_request", tokenRequired, "invalid_api_key", ""}.write(w, status)
	case status == http.StatusUnauthorized:
		lmError{"invalid_request", "Invalid LM Studio API token provided", "invalid_api_key", ""}.write(w, status)
	default:
		lmError{Type: "internal_error", Message: text}.write(w, status)
	}
}

// strict decodes a body of the native API, which refuses unknown keys. If it
// returns false, it has written the error.
func (l *LMStudio) strict(w http.ResponseWriter, body []byte, keys ...string) (map[string]any, bool) {
	var in map[string]any
	if err := json.Unmarshal(body, &in); err != nil || in == nil {
		lmError{"invalid_request", "Invalid JSON in request body", "invalid_json", ""}.write(w, http.StatusBadRequest)
		return nil, false
	}
	var unknown []string
	for k := range in {
		if !slices.Contains(keys, k) {
			unknown = append(unknown, "'"+k+"'")
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		lmError{"invalid_request", "Unrecognized key(s) in object: " + strings.Join(unknown, ", "), "unrecognized_keys", ""}.write(w, http.StatusBadRequest)
		return nil, false
	}
	return in, true
}

// required returns a required string. If it returns false, it has written the
// error.
func required(w http.ResponseWriter, in map[string]any, key string) (string, bool) {
	text, ok := in[key].(string)
	if !ok || text == "" {
		lmError{"invalid_request", `"` + key + `" is required`, "missing_required_parameter", key}.write(w, http.StatusBadRequest)
		return "", false
	}
	return text, true
}

package nodetest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Faults that only Ollama has.
const (
	// SchedulerWedged answers the version and the tags, and neither the list of
	// loaded models nor requests that need a runner.
	SchedulerWedged Fault = "scheduler wedged"
	// QueueFull answers requests that need a runner with status 503.
	QueueFull Fault = "queue full"
	// ListPanics answers the list of loaded models with status 500 and no body,
	// as it happens during an unload.
	ListPanics Fault = "list panics"
)

// OllamaSettings are the settings of a fake Ollama. The zero value is Ollama 0.17
// with its defaults.
type OllamaSettings struct {
	// Runner is the runner whose error texts are used: "llama runner" (up to
	// 0.24), "llama-server" (from 0.30) or "mlx runner". "" means that of the
	// version. On a llama-server the list of loaded models is silent while a
	// question hangs, the server replaces a runner that hangs for 20 s, and a
	// stream of OpenAI's protocol whose runner died ends with a chunk without a
	// model.
	Runner string
	// KeepAlive is the keep-alive of requests without one. 0 means five minutes.
	KeepAlive time.Duration
	// Context is the num_ctx of loads without one, and Trained the longest
	// context of models. 0 means 4096 and 131072.
	Context, Trained int
	// ModelContext gives models, by name, a num_ctx of their own.
	ModelContext map[string]int
	// MaxLoaded is the number of models that fit into memory. To load one more,
	// the server unloads an idle one. 0 means three.
	MaxLoaded int
	// StoppingTime is the time for which an unloaded model is still listed, with
	// an expiry in the past.
	StoppingTime time.Duration
	// ListDelay is the time between a load and the listing of the model.
	ListDelay time.Duration
	// ListsLoading also lists models that are being loaded.
	ListsLoading bool
	// Remote names models that run in the cloud. Corrupt names models with a
	// corrupt file, whose load is answered with status 500 and no body. BlobGone
	// names models whose tag exists without the file.
	Remote, Corrupt, BlobGone []string
	// NotFoundText is the error text for unknown models, with %s for the name. ""
	// means "model '%s' not found".
	NotFoundText string
	// ClockSkew is the time by which the server's clock is ahead.
	ClockSkew time.Duration
	// Registry are the models that can be pulled.
	Registry []Model
	// PullStops ends a pull in the middle, without an error.
	PullStops bool
	// Origins are further origins whose web pages may ask, as OLLAMA_ORIGINS names
	// them. All others but those of this machine and of apps get status 403.
	Origins []string
	// NoThinkField sends thinking in the content, as <think>…</think>.
	NoThinkField bool
}

// Ollama is a fake Ollama.
type Ollama struct {
	*Server

	// All below is guarded by Server.mu.
	settings OllamaSettings
	states   map[*instance]*ollamaState
	reloads  int
	loads    int
	leaked   bool // an unload did not free its memory
}

// ollamaState is the state of a loaded model that only Ollama has.
type ollamaState struct {
	name    string // as first requested
	options map[string]any
	keep    time.Duration // forever is math.MaxInt64
	busy    int           // requests under way
	loaded  time.Time
	gone    time.Time // when an unload ends; zero: none under way
	hung    bool
	asked   int // questions that its runner has
	vram    *float64
}

// StartOllama starts a fake Ollama. The caller closes it. The models that are
// loaded at the start have no keep-alive that ends.
func StartOllama(o Options) (*Ollama, error) {
	if o.Version == "" {
		o.Version = "0.17.4"
	}
	l := &Ollama{Server: &Server{}, states: map[*instance]*ollamaState{}}
	return start(l, o)
}

// NewOllama is [StartOllama] with a fake that ends with the test.
func NewOllama(t TB, o Options) *Ollama {
	t.Helper()
	return owned(t, StartOllama, o)
}

// Configure changes the settings. It may be called at any time.
func (l *Ollama) Configure(change func(*OllamaSettings)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.settings)
	l.change()
}

func (l *Ollama) config() OllamaSettings {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.settings
}

// Reloads returns the number of reloads of a model because a request had other
// runner options.
func (l *Ollama) Reloads() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reloads
}

// LoadCount returns the number of loads, reloads included.
func (l *Ollama) LoadCount() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.loads
}

// UnderWay returns the number of requests that a runner is working on.
func (l *Ollama) UnderWay() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, i := range l.instances {
		n += l.state(i).busy
	}
	return n
}

// HangRunners makes the current runners hang, as a SIGSTOP does: lists are
// answered, chats hang, and an unload takes effect only if no request is under
// way. A load starts a new runner.
func (l *Ollama) HangRunners() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.instances {
		l.state(i).hung = true
	}
}

// LoseGPU sets the share of the loaded models on the GPU.
func (l *Ollama) LoseGPU(share float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.instances {
		l.state(i).vram = &share
	}
}

// ExpireIn unloads the models in memory after d, unless a request uses them.
func (l *Ollama) ExpireIn(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.instances {
		l.state(i).keep = d
		i.expires = time.Now().Add(d)
	}
}

// LoadBehindBack loads a model as another client would, with options and a
// keep-alive. A negative keep-alive does not end.
func (l *Ollama) LoadBehindBack(name string, options map[string]any, keep time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m, ok := findModel(l.models, l.sameName, name)
	if !ok {
		return
	}
	for _, i := range slices.Clone(l.instances) {
		if i.model.digest() == m.digest() {
			l.remove(i)
		}
	}
	i := &instance{id: ollamaName(m.Name), model: m}
	l.instances = append(l.instances, i)
	s := l.state(i)
	s.options = l.runnerOptions(m, options)
	l.keepFor(i, keep)
}

// Loaded returns the names of the models in memory.
func (l *Ollama) Loaded() []string {
	l.expire()
	l.mu.Lock()
	defer l.mu.Unlock()
	names := make([]string, 0, len(l.instances))
	for _, i := range l.instances {
		names = append(names, l.state(i).name)
	}
	return names
}

// state returns the state of a loaded model. l.mu is held.
func (l *Ollama) state(i *instance) *ollamaState {
	s, ok := l.states[i]
	if !ok {
		s = &ollamaState{name: ollamaName(i.model.Name), options: l.runnerOptions(i.model, nil), keep: forEver}
		l.states[i] = s
	}
	return s
}

// remove unloads a model. l.mu is held.
func (l *Ollama) remove(gone *instance) {
	l.instances = slices.DeleteFunc(slices.Clone(l.instances), func(i *instance) bool { return i == gone })
	delete(l.states, gone)
	_, l.leaked = l.faults[MemoryNotFreed]
	l.change() // requests that wait for it, or hang in it, go on
}

// restarted: a new process has a scheduler of its own. l.mu is held.
func (l *Ollama) restarted() { delete(l.faults, SchedulerWedged) }

// ollamaName returns a name as the server lists it, with its tag.
func ollamaName(name string) string {
	name = strings.TrimPrefix(name, "registry.ollama.ai/")
	name = strings.TrimPrefix(name, "library/")
	if name != "" && !strings.Contains(name[strings.LastIndexByte(name, '/')+1:], ":") {
		name += ":latest"
	}
	return name
}

func (l *Ollama) sameName(a, b string) bool {
	return strings.EqualFold(ollamaName(a), ollamaName(b))
}

// ollamaRequest is the body of all of Ollama's own requests.
type ollamaRequest struct {
	Model    string
	Name     string // the model's, in requests of old clients
	Prompt   string
	Messages []struct {
		Role    string
		Content text
	}
	Stream      *bool
	KeepAlive   any `json:"keep_alive"`
	Options     map[string]any
	Think       any
	Truncate    *bool
	Source      string
	Destination string
	Format      json.RawMessage

	asked features
}

func (r ollamaRequest) streams() bool { return r.Stream == nil || *r.Stream }

func (l *Ollama) route(r *http.Request) Route {
	switch path := r.URL.Path; {
	case r.Method != http.MethodPost:
		switch path {
		case "/", "/api/version", "/api/tags", "/api/ps", "/v1/models":
			return Lists
		}
	case path == "/v1/chat/completions":
		return Chats
	case path == "/api/chat", path == "/api/generate":
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		var in ollamaRequest
		if err != nil || json.Unmarshal(body, &in) != nil {
			return Others
		}
		keep, given, _ := keepAlive(in.KeepAlive)
		switch {
		case in.Prompt != "" || len(in.Messages) > 0:
			return Chats
		case given && keep == 0:
			return Unloads
		}
		return Loads
	}
	return Others
}

func (l *Ollama) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	l.expire()
	c := l.config()
	w.Header().Set("Date", time.Now().Add(c.ClockSkew).UTC().Format(http.TimeFormat))
	handlers := map[string]map[string]func(http.ResponseWriter, *http.Request, OllamaSettings, []byte){
		"/":                    {http.MethodGet: l.root, http.MethodHead: l.root},
		"/api/version":         {http.MethodGet: l.showVersion, http.MethodHead: l.showVersion},
		"/api/tags":            {http.MethodGet: l.tags, http.MethodHead: l.tags},
		"/api/ps":              {http.MethodGet: l.ps},
		"/v1/models":           {http.MethodGet: l.openAIModels},
		"/api/chat":            {http.MethodPost: l.chat},
		"/api/generate":        {http.MethodPost: l.generate},
		"/api/show":            {http.MethodPost: l.show},
		"/api/pull":            {http.MethodPost: l.pull},
		"/api/delete":          {http.MethodDelete: l.delete},
		"/api/copy":            {http.MethodPost: l.copy},
		"/v1/chat/completions": {http.MethodPost: l.openAIChat},
		"/v1/embeddings":       {http.MethodPost: l.openAIEmbeddings},
	}
	if answered := l.checkOrigin(w, r, c); answered {
		return
	}
	methods, known := handlers[r.URL.Path]
	handler, allowed := methods[r.Method]
	switch {
	case !known:
		http.Error(w, "404 page not found", http.StatusNotFound)
	case !allowed:
		http.Error(w, "405 method not allowed", http.StatusMethodNotAllowed)
	default:
		handler(w, r, c, body)
	}
}

func (l *Ollama) fail(w http.ResponseWriter, r *http.Request, status int, text string) {
	if strings.HasPrefix(r.URL.Path, "/v1/") {
		kind := "api_error"
		if status == http.StatusNotFound && l.onLlamaServer() {
			kind = "not_found_error"
		}
		failOpenAI(w, status, kind, text)
		return
	}
	writeJSON(w, status, map[string]string{"error": text})
}

// unread refuses a request that can't be read. All other errors of OpenAI's API are
// errors of the server's own API, passed on.
func (l *Ollama) unread(w http.ResponseWriter, r *http.Request, text string) {
	if !strings.HasPrefix(r.URL.Path, "/v1/") {
		l.fail(w, r, http.StatusBadRequest, text)
		return
	}
	failOpenAI(w, http.StatusBadRequest, "invalid_request_error", text)
}

func failOpenAI(w http.ResponseWriter, status int, kind, text string) {
	writeJSON(w, status, map[string]any{"error": map[string]any{"message": text, "type": kind, "param": nil, "code": nil}})
}

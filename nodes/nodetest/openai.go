package nodetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// OpenAISettings are the settings of a fake OpenAI-compatible server. Such servers
// differ in them.
type OpenAISettings struct {
	// FlatErrors sends {"object":"error","message":…} in place of an error
	// object.
	FlatErrors bool
	// StringErrors sends {"error":"text"}.
	StringErrors bool
	// Strict refuses unknown fields, such as stream_options.
	Strict bool
	// NoUsage sends no token counts.
	NoUsage bool
	// NeverStreams answers without streaming, also if a stream was requested.
	NeverStreams bool
	// Reasoning is the place of thinking: "reasoning_content" (also for ""),
	// "reasoning", or "think" for <think> tags in the content.
	Reasoning string
	// EchoPrefill repeats the beginning that it is asked to continue.
	EchoPrefill bool
	// Comments is the number of keep-alive comments before an answer.
	Comments int
}

// OpenAI is a fake server of the OpenAI protocol alone, such as vLLM. It serves the
// models in its memory, and can't load others.
type OpenAI struct {
	*Server
	settings OpenAISettings // guarded by Server.mu
}

// StartOpenAI starts a fake OpenAI-compatible server. The caller closes it.
func StartOpenAI(o Options) (*OpenAI, error) {
	return start(&OpenAI{Server: &Server{}}, o)
}

// NewOpenAI is [StartOpenAI] with a fake that ends with the test.
func NewOpenAI(t TB, o Options) *OpenAI {
	t.Helper()
	return owned(t, StartOpenAI, o)
}

// Configure changes the settings. It may be called at any time.
func (f *OpenAI) Configure(change func(*OpenAISettings)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.settings)
}

func (f *OpenAI) config() OpenAISettings {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.settings
}

func (f *OpenAI) sameName(a, b string) bool { return a == b }

// startsLoaded: such a server is started with its model.
func (f *OpenAI) startsLoaded() bool { return true }

func (f *OpenAI) route(r *http.Request) Route {
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/v1/models":
		return Lists
	case r.Method == http.MethodPost && r.URL.Path == "/v1/chat/completions":
		return Chats
	}
	return Others
}

var openAITypes = map[int]string{
	http.StatusBadRequest:          "BadRequestError",
	http.StatusUnauthorized:        "authentication_error",
	http.StatusNotFound:            "NotFoundError",
	http.StatusTooManyRequests:     "rate_limit_error",
	http.StatusInternalServerError: "InternalServerError",
	http.StatusServiceUnavailable:  "ServiceUnavailableError",
}

func (f *OpenAI) fail(w http.ResponseWriter, _ *http.Request, status int, text string) {
	f.write(w, status, text)
}

func (f *OpenAI) write(w http.ResponseWriter, status int, text string) {
	kind := openAITypes[status]
	switch c := f.config(); {
	case c.StringErrors:
		writeJSON(w, status, map[string]string{"error": text})
	case c.FlatErrors:
		writeJSON(w, status, map[string]any{"object": "error", "message": text, "type": kind, "param": nil, "code": status})
	default:
		writeJSON(w, status, map[string]any{"error": map[string]any{"message": text, "type": kind, "param": nil, "code": status}})
	}
}

func (f *OpenAI) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	switch f.route(r) {
	case Lists:
		f.list(w)
	case Chats:
		f.chat(w, r, body)
	default:
		if r.Method == http.MethodGet && r.URL.Path == "/health" {
			return // an empty 200
		}
		writeJSON(w, http.StatusNotFound, map[string]string{"detail": "Not Found"})
	}
}

func (f *OpenAI) list(w http.ResponseWriter) {
	f.mu.Lock()
	data := []any{}
	for _, i := range f.instances {
		data = append(data, map[string]any{
			"id": i.id, "object": "model", "created": time.Now().Unix(), "owned_by": "nodetest", "root": i.id, "max_model_len": 4096,
		})
	}
	f.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": data})
}

// openAIFields are the fields that a strict server accepts.
var openAIFields = []string{"model", "messages", "stream", "max_tokens", "temperature", "seed"}

func (f *OpenAI) chat(w http.ResponseWriter, r *http.Request, body []byte) {
	c := f.config()
	v := openAIVoice{
		fail:      f.write,
		crash:     f.crash,
		reasoning: c.Reasoning, noUsage: c.NoUsage, wholeOnly: c.NeverStreams, comments: c.Comments,
	}
	q, ok := readOpenAI(w, body, v)
	if !ok {
		return
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err == nil && c.Strict {
		for name := range fields {
			if !slices.Contains(openAIFields, name) {
				writeJSON(w, http.StatusUnprocessableEntity, map[string]any{"detail": []any{map[string]any{
					"type": "extra_forbidden", "loc": []string{"body", name}, "msg": "Extra inputs are not permitted"}}})
				return
			}
		}
	}
	f.mu.Lock()
	at := slices.IndexFunc(f.instances, func(i *instance) bool { return i.id == q.Model })
	var inst *instance
	if at >= 0 {
		inst = f.instances[at]
	}
	f.mu.Unlock()
	if inst == nil {
		f.write(w, http.StatusNotFound, fmt.Sprintf("The model `%s` does not exist.", q.Model))
		return
	}
	v.continues, v.echoes = q.Continue, c.EchoPrefill
	f.speakOpenAI(w, r, q, inst, v)
}

// crash writes vLLM's error for a dead engine process.
func (f *OpenAI) crash(w http.ResponseWriter, stream bool) {
	const text = "EngineCore encountered an issue. See stack trace (above) for the root cause."
	if !stream {
		f.write(w, http.StatusInternalServerError, text)
		return
	}
	events{w}.send("", map[string]any{"error": map[string]any{"message": text, "type": "InternalServerError", "code": 500}})
}

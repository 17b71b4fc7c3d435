package nodetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
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
	// Context is the context length, of the prompt and the answer that is asked
	// for together. 0 means 32768.
	Context int
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
		switch {
		case r.Method == http.MethodGet && r.URL.Path == "/health":
			return // an empty 200
		case r.Method == http.MethodPost && r.URL.Path == "/v1/embeddings":
			f.embed(w, body)
			return
		}
		writeJSON(w, http.StatusNotFound, map[string]string{"detail": "Not Found"})
	}
}

func (f *OpenAI) list(w http.ResponseWriter) {
	f.mu.Lock()
	data := []any{}
	for _, i := range f.instances {
		for _, name := range append([]string{i.id}, i.model.Aliases...) {
			data = append(data, map[string]any{
				"id": name, "object": "model", "created": time.Now().Unix(), "owned_by": "nodetest", "root": i.id, "max_model_len": f.settings.context(),
			})
		}
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
	inst := f.named(q.Model)
	if inst == nil {
		f.write(w, http.StatusNotFound, fmt.Sprintf("The model `%s` does not exist.", q.Model))
		return
	}
	if words := f.refusal(c, inst.model, q); words != "" {
		f.write(w, http.StatusBadRequest, words)
		return
	}
	v.continues, v.echoes = q.Continue, c.EchoPrefill
	f.speakOpenAI(w, r, q, inst, v)
}

// named returns the instance that serves a name, nil for none.
func (f *OpenAI) named(name string) *instance {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.instances {
		if i.id == name || slices.Contains(i.model.Aliases, name) {
			return i
		}
	}
	return nil
}

func (c OpenAISettings) context() int { return orInt(c.Context, 32768) }

// refusal returns the words in which vLLM refuses what the model can't do, "" for none.
func (f *OpenAI) refusal(c OpenAISettings, m Model, q openAIRequest) string {
	prompt := 0
	for _, message := range q.Messages {
		prompt += len(strings.Fields(string(message.Content)))
	}
	switch {
	case m.EmbeddingsOnly:
		return "The model does not support Chat Completions API"
	case q.asked.images > 0 && !m.Vision:
		return m.Name + " is not a multimodal model"
	case len(q.asked.tools) > 0 && q.asked.choice == "" && !m.Tools:
		return `"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set`
	case prompt+q.MaxTokens > c.context():
		return fmt.Sprintf("This model's maximum context length is %d tokens. However, you requested %d tokens (%d in the messages, %d in the completion). Please reduce the length of the messages or completion.",
			c.context(), prompt+q.MaxTokens, prompt, q.MaxTokens)
	}
	return ""
}

// embed is POST /v1/embeddings, which only a model for embeddings has.
func (f *OpenAI) embed(w http.ResponseWriter, body []byte) {
	var fields llamaFields
	if err := json.Unmarshal(body, &fields); err != nil {
		f.write(w, http.StatusBadRequest, "parse error: "+err.Error())
		return
	}
	inst := f.named(fields.text("model"))
	switch {
	case inst == nil:
		f.write(w, http.StatusNotFound, fmt.Sprintf("The model `%s` does not exist.", fields.text("model")))
	case !inst.model.EmbeddingsOnly:
		f.write(w, http.StatusBadRequest, "The model does not support Embeddings API")
	default:
		writeJSON(w, http.StatusOK, embeddings(inst.model, inst.id, fields))
	}
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

package nodetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// saidCalls are the calls in the form of Ollama's own chat API, nil for none.
func (a ollamaAnswer) saidCalls() []any {
	var out []any
	for i, c := range a.calls {
		out = append(out, map[string]any{
			"id": c.id, "function": map[string]any{"index": i, "name": c.name, "arguments": c.arguments},
		})
	}
	return out
}

// fullName returns a model's name with its registry, as some errors have it.
func fullName(m Model) string {
	name := ollamaName(m.Name)
	if !strings.Contains(name, "/") {
		name = "library/" + name
	}
	return "registry.ollama.ai/" + name
}

func (l *Ollama) capabilities(m Model) []string {
	if m.EmbeddingsOnly {
		return []string{"embedding"}
	}
	list := []string{"completion"}
	for _, c := range []struct {
		name string
		has  bool
	}{{"tools", m.Tools}, {"vision", m.Vision}, {"thinking", m.Thinking != ""}} {
		if c.has {
			list = append(list, c.name)
		}
	}
	return list
}

// The origins that are always allowed: web pages of this machine, and apps.
var (
	ownHosts   = []string{"localhost", "127.0.0.1", "0.0.0.0"}
	appSchemes = []string{"app", "file", "tauri", "vscode-webview", "vscode-file"}
)

// checkOrigin refuses the web pages that may not ask, and answers the questions of
// browsers whether they may. It returns true if it has answered.
func (l *Ollama) checkOrigin(w http.ResponseWriter, r *http.Request, c OllamaSettings) (answered bool) {
	origin := r.Header.Get("Origin")
	u, err := url.Parse(origin)
	switch {
	case origin == "" || origin == "http://"+r.Host || origin == "https://"+r.Host:
		return false
	case slices.Contains(c.Origins, "*"), slices.Contains(c.Origins, origin):
	case err == nil && slices.Contains(appSchemes, u.Scheme):
	case err == nil && (u.Scheme == "http" || u.Scheme == "https") && slices.Contains(ownHosts, u.Hostname()):
	default:
		w.WriteHeader(http.StatusForbidden)
		return true
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	return false
}

// openAIEmbeddings is POST /v1/embeddings, which models for chats have as well.
func (l *Ollama) openAIEmbeddings(w http.ResponseWriter, r *http.Request, c OllamaSettings, body []byte) {
	_, m, ok := l.model(w, r, c, body)
	if !ok {
		return
	}
	var fields llamaFields
	_ = json.Unmarshal(body, &fields) // it was decoded before
	writeJSON(w, http.StatusOK, embeddings(m, fields.text("model"), fields))
}

// badFormat returns the words for a format that is neither "json" nor a schema, ""
// for one that is.
func (in ollamaRequest) badFormat() string {
	format := string(in.Format)
	if format == "" || format == "null" || format == `""` || format == `"json"` || format[0] == '{' {
		return ""
	}
	return fmt.Sprintf("invalid format: %q; expected \"json\" or a valid JSON Schema object", format)
}

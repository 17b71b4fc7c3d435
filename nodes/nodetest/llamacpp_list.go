package nodetest

import (
	"net/http"
	"strconv"
	"time"
)

// llamaBuild is the version of the server whose answers were captured.
const llamaBuild = "b11669-Debian"

func (l *LlamaCPP) build() string { return or(l.options.Version, llamaBuild) }

// trainedContext is the context length that a model was trained with.
const trainedContext = 8192

func (l *LlamaCPP) props(w http.ResponseWriter, r *http.Request, c LlamaCPPSettings) {
	if !l.router {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.instances) == 0 {
			llamaError(w, http.StatusServiceUnavailable, "Loading model")
			return
		}
		writeJSON(w, http.StatusOK, l.modelProps(l.instances[0]))
		return
	}
	if name := r.URL.Query().Get("model"); name != "" {
		i := l.process(w, r, name)
		if i == nil {
			return
		}
		l.proxied(w)
		l.mu.Lock()
		defer l.mu.Unlock()
		writeJSON(w, http.StatusOK, l.modelProps(i))
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"role": "router", "max_instances": c.modelsMax(), "models_autoload": !c.NoAutoload,
		"model_alias": "llama-server", "model_path": "none", "build_info": l.build(),
		"default_generation_settings": map[string]any{"params": nil, "n_ctx": 0},
		"ui_settings":                 map[string]any{}, "cors_proxy_enabled": false,
	})
}

// modelProps are the properties of a model's process. l.mu is held.
func (l *LlamaCPP) modelProps(i *instance) map[string]any {
	c := l.settings
	return map[string]any{
		"default_generation_settings": map[string]any{"n_ctx": c.context(), "params": map[string]any{"seed": 4294967295, "temperature": 0.8, "n_predict": -1}},
		"total_slots":                 c.slots(), "model_alias": i.model.Name, "model_ftype": "all F32", "model_path": "/models/" + i.model.Name + ".gguf",
		"modalities":   map[string]bool{"vision": i.model.Vision, "video": false, "audio": false},
		"media_marker": "<__media__>", "endpoint_slots": !c.NoSlots, "endpoint_props": false, "endpoint_metrics": false,
		"ui": true, "ui_settings": map[string]any{}, "chat_template": "{{ messages }}", "chat_template_caps": map[string]bool{"supports_tools": false},
		"bos_token": "<s>", "eos_token": "</s>", "build_info": l.build(), "is_sleeping": l.state(i).asleep, "cors_proxy_enabled": false,
	}
}

// status is the state of a model on a router. l.mu is held.
func (l *LlamaCPP) status(m Model) map[string]any {
	status := map[string]any{"value": "unloaded", "args": l.args(m, 0), "preset": "[" + m.Name + "]\nmodel = /models/" + m.Name + ".gguf\n"}
	i := l.running(m)
	if i == nil {
		if code, ok := l.failed[m.Name]; ok {
			status["failed"], status["exit_code"] = true, code
		}
		return status
	}
	status["args"] = l.args(m, l.state(i).port)
	switch {
	case i.loading:
		status["value"] = "loading"
	case l.state(i).asleep:
		status["value"] = "sleeping"
	default:
		status["value"] = "loaded"
	}
	return status
}

func (l *LlamaCPP) args(m Model, port int) []string {
	return []string{
		"/usr/bin/llama-server", "--host", "127.0.0.1", "--port", strconv.Itoa(port), "--alias", m.Name,
		"--ctx-size", strconv.Itoa(l.settings.context()), "--model", "/models/" + m.Name + ".gguf",
	}
}

func (l *LlamaCPP) entry(m Model) map[string]any {
	return map[string]any{
		"id": m.Name, "aliases": append([]string{}, l.settings.Aliases[m.Name]...), "tags": []string{}, "object": "model",
		"owned_by": "llamacpp", "created": now(),
		"architecture": map[string]any{"input_modalities": []string{"text"}, "output_modalities": []string{"text"}},
	}
}

func (l *LlamaCPP) meta(m Model) map[string]any {
	return map[string]any{
		"vocab_type": 1, "n_vocab": 32000, "n_ctx_train": trainedContext, "n_ctx": l.settings.context(), "n_embd": 64,
		"n_params": m.size() / 2, "size": m.size(), "ftype": "all F32",
	}
}

// singleEntry is the list entry of a server with one model, which has no status.
func (l *LlamaCPP) singleEntry(m Model) map[string]any {
	e := l.entry(m)
	e["aliases"] = append([]string{m.Name}, l.settings.Aliases[m.Name]...)
	e["meta"] = l.meta(m)
	return e
}

// list is GET /models and GET /v1/models.
func (l *LlamaCPP) list(w http.ResponseWriter, c LlamaCPPSettings) {
	l.mu.Lock()
	defer l.mu.Unlock()
	data := []any{}
	if !l.router {
		models := []any{}
		for _, i := range l.instances {
			data = append(data, l.singleEntry(i.model))
			models = append(models, map[string]any{
				"name": i.model.Name, "model": i.model.Name, "modified_at": "", "size": "", "digest": "", "type": "model", "description": "",
				"tags": []string{""}, "capabilities": []string{"completion"}, "parameters": "",
				"details": map[string]any{"parent_model": "", "format": "gguf", "family": "", "families": []string{""}, "parameter_size": "", "quantization_level": ""},
			})
		}
		writeJSON(w, http.StatusOK, map[string]any{"models": models, "object": "list", "data": data})
		return
	}
	for _, m := range l.known() {
		e := l.entry(m)
		e["source"], e["can_remove"], e["context_length"], e["status"] = "models_dir", false, trainedContext, l.status(m)
		if i := l.running(m); i != nil && !i.loading {
			e["meta"] = l.meta(m) // also while it sleeps
		}
		data = append(data, e)
	}
	for name := range l.downloads {
		l.lookAtDownload(name, func(done int64, status string) {
			e := l.entry(Model{Name: name})
			e["status"] = map[string]any{"value": status, "args": []string{"/usr/bin/llama-server"}, "progress": map[string]any{
				"https://huggingface.co/" + name: map[string]int64{"downloaded": done, "total": 1 << 30}}}
			data = append(data, e)
		})
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": data})
}

// slots is GET /slots, which wakes a model that sleeps, and hangs with its process.
func (l *LlamaCPP) slots(w http.ResponseWriter, r *http.Request, c LlamaCPPSettings) {
	name := r.URL.Query().Get("model")
	i := l.process(w, r, name)
	if i == nil {
		return
	}
	l.proxied(w)
	l.mu.Lock()
	dead := i.halfDead
	l.state(i).asleep = false
	l.state(i).used = time.Now()
	l.mu.Unlock()
	switch {
	case dead:
		noConnection.write(w)
		return
	case l.active(Wedged) && !l.hang(r.Context(), Wedged):
		return
	case c.NoSlots:
		llamaError(w, http.StatusNotImplemented, "This server does not support slots endpoint. Start it with `--slots`")
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	working, ever := l.state(i).working, l.state(i).slots
	if r.URL.Query().Get("fail_on_no_slot") == "1" && working >= c.slots() {
		llamaError(w, http.StatusServiceUnavailable, "no slot available")
		return
	}
	list := []any{}
	for id := range c.slots() {
		slot := map[string]any{"id": id, "n_ctx": c.context(), "speculative": false, "is_processing": id < working}
		if id < ever { // one that was never used has no more
			slot["id_task"], slot["n_prompt_tokens"], slot["n_prompt_tokens_processed"], slot["n_prompt_tokens_cache"] = id, 8, 8, 0
			slot["params"] = map[string]any{"n_predict": -1}
			slot["next_token"] = []any{map[string]any{"has_next_token": id < working, "has_new_line": false, "n_remain": -1, "n_decoded": 1}}
		}
		list = append(list, slot)
	}
	writeJSON(w, http.StatusOK, list)
}

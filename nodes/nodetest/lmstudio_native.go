package nodetest

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// lmNative is a request to /api/v1/chat, checked.
type lmNative struct {
	model, prompt, effort string
	stream, store         bool
	limit                 int
}

// native reads a request; false means that the error is written.
func (l *LMStudio) native(w http.ResponseWriter, body []byte) (lmNative, bool) {
	in, ok := l.strict(w, body, "model", "input", "system_prompt", "integrations", "stream", "temperature", "top_p", "top_k", "min_p",
		"repeat_penalty", "max_output_tokens", "reasoning", "context_length", "store", "previous_response_id")
	if !ok {
		return lmNative{}, false
	}
	q := lmNative{store: true}
	if q.model, ok = required(w, in, "model"); !ok {
		return q, false
	}
	invalid := func(param string) (lmNative, bool) {
		lmError{"invalid_request", "Invalid value for '" + param + "'", "invalid_value", param}.write(w, http.StatusBadRequest)
		return q, false
	}
	switch input := in["input"].(type) {
	case string:
		q.prompt = input
	case []any:
		for _, item := range input {
			part, _ := item.(map[string]any)
			if kind := part["type"]; kind != "message" && kind != "text" {
				return invalid("input")
			}
			text, _ := part["content"].(string)
			q.prompt += text
		}
	default:
		lmError{"invalid_request", `"input" is required`, "missing_required_parameter", "input"}.write(w, http.StatusBadRequest)
		return q, false
	}
	if t, given := in["temperature"].(float64); given && (t < 0 || t > 1) {
		return invalid("temperature")
	}
	q.effort, _ = in["reasoning"].(string)
	q.stream, _ = in["stream"].(bool)
	if store, given := in["store"].(bool); given {
		q.store = store
	}
	limit, _ := in["max_output_tokens"].(float64)
	q.limit = int(limit)
	return q, true
}

// nativeChat is POST /api/v1/chat.
func (l *LMStudio) nativeChat(w http.ResponseWriter, r *http.Request, c LMStudioSettings, body []byte) {
	q, ok := l.native(w, body)
	if !ok {
		return
	}
	l.mu.Lock()
	m, onDisk := findModel(l.models, l.sameName, instanceModel(l.instances, q.model))
	l.mu.Unlock()
	if !onDisk {
		lmError{"invalid_request", "Model " + q.model + " not found", "model_not_found", "model"}.write(w, http.StatusNotFound)
		return
	}
	if q.effort != "" && (m.Thinking == "" || !slices.Contains(c.efforts(), q.effort)) {
		lmError{"invalid_request", "Reasoning setting '" + q.effort + "' is not supported by this model", "invalid_value", "reasoning"}.write(w, http.StatusBadRequest)
		return
	}
	n := &lmNativeReply{l: l, c: c, q: q, began: time.Now()}
	if d, on := l.on(ErrorFrame, Chats); on {
		n.fail(w, lmText(or(d.Text, fmt.Sprintf(lmOverflow, 31430, 30000))))
		return
	}
	loaded := slices.Clone(l.Loaded())
	inst, failure := l.resolve(r, c, q.model, 0)
	if failure != nil {
		n.fail(w, failure)
		return
	}
	if inst == nil {
		return
	}
	n.jit = !slices.Contains(loaded, inst.id)
	a, failure, ok := l.prepare(r, c, inst, q.prompt, features{}, q.limit, q.effort != "off")
	switch {
	case !ok:
		return
	case failure != nil:
		n.fail(w, failure)
	case q.stream:
		n.stream(w, r, a)
	default:
		n.whole(w, r, a)
	}
}

// instanceModel returns the key of the instance of that id, else the name.
func instanceModel(list []*instance, name string) string {
	for _, i := range list {
		if i.id == name {
			return i.model.Name
		}
	}
	return name
}

// lmNativeReply writes the answer to one native chat.
type lmNativeReply struct {
	l     *LMStudio
	c     LMStudioSettings
	q     lmNative
	began time.Time
	first time.Duration
	jit   bool
}

func (n *lmNativeReply) fail(w http.ResponseWriter, f *lmFailure) {
	if !n.q.stream {
		lmError{Type: "internal_error", Message: f.text()}.write(w, http.StatusInternalServerError)
		return
	}
	out := newEvents(w)
	out.send("chat.start", map[string]any{"type": "chat.start", "model_instance_id": n.q.model})
	out.send("error", map[string]any{"type": "error", "error": lmError{Type: "unknown", Message: f.text()}})
	out.send("chat.end", map[string]any{"type": "chat.end", "result": n.result(lmAnswer{id: n.q.model})})
}

// result is the answer as a whole.
func (n *lmNativeReply) result(a lmAnswer) map[string]any {
	output := []map[string]any{}
	if text := a.join(true); text != "" {
		output = append(output, map[string]any{"type": "reasoning", "content": text})
	}
	if text := a.join(false); text != "" {
		output = append(output, map[string]any{"type": "message", "content": text})
	}
	stats := map[string]any{
		"input_tokens": a.prompt, "total_output_tokens": len(a.pieces), "reasoning_output_tokens": a.thoughts(),
		"tokens_per_second":           float64(len(a.pieces)) / max(time.Since(n.began).Seconds(), 1e-6),
		"time_to_first_token_seconds": n.first.Seconds(),
	}
	if n.jit {
		stats["model_load_time_seconds"] = n.first.Seconds()
	}
	out := map[string]any{"model_instance_id": a.id, "output": output, "stats": stats}
	if n.q.store {
		out["response_id"] = n.l.newID("resp_")
	}
	return out
}

// heard notes the first token.
func (n *lmNativeReply) heard() {
	if n.first == 0 {
		n.first = time.Since(n.began)
	}
}

func (n *lmNativeReply) whole(w http.ResponseWriter, r *http.Request, a lmAnswer) {
	if n.l.hit(CutOff, Chats) {
		abort(w, `{"model_instance_id":"`+a.id+`","output":[`)
	}
	if n.l.speak(r.Context(), a, func(lmPiece) { n.heard() }) {
		writeJSON(w, http.StatusOK, n.result(a))
	}
}

func (n *lmNativeReply) stream(w http.ResponseWriter, r *http.Request, a lmAnswer) {
	out := newEvents(w)
	send := func(name string, fields map[string]any) {
		data := map[string]any{"type": name}
		for k, v := range fields {
			data[k] = v
		}
		out.send(name, data)
	}
	send("chat.start", map[string]any{"model_instance_id": a.id})
	if n.jit {
		send("model_load.start", map[string]any{"model_instance_id": a.id})
		send("model_load.progress", map[string]any{"model_instance_id": a.id, "progress": 1})
		send("model_load.end", map[string]any{"model_instance_id": a.id, "load_time_seconds": 0.1})
	}
	send("prompt_processing.start", nil)
	send("prompt_processing.progress", map[string]any{"progress": 1})
	send("prompt_processing.end", nil)
	send("prompt_processing.end", nil) // seen twice on real servers
	section := ""
	enter := func(next string) {
		if section == next {
			return
		}
		if section != "" {
			send(section+".end", nil)
		}
		switch section = next; next {
		case "message":
			out.send("message.start", map[string]any{}) // without its type, as on real servers
		case "reasoning":
			send("reasoning.start", nil)
		}
	}
	if !n.l.speak(r.Context(), a, func(p lmPiece) {
		n.heard()
		name := "message"
		if p.thinking {
			name = "reasoning"
		}
		enter(name)
		send(name+".delta", map[string]any{"content": p.text})
	}) {
		return
	}
	enter("")
	if !n.l.lacksEnd() {
		send("chat.end", map[string]any{"result": n.result(a)})
	}
}

package nodetest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// llamaAPI is an API by which a model is asked.
type llamaAPI struct {
	// read makes the request to the chat API of a request.
	read func(fields llamaFields) (llamaFields, *refusal)
	// shape is the form of its answers.
	shape func(llamaForm) answerShape
	// ignores: the fields that ask for a continuation are not read.
	ignores bool
	// onlyNew: a whole answer doesn't repeat what was given.
	onlyNew bool
}

// llamaFields is a request that is decoded in part.
type llamaFields map[string]json.RawMessage

func (f llamaFields) text(name string) string {
	var s string
	_ = json.Unmarshal(f[name], &s) // another type is none
	return s
}

// limit is the greatest number of tokens that the request allows, 0 for any.
func (f llamaFields) limit() int {
	for _, name := range []string{"max_tokens", "max_completion_tokens", "max_output_tokens", "n_predict"} {
		var n int
		if f[name] == nil || json.Unmarshal(f[name], &n) != nil {
			continue
		}
		return max(n, 1) // 0 is one token
	}
	return 0
}

var llamaAPIs = map[string]*llamaAPI{
	"/v1/chat/completions": {read: readLlamaChat, shape: func(f llamaForm) answerShape { return llamaChat{f} }},
	"/v1/completions":      {read: readLlamaCompletion, shape: func(f llamaForm) answerShape { return llamaCompletion{f} }, onlyNew: true, ignores: true},
	"/v1/messages":         {read: readLlamaMessages, shape: func(f llamaForm) answerShape { return llamaMessages{f} }, ignores: true},
	"/v1/responses":        {read: readLlamaResponses, shape: func(f llamaForm) answerShape { return llamaResponses{f} }, ignores: true},
}

// reach returns a request's members and the process that answers it. Where none
// does, the request is refused, and i is nil.
func (l *LlamaCPP) reach(w http.ResponseWriter, r *http.Request, body []byte) (fields llamaFields, i *instance) {
	if !llamaDecode(w, body, &fields) {
		return nil, nil
	}
	if i = l.process(w, r, fields.text("model")); i == nil {
		return nil, nil
	}
	l.proxied(w)
	if l.isHalfDead(i) {
		noConnection.write(w)
		return nil, nil
	}
	return fields, i
}

// infer answers a request to one of llamaAPIs.
func (l *LlamaCPP) infer(w http.ResponseWriter, r *http.Request, c LlamaCPPSettings, body []byte) {
	fields, i := l.reach(w, r, body)
	if i == nil {
		return
	}
	api := llamaAPIs[r.URL.Path]
	q, prefill, no := l.question(api, fields, c, i)
	if no != nil {
		no.write(w)
		return
	}
	words := len(strings.Fields(q.prompt())) + len(strings.Fields(q.given()))
	if words > c.context() {
		w.Header().Set("Connection", "close")
		w.Header().Del("Keep-Alive")
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": map[string]any{
			"code":    400,
			"message": fmt.Sprintf("request (%d tokens) exceeds the available context size (%d tokens), try increasing it", words, c.context()),
			"type":    "exceed_context_size_error", "n_prompt_tokens": words, "n_ctx": c.context()}})
		return
	}
	if left := max(c.context()-words, 1); q.MaxTokens == 0 || q.MaxTokens > left {
		q.MaxTokens = left // a full context ends the answer
	}
	if q.Stream {
		w.Header().Set("X-Accel-Buffering", "no")
	}
	out := &tracked{ResponseWriter: w}
	bound, release, lost := l.occupy(r, i)
	switch {
	case lost:
		l.crash(out, false)
		return
	case bound == nil:
		return
	}
	defer release()
	v := openAIVoice{
		fail: llamaError, crash: l.crash, reasoning: c.Reasoning,
		continues: prefill, echoesWhole: prefill && !api.onlyNew,
		shape: api.shape(llamaForm{id: randomID(), created: now()}),
	}
	v.hold = func(ctx context.Context) bool { return l.standsStill(ctx, i) }
	l.speakOpenAI(out, bound, q, i, v)
	l.mu.Lock()
	if i.crashed && l.running(i.model) == i {
		l.end(i, true)
	}
	l.mu.Unlock()
	if bound.Context().Err() != nil && r.Context().Err() == nil && l.ended(i) {
		l.crash(out, out.begun)
	}
}

// question returns the request to the chat API, and whether it asks to continue
// the answer that it begins.
func (l *LlamaCPP) question(api *llamaAPI, fields llamaFields, c LlamaCPPSettings, i *instance) (q openAIRequest, prefill bool, no *refusal) {
	chat, no := api.read(fields)
	if no != nil {
		return q, false, no
	}
	if api.onlyNew {
		splitCompletion(chat, i.model)
	}
	b, err := json.Marshal(chat)
	if err == nil {
		err = json.Unmarshal(b, &q)
	}
	if err != nil {
		return q, false, &refusal{http.StatusBadRequest, "[json.exception.type_error.302] " + err.Error()}
	}
	q.MaxTokens = fields.limit()
	if no := q.readAbilities(fields, i.model, api); no != nil {
		return q, false, no
	}
	prompt := string(fields["add_generation_prompt"])
	asked := !api.ignores && string(fields["continue_final_message"]) == "true"
	prefill = !c.NoPrefill || asked || api.onlyNew
	switch {
	case asked && prompt != "false":
		return q, false, &refusal{http.StatusBadRequest, "Cannot set both add_generation_prompt and continue_final_message to true."}
	case prefill && endsInTwoAnswers(chat["messages"]):
		return q, false, &refusal{http.StatusBadRequest, "Cannot have 2 or more assistant messages at the end of the list."}
	}
	return q, prefill, nil
}

// toolChoices are those that are no tool's name.
var toolChoices = []string{"", "none", "required"}

// readAbilities reads what a request asks for beyond its text, and refuses what the
// server does.
func (q *openAIRequest) readAbilities(fields llamaFields, m Model, api *llamaAPI) *refusal {
	q.asked = readAsked(encoded(fields))
	switch format := fields["response_format"]; {
	case q.asked.unknown != "":
		return &refusal{http.StatusBadRequest, "unsupported content[].type"}
	case q.asked.images > 0 && !m.Vision:
		return &refusal{http.StatusInternalServerError, "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"}
	case fields.text("tool_choice") != "" && fields.text("tool_choice") != "auto" && !slices.Contains(toolChoices, q.asked.choice):
		return &refusal{http.StatusBadRequest, "Invalid tool_choice: " + q.asked.choice}
	case format != nil:
		var f struct{ Type string }
		_ = json.Unmarshal(format, &f) // of another shape: of no type
		if !slices.Contains([]string{"text", "json_object", "json_schema"}, f.Type) {
			return &refusal{http.StatusBadRequest, `response_format type must be one of "text" or "json_object", but got: ` + f.Type}
		}
	}
	if api != llamaAPIs["/v1/chat/completions"] {
		q.asked.tools = nil // the fake's other APIs have no calls
	}
	return nil
}

// endsInTwoAnswers reports whether the last two messages are the assistant's.
func endsInTwoAnswers(raw json.RawMessage) bool {
	var messages []struct{ Role string }
	_ = json.Unmarshal(raw, &messages)
	n := len(messages)
	return n > 1 && messages[n-1].Role == "assistant" && messages[n-2].Role == "assistant"
}

func readLlamaChat(fields llamaFields) (llamaFields, *refusal) {
	switch raw := fields["messages"]; {
	case raw == nil:
		return nil, &refusal{http.StatusBadRequest, "'messages' is required"}
	case raw[0] != '[':
		return nil, &refusal{http.StatusBadRequest, "Expected 'messages' to be an array"}
	}
	return fields, nil
}

// asChat returns a chat request with the messages and the stream of another API's.
func asChat(fields llamaFields, messages []map[string]string) llamaFields {
	chat := llamaFields{"model": fields["model"]}
	for _, name := range []string{"stream", "stream_options"} {
		if fields[name] != nil {
			chat[name] = fields[name]
		}
	}
	b, err := json.Marshal(messages)
	if err != nil {
		b = []byte("[]") // strings can't fail
	}
	chat["messages"] = b
	if chat["model"] == nil {
		delete(chat, "model")
	}
	return chat
}

// plainText joins the texts of a content, which is a string or a list of parts.
func plainText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var parts []struct{ Text string }
	_ = json.Unmarshal(raw, &parts)
	for _, p := range parts {
		text += p.Text
	}
	return text
}

func readLlamaCompletion(fields llamaFields) (llamaFields, *refusal) {
	raw := fields["prompt"]
	if raw == nil {
		return nil, &refusal{http.StatusBadRequest, "[json.exception.out_of_range.403] key 'prompt' not found"}
	}
	var list []string
	text := plainText(raw)
	if json.Unmarshal(raw, &list) == nil {
		text = strings.Join(list, "")
	}
	return asChat(fields, []map[string]string{{"role": "user", "content": text}}), nil
}

// splitCompletion makes the end of a prompt that begins the model's answer the
// assistant's message.
func splitCompletion(chat llamaFields, m Model) {
	var messages []map[string]string
	if json.Unmarshal(chat["messages"], &messages) != nil || len(messages) != 1 {
		return
	}
	prompt := messages[0]["content"]
	answer := m.answer(prompt)
	for n := min(len(answer), len(prompt)); n > 0; n-- {
		if strings.HasSuffix(prompt, answer[:n]) {
			messages = []map[string]string{{"role": "user", "content": prompt[:len(prompt)-n]}, {"role": "assistant", "content": answer[:n]}}
			break
		}
	}
	chat["messages"] = asChat(nil, messages)["messages"]
}

func readLlamaMessages(fields llamaFields) (llamaFields, *refusal) {
	if _, no := readLlamaChat(fields); no != nil {
		return nil, &refusal{http.StatusInternalServerError, no.text}
	}
	var in []struct {
		Role    string
		Content json.RawMessage
	}
	_ = json.Unmarshal(fields["messages"], &in) // of another shape: none
	var messages []map[string]string
	if system := plainText(fields["system"]); system != "" {
		messages = append(messages, map[string]string{"role": "system", "content": system})
	}
	for _, m := range in {
		messages = append(messages, map[string]string{"role": m.Role, "content": plainText(m.Content)})
	}
	return asChat(fields, messages), nil
}

func readLlamaResponses(fields llamaFields) (llamaFields, *refusal) {
	var messages []map[string]string
	if text := fields.text("instructions"); text != "" {
		messages = append(messages, map[string]string{"role": "system", "content": text})
	}
	var items []struct {
		Type, Role string
		Content    json.RawMessage
	}
	if json.Unmarshal(fields["input"], &items) != nil {
		text := fields.text("input")
		if fields["input"] == nil {
			return nil, &refusal{http.StatusBadRequest, "'input' is required"}
		}
		return asChat(fields, append(messages, map[string]string{"role": "user", "content": text})), nil
	}
	for _, item := range items {
		if item.Role == "assistant" && item.Type == "" {
			return nil, &refusal{http.StatusBadRequest, "Cannot determine type of 'item'"}
		}
		messages = append(messages, map[string]string{"role": item.Role, "content": plainText(item.Content)})
	}
	return asChat(fields, messages), nil
}

// tracked is a response of which is known whether it has begun.
type tracked struct {
	http.ResponseWriter
	begun bool
}

func (t *tracked) WriteHeader(status int) {
	t.begun = true
	t.ResponseWriter.WriteHeader(status)
}

func (t *tracked) Write(b []byte) (int, error) {
	t.begun = true
	return t.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController].
func (t *tracked) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// proxied sets the header of an answer that a router passes on.
func (l *LlamaCPP) proxied(w http.ResponseWriter) {
	if !l.router {
		return
	}
	w.Header().Set("Connection", "close")
	w.Header().Set("X-Accel-Buffering", "no")
	w.Header().Set("Transfer-Encoding", "chunked")
}

// crash is a router's last words about a process that died: raw text after the
// last event of the stream. A server with one model is itself that process.
func (l *LlamaCPP) crash(w http.ResponseWriter, stream bool) {
	if !l.router {
		panic(http.ErrAbortHandler)
	}
	if !stream {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
	}
	_, _ = io.WriteString(w, "proxy error: Failed to read connection")
}

package nodetest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// The words in which LM Studio says that a chat failed.
const (
	lmNoneLoaded = "No models loaded. Please load a model in the developer page or use the 'lms load' command."
	lmCrashed    = "The model has crashed without additional information. (Exit code: 18446744072635812000)"
	lmUnloaded   = "Model unloaded."
	lmOverflow   = "Input does not fit in context length. The input has %d tokens, but the context length only supports %d tokens."
)

// lmFailure is a chat that failed before its answer began. Its error is a
// string or an object, as LM Studio has both.
type lmFailure struct {
	status int
	err    any
}

func lmText(text string) *lmFailure { return &lmFailure{http.StatusBadRequest, text} }

func lmObject(text, param string, code any) *lmFailure {
	return &lmFailure{http.StatusBadRequest, map[string]any{"message": text, "type": "invalid_request_error", "param": param, "code": code}}
}

// text returns the words of the failure.
func (f *lmFailure) text() string {
	if object, ok := f.err.(map[string]any); ok {
		return fmt.Sprint(object["message"])
	}
	return fmt.Sprint(f.err)
}

// resolve finds the instance that answers for a name, as LM Studio does: by
// its id, by its key, by a load, and else the only one there is, whatever it
// is. It returns neither where nobody is left to tell.
func (l *LMStudio) resolve(r *http.Request, c LMStudioSettings, name string, ttl time.Duration) (*instance, *lmFailure) {
	l.mu.Lock()
	var chat []*instance
	for _, i := range l.instances {
		if !l.embeds(c, i.model) {
			chat = append(chat, i)
		}
	}
	m, onDisk := findModel(l.models, l.sameName, name)
	l.mu.Unlock()
	for _, same := range []func(*instance) bool{
		func(i *instance) bool { return i.id == name },
		func(i *instance) bool { return l.sameName(i.model.Name, name) },
	} {
		if at := slices.IndexFunc(chat, same); at >= 0 {
			return l.touch(chat[at]), nil
		}
	}
	switch {
	case onDisk && l.embeds(c, m):
		return nil, lmText("Model does not support chat completion")
	case onDisk && !c.NoJIT:
		return l.justInTime(r, c, m, ttl)
	case len(chat) == 1:
		return l.touch(chat[0]), nil
	case len(chat) == 0:
		return nil, lmObject(lmNoneLoaded, "model", nil)
	}
	return nil, lmObject("Multiple models are loaded. Please specify a model by providing a 'model' field in the request body.", "model", "model_not_found")
}

// touch restarts an instance's idle time.
func (l *LMStudio) touch(i *instance) *instance {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ttl := l.state(i).ttl; ttl > 0 {
		i.expires = time.Now().Add(ttl)
	}
	return i
}

// justInTime loads a model for a chat. The last one that was loaded so leaves.
func (l *LMStudio) justInTime(r *http.Request, c LMStudioSettings, m Model, ttl time.Duration) (*instance, *lmFailure) {
	if ttl <= 0 {
		ttl = c.JITTTL
	}
	if ttl <= 0 {
		ttl = time.Hour
	}
	if !c.KeepJIT {
		l.mu.Lock()
		for _, i := range slices.Clone(l.instances) {
			if l.state(i).ttl > 0 {
				l.remove(i)
			}
		}
		l.mu.Unlock()
	}
	inst, text := l.bring(r, m, map[string]any{}, ttl)
	if text != "" {
		return nil, lmText(text)
	}
	if inst == nil {
		return nil, nil
	}
	return inst, nil
}

// lmPiece is a token of an answer, or of the thinking before it.
type lmPiece struct {
	text     string
	thinking bool
}

// lmAnswer is what a model is about to say.
type lmAnswer struct {
	id     string // of the instance, as the reply names it
	pieces []lmPiece
	calls  []toolCall
	prompt int // tokens
	finish string
	speed  float64
}

func (a lmAnswer) join(thinking bool) string {
	var b strings.Builder
	for _, p := range a.pieces {
		if p.thinking == thinking {
			b.WriteString(p.text)
		}
	}
	return b.String()
}

func (a lmAnswer) thoughts() int {
	n := 0
	for _, p := range a.pieces {
		if p.thinking {
			n++
		}
	}
	return n
}

// prepare plays what strikes before the first token, and makes the answer. It
// returns neither where nobody is left to tell.
func (l *LMStudio) prepare(r *http.Request, c LMStudioSettings, i *instance, prompt string, q features, limit int, think bool) (lmAnswer, *lmFailure, bool) {
	if _, on := l.on(Wedged, Chats); on && !l.hang(r.Context(), Wedged) {
		return lmAnswer{}, nil, false
	}
	if !l.awaitInstance(r.Context(), i) {
		return lmAnswer{}, nil, false
	}
	l.mu.Lock()
	crashed, there := i.crashed, slices.Contains(l.instances, i)
	l.mu.Unlock()
	if !there {
		return lmAnswer{}, lmText(lmUnloaded), true
	}
	if crashed {
		if d, on := l.on(Crashed, Chats); on {
			return lmAnswer{}, lmText(or(d.Text, lmCrashed)), true
		}
	}
	a := lmAnswer{id: i.id, finish: "stop", speed: i.model.TokensPerSecond, prompt: len(strings.Fields(prompt))}
	if limits := l.contextLength(c, i); a.prompt > limits {
		if !c.EmptyOverflow {
			return lmAnswer{}, lmText(fmt.Sprintf(lmOverflow, a.prompt, limits)), true
		}
		return a, nil, true
	}
	if l.hit(AnotherModelAnswers, Chats) {
		a.id = "somebody/else"
	}
	if l.hit(EmptyStream, Chats) {
		return a, nil, true
	}
	if think {
		for _, p := range pieces(i.model.Thinking) {
			a.pieces = append(a.pieces, lmPiece{p, true})
		}
	}
	say, calls := i.model.reply(prompt, q)
	if a.calls = calls; len(calls) > 0 {
		a.finish = "tool_calls"
	}
	if l.hit(WrongAnswers, Chats) {
		say = wrongAnswer
	}
	for _, p := range pieces(say) {
		a.pieces = append(a.pieces, lmPiece{p, false})
	}
	if limit > 0 && limit < len(a.pieces) {
		a.pieces, a.finish = a.pieces[:limit], "length"
	}
	return a, nil, true
}

// awaitInstance blocks while the instance's process hangs: until it is
// unloaded, or the client leaves (false).
func (l *LMStudio) awaitInstance(ctx context.Context, i *instance) bool {
	return l.waitWhile(ctx, func() bool {
		s, there := l.states[i]
		return there && s.hung
	})
}

// speak emits the pieces at the model's pace, and plays what strikes in the
// middle; false means that nobody listens any more.
func (l *LMStudio) speak(ctx context.Context, a lmAnswer, emit func(lmPiece)) bool {
	for n, p := range a.pieces {
		var d time.Duration
		if a.speed > 0 {
			d = time.Duration(float64(time.Second) / a.speed)
		}
		if !nodes.Sleep(ctx, d) {
			return false
		}
		emit(p)
		if _, on := l.strikes(HangMidAnswer, n+1); on && !l.hang(ctx, HangMidAnswer) {
			return false
		}
		if _, on := l.strikes(CutOff, n+1); on {
			panic(http.ErrAbortHandler)
		}
		if _, on := l.strikes(NoEndMark, n+1); on {
			return false
		}
	}
	return true
}

// events writes server-sent events.
type events struct{ w http.ResponseWriter }

func newEvents(w http.ResponseWriter) events {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	e := events{w}
	e.flush()
	return e
}

func (e events) flush() { _ = http.NewResponseController(e.w).Flush() } // a client that left has no use for it

func (e events) send(name string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		b = []byte("null")
	}
	if name != "" {
		_, _ = io.WriteString(e.w, "event: "+name+"\n")
	}
	_, _ = io.WriteString(e.w, "data: "+string(b)+"\n\n")
	e.flush()
}

// abort breaks the connection in the middle of a body that promised more.
func abort(w http.ResponseWriter, begin string) {
	w.Header().Del("Transfer-Encoding")
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", "4096")
	_, _ = io.WriteString(w, begin)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// lmChatRequest is the part of a chat request that the fake reads.
type lmChatRequest struct {
	Model    string
	Messages []struct {
		Role    string
		Content json.RawMessage
	}
	Stream        bool
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	MaxTokens int `json:"max_tokens"`
	TTL       any
}

// prompt returns the last thing that was asked, its content a string or a list
// of parts.
func (q lmChatRequest) prompt() string {
	if len(q.Messages) == 0 {
		return ""
	}
	last := q.Messages[len(q.Messages)-1].Content
	var text string
	if json.Unmarshal(last, &text) == nil {
		return text
	}
	var parts []struct{ Text string }
	_ = json.Unmarshal(last, &parts) // neither: nothing was asked
	for _, p := range parts {
		text += p.Text
	}
	return text
}

// openAIChat is POST /v1/chat/completions, and its v0 twin with statistics.
func (l *LMStudio) openAIChat(w http.ResponseWriter, r *http.Request, c LMStudioSettings, body []byte, v0 bool) {
	var q lmChatRequest
	if err := json.Unmarshal(body, &q); err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "Invalid JSON in request body"})
		return
	}
	if len(q.Messages) == 0 {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "'messages' field is required"})
		return
	}
	if d, on := l.on(ErrorFrame, Chats); on {
		l.errorFrame(w, q.Stream, or(d.Text, fmt.Sprintf(lmOverflow, 31430, 30000)))
		return
	}
	asks := readAsked(body)
	seconds, _ := q.TTL.(float64) // a bad one counts as none
	began := time.Now()
	inst, failure := l.resolve(r, c, q.Model, time.Duration(seconds)*time.Second)
	if inst == nil && failure == nil {
		return
	}
	var a lmAnswer
	if failure == nil && asks.images > 0 && !inst.model.Vision {
		l.refuseImages(w, c, inst.model)
		return
	}
	if failure == nil {
		var ok bool
		if a, failure, ok = l.prepare(r, c, inst, q.prompt(), asks, q.MaxTokens, true); !ok {
			return
		}
	}
	if failure != nil {
		if q.Stream && strings.HasPrefix(failure.text(), "Input does not fit") {
			l.errorFrame(w, true, failure.text())
			return
		}
		writeJSON(w, failure.status, map[string]any{"error": failure.err})
		return
	}
	if q.Stream {
		l.openAIStream(w, r, c, q, a)
		return
	}
	l.openAIWhole(w, r, c, a, v0, began)
}

// refuseImages says that a model takes no images. That of an MLX model comes in a 200,
// as lmstudio-ai/lms#362 reports.
func (l *LMStudio) refuseImages(w http.ResponseWriter, c LMStudioSettings, m Model) {
	if !l.names(c.MLX, m) {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "Model does not support images. Please use a model that does."})
		return
	}
	const words = "Error in iterating prediction stream: ValueError: Vision add-on is not loaded, but images were provided for processing"
	writeJSON(w, http.StatusOK, map[string]any{"error": map[string]string{"message": words}, "message": words})
}

// errorFrame is an error inside a 200 where a stream was asked for.
func (l *LMStudio) errorFrame(w http.ResponseWriter, stream bool, text string) {
	if !stream {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": text})
		return
	}
	newEvents(w).send("error", map[string]any{"error": map[string]string{"message": text}, "message": text})
}

func (l *LMStudio) newID(prefix string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.chats++
	return prefix + strconv.Itoa(l.chats)
}

func (a lmAnswer) usage() map[string]any {
	return map[string]any{
		"prompt_tokens": a.prompt, "completion_tokens": len(a.pieces), "total_tokens": a.prompt + len(a.pieces),
		"completion_tokens_details": map[string]int{"reasoning_tokens": a.thoughts()},
	}
}

// fields puts thinking and text where the server is set to put them.
func (c LMStudioSettings) fields(thinking, text string) map[string]any {
	switch {
	case thinking == "":
		return map[string]any{"content": text}
	case c.Reasoning == "think":
		return map[string]any{"content": "<think>\n" + thinking + "\n</think>\n\n" + text}
	case c.Reasoning == "reasoning":
		return map[string]any{"content": text, "reasoning": thinking}
	}
	return map[string]any{"content": text, "reasoning_content": thinking}
}

func (l *LMStudio) openAIWhole(w http.ResponseWriter, r *http.Request, c LMStudioSettings, a lmAnswer, v0 bool, began time.Time) {
	if l.hit(CutOff, Chats) {
		abort(w, `{"id":"chatcmpl-1","choices":[`)
	}
	if !l.speak(r.Context(), a, func(lmPiece) {}) {
		return
	}
	message := c.fields(a.join(true), a.join(false))
	message["role"] = "assistant"
	message["tool_calls"] = []any{} // also where there are none
	if len(a.calls) > 0 {
		message["tool_calls"] = openAICalls(a.calls)
	}
	out := map[string]any{
		"id": l.newID("chatcmpl-"), "object": "chat.completion", "created": time.Now().Unix(), "model": a.id,
		"choices": []any{map[string]any{"index": 0, "logprobs": nil, "finish_reason": a.finish, "message": message}},
		"usage":   a.usage(), "stats": map[string]any{}, "system_fingerprint": a.id,
	}
	if v0 {
		took := max(time.Since(began).Seconds(), 1e-6)
		out["stats"] = map[string]any{
			"tokens_per_second": float64(len(a.pieces)) / took, "time_to_first_token": took / 2, "generation_time": took, "stop_reason": "eosFound",
		}
	}
	writeJSON(w, http.StatusOK, out)
}

func (l *LMStudio) openAIStream(w http.ResponseWriter, r *http.Request, c LMStudioSettings, q lmChatRequest, a lmAnswer) {
	id := l.newID("chatcmpl-")
	chunk := func(choices ...any) map[string]any {
		if choices == nil {
			choices = []any{}
		}
		return map[string]any{
			"id": id, "object": "chat.completion.chunk", "created": time.Now().Unix(), "model": a.id,
			"system_fingerprint": a.id, "choices": choices,
		}
	}
	delta := func(fields map[string]any, finish any) map[string]any {
		return chunk(map[string]any{"index": 0, "delta": fields, "logprobs": nil, "finish_reason": finish})
	}
	out := newEvents(w)
	odd := func() {
		if l.active(OddFrames) {
			_, _ = io.WriteString(w, oddFrames(id, a.id)) // a client that left has no use for it
		}
	}
	inThought := false
	emit := func(p lmPiece) {
		fields := map[string]any{"role": "assistant", "content": p.text}
		switch {
		case p.thinking && c.Reasoning == "think":
			if !inThought {
				fields["content"] = "<think>\n" + p.text
			}
		case p.thinking:
			fields = map[string]any{"role": "assistant", or(c.Reasoning, "reasoning_content"): p.text}
		case inThought && c.Reasoning == "think":
			fields["content"] = "\n</think>\n\n" + p.text
		}
		inThought = p.thinking
		odd()
		out.send("", delta(fields, nil))
	}
	if !l.speak(r.Context(), a, emit) {
		return
	}
	for i, c := range a.calls {
		for _, fields := range openAICallDeltas(i, c) {
			odd()
			out.send("", delta(fields, nil))
		}
	}
	if l.lacksEnd() {
		return
	}
	out.send("", delta(map[string]any{}, a.finish))
	if q.StreamOptions.IncludeUsage {
		last := chunk()
		last["usage"] = a.usage()
		out.send("", last)
	}
	_, _ = io.WriteString(w, "data: [DONE]\n\n")
	out.flush()
}

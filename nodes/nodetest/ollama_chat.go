package nodetest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// chat is POST /api/chat; without messages it loads or unloads.
func (l *Ollama) chat(w http.ResponseWriter, r *http.Request, c OllamaSettings, body []byte) {
	l.native(w, r, c, body, "chat", func(a ollamaAnswer, thinking, text string) map[string]any {
		message := map[string]any{"role": "assistant", "content": text}
		if calls := a.saidCalls(); calls != nil {
			message["tool_calls"] = calls
		}
		if thinking != "" {
			message["thinking"] = thinking
		}
		return map[string]any{"message": message}
	})
}

// generate is POST /api/generate; without a prompt it loads or unloads.
func (l *Ollama) generate(w http.ResponseWriter, r *http.Request, c OllamaSettings, body []byte) {
	l.native(w, r, c, body, "generate", func(_ ollamaAnswer, thinking, text string) map[string]any {
		out := map[string]any{"response": text}
		if thinking != "" {
			out["thinking"] = thinking
		}
		return out
	})
}

// ollamaAnswer is what a model is about to say.
type ollamaAnswer struct {
	model    string
	calls    []toolCall
	thinking []string
	text     []string
	prompt   int // tokens
	finish   string
	speed    float64
	load     time.Duration
}

// count is the server's count: it takes the end mark for a token as well.
func (a ollamaAnswer) count() int {
	n := len(a.thinking) + len(a.text)
	if a.finish == "stop" {
		n++
	}
	return n
}

// native is both of Ollama's own ways to ask. shape puts a piece where the
// one or the other has it.
func (l *Ollama) native(w http.ResponseWriter, r *http.Request, c OllamaSettings, body []byte, what string, shape func(a ollamaAnswer, thinking, text string) map[string]any) {
	in, m, ok := l.model(w, r, c, body)
	if !ok {
		return
	}
	object := func(a ollamaAnswer, thinking, text string, done bool) map[string]any {
		out := shape(a, thinking, text)
		out["model"], out["created_at"], out["done"] = a.model, time.Now().UTC(), done
		return out
	}
	empty := in.Prompt == "" && len(in.Messages) == 0
	if keep, given, _ := keepAlive(in.KeepAlive); empty && given && keep == 0 {
		if !l.unload(r, m) {
			return
		}
		out := object(ollamaAnswer{model: in.Model}, "", "", true)
		out["done_reason"] = "unload"
		writeJSON(w, http.StatusOK, out)
		return
	}
	began := time.Now()
	i, done, f := l.begin(r, c, in, m, what)
	if f != nil {
		f.write(l, w, r)
		return
	}
	defer done()
	load := time.Since(began)
	if empty {
		out := object(ollamaAnswer{model: in.Model}, "", "", true)
		out["done_reason"] = "load"
		writeJSON(w, http.StatusOK, out)
		return
	}
	a, f := l.prepare(r, c, in, i)
	if f != nil {
		f.write(l, w, r)
		return
	}
	a.load = load
	lines := newLines(w, in.streams())
	silent := a // without its calls, which a stream has in a line of their own
	silent.calls = nil
	ended := l.speak(r.Context(), a, func(thinking, text string) {
		if in.streams() && l.active(OddFrames) {
			lines.send(object(silent, "", "", false))
		}
		if thinking+text != "" {
			lines.send(object(silent, thinking, text, false))
			return
		}
		lines.send(object(a, "", "", false))
	})
	if ended == noListener {
		return
	}
	if text, broke := ended.failure(); broke {
		lines.end(http.StatusInternalServerError, map[string]any{"error": text})
		return
	}
	last := object(silent, "", "", true)
	if !in.streams() {
		last = object(a, strings.Join(a.thinking, ""), strings.Join(a.text, ""), true)
	}
	if ended == noEndMark {
		last["done"] = false
		if in.streams() {
			return
		}
	} else {
		last["done_reason"] = a.finish
		if what == "generate" {
			last["context"] = []int{1, 2, 3} // the conversation's tokens, to go on from
		}
		last["total_duration"], last["load_duration"] = time.Since(began), a.load
		last["prompt_eval_count"], last["prompt_eval_duration"] = a.prompt, time.Millisecond
		last["eval_count"], last["eval_duration"] = a.count(), time.Since(began)-a.load
	}
	lines.end(http.StatusOK, last)
}

// begin does what comes before the prompt: it finds a runner.
func (l *Ollama) begin(r *http.Request, c OllamaSettings, in ollamaRequest, m Model, what string) (*instance, func(), *ollamaFailure) {
	refuse := func(text string) (*instance, func(), *ollamaFailure) {
		return nil, nil, &ollamaFailure{http.StatusBadRequest, text}
	}
	switch {
	case l.named(c.Remote, m):
		return refuse("this server cannot run this remote model")
	case l.named(c.BlobGone, m):
		return refuse(fmt.Sprintf("%q does not support %s", in.Model, what))
	case m.EmbeddingsOnly:
		return refuse(fmt.Sprintf("%q does not support %s", in.Model, what))
	case len(in.asked.tools) > 0 && !m.Tools:
		return refuse(fullName(m) + " does not support tools")
	case truthy(in.Think) && m.Thinking == "":
		return refuse(fmt.Sprintf("%q does not support thinking", in.Model))
	}
	route := Chats
	if in.Prompt == "" && len(in.Messages) == 0 {
		route = Loads
	}
	return l.runnerFor(r, c, in, m, route)
}

func truthy(think any) bool {
	switch t := think.(type) {
	case bool:
		return t
	case string:
		return t != ""
	}
	return false
}

// prepare plays what strikes before the first token, and makes the answer.
func (l *Ollama) prepare(r *http.Request, c OllamaSettings, in ollamaRequest, i *instance) (ollamaAnswer, *ollamaFailure) {
	ctx := r.Context()
	if _, on := l.on(Wedged, Chats); on && !l.hang(ctx, Wedged) {
		return ollamaAnswer{}, gone
	}
	if !l.awaitRunner(ctx, i) {
		return ollamaAnswer{}, gone
	}
	l.mu.Lock()
	crashed, limit := i.crashed, min(contextOf(l.state(i).options), l.trained())
	l.mu.Unlock()
	if crashed {
		if d, on := l.on(Crashed, Chats); on {
			return ollamaAnswer{}, &ollamaFailure{http.StatusInternalServerError, or(d.Text, l.died())}
		}
	}
	a := ollamaAnswer{model: in.Model, finish: "stop", speed: i.model.TokensPerSecond}
	if words := in.badFormat(); words != "" {
		return a, &ollamaFailure{http.StatusInternalServerError, words}
	}
	var prompt string
	prompt, a.prompt = promptOf(in)
	if a.prompt > limit {
		if in.Truncate != nil && !*in.Truncate {
			return a, &ollamaFailure{http.StatusBadRequest, l.tooLong(a.prompt, limit)}
		}
		words := strings.Fields(prompt) // the beginning is cut off, without a word
		prompt, a.prompt = strings.Join(words[len(words)-limit:], " "), limit
	}
	if l.hit(AnotherModelAnswers, Chats) {
		a.model = "somebody/else:latest"
	}
	if l.hit(EmptyStream, Chats) {
		return a, nil
	}
	if think, isBool := in.Think.(bool); i.model.Thinking != "" && (!isBool || think) {
		a.thinking = pieces(i.model.Thinking)
		if c.NoThinkField {
			a.text, a.thinking = append([]string{"<think>"}, append(a.thinking, "</think>")...), nil
		}
	}
	var given string // the beginning of the answer, to be carried on
	if n := len(in.Messages); n > 0 && in.Messages[n-1].Role == "assistant" {
		given = string(in.Messages[n-1].Content)
		prompt = strings.TrimSuffix(prompt, given)
	}
	say, calls := i.model.reply(prompt, in.asked)
	say, a.calls = rest(say, given), calls
	if l.hit(WrongAnswers, Chats) {
		say = wrongAnswer
	}
	a.text = append(a.text, pieces(say)...)
	a.limit(in.Options["num_predict"])
	return a, nil
}

// limit cuts an answer after so many tokens, thinking first.
func (a *ollamaAnswer) limit(most any) {
	n, ok := most.(float64)
	if !ok || n < 0 || int(n) > len(a.thinking)+len(a.text) {
		return
	}
	a.finish = "length"
	a.thinking = a.thinking[:min(len(a.thinking), int(n))]
	a.text = a.text[:max(0, int(n)-len(a.thinking))]
}

// ending is how an answer ended.
type ending string

const (
	spoken     ending = "spoken"
	noListener ending = "no listener"
	noEndMark  ending = "no end mark"
)

// failure returns the error text of an answer that broke.
func (e ending) failure() (string, bool) {
	switch e {
	case spoken, noListener, noEndMark:
		return "", false
	}
	return string(e), true
}

// speak emits the pieces at the model's pace, and plays what strikes in the
// middle.
func (l *Ollama) speak(ctx context.Context, a ollamaAnswer, emit func(thinking, text string)) ending {
	said := 0
	say := func(thinking, text string) ending {
		var d time.Duration
		if a.speed > 0 {
			d = time.Duration(float64(time.Second) / a.speed)
		}
		if !nodes.Sleep(ctx, d) {
			return noListener
		}
		emit(thinking, text)
		said++
		if _, on := l.strikes(HangMidAnswer, said); on && !l.hang(ctx, HangMidAnswer) {
			return noListener
		}
		if _, on := l.strikes(CutOff, said); on {
			panic(http.ErrAbortHandler)
		}
		if _, on := l.strikes(NoEndMark, said); on {
			return noEndMark
		}
		if d, on := l.strikes(ErrorFrame, said); on {
			return ending(or(d.Text, "an error was encountered while running the model: unexpected EOF"))
		}
		return spoken
	}
	for _, piece := range a.thinking {
		if e := say(piece, ""); e != spoken {
			return e
		}
	}
	for _, piece := range a.text {
		if e := say("", piece); e != spoken {
			return e
		}
	}
	if len(a.calls) > 0 {
		if e := say("", ""); e != spoken {
			return e
		}
	}
	if l.lacksEnd() {
		return noEndMark
	}
	return spoken
}

// openAIChat is POST /v1/chat/completions.
func (l *Ollama) openAIChat(w http.ResponseWriter, r *http.Request, c OllamaSettings, body []byte) {
	var open struct {
		Stream        bool
		MaxTokens     *float64 `json:"max_tokens"`
		StreamOptions struct {
			IncludeUsage bool `json:"include_usage"`
		} `json:"stream_options"`
		ReasoningEffort string `json:"reasoning_effort"`
	}
	in, m, ok := l.model(w, r, c, body)
	if !ok {
		return
	}
	if err := json.Unmarshal(body, &open); err != nil {
		l.unread(w, r, err.Error())
		return
	}
	switch {
	case in.asked.links > 0:
		l.unread(w, r, "image URLs are not currently supported, please use base64 encoded data instead")
		return
	case open.ReasoningEffort != "" && !slices.Contains([]string{"high", "medium", "low", "none"}, open.ReasoningEffort):
		l.unread(w, r, fmt.Sprintf(`invalid reasoning value: '%s' (must be "high", "medium", "low", or "none")`, open.ReasoningEffort))
		return
	case open.ReasoningEffort != "":
		in.Think = open.ReasoningEffort != "none"
	}
	no := false
	in.Options, in.KeepAlive, in.Truncate = map[string]any{}, nil, &no
	if open.MaxTokens != nil {
		in.Options["num_predict"] = *open.MaxTokens
	}
	i, done, f := l.begin(r, c, in, m, "chat")
	if f != nil {
		f.write(l, w, r)
		return
	}
	defer done()
	a, f := l.prepare(r, c, in, i)
	if f != nil {
		f.write(l, w, r)
		return
	}
	if len(a.calls) > 0 {
		a.finish = "tool_calls"
	}
	usage := map[string]int{"prompt_tokens": a.prompt, "completion_tokens": a.count(), "total_tokens": a.prompt + a.count()}
	object := func(kind string, choice map[string]any) map[string]any {
		choice["index"] = 0
		return map[string]any{
			"id": "chatcmpl-1", "object": kind, "created": time.Now().Unix(), "model": a.model,
			"system_fingerprint": "fp_ollama", "choices": []any{choice},
		}
	}
	if !open.Stream {
		ended := l.speak(r.Context(), a, func(string, string) {})
		if ended == noListener {
			return
		}
		if text, broke := ended.failure(); broke {
			l.fail(w, r, http.StatusInternalServerError, text)
			return
		}
		message := map[string]any{"role": "assistant", "content": strings.Join(a.text, "")}
		if len(a.thinking) > 0 {
			message["reasoning"] = strings.Join(a.thinking, "")
		}
		if len(a.calls) > 0 {
			message["tool_calls"] = openAICalls(a.calls)
		}
		out := object("chat.completion", map[string]any{"message": message, "finish_reason": a.finish})
		out["usage"] = usage
		writeJSON(w, http.StatusOK, out)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(v any) {
		b, err := json.Marshal(v)
		if err == nil {
			_, _ = fmt.Fprintf(w, "data: %s\n\n", b) // a client that left has no use for it
		}
		_ = http.NewResponseController(w).Flush()
	}
	const chunk = "chat.completion.chunk"
	ended := l.speak(r.Context(), a, func(thinking, text string) {
		delta := map[string]any{"role": "assistant", "content": text}
		if thinking != "" {
			delta["reasoning"] = thinking
		}
		if thinking+text == "" {
			delta["tool_calls"] = openAICalls(a.calls)
		}
		if l.active(OddFrames) {
			_, _ = fmt.Fprint(w, oddFrames("chatcmpl-1", a.model))
		}
		send(object(chunk, map[string]any{"delta": delta, "finish_reason": nil}))
	})
	if _, broke := ended.failure(); broke && l.onLlamaServer() {
		out := object(chunk, map[string]any{"delta": map[string]any{}, "finish_reason": nil})
		out["model"] = ""
		send(out)
	}
	if ended != spoken {
		return // also where the runner died: the stream just ends
	}
	send(object(chunk, map[string]any{"delta": map[string]any{"role": "assistant", "content": ""}, "finish_reason": a.finish}))
	if open.StreamOptions.IncludeUsage {
		out := object(chunk, map[string]any{})
		out["choices"], out["usage"] = []any{}, usage
		send(out)
	}
	_, _ = fmt.Fprint(w, "data: [DONE]\n\n")
}

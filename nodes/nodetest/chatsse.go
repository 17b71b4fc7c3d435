package nodetest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// openAIVoice is how a fake that speaks plain OpenAI chat differs from the next.
type openAIVoice struct {
	// fail writes an error in the engine's shape.
	fail func(w http.ResponseWriter, status int, text string)
	// crash answers a chat whose model process is dead; out is nil for a
	// chat that is no stream. It is called after the first piece of a stream.
	crash func(w http.ResponseWriter, stream bool)
	// extra is added to a whole answer and to the last piece of a stream.
	extra func(tokens int) map[string]any
	// reasoning is the field that thinking comes in; "think" for tags.
	reasoning string
	// noUsage leaves the token counts out, wholeOnly never streams.
	noUsage, wholeOnly bool
	// continues: the assistant's last message is carried on; echoes: and said
	// again first; echoesWhole: only in an answer that is not streamed.
	continues, echoes, echoesWhole bool
	// shape is the form of an answer. Nil means a chat completion.
	shape answerShape
	// hold, unless nil, blocks after each piece while the process stands still.
	// False ends the answer.
	hold func(context.Context) bool
	// comments are sent before the first piece, to keep the connection.
	comments int
}

// frame is one event of a stream. A raw one is sent as it is.
type frame struct {
	name string
	body any
	raw  string
}

// answerShape is the form of an answer in one API.
type answerShape interface {
	begin(a openAIAnswer) []frame
	piece(a openAIAnswer, thinking, text string) []frame
	end(a openAIAnswer, usage bool) []frame
	whole(a openAIAnswer, thinking, text string) map[string]any
}

// openAIRequest is the part of a chat request that the fakes read.
type openAIRequest struct {
	Model    string
	Messages []struct {
		Role    string
		Content text
	}
	Stream        bool
	StreamOptions *struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	MaxTokens int `json:"max_tokens"`
	// Continue is how vLLM is asked to carry the last message on.
	Continue bool `json:"continue_final_message"`

	asked features
}

func (q openAIRequest) prompt() string {
	messages := q.Messages
	if q.given() != "" {
		messages = messages[:len(messages)-1]
	}
	if len(messages) == 0 {
		return ""
	}
	return string(messages[len(messages)-1].Content)
}

// given is the beginning of the answer, where the last message is the
// assistant's.
func (q openAIRequest) given() string {
	if n := len(q.Messages); n > 0 && q.Messages[n-1].Role == "assistant" {
		return string(q.Messages[n-1].Content)
	}
	return ""
}

// speakOpenAI answers a chat from an instance, with the faults that strike then.
func (s *Server) speakOpenAI(w http.ResponseWriter, r *http.Request, q openAIRequest, inst *instance, v openAIVoice) {
	stream := q.Stream && !v.wholeOnly
	if _, on := s.on(Wedged, Chats); on && !s.hang(r.Context(), Wedged) {
		return
	}
	if d, on := s.on(ErrorFrame, Chats); on {
		if !stream {
			v.fail(w, http.StatusInternalServerError, or(d.Text, "an error"))
			return
		}
		out := newEvents(w)
		rec := &errorRecorder{header: http.Header{}}
		v.fail(rec, http.StatusInternalServerError, or(d.Text, "an error"))
		_, _ = io.WriteString(out.w, "data: "+strings.TrimSpace(rec.body.String())+"\n\n")
		out.flush()
		return
	}
	s.mu.Lock()
	dead := inst.crashed
	s.mu.Unlock()
	if dead && !stream {
		v.crash(w, false)
		return
	}
	thinking, finish := inst.model.Thinking, "stop"
	text, calls := inst.model.reply(q.prompt(), q.asked)
	if len(calls) > 0 {
		finish = "tool_calls"
	}
	if v.continues && !v.echoes {
		text = rest(text, q.given())
	}
	name := inst.id
	if s.hit(AnotherModelAnswers, Chats) {
		name = "somebody/else"
	}
	if s.hit(WrongAnswers, Chats) {
		text = wrongAnswer
	}
	thoughts, words := pieces(thinking), pieces(text)
	if s.hit(EmptyStream, Chats) {
		thoughts, words, calls = nil, nil, nil
	}
	if q.MaxTokens > 0 && len(thoughts)+len(words) > q.MaxTokens {
		finish = "length"
		thoughts = thoughts[:min(len(thoughts), q.MaxTokens)]
		words = words[:min(len(words), q.MaxTokens-len(thoughts))]
	}
	a := openAIAnswer{s: s, w: w, r: r, v: v, name: name, thoughts: thoughts, words: words, calls: calls, finish: finish,
		prompt: len(strings.Fields(q.prompt())), dead: dead, speed: inst.model.TokensPerSecond}
	if v.continues && v.echoesWhole {
		a.given = q.given()
	}
	if a.v.shape == nil {
		a.v.shape = chatShape{}
	}
	if stream {
		a.stream(q.StreamOptions != nil && q.StreamOptions.IncludeUsage && !v.noUsage)
		return
	}
	a.whole()
}

// errorRecorder keeps what an error answer would hold.
type errorRecorder struct {
	header http.Header
	body   strings.Builder
}

func (b *errorRecorder) Header() http.Header         { return b.header }
func (b *errorRecorder) Write(p []byte) (int, error) { return b.body.Write(p) }
func (b *errorRecorder) WriteHeader(int)             {}

// openAIAnswer is an answer on its way out.
type openAIAnswer struct {
	s               *Server
	w               http.ResponseWriter
	r               *http.Request
	v               openAIVoice
	name, finish    string
	given           string // repeated in a whole answer
	thoughts, words []string
	calls           []toolCall
	prompt          int
	dead            bool
	speed           float64
}

func (a openAIAnswer) tokens() int { return len(a.thoughts) + len(a.words) }

func (a openAIAnswer) usage() map[string]int {
	return map[string]int{"prompt_tokens": a.prompt, "completion_tokens": a.tokens(), "total_tokens": a.prompt + a.tokens()}
}

// pace waits for the next token; false means that the client went away.
func (a openAIAnswer) pace() bool {
	if a.speed <= 0 {
		return a.r.Context().Err() == nil
	}
	return nodes.Sleep(a.r.Context(), time.Duration(float64(time.Second)/a.speed))
}

// message puts thinking and text where the server puts them.
func (a openAIAnswer) message(thinking, text string) map[string]any {
	switch {
	case thinking == "" && text == "" && len(a.calls) > 0:
		return map[string]any{"content": nil}
	case thinking == "":
		return map[string]any{"content": text}
	case a.v.reasoning == "think":
		return map[string]any{"content": thinking + text}
	case text == "":
		return map[string]any{or(a.v.reasoning, "reasoning_content"): thinking}
	}
	return map[string]any{or(a.v.reasoning, "reasoning_content"): thinking, "content": text}
}

// called adds the calls to the message of a whole answer.
func (a openAIAnswer) called(message map[string]any) map[string]any {
	if len(a.calls) > 0 {
		message["tool_calls"] = openAICalls(a.calls)
	}
	return message
}

func (a openAIAnswer) whole() {
	for range a.tokens() {
		if !a.pace() {
			return
		}
	}
	if a.s.hit(CutOff, Chats) {
		abort(a.w, `{"object":"chat.completion","choices":[`)
	}
	if a.s.hit(HangMidAnswer, Chats) && !a.s.hang(a.r.Context(), HangMidAnswer) {
		return
	}
	thinking := strings.Join(a.thoughts, "")
	if thinking != "" && a.v.reasoning == "think" {
		thinking = "<think>\n" + thinking + "\n</think>\n\n"
	}
	writeJSON(a.w, http.StatusOK, a.v.shape.whole(a, thinking, a.given+strings.Join(a.words, "")))
}

// chatShape is the form of a chat completion.
type chatShape struct{}

func (chatShape) whole(a openAIAnswer, thinking, text string) map[string]any {
	message := a.called(a.message(thinking, text))
	message["role"] = "assistant"
	out := map[string]any{
		"id": "chatcmpl-1", "object": "chat.completion", "created": time.Now().Unix(), "model": a.name,
		"choices": []any{map[string]any{"index": 0, "message": message, "finish_reason": a.finish}},
	}
	if !a.v.noUsage {
		out["usage"] = a.usage()
	}
	a.more(out)
	return out
}

func (chatShape) begin(a openAIAnswer) []frame {
	return []frame{{body: a.chunk(map[string]any{"role": "assistant", "content": nil}, nil)}}
}

func (chatShape) piece(a openAIAnswer, thinking, text string) []frame {
	return []frame{{body: a.chunk(a.message(thinking, text), nil)}}
}

func (chatShape) delta(a openAIAnswer, delta map[string]any) frame {
	return frame{body: a.chunk(delta, nil)}
}

func (chatShape) end(a openAIAnswer, usage bool) []frame {
	last := a.chunk(map[string]any{}, a.finish)
	a.more(last)
	frames := []frame{{body: last}}
	if usage {
		all := a.chunk(nil, nil)
		all["choices"], all["usage"] = []any{}, a.usage()
		frames = append(frames, frame{body: all})
	}
	return append(frames, frame{raw: "data: [DONE]\n\n"})
}

// sendAll sends frames.
func (e events) sendAll(frames []frame) {
	for _, f := range frames {
		if f.raw != "" {
			_, _ = io.WriteString(e.w, f.raw)
			e.flush()
			continue
		}
		e.send(f.name, f.body)
	}
}

func (a openAIAnswer) more(out map[string]any) {
	if a.v.extra != nil {
		for k, v := range a.v.extra(a.tokens()) {
			out[k] = v
		}
	}
}

func (a openAIAnswer) chunk(delta map[string]any, finish any) map[string]any {
	return map[string]any{
		"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": time.Now().Unix(), "model": a.name,
		"choices": []any{map[string]any{"index": 0, "delta": delta, "finish_reason": finish}},
	}
}

func (a openAIAnswer) stream(usage bool) {
	out := newEvents(a.w)
	for range a.v.comments {
		_, _ = io.WriteString(a.w, ": keep-alive\n\n")
	}
	out.sendAll(a.v.shape.begin(a))
	sent := 0
	say := func(thinking, text string) bool {
		if !a.pace() {
			return false
		}
		a.odd()
		out.sendAll(a.v.shape.piece(a, thinking, text))
		sent++
		return a.after(sent)
	}
	for i, p := range a.thoughts {
		if a.v.reasoning == "think" && i == 0 {
			p = "<think>\n" + p
		}
		if a.v.reasoning == "think" && i == len(a.thoughts)-1 {
			p += "\n</think>\n\n"
		}
		if !say(p, "") {
			return
		}
	}
	for _, p := range a.words {
		if !say("", p) {
			return
		}
	}
	if shape, ok := a.v.shape.(callShape); ok {
		for i, c := range a.calls {
			for _, delta := range openAICallDeltas(i, c) {
				if !a.pace() {
					return
				}
				a.odd()
				out.sendAll([]frame{shape.delta(a, delta)})
				if sent++; !a.after(sent) {
					return
				}
			}
		}
	}
	if a.s.lacksEnd() {
		return
	}
	a.odd()
	out.sendAll(a.v.shape.end(a, usage))
}

// callShape is an answerShape whose streams have calls of tools.
type callShape interface {
	delta(a openAIAnswer, delta map[string]any) frame
}

// odd plays [OddFrames].
func (a openAIAnswer) odd() {
	if _, ok := a.v.shape.(callShape); ok && a.s.active(OddFrames) {
		_, _ = io.WriteString(a.w, oddFrames("chatcmpl-1", a.name)) // a client that left has no use for it
	}
}

// after plays what strikes in the middle, when so many pieces were sent; false
// ends the answer.
func (a openAIAnswer) after(sent int) bool {
	if a.dead && sent == 1 {
		a.v.crash(a.w, true)
		return false
	}
	if _, on := a.s.strikes(CutOff, sent); on {
		panic(http.ErrAbortHandler)
	}
	if _, on := a.s.strikes(NoEndMark, sent); on {
		return false
	}
	if _, on := a.s.strikes(HangMidAnswer, sent); on && !a.s.hang(a.r.Context(), HangMidAnswer) {
		return false
	}
	return a.v.hold == nil || a.v.hold(a.r.Context())
}

// readOpenAI decodes a chat request; false means that it was refused.
func readOpenAI(w http.ResponseWriter, body []byte, v openAIVoice) (openAIRequest, bool) {
	var q openAIRequest
	if err := json.Unmarshal(body, &q); err != nil {
		v.fail(w, http.StatusBadRequest, "parse error: "+err.Error())
		return q, false
	}
	if len(q.Messages) == 0 {
		v.fail(w, http.StatusBadRequest, "'messages' is required")
		return q, false
	}
	q.asked = readAsked(body)
	return q, true
}

package nodetest

import (
	"crypto/rand"
	"encoding/hex"
)

// randomID returns 32 characters.
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// llamaForm is what the answers of all APIs have in common.
type llamaForm struct {
	id      string // without its prefix
	created int64
}

// tokens counts the end token, which is no piece of the text.
func (llamaForm) tokens(a openAIAnswer) int {
	if a.finish == "stop" {
		return a.tokens() + 1
	}
	return a.tokens()
}

func (f llamaForm) usage(a openAIAnswer) map[string]any {
	n := f.tokens(a)
	return map[string]any{
		"completion_tokens": n, "prompt_tokens": a.prompt, "total_tokens": a.prompt + n,
		"prompt_tokens_details": map[string]int{"cached_tokens": 0},
	}
}

// timings is what the server tells of its work beyond the protocol.
func (f llamaForm) timings(a openAIAnswer) map[string]any {
	n := f.tokens(a)
	return map[string]any{
		"cache_n": 0, "prompt_n": a.prompt, "prompt_ms": float64(a.prompt) + 0.5, "prompt_per_token_ms": 0.5, "prompt_per_second": 2000.5,
		"predicted_n": n, "predicted_ms": float64(n) + 0.5, "predicted_per_token_ms": 0.5, "predicted_per_second": 2000.5,
	}
}

func (f llamaForm) object(a openAIAnswer, kind string, choices ...any) map[string]any {
	if choices == nil {
		choices = []any{}
	}
	return map[string]any{
		"choices": choices, "created": f.created, "id": "chatcmpl-" + f.id, "model": a.name,
		"system_fingerprint": llamaBuild, "object": kind,
	}
}

const done = "data: [DONE]\n\n"

// llamaChat is the form of /v1/chat/completions.
type llamaChat struct{ llamaForm }

func (f llamaChat) chunk(a openAIAnswer, delta map[string]any, finish any) map[string]any {
	return f.object(a, "chat.completion.chunk", map[string]any{"index": 0, "delta": delta, "finish_reason": finish})
}

func (f llamaChat) begin(a openAIAnswer) []frame {
	return []frame{{body: f.chunk(a, map[string]any{"role": "assistant", "content": nil}, nil)}}
}

func (f llamaChat) piece(a openAIAnswer, thinking, text string) []frame {
	return []frame{{body: f.chunk(a, a.message(thinking, text), nil)}}
}

func (f llamaChat) delta(a openAIAnswer, delta map[string]any) frame {
	return frame{body: f.chunk(a, delta, nil)}
}

func (f llamaChat) end(a openAIAnswer, usage bool) []frame {
	last := f.chunk(a, map[string]any{}, a.finish)
	if !usage {
		last["timings"] = f.timings(a)
		return []frame{{body: last}, {raw: done}}
	}
	all := f.object(a, "chat.completion.chunk")
	all["usage"], all["timings"] = f.usage(a), f.timings(a)
	return []frame{{body: last}, {body: all}, {raw: done}}
}

func (f llamaChat) whole(a openAIAnswer, thinking, text string) map[string]any {
	message := a.called(a.message(thinking, text))
	message["role"] = "assistant"
	out := f.object(a, "chat.completion", map[string]any{"finish_reason": a.finish, "index": 0, "message": message})
	out["usage"], out["timings"] = f.usage(a), f.timings(a)
	return out
}

// llamaCompletion is the form of /v1/completions.
type llamaCompletion struct{ llamaForm }

func (f llamaCompletion) choice(text string, finish any) map[string]any {
	return map[string]any{"text": text, "index": 0, "logprobs": nil, "finish_reason": finish}
}

func (f llamaCompletion) begin(openAIAnswer) []frame { return nil }

func (f llamaCompletion) piece(a openAIAnswer, thinking, text string) []frame {
	return []frame{{body: f.object(a, "text_completion", f.choice(thinking+text, nil))}}
}

func (f llamaCompletion) end(a openAIAnswer, _ bool) []frame {
	return []frame{{body: f.last(a, "")}, {raw: done}}
}

func (f llamaCompletion) last(a openAIAnswer, text string) map[string]any {
	out := f.object(a, "text_completion", f.choice(text, a.finish))
	out["usage"], out["timings"] = f.usage(a), f.timings(a)
	return out
}

func (f llamaCompletion) whole(a openAIAnswer, thinking, text string) map[string]any {
	return f.last(a, thinking+text)
}

// llamaMessages is the form of /v1/messages.
type llamaMessages struct{ llamaForm }

func (f llamaMessages) reason(a openAIAnswer) string {
	if a.finish == "length" {
		return "max_tokens"
	}
	return "end_turn"
}

func (f llamaMessages) message(a openAIAnswer, content []any, reason any, output int) map[string]any {
	return map[string]any{
		"id": "chatcmpl-" + f.id, "type": "message", "role": "assistant", "content": content, "model": a.name,
		"stop_reason": reason, "stop_sequence": nil,
		"usage": map[string]int{"cache_read_input_tokens": 0, "input_tokens": a.prompt, "output_tokens": output},
	}
}

func event(kind string, more map[string]any) frame {
	more["type"] = kind
	return frame{name: kind, body: more}
}

func (f llamaMessages) begin(a openAIAnswer) []frame {
	start := event("message_start", map[string]any{"message": f.message(a, []any{}, nil, 0)})
	if len(a.thoughts) > 0 {
		return []frame{start, event("content_block_start", map[string]any{"index": 0, "content_block": map[string]any{"type": "thinking", "thinking": ""}})}
	}
	return []frame{start, event("content_block_start", map[string]any{"index": 0, "content_block": map[string]any{"type": "text", "text": ""}})}
}

func (f llamaMessages) piece(a openAIAnswer, thinking, text string) []frame {
	if thinking != "" {
		return []frame{event("content_block_delta", map[string]any{"index": 0, "delta": map[string]any{"type": "thinking_delta", "thinking": thinking}})}
	}
	return []frame{event("content_block_delta", map[string]any{"index": min(len(a.thoughts), 1), "delta": map[string]any{"type": "text_delta", "text": text}})}
}

func (f llamaMessages) end(a openAIAnswer, _ bool) []frame {
	return []frame{
		event("content_block_stop", map[string]any{"index": min(len(a.thoughts), 1)}),
		event("message_delta", map[string]any{
			"delta": map[string]any{"stop_reason": f.reason(a), "stop_sequence": nil}, "usage": map[string]int{"output_tokens": f.tokens(a)}}),
		event("message_stop", map[string]any{}),
	}
}

func (f llamaMessages) whole(a openAIAnswer, thinking, text string) map[string]any {
	content := []any{}
	if thinking != "" {
		content = append(content, map[string]any{"type": "thinking", "thinking": thinking, "signature": ""})
	}
	return f.message(a, append(content, map[string]any{"type": "text", "text": text}), f.reason(a), f.tokens(a))
}

// llamaResponses is the form of /v1/responses. Its stream has neither numbers nor
// an end mark.
type llamaResponses struct{ llamaForm }

func (f llamaResponses) part(text string) map[string]any {
	return map[string]any{"type": "output_text", "annotations": []any{}, "logprobs": []any{}, "text": text}
}

func (f llamaResponses) item(status string, content ...any) map[string]any {
	if content == nil {
		content = []any{}
	}
	return map[string]any{"content": content, "id": "msg_" + f.id, "role": "assistant", "status": status, "type": "message"}
}

func (f llamaResponses) begin(openAIAnswer) []frame {
	begun := map[string]any{"id": "resp_" + f.id, "object": "response", "status": "in_progress"}
	return []frame{
		event("response.created", map[string]any{"response": begun}),
		event("response.in_progress", map[string]any{"response": begun}),
		event("response.output_item.added", map[string]any{"item": f.item("in_progress")}),
		event("response.content_part.added", map[string]any{"item_id": "msg_" + f.id, "part": map[string]any{"type": "output_text", "text": ""}}),
	}
}

func (f llamaResponses) piece(_ openAIAnswer, thinking, text string) []frame {
	return []frame{event("response.output_text.delta", map[string]any{"item_id": "msg_" + f.id, "delta": thinking + text})}
}

func (f llamaResponses) end(a openAIAnswer, _ bool) []frame {
	text := ""
	for _, p := range append(a.thoughts, a.words...) {
		text += p
	}
	completed := f.whole(a, "", text)
	delete(completed, "completed_at")
	return []frame{
		event("response.output_text.done", map[string]any{"item_id": "msg_" + f.id, "text": text}),
		event("response.content_part.done", map[string]any{"item_id": "msg_" + f.id, "part": f.part(text)}),
		event("response.output_item.done", map[string]any{"item": f.item("completed", f.part(text))}),
		event("response.completed", map[string]any{"response": completed, "timings": f.timings(a)}),
	}
}

func (f llamaResponses) whole(a openAIAnswer, thinking, text string) map[string]any {
	n := f.tokens(a)
	return map[string]any{
		"completed_at": f.created, "created_at": f.created, "id": "resp_" + f.id, "model": a.name, "object": "response", "status": "completed",
		"output": []any{f.item("completed", f.part(thinking+text))},
		"usage": map[string]any{
			"input_tokens": a.prompt, "output_tokens": n, "total_tokens": a.prompt + n, "input_tokens_details": map[string]int{"cached_tokens": 0},
		},
	}
}

package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/anthropic"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/ollama"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/openai"
)

var replies = map[string]struct {
	codec fullCodec
	body  string
	want  protocol.Reply
}{
	"llama.cpp": {openai.Codec{}, `{"choices":[{"finish_reason":"stop","index":0,"message":{"role":"assistant","content":"4"}}],"created":1763942400,"model":"qwen3","system_fingerprint":"b6900-abc","object":"chat.completion","usage":{"completion_tokens":2,"prompt_tokens":9,"total_tokens":11},"id":"chatcmpl-x","timings":{"prompt_n":9}}`,
		protocol.Reply{ID: "chatcmpl-x", Model: "qwen3", Created: 1763942400, Text: "4", Finish: protocol.FinishStop, Usage: protocol.Usage{Prompt: 9, Completion: 2, Known: true}}},
	"LM Studio, gpt-oss": {openai.Codec{}, `{"id":"1","model":"openai/gpt-oss-20b","choices":[{"index":0,"logprobs":null,"finish_reason":"length","message":{"role":"assistant","content":"","reasoning":"2+2…","tool_calls":[]}}],"usage":{"prompt_tokens":9,"completion_tokens":2},"stats":{}}`,
		protocol.Reply{ID: "1", Model: "openai/gpt-oss-20b", Thinking: "2+2…", Finish: protocol.FinishLength, Usage: protocol.Usage{Prompt: 9, Completion: 2, Known: true}}},
	"vLLM, a call": {openai.Codec{}, `{"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":null,"reasoning_content":"hm","reasoning":"hm","tool_calls":[{"id":"chatcmpl-tool-1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}}]},"finish_reason":"stop"}]}`,
		protocol.Reply{ID: "1", Thinking: "hm", ToolCalls: []protocol.ToolCall{{ID: "chatcmpl-tool-1", Name: "f", Arguments: `{"a": 1}`}}, Finish: protocol.FinishToolCalls}},
	"a refusal": {openai.Codec{}, `{"choices":[{"index":0,"message":{"content":null,"refusal":"no"},"finish_reason":"content_filter"}]}`, protocol.Reply{Text: "no", Finish: protocol.FinishContentFilter}},
	"Anthropic": {anthropic.Codec{}, `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"thinking","thinking":"hm","signature":"x"},{"type":"text","text":"4"},{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":1}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":5,"cache_read_input_tokens":4,"output_tokens":2}}`,
		protocol.Reply{ID: "msg_1", Model: "m", Thinking: "hm", Text: "4", ToolCalls: []protocol.ToolCall{{ID: "toolu_1", Name: "f", Arguments: `{"a":1}`}}, Finish: protocol.FinishToolCalls, Usage: protocol.Usage{Prompt: 9, Completion: 2, Known: true}}},
	"Anthropic, cut short": {anthropic.Codec{}, `{"id":"msg_1","type":"message","content":[],"stop_reason":"max_tokens","usage":{"input_tokens":5,"output_tokens":2}}`,
		protocol.Reply{ID: "msg_1", Finish: protocol.FinishLength, Usage: protocol.Usage{Prompt: 5, Completion: 2, Known: true}}},
	"Ollama": {ollama.Codec{}, `{"model":"qwen3:8b","created_at":"2025-11-24T00:00:00.123456789Z","message":{"role":"assistant","content":"4","thinking":"hm"},"done_reason":"stop","done":true,"total_duration":5043500667,"load_duration":5025959,"prompt_eval_count":26,"prompt_eval_duration":325953000,"eval_count":290,"eval_duration":4709213000}`,
		protocol.Reply{Model: "qwen3:8b", Created: 1763942400, Thinking: "hm", Text: "4", Finish: protocol.FinishStop, Usage: protocol.Usage{Prompt: 26, Completion: 290, Known: true}}},
	"Ollama, a call": {ollama.Codec{}, `{"model":"m","message":{"role":"assistant","content":"","tool_calls":[{"id":"call_x","function":{"index":0,"name":"f","arguments":{"a":1}}}]},"done":true,"done_reason":"stop"}`,
		protocol.Reply{Model: "m", ToolCalls: []protocol.ToolCall{{ID: "call_x", Name: "f", Arguments: `{"a":1}`}}, Finish: protocol.FinishToolCalls}},
}

func TestReadReply(t *testing.T) {
	for name, c := range replies {
		t.Run(name, func(t *testing.T) {
			got, err := c.codec.ReadReply([]byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestACallWithoutAnIDGetsOne(t *testing.T) {
	const call = `{"function":{"name":"f","arguments":{}}}`
	seen := map[string]bool{}
	for range 2 {
		r, err := ollama.Codec{}.ReadReply([]byte(`{"message":{"tool_calls":[` + call + `,` + call + `]},"done":true}`))
		if err != nil {
			t.Fatal(err)
		}
		p, err := ollama.Codec{}.ReadFrame([]byte(`{"message":{"tool_calls":[` + call + `]},"done":false}`))
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{r.ToolCalls[0].ID, r.ToolCalls[1].ID, p.ToolCalls[0].ID} {
			if !strings.HasPrefix(id, "call_") || seen[id] {
				t.Errorf("the ID %q", id)
			}
			seen[id] = true
		}
	}
}

func TestAReplySurvivesEachProtocol(t *testing.T) {
	for name, want := range map[string]protocol.Reply{
		"text":     {ID: "id-1", Model: "m", Created: 1763942400, Text: "It's <4>.\n", Finish: protocol.FinishStop, Usage: protocol.Usage{Prompt: 9, Completion: 2, Known: true}},
		"calls":    {ID: "id-1", Model: "m", Created: 1763942400, Thinking: "hm", Text: "So:", ToolCalls: []protocol.ToolCall{{ID: "a", Name: "f", Arguments: `{"n":1}`}, {ID: "b", Name: "g", Arguments: "{}"}}, Finish: protocol.FinishToolCalls, Usage: protocol.Usage{Prompt: 9, Completion: 2, Known: true}},
		"too long": {ID: "id-1", Model: "m", Created: 1763942400, Text: "4", Finish: protocol.FinishLength, Usage: protocol.Usage{Prompt: 9, Completion: 2, Known: true}},
	} {
		for _, d := range codecs() {
			t.Run(name+" by "+named(d), func(t *testing.T) {
				body := d.WriteReply(want)
				got, err := d.ReadReply(body)
				if err != nil {
					t.Fatal(err)
				}
				want := want
				switch d.(type) {
				case anthropic.Codec:
					want.Created = 0
				case ollama.Codec:
					want.ID = ""
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s\n%s", diff, body)
				}
			})
		}
	}
}

func TestWriteReply(t *testing.T) {
	r := protocol.Reply{ID: "id-1", Model: "m", Created: 1763942400, ToolCalls: []protocol.ToolCall{{ID: "a", Name: "f", Arguments: `{"n":1}`}}, Finish: protocol.FinishToolCalls}
	for name, c := range map[string]struct {
		codec fullCodec
		reply protocol.Reply
		want  string
	}{
		"OpenAI":             {openai.Codec{}, r, `{"id":"id-1","object":"chat.completion","created":1763942400,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"n\":1}"}}]},"finish_reason":"tool_calls"}]}`},
		"Anthropic":          {anthropic.Codec{}, r, `{"id":"id-1","type":"message","role":"assistant","model":"m","content":[{"type":"tool_use","id":"a","name":"f","input":{"n":1}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":0,"output_tokens":0}}`},
		"Anthropic, nothing": {anthropic.Codec{}, protocol.Reply{ID: "id-1"}, `{"id":"id-1","type":"message","role":"assistant","model":"","content":[],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":0,"output_tokens":0}}`},
		"Ollama":             {ollama.Codec{}, r, `{"model":"m","created_at":"2025-11-24T00:00:00Z","message":{"role":"assistant","content":"","tool_calls":[{"id":"a","function":{"index":0,"name":"f","arguments":{"n":1}}}]},"done":true,"done_reason":"stop"}`},
	} {
		t.Run(name, func(t *testing.T) { same(t, []byte(c.want), c.codec.WriteReply(c.reply)) })
	}
}

func TestAReplyThatIsAnError(t *testing.T) {
	for name, c := range map[string]struct {
		codec fullCodec
		body  string
		want  protocol.ServerError // the zero value where it's no answer at all
	}{
		"LM Studio, a text":     {openai.Codec{}, `{"error":"Unexpected endpoint or method. (POST /v1/x)"}`, protocol.ServerError{Message: "Unexpected endpoint or method. (POST /v1/x)"}},
		"llama.cpp":             {openai.Codec{}, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, protocol.ServerError{Message: "Loading model", Status: 503}},
		"a code that's a word":  {openai.Codec{}, `{"error":{"message":"No models loaded.","type":"invalid_request_error","param":"model","code":"model_not_found"}}`, protocol.ServerError{Message: "No models loaded.", Status: 400}},
		"SGLang":                {openai.Codec{}, `{"object":"error","message":"too long","type":"BadRequestError","code":400}`, protocol.ServerError{Message: "too long", Status: 400}},
		"OpenAI, broken off":    {openai.Codec{}, `{"choices":[{"index":0,"message":{"content":"4"},"finish_reason":"error"}]}`, protocol.ServerError{Message: "the server ended the answer by finish_reason error"}},
		"OpenAI, none":          {openai.Codec{}, `{"choices":[]}`, protocol.ServerError{}},
		"OpenAI, no JSON":       {openai.Codec{}, `<html>`, protocol.ServerError{}},
		"OpenAI, cut":           {openai.Codec{}, `{"choices":[{"index":0,"message":{"content":"4`, protocol.ServerError{}},
		"Anthropic":             {anthropic.Codec{}, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, protocol.ServerError{Message: "Overloaded", Status: 529}},
		"Anthropic, another's":  {anthropic.Codec{}, `{"choices":[]}`, protocol.ServerError{}},
		"Ollama":                {ollama.Codec{}, `{"error":"model 'x' not found"}`, protocol.ServerError{Message: "model 'x' not found"}},
		"Ollama, another's":     {ollama.Codec{}, `{"choices":[]}`, protocol.ServerError{}},
		"Ollama, without words": {ollama.Codec{}, `{"error":{}, "message":null}`, protocol.ServerError{}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.codec.ReadReply([]byte(c.body))
			if err == nil {
				t.Fatal("no error")
			}
			var got protocol.ServerError
			errors.As(err, &got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestErrorsAreReadBack(t *testing.T) {
	for _, d := range codecs() {
		for _, status := range []int{400, 401, 403, 404, 413, 429, 500, 502, 503} {
			text := "the node \"m1\" <failed>\nat once"
			_, err := d.ReadReply(d.Error(status, text))
			var refused protocol.ServerError
			if !errors.As(err, &refused) || refused.Message != text {
				t.Errorf("%s %d: %v", d.Path(), status, err)
			}
			frame := frames(d, d.ErrorFrame(status, text))
			if len(frame) != 1 {
				t.Fatalf("%s %d: %d frames", d.Path(), status, len(frame))
			}
			p, err := d.ReadFrame(frame[0])
			if err != nil || p.Error != text {
				t.Errorf("%s %d: %+v %v", d.Path(), status, p, err)
			}
		}
	}
}

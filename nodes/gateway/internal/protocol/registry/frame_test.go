package registry_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/anthropic"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/ollama"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/openai"
)

var someFrames = map[string]struct {
	codec fullCodec
	frame string
	want  protocol.Delta
}{
	"OpenAI, the role":          {openai.Codec{}, `data: {"id":"c1","object":"chat.completion.chunk","created":1763942400,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":null},"finish_reason":null}]}`, protocol.Delta{ID: "c1", Model: "m", Created: 1763942400}},
	"OpenAI, text":              {openai.Codec{}, `data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"a\n\"\u00e9\ud83d\ude00"},"logprobs":null,"finish_reason":null}],"usage":null}`, protocol.Delta{ID: "c1", Model: "m", Text: "a\n\"é😀"}},
	"OpenAI, an escaped model":  {openai.Codec{}, `data: {"id":"c1","model":"qwen\/qwen3","choices":[]}`, protocol.Delta{ID: "c1", Model: "qwen/qwen3"}},
	"OpenAI, thinking":          {openai.Codec{}, `data: {"choices":[{"delta":{"reasoning_content":"hm","content":null},"index":0}]}`, protocol.Delta{Thinking: "hm"}},
	"OpenAI, thinking twice":    {openai.Codec{}, `data: {"choices":[{"delta":{"reasoning":"hm","reasoning_content":"hm"}}]}`, protocol.Delta{Thinking: "hm"}},
	"OpenAI, a call begins":     {openai.Codec{}, `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_a","type":"function","function":{"name":"f","arguments":""}}]}}]}`, protocol.Delta{ToolCalls: []protocol.ToolCallDelta{{Index: 1, ID: "call_a", Name: "f"}}}},
	"OpenAI, a call goes on":    {openai.Codec{}, `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{\"a"}}]}}]}`, protocol.Delta{ToolCalls: []protocol.ToolCallDelta{{Index: 1, Arguments: `{"a`}}}},
	"OpenAI, arguments whole":   {openai.Codec{}, `data: {"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]}}]}`, protocol.Delta{ToolCalls: []protocol.ToolCallDelta{{Name: "f", Arguments: `{"a":1}`}}}},
	"OpenAI, the older call":    {openai.Codec{}, `data: {"choices":[{"delta":{"function_call":{"name":"f","arguments":"{}"}}}]}`, protocol.Delta{ToolCalls: []protocol.ToolCallDelta{{Name: "f", Arguments: "{}"}}}},
	"OpenAI, the end":           {openai.Codec{}, `data: {"choices":[{"index":0,"delta":{},"finish_reason":"length"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}`, protocol.Delta{Finish: protocol.FinishLength, Usage: protocol.Usage{Prompt: 9, Completion: 2, Known: true}}},
	"OpenAI, the counts":        {openai.Codec{}, `data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}}`, protocol.Delta{Usage: protocol.Usage{Prompt: 9, Completion: 2, Known: true}}},
	"OpenAI, another's choice":  {openai.Codec{}, `data: {"choices":[{"index":1,"delta":{"content":"5"}},{"index":0,"delta":{"content":"4"}}]}`, protocol.Delta{Text: "4"}},
	"OpenAI, done":              {openai.Codec{}, `data: [DONE]`, protocol.Delta{Done: true}},
	"OpenAI, done, no space":    {openai.Codec{}, "data:[DONE]\r", protocol.Delta{Done: true}},
	"OpenAI, a comment":         {openai.Codec{}, ": keep-alive", protocol.Delta{}},
	"OpenAI, nothing":           {openai.Codec{}, "", protocol.Delta{}},
	"OpenAI, several lines":     {openai.Codec{}, ": ping\r\nid: 7\r\ndata: {\"choices\":\r\ndata: [{\"delta\":{\"content\":\"4\"}}]}", protocol.Delta{Text: "4"}},
	"OpenAI, a final error":     {openai.Codec{}, `data: {"choices":[{"index":0,"delta":{},"finish_reason":"abort"}]}`, protocol.Delta{Error: "the server ended the answer by finish_reason abort"}},
	"LM Studio, an error":       {openai.Codec{}, "event: error\n" + `data: {"error":{"message":"Input does not fit in context length."},"message":"Input does not fit in context length."}`, protocol.Delta{Error: "Input does not fit in context length."}},
	"LM Studio, a mere text":    {openai.Codec{}, "event: error\ndata: it crashed", protocol.Delta{Error: "it crashed"}},
	"LM Studio, no words":       {openai.Codec{}, "event: error", protocol.Delta{Error: "the server failed without a word"}},
	"llama.cpp, an error":       {openai.Codec{}, `data: {"error":{"code":500,"message":"Compute error.","type":"server_error"}}`, protocol.Delta{Error: "Compute error.", Status: 500}},
	"an error not in front":     {openai.Codec{}, `data: {"choices":null,"error":"gone"}`, protocol.Delta{Error: "gone"}},
	"vLLM, an error":            {openai.Codec{}, `data: {"object":"error","message":"engine dead","type":"InternalServerError","code":500}`, protocol.Delta{Error: "engine dead", Status: 500}},
	"Anthropic, the beginning":  {anthropic.Codec{}, "event: message_start\n" + `data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"m","stop_reason":null,"usage":{"input_tokens":9,"output_tokens":1}}}`, protocol.Delta{ID: "msg_1", Model: "m", Usage: protocol.Usage{Prompt: 9, Completion: 1, Known: true}}},
	"Anthropic, a block":        {anthropic.Codec{}, `data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, protocol.Delta{}},
	"Anthropic, text":           {anthropic.Codec{}, "event: content_block_delta\n" + `data: {"delta":{"text":"4\n","type":"text_delta"},"index":0,"type":"content_block_delta"}`, protocol.Delta{Text: "4\n"}},
	"Anthropic, thinking":       {anthropic.Codec{}, `data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`, protocol.Delta{Thinking: "hm"}},
	"Anthropic, a signature":    {anthropic.Codec{}, `data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"x"}}`, protocol.Delta{}},
	"Anthropic, a call begins":  {anthropic.Codec{}, `data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}`, protocol.Delta{ToolCalls: []protocol.ToolCallDelta{{Index: 1, ID: "toolu_1", Name: "f"}}}},
	"Anthropic, a call goes on": {anthropic.Codec{}, `data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a"}}`, protocol.Delta{ToolCalls: []protocol.ToolCallDelta{{Index: 1, Arguments: `{"a`}}}},
	"Anthropic, a block's end":  {anthropic.Codec{}, `data: {"type":"content_block_stop","index":1}`, protocol.Delta{}},
	"Anthropic, the end":        {anthropic.Codec{}, `data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":7}}`, protocol.Delta{Finish: protocol.FinishToolCalls, Usage: protocol.Usage{Completion: 7, Known: true}}},
	"Anthropic, done":           {anthropic.Codec{}, "event: message_stop\ndata: {\"type\":\"message_stop\"}", protocol.Delta{Done: true}},
	"Anthropic, a ping":         {anthropic.Codec{}, "event: ping\ndata: {\"type\": \"ping\"}", protocol.Delta{}},
	"Anthropic, unheard of":     {anthropic.Codec{}, `data: {"type":"from_the_future"}`, protocol.Delta{}},
	"Anthropic, an error":       {anthropic.Codec{}, "event: error\n" + `data: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}`, protocol.Delta{Error: "Overloaded", Status: 529}},
	"Ollama, text":              {ollama.Codec{}, `{"model":"m","created_at":"2025-11-24T00:00:00.5+00:00","message":{"role":"assistant","content":"4"},"done":false}`, protocol.Delta{Model: "m", Created: 1763942400, Text: "4"}},
	"Ollama, thinking":          {ollama.Codec{}, `{"model":"m","message":{"role":"assistant","content":"","thinking":"hm"},"done":false}` + "\r", protocol.Delta{Model: "m", Thinking: "hm"}},
	"Ollama, calls":             {ollama.Codec{}, `{"message":{"role":"assistant","content":"","tool_calls":[{"id":"call_x","function":{"index":1,"name":"f","arguments":{"a":1}}}]},"done":false}`, protocol.Delta{ToolCalls: []protocol.ToolCallDelta{{Index: 1, ID: "call_x", Name: "f", Arguments: `{"a":1}`}}}},
	"Ollama, the end":           {ollama.Codec{}, `{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"length","total_duration":1,"prompt_eval_count":9,"eval_count":2}`, protocol.Delta{Model: "m", Done: true, Finish: protocol.FinishLength, Usage: protocol.Usage{Prompt: 9, Completion: 2, Known: true}}},
	"Ollama, a load":            {ollama.Codec{}, `{"model":"m","message":{"role":"assistant","content":""},"done_reason":"load","done":true}`, protocol.Delta{Model: "m", Done: true, Loaded: true}},
	"Ollama, an error":          {ollama.Codec{}, `{"error":"llama runner process no longer running"}`, protocol.Delta{Error: "llama runner process no longer running"}},
	"Ollama, an empty line":     {ollama.Codec{}, "", protocol.Delta{}},
}

func TestReadFrame(t *testing.T) {
	for name, c := range someFrames {
		t.Run(name, func(t *testing.T) {
			got, err := c.codec.ReadFrame([]byte(c.frame))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAFrameOfAnotherProtocol(t *testing.T) {
	for name, c := range map[string]struct {
		codec fullCodec
		frame string
	}{
		"OpenAI, cut":             {openai.Codec{}, `data: {"choices":[{"delta":{"content":"4`},
		"OpenAI, garbage":         {openai.Codec{}, `data: <html>`},
		"OpenAI, cut inside":      {openai.Codec{}, `data: {"choices":[{"delta":{"content" "4"}}]}`},
		"OpenAI, Ollama's":        {openai.Codec{}, `data: {"model":"m","message":{"content":"4"},"done":false}`},
		"OpenAI, choices a text":  {openai.Codec{}, `data: {"choices":"4"}`},
		"OpenAI, a delta a text":  {openai.Codec{}, `data: {"choices":[{"delta":"4"}]}`},
		"OpenAI, calls a text":    {openai.Codec{}, `data: {"choices":[{"delta":{"tool_calls":"f"}}]}`},
		"OpenAI, a function text": {openai.Codec{}, `data: {"choices":[{"delta":{"tool_calls":[{"function":"f"}]}}]}`},
		"OpenAI, more behind":     {openai.Codec{}, `data: {"choices":[]}{"choices":[]}`},
		"Anthropic, OpenAI's":     {anthropic.Codec{}, `data: {"choices":[{"delta":{"content":"4"}}]}`},
		"Anthropic, cut":          {anthropic.Codec{}, `data: {"type":"content_block_delta","index":0,"delta":{"type":"te`},
		"Anthropic, no message":   {anthropic.Codec{}, `data: {"type":"message_start"}`},
		"Anthropic, no delta":     {anthropic.Codec{}, `data: {"type":"content_block_delta","index":0}`},
		"Ollama, OpenAI's":        {ollama.Codec{}, `{"choices":[]}`},
		"Ollama, cut":             {ollama.Codec{}, `{"message":{"content":"4"},"done":fal`},
		"Ollama, garbage":         {ollama.Codec{}, `GGGG`},
	} {
		t.Run(name, func(t *testing.T) {
			if p, err := c.codec.ReadFrame([]byte(c.frame)); err == nil {
				t.Errorf("got %+v", p)
			}
		})
	}
}

package chat_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
)

var someFrames = map[string]struct {
	dialect chat.Dialect
	frame   string
	want    chat.Piece
}{
	"OpenAI, the role":          {chat.OpenAI{}, `data: {"id":"c1","object":"chat.completion.chunk","created":1763942400,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":null},"finish_reason":null}]}`, chat.Piece{ID: "c1", Model: "m", Created: 1763942400}},
	"OpenAI, text":              {chat.OpenAI{}, `data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"a\n\"\u00e9\ud83d\ude00"},"logprobs":null,"finish_reason":null}],"usage":null}`, chat.Piece{ID: "c1", Model: "m", Text: "a\n\"é😀"}},
	"OpenAI, an escaped model":  {chat.OpenAI{}, `data: {"id":"c1","model":"qwen\/qwen3","choices":[]}`, chat.Piece{ID: "c1", Model: "qwen/qwen3"}},
	"OpenAI, thinking":          {chat.OpenAI{}, `data: {"choices":[{"delta":{"reasoning_content":"hm","content":null},"index":0}]}`, chat.Piece{Thinking: "hm"}},
	"OpenAI, thinking twice":    {chat.OpenAI{}, `data: {"choices":[{"delta":{"reasoning":"hm","reasoning_content":"hm"}}]}`, chat.Piece{Thinking: "hm"}},
	"OpenAI, a call begins":     {chat.OpenAI{}, `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_a","type":"function","function":{"name":"f","arguments":""}}]}}]}`, chat.Piece{Calls: []chat.CallPiece{{Index: 1, ID: "call_a", Name: "f"}}}},
	"OpenAI, a call goes on":    {chat.OpenAI{}, `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{\"a"}}]}}]}`, chat.Piece{Calls: []chat.CallPiece{{Index: 1, Arguments: `{"a`}}}},
	"OpenAI, arguments whole":   {chat.OpenAI{}, `data: {"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]}}]}`, chat.Piece{Calls: []chat.CallPiece{{Name: "f", Arguments: `{"a":1}`}}}},
	"OpenAI, the older call":    {chat.OpenAI{}, `data: {"choices":[{"delta":{"function_call":{"name":"f","arguments":"{}"}}}]}`, chat.Piece{Calls: []chat.CallPiece{{Name: "f", Arguments: "{}"}}}},
	"OpenAI, the end":           {chat.OpenAI{}, `data: {"choices":[{"index":0,"delta":{},"finish_reason":"length"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}`, chat.Piece{Finish: chat.Length, Usage: chat.Usage{Prompt: 9, Completion: 2, Known: true}}},
	"OpenAI, the counts":        {chat.OpenAI{}, `data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}}`, chat.Piece{Usage: chat.Usage{Prompt: 9, Completion: 2, Known: true}}},
	"OpenAI, another's choice":  {chat.OpenAI{}, `data: {"choices":[{"index":1,"delta":{"content":"5"}},{"index":0,"delta":{"content":"4"}}]}`, chat.Piece{Text: "4"}},
	"OpenAI, done":              {chat.OpenAI{}, `data: [DONE]`, chat.Piece{Done: true}},
	"OpenAI, done, no space":    {chat.OpenAI{}, "data:[DONE]\r", chat.Piece{Done: true}},
	"OpenAI, a comment":         {chat.OpenAI{}, ": keep-alive", chat.Piece{}},
	"OpenAI, nothing":           {chat.OpenAI{}, "", chat.Piece{}},
	"OpenAI, several lines":     {chat.OpenAI{}, ": ping\r\nid: 7\r\ndata: {\"choices\":\r\ndata: [{\"delta\":{\"content\":\"4\"}}]}", chat.Piece{Text: "4"}},
	"OpenAI, a final error":     {chat.OpenAI{}, `data: {"choices":[{"index":0,"delta":{},"finish_reason":"abort"}]}`, chat.Piece{Error: "the server ended the answer by finish_reason abort"}},
	"LM Studio, an error":       {chat.OpenAI{}, "event: error\n" + `data: {"error":{"message":"Input does not fit in context length."},"message":"Input does not fit in context length."}`, chat.Piece{Error: "Input does not fit in context length."}},
	"LM Studio, a mere text":    {chat.OpenAI{}, "event: error\ndata: it crashed", chat.Piece{Error: "it crashed"}},
	"LM Studio, no words":       {chat.OpenAI{}, "event: error", chat.Piece{Error: "the server failed without a word"}},
	"llama.cpp, an error":       {chat.OpenAI{}, `data: {"error":{"code":500,"message":"Compute error.","type":"server_error"}}`, chat.Piece{Error: "Compute error.", Code: 500}},
	"an error not in front":     {chat.OpenAI{}, `data: {"choices":null,"error":"gone"}`, chat.Piece{Error: "gone"}},
	"vLLM, an error":            {chat.OpenAI{}, `data: {"object":"error","message":"engine dead","type":"InternalServerError","code":500}`, chat.Piece{Error: "engine dead", Code: 500}},
	"Anthropic, the beginning":  {chat.Anthropic{}, "event: message_start\n" + `data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"m","stop_reason":null,"usage":{"input_tokens":9,"output_tokens":1}}}`, chat.Piece{ID: "msg_1", Model: "m", Usage: chat.Usage{Prompt: 9, Completion: 1, Known: true}}},
	"Anthropic, a block":        {chat.Anthropic{}, `data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, chat.Piece{}},
	"Anthropic, text":           {chat.Anthropic{}, "event: content_block_delta\n" + `data: {"delta":{"text":"4\n","type":"text_delta"},"index":0,"type":"content_block_delta"}`, chat.Piece{Text: "4\n"}},
	"Anthropic, thinking":       {chat.Anthropic{}, `data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`, chat.Piece{Thinking: "hm"}},
	"Anthropic, a signature":    {chat.Anthropic{}, `data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"x"}}`, chat.Piece{}},
	"Anthropic, a call begins":  {chat.Anthropic{}, `data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}`, chat.Piece{Calls: []chat.CallPiece{{Index: 1, ID: "toolu_1", Name: "f"}}}},
	"Anthropic, a call goes on": {chat.Anthropic{}, `data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a"}}`, chat.Piece{Calls: []chat.CallPiece{{Index: 1, Arguments: `{"a`}}}},
	"Anthropic, a block's end":  {chat.Anthropic{}, `data: {"type":"content_block_stop","index":1}`, chat.Piece{}},
	"Anthropic, the end":        {chat.Anthropic{}, `data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":7}}`, chat.Piece{Finish: chat.Calling, Usage: chat.Usage{Completion: 7, Known: true}}},
	"Anthropic, done":           {chat.Anthropic{}, "event: message_stop\ndata: {\"type\":\"message_stop\"}", chat.Piece{Done: true}},
	"Anthropic, a ping":         {chat.Anthropic{}, "event: ping\ndata: {\"type\": \"ping\"}", chat.Piece{}},
	"Anthropic, unheard of":     {chat.Anthropic{}, `data: {"type":"from_the_future"}`, chat.Piece{}},
	"Anthropic, an error":       {chat.Anthropic{}, "event: error\n" + `data: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}`, chat.Piece{Error: "Overloaded", Code: 529}},
	"Ollama, text":              {chat.Ollama{}, `{"model":"m","created_at":"2025-11-24T00:00:00.5+00:00","message":{"role":"assistant","content":"4"},"done":false}`, chat.Piece{Model: "m", Created: 1763942400, Text: "4"}},
	"Ollama, thinking":          {chat.Ollama{}, `{"model":"m","message":{"role":"assistant","content":"","thinking":"hm"},"done":false}` + "\r", chat.Piece{Model: "m", Thinking: "hm"}},
	"Ollama, calls":             {chat.Ollama{}, `{"message":{"role":"assistant","content":"","tool_calls":[{"id":"call_x","function":{"index":1,"name":"f","arguments":{"a":1}}}]},"done":false}`, chat.Piece{Calls: []chat.CallPiece{{Index: 1, ID: "call_x", Name: "f", Arguments: `{"a":1}`}}}},
	"Ollama, the end":           {chat.Ollama{}, `{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"length","total_duration":1,"prompt_eval_count":9,"eval_count":2}`, chat.Piece{Model: "m", Done: true, Finish: chat.Length, Usage: chat.Usage{Prompt: 9, Completion: 2, Known: true}}},
	"Ollama, a load":            {chat.Ollama{}, `{"model":"m","message":{"role":"assistant","content":""},"done_reason":"load","done":true}`, chat.Piece{Model: "m", Done: true}},
	"Ollama, an error":          {chat.Ollama{}, `{"error":"llama runner process no longer running"}`, chat.Piece{Error: "llama runner process no longer running"}},
	"Ollama, an empty line":     {chat.Ollama{}, "", chat.Piece{}},
}

func TestReadFrame(t *testing.T) {
	for name, c := range someFrames {
		t.Run(name, func(t *testing.T) {
			got, err := c.dialect.ReadFrame([]byte(c.frame))
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
		dialect chat.Dialect
		frame   string
	}{
		"OpenAI, cut":             {chat.OpenAI{}, `data: {"choices":[{"delta":{"content":"4`},
		"OpenAI, garbage":         {chat.OpenAI{}, `data: <html>`},
		"OpenAI, cut inside":      {chat.OpenAI{}, `data: {"choices":[{"delta":{"content" "4"}}]}`},
		"OpenAI, Ollama's":        {chat.OpenAI{}, `data: {"model":"m","message":{"content":"4"},"done":false}`},
		"OpenAI, choices a text":  {chat.OpenAI{}, `data: {"choices":"4"}`},
		"OpenAI, a delta a text":  {chat.OpenAI{}, `data: {"choices":[{"delta":"4"}]}`},
		"OpenAI, calls a text":    {chat.OpenAI{}, `data: {"choices":[{"delta":{"tool_calls":"f"}}]}`},
		"OpenAI, a function text": {chat.OpenAI{}, `data: {"choices":[{"delta":{"tool_calls":[{"function":"f"}]}}]}`},
		"OpenAI, more behind":     {chat.OpenAI{}, `data: {"choices":[]}{"choices":[]}`},
		"Anthropic, OpenAI's":     {chat.Anthropic{}, `data: {"choices":[{"delta":{"content":"4"}}]}`},
		"Anthropic, cut":          {chat.Anthropic{}, `data: {"type":"content_block_delta","index":0,"delta":{"type":"te`},
		"Anthropic, no message":   {chat.Anthropic{}, `data: {"type":"message_start"}`},
		"Anthropic, no delta":     {chat.Anthropic{}, `data: {"type":"content_block_delta","index":0}`},
		"Ollama, OpenAI's":        {chat.Ollama{}, `{"choices":[]}`},
		"Ollama, cut":             {chat.Ollama{}, `{"message":{"content":"4"},"done":fal`},
		"Ollama, garbage":         {chat.Ollama{}, `GGGG`},
	} {
		t.Run(name, func(t *testing.T) {
			if p, err := c.dialect.ReadFrame([]byte(c.frame)); err == nil {
				t.Errorf("got %+v", p)
			}
		})
	}
}

package registry_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/anthropic"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/ollama"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/openai"
)

// streams are as the servers send them, and what they say.
var streams = map[string]struct {
	codec  fullCodec
	stream string
	want   protocol.Reply
}{
	"llama.cpp": {
		openai.Codec{},
		`data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":1763942400,"id":"chatcmpl-1","model":"qwen3","system_fingerprint":"b6900","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":null,"index":0,"delta":{"reasoning_content":"Easy."}}],"created":1763942400,"id":"chatcmpl-1","model":"qwen3","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"It's"}}],"created":1763942400,"id":"chatcmpl-1","model":"qwen3","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":" 4."}}],"created":1763942400,"id":"chatcmpl-1","model":"qwen3","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"created":1763942400,"id":"chatcmpl-1","model":"qwen3","object":"chat.completion.chunk"}

data: {"choices":[],"created":1763942400,"id":"chatcmpl-1","model":"qwen3","object":"chat.completion.chunk","usage":{"completion_tokens":7,"prompt_tokens":9,"total_tokens":16},"timings":{"prompt_n":9}}

data: [DONE]

`,
		protocol.Reply{Thinking: "Easy.", Text: "It's 4.", Finish: protocol.FinishStop, Usage: protocol.Usage{Prompt: 9, Completion: 7, Known: true}},
	},
	"LM Studio, two calls": {
		openai.Codec{},
		`data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1763942400,"model":"m","system_fingerprint":"m","choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"286154301","type":"function","function":{"name":"weather","arguments":""}}]},"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1763942400,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"type":"function","function":{"name":"","arguments":"{\"city\":"}}]},"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1763942400,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"type":"function","function":{"name":"","arguments":"\"Paris\"}"}}]},"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1763942400,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"286154302","type":"function","function":{"name":"time","arguments":"{}"}}]},"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1763942400,"model":"m","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}

data: [DONE]

`,
		protocol.Reply{ToolCalls: []protocol.ToolCall{{ID: "286154301", Name: "weather", Arguments: `{"city":"Paris"}`}, {ID: "286154302", Name: "time", Arguments: "{}"}}, Finish: protocol.FinishToolCalls, Usage: protocol.Usage{Prompt: 9, Completion: 7, Known: true}},
	},
	"Anthropic": {
		anthropic.Codec{},
		`event: message_start
data: {"type":"message_start","message":{"id":"msg_3","type":"message","role":"assistant","content":[],"model":"m","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Easy."}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQBCgIYAhIM"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Let me see."}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_4","name":"weather","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"city\": \"Paris\"}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":2}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":7}}

event: message_stop
data: {"type":"message_stop"}

`,
		protocol.Reply{Thinking: "Easy.", Text: "Let me see.", ToolCalls: []protocol.ToolCall{{ID: "toolu_4", Name: "weather", Arguments: `{"city": "Paris"}`}}, Finish: protocol.FinishToolCalls, Usage: protocol.Usage{Prompt: 9, Completion: 7, Known: true}},
	},
	"Ollama": {
		ollama.Codec{},
		`{"model":"m","created_at":"2025-11-24T00:00:00.1Z","message":{"role":"assistant","content":"","thinking":"Easy."},"done":false}
{"model":"m","created_at":"2025-11-24T00:00:00.2Z","message":{"role":"assistant","content":"It's 4."},"done":false}
{"model":"m","created_at":"2025-11-24T00:00:00.3Z","message":{"role":"assistant","content":"","tool_calls":[{"id":"call_5","function":{"index":0,"name":"weather","arguments":{"city":"Paris"}}}]},"done":false}
{"model":"m","created_at":"2025-11-24T00:00:00.4Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":4883583458,"load_duration":1334875,"prompt_eval_count":9,"prompt_eval_duration":342546000,"eval_count":7,"eval_duration":4535599000}
`,
		protocol.Reply{Thinking: "Easy.", Text: "It's 4.", ToolCalls: []protocol.ToolCall{{ID: "call_5", Name: "weather", Arguments: `{"city":"Paris"}`}}, Finish: protocol.FinishToolCalls, Usage: protocol.Usage{Prompt: 9, Completion: 7, Known: true}},
	},
}

func TestAStreamTranslated(t *testing.T) {
	for name, c := range streams {
		for _, to := range codecs() {
			t.Run(name+" to "+named(to), func(t *testing.T) {
				var pieces []protocol.Delta
				for _, frame := range frames(c.codec, []byte(c.stream)) {
					p, err := c.codec.ReadFrame(frame)
					if err != nil {
						t.Fatal(err)
					}
					pieces = append(pieces, p)
				}
				stream := write(to, start, pieces...)
				got, done, err := gather(to, stream)
				if err != nil || !done {
					t.Fatalf("done %v, error %v\n%s", done, err, stream)
				}
				want := c.want
				got.ID, got.Model, got.Created = "", "", 0
				if _, ok := to.(ollama.Codec); ok && want.Finish == protocol.FinishToolCalls {
					want.Finish = protocol.FinishStop // the calls say it
					want.ToolCalls = slices.Clone(want.ToolCalls)
					for i := range want.ToolCalls {
						want.ToolCalls[i].Arguments = strings.ReplaceAll(want.ToolCalls[i].Arguments, " ", "") // an object by now
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s\n%s", diff, stream)
				}
				if _, ok := to.(anthropic.Codec); ok {
					accepts(t, stream)
				}
			})
		}
	}
}

// A block in a block in a block costs no more than its length.
func TestBlocksInBlocks(t *testing.T) {
	const deep = 4000
	text := strings.Repeat("x", 1<<20)
	body := `{"messages":[{"role":"user","content":` + strings.Repeat(`[{"type":"tool_result","content":`, deep) + `"` + text + `"` + strings.Repeat(`}]`, deep) + `}]}`
	began := time.Now()
	if _, err := (anthropic.Codec{}).ReadRequest([]byte(body)); err == nil {
		t.Error("a tool_result in a tool_result is taken")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

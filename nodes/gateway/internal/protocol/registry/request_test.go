package registry_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/anthropic"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/ollama"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/openai"
)

const (
	pixel   = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	weather = `{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}`
)

func of[T any](v T) *T { return &v }

func said(text string) []protocol.Part { return []protocol.Part{{Text: text}} }

// asked is a conversation with all that all three protocols know.
func asked() protocol.Request {
	return protocol.Request{
		Model: "qwen3:8b",
		Messages: []protocol.Message{
			{Role: protocol.RoleSystem, Parts: said("Be brief.")},
			{Role: protocol.RoleUser, Parts: []protocol.Part{{Text: "What's the weather <here>?"}, {Image: &protocol.Image{MediaType: "image/png", Data: pixel}}}},
			{Role: protocol.RoleAssistant, Parts: said("Let me see."), Thinking: "A tower.", ToolCalls: []protocol.ToolCall{{ID: "call_1", Name: "weather", Arguments: `{"city":"Paris"}`}, {ID: "call_2", Name: "time", Arguments: `{}`}}},
			{Role: protocol.RoleTool, ToolCallID: "call_1", Name: "weather", Parts: said("18 °C")},
			{Role: protocol.RoleTool, ToolCallID: "call_2", Name: "time", Parts: said("noon")},
			{Role: protocol.RoleUser, Parts: said("So?")},
		},
		Tools: []protocol.Tool{
			{Name: "weather", Description: "The weather of a city", Parameters: json.RawMessage(weather)},
			{Name: "time", Parameters: json.RawMessage(`{"type":"object"}`)},
		},
		ToolChoice: "auto", Stream: true, IncludeUsage: true, MaxTokens: 200,
		Temperature: of(0.0), TopP: of(0.9), Stop: []string{"END"}, Thinking: of(false),
	}
}

func TestARequestSurvivesEachProtocol(t *testing.T) {
	for _, d := range codecs() {
		t.Run(named(d), func(t *testing.T) {
			body, err := d.WriteRequest(asked())
			if err != nil {
				t.Fatal(err)
			}
			got, err := d.ReadRequest(body)
			if err != nil {
				t.Fatal(err)
			}
			want := asked()
			if _, ok := d.(ollama.Codec); ok { // text and images are apart, and there is no choice
				want.ToolChoice = ""
				want.Messages[1].Parts[1].Image.MediaType = ""
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\n%s", diff, body)
			}
		})
	}
}

// What a client of OpenAI's asks comes back whole from any of the others.
func TestFromOpenAIThroughEachAndBack(t *testing.T) {
	const body = `{"model":"m","stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":64,"temperature":0.5,"stop":"END",
		"messages":[{"role":"developer","content":"Be brief."},
		{"role":"user","content":[{"type":"text","text":"And this?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,` + pixel + `","detail":"low"}}]},
		{"role":"assistant","content":null,"tool_calls":[{"id":"call_9","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Paris\"}"}}]},
		{"role":"tool","tool_call_id":"call_9","content":"18 °C"}],
		"tools":[{"type":"function","function":{"name":"weather","parameters":` + weather + `}}]}`
	first, err := openai.Codec{}.ReadRequest([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range codecs() {
		t.Run(named(d), func(t *testing.T) {
			between, err := d.WriteRequest(first)
			if err != nil {
				t.Fatal(err)
			}
			got, err := d.ReadRequest(between)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := d.(ollama.Codec); ok {
				got.Messages[1].Parts[1].Image.MediaType = "image/png" // is found out when it is written
			}
			if diff := cmp.Diff(first, got); diff != "" {
				t.Errorf("%s\n%s", diff, between)
			}
		})
	}
}

var user = []protocol.Message{{Role: protocol.RoleUser, Parts: said("hi")}}

// hi is a conversation of a word, which every protocol puts the same way.
const hi = `"messages":[{"role":"user","content":"hi"}]`

var requests = map[string]struct {
	codec fullCodec
	body  string
	want  protocol.Request
}{
	"OpenAI, the least":           {openai.Codec{}, `{"model":"m",` + hi + `}`, protocol.Request{Model: "m", Messages: user}},
	"OpenAI, what says nothing":   {openai.Codec{}, `{"model":"m",` + hi + `,"n":1,"logprobs":false,"logit_bias":{},"tools":[],"tool_choice":null,"stop":null,"response_format":{"type":"text"},"store":true,"metadata":{"a":"b"},"unheard_of":7}`, protocol.Request{Model: "m", Messages: user}},
	"OpenAI, the sampling":        {openai.Codec{}, `{"model":"m",` + hi + `,"max_tokens":5,"temperature":0,"top_p":1,"top_k":40,"min_p":0.1,"seed":7,"presence_penalty":0.5,"frequency_penalty":-0.5,"stop":["a","b"],"user":"u","repeat_penalty":1.1}`, protocol.Request{Model: "m", Messages: user, MaxTokens: 5, Temperature: of(0.0), TopP: of(1.0), TopK: of(40), MinP: of(0.1), Seed: of(7), PresencePenalty: of(0.5), FrequencyPenalty: of(-0.5), Stop: []string{"a", "b"}, User: "u", Options: map[string]json.RawMessage{"repeat_penalty": json.RawMessage("1.1")}}},
	"OpenAI, a stream":            {openai.Codec{}, `{"model":"m",` + hi + `,"stream":true,"stream_options":{"include_usage":true}}`, protocol.Request{Model: "m", Messages: user, Stream: true, IncludeUsage: true}},
	"OpenAI, any JSON":            {openai.Codec{}, `{"model":"m",` + hi + `,"response_format":{"type":"json_object"}}`, protocol.Request{Model: "m", Messages: user, Format: json.RawMessage(`"json"`)}},
	"OpenAI, a schema":            {openai.Codec{}, `{"model":"m",` + hi + `,"response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,"schema":{"type":"object"}}}}`, protocol.Request{Model: "m", Messages: user, Format: json.RawMessage(`{"type":"object"}`)}},
	"OpenAI, thinking":            {openai.Codec{}, `{"model":"m",` + hi + `,"reasoning_effort":"low"}`, protocol.Request{Model: "m", Messages: user, Thinking: of(true)}},
	"OpenAI, no thinking":         {openai.Codec{}, `{"model":"m",` + hi + `,"reasoning_effort":"none"}`, protocol.Request{Model: "m", Messages: user, Thinking: of(false)}},
	"OpenAI, one tool":            {openai.Codec{}, `{"model":"m",` + hi + `,"tools":[{"type":"function","function":{"name":"f","strict":true}}],"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false}`, protocol.Request{Model: "m", Messages: user, Tools: []protocol.Tool{{Name: "f", Strict: of(true)}}, ToolChoice: "tool:f", SingleCall: true}},
	"OpenAI, an image's address":  {openai.Codec{}, `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":"https://example.com/a.png"}]}]}`, protocol.Request{Model: "m", Messages: []protocol.Message{{Role: protocol.RoleUser, Parts: []protocol.Part{{Image: &protocol.Image{URL: "https://example.com/a.png"}}}}}}},
	"OpenAI, reasoning of before": {openai.Codec{}, `{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho","reasoning":"hm","name":"Bob"}]}`, protocol.Request{Model: "m", Messages: append(user[:1:1], protocol.Message{Role: protocol.RoleAssistant, Parts: said("ho"), Thinking: "hm", Name: "Bob"})}},
	"OpenAI, arguments as object": {openai.Codec{}, `{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},{"role":"tool","content":[{"type":"text","text":"x"}]}]}`, protocol.Request{Model: "m", Messages: append(user[:1:1],
		protocol.Message{Role: protocol.RoleAssistant, ToolCalls: []protocol.ToolCall{{ID: "call_1", Name: "f", Arguments: `{"a":1}`}}},
		protocol.Message{Role: protocol.RoleTool, ToolCallID: "call_1", Name: "f", Parts: said("x")})}},

	"Anthropic, the least":    {anthropic.Codec{}, `{"model":"m","max_tokens":9,` + hi + `}`, protocol.Request{Model: "m", Messages: user, MaxTokens: 9, IncludeUsage: true}},
	"Anthropic, the sampling": {anthropic.Codec{}, `{"model":"m","max_tokens":9,` + hi + `,"stream":true,"temperature":1,"top_p":0.5,"top_k":3,"stop_sequences":["x"],"metadata":{"user_id":"u"},"thinking":{"type":"enabled","budget_tokens":1024}}`, protocol.Request{Model: "m", Messages: user, MaxTokens: 9, Stream: true, IncludeUsage: true, Temperature: of(1.0), TopP: of(0.5), TopK: of(3), Stop: []string{"x"}, User: "u", Thinking: of(true)}},
	"Anthropic, blocks": {anthropic.Codec{}, `{"model":"m","max_tokens":9,"system":[{"type":"text","text":"A.","cache_control":{"type":"ephemeral"}},{"type":"text","text":"B."}],
			"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}]},
			{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"x"},{"type":"text","text":"So:"},{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":1}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","is_error":true,"content":[{"type":"text","text":"no"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]},{"type":"text","text":"well?"}]}]}`,
		protocol.Request{Model: "m", MaxTokens: 9, IncludeUsage: true, Messages: []protocol.Message{
			{Role: protocol.RoleSystem, Parts: []protocol.Part{{Text: "A."}, {Text: "B."}}},
			{Role: protocol.RoleUser, Parts: []protocol.Part{{Text: "hi"}, {Image: &protocol.Image{URL: "https://example.com/a.png"}}}},
			{Role: protocol.RoleAssistant, Thinking: "hm", Parts: said("So:"), ToolCalls: []protocol.ToolCall{{ID: "toolu_1", Name: "f", Arguments: `{"a":1}`}}},
			{Role: protocol.RoleTool, ToolCallID: "toolu_1", Name: "f", ToolFailed: true, Parts: []protocol.Part{{Text: "no"}, {Image: &protocol.Image{MediaType: "image/png", Data: "AAAA"}}}},
			{Role: protocol.RoleUser, Parts: said("well?")},
		}}},
	"Anthropic, tools": {anthropic.Codec{}, `{"model":"m","max_tokens":9,` + hi + `,"tools":[{"name":"f","description":"d","input_schema":{"type":"object"}}],"tool_choice":{"type":"any","disable_parallel_tool_use":true}}`,
		protocol.Request{Model: "m", Messages: user, MaxTokens: 9, IncludeUsage: true, Tools: []protocol.Tool{{Name: "f", Description: "d", Parameters: json.RawMessage(`{"type":"object"}`)}}, ToolChoice: "required", SingleCall: true}},
	"Anthropic, a schema": {anthropic.Codec{}, `{"model":"m","max_tokens":9,` + hi + `,"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}}`, protocol.Request{Model: "m", Messages: user, MaxTokens: 9, IncludeUsage: true, Format: json.RawMessage(`{"type":"object"}`)}},

	"Ollama, the least":    {ollama.Codec{}, `{"model":"m",` + hi + `}`, protocol.Request{Model: "m", Messages: user, Stream: true, IncludeUsage: true}},
	"Ollama, what's empty": {ollama.Codec{}, `{"model":"m",` + hi + `,"stream":false,"format":"","options":null,"think":null,"keep_alive":0,"tools":null}`, protocol.Request{Model: "m", Messages: user, IncludeUsage: true, KeepAlive: json.RawMessage("0")}},
	"Ollama, options": {ollama.Codec{}, `{"model":"m",` + hi + `,"stream":false,"keep_alive":"5m","think":"high","format":"json","options":{"temperature":0.1,"top_p":0.2,"top_k":3.0,"min_p":0.4,"seed":42,"num_predict":6,"stop":["x"],"presence_penalty":0.7,"frequency_penalty":0.8,"num_ctx":4096}}`,
		protocol.Request{Model: "m", Messages: user, IncludeUsage: true, KeepAlive: json.RawMessage(`"5m"`), Thinking: of(true), Format: json.RawMessage(`"json"`), MaxTokens: 6, Temperature: of(0.1), TopP: of(0.2), TopK: of(3), MinP: of(0.4), Seed: of(42), Stop: []string{"x"}, PresencePenalty: of(0.7), FrequencyPenalty: of(0.8), Options: map[string]json.RawMessage{"num_ctx": json.RawMessage("4096")}}},
	"Ollama, no bound": {ollama.Codec{}, `{"model":"m",` + hi + `,"options":{"num_predict":-1}}`, protocol.Request{Model: "m", Messages: user, Stream: true, IncludeUsage: true}},
	"Ollama, calls without an ID": {ollama.Codec{}, `{"model":"m","messages":[{"role":"USER","content":"hi","images":["` + pixel + `"]},
			{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}},{"function":{"name":"g","arguments":{}}}]},
			{"role":"tool","tool_name":"g","content":"2"},{"role":"tool","content":"1"}]}`,
		protocol.Request{Model: "m", Stream: true, IncludeUsage: true, Messages: []protocol.Message{
			{Role: protocol.RoleUser, Parts: []protocol.Part{{Text: "hi"}, {Image: &protocol.Image{Data: pixel}}}},
			{Role: protocol.RoleAssistant, ToolCalls: []protocol.ToolCall{{ID: "call_1", Name: "f", Arguments: `{"a":1}`}, {ID: "call_2", Name: "g", Arguments: "{}"}}},
			{Role: protocol.RoleTool, ToolCallID: "call_2", Name: "g", Parts: said("2")},
			{Role: protocol.RoleTool, ToolCallID: "call_1", Name: "f", Parts: said("1")},
		}}},
}

func TestReadRequest(t *testing.T) {
	for name, c := range requests {
		t.Run(name, func(t *testing.T) {
			got, err := c.codec.ReadRequest([]byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadRequestRefuses(t *testing.T) {
	content := func(part string) string { return `{"messages":[{"role":"user","content":[` + part + `]}]}` }
	for name, c := range map[string]struct {
		codec fullCodec
		body  string
		what  string // of Unsupported, empty for another error
	}{
		"OpenAI, several answers":    {openai.Codec{}, `{` + hi + `,"n":2}`, "n above 1"},
		"OpenAI, logprobs":           {openai.Codec{}, `{` + hi + `,"logprobs":true}`, "logprobs"},
		"OpenAI, audio":              {openai.Codec{}, `{` + hi + `,"audio":{"voice":"x"}}`, "audio output"},
		"OpenAI, audio input":        {openai.Codec{}, content(`{"type":"input_audio","input_audio":{}}`), "audio input"},
		"OpenAI, a file":             {openai.Codec{}, content(`{"type":"file","file":{}}`), `content of the type "file"`},
		"OpenAI, an image":           {openai.Codec{}, content(`{"type":"image_url","image_url":{"detail":"low"}}`), ""},
		"OpenAI, functions":          {openai.Codec{}, `{` + hi + `,"functions":[{"name":"f"}]}`, "functions, the older form of tools,"},
		"OpenAI, a custom tool":      {openai.Codec{}, `{` + hi + `,"tools":[{"type":"custom","custom":{"name":"x"}}]}`, `a tool of the type "custom"`},
		"OpenAI, a grammar":          {openai.Codec{}, `{` + hi + `,"grammar":"root ::= x"}`, "a grammar"},
		"OpenAI, no messages":        {openai.Codec{}, `{"model":"m","messages":[]}`, ""},
		"OpenAI, a role":             {openai.Codec{}, `{"messages":[{"role":"boss","content":"hi"}]}`, ""},
		"OpenAI, a choice":           {openai.Codec{}, `{` + hi + `,"tool_choice":"perhaps"}`, ""},
		"OpenAI, a schema":           {openai.Codec{}, `{` + hi + `,"tools":[{"function":{"name":"f","parameters":[]}}]}`, ""},
		"OpenAI, a number":           {openai.Codec{}, `{` + hi + `,"max_tokens":"many"}`, ""},
		"OpenAI, cut":                {openai.Codec{}, `{` + hi, ""},
		"OpenAI, no object":          {openai.Codec{}, `[]`, ""},
		"Anthropic, a document":      {anthropic.Codec{}, content(`{"type":"document","source":{}}`), `content of the type "document"`},
		"Anthropic, a server's tool": {anthropic.Codec{}, `{` + hi + `,"tools":[{"type":"web_search_20250305","name":"web_search"}]}`, `a tool of the type "web_search_20250305"`},
		"Anthropic, MCP":             {anthropic.Codec{}, `{` + hi + `,"mcp_servers":[{"url":"x"}]}`, "mcp_servers"},
		"Anthropic, an image":        {anthropic.Codec{}, content(`{"type":"image"}`), ""},
		"Anthropic, no messages":     {anthropic.Codec{}, `{"model":"m"}`, ""},
		"Anthropic, a role":          {anthropic.Codec{}, `{"messages":[{"role":"tool","content":"hi"}]}`, ""},
		"Ollama, to load":            {ollama.Codec{}, `{"model":"m","keep_alive":"5m"}`, "loading or unloading a model by a chat without messages"},
		"Ollama, logprobs":           {ollama.Codec{}, `{` + hi + `,"logprobs":true}`, "logprobs"},
		"Ollama, a format":           {ollama.Codec{}, `{` + hi + `,"format":"xml"}`, ""},
		"Ollama, an option":          {ollama.Codec{}, `{` + hi + `,"options":{"temperature":"hot"}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.codec.ReadRequest([]byte(c.body))
			if err == nil {
				t.Fatal("no error")
			}
			var u protocol.UnsupportedError
			errors.As(err, &u)
			if u.Feature != c.what {
				t.Errorf("unsupported is %q, want %q: %v", u.Feature, c.what, err)
			}
		})
	}
}

func TestWriteRequest(t *testing.T) {
	const noStream = `"stream":false,`
	hiBlocks := `"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]`
	tool := []protocol.Tool{{Name: "f", Strict: of(true)}}
	shown := []protocol.Message{
		{Role: protocol.RoleUser, Parts: said("hi")},
		{Role: protocol.RoleAssistant, ToolCalls: []protocol.ToolCall{{ID: "c1", Name: "f", Arguments: "not JSON"}, {ID: "c2", Name: "g"}}},
		{Role: protocol.RoleTool, ToolCallID: "c1", Name: "f", Parts: []protocol.Part{{Text: "look"}, {Image: &protocol.Image{MediaType: "image/png", Data: "AAAA"}}}},
		{Role: protocol.RoleTool, ToolCallID: "c2", Name: "g", Parts: said("it broke"), ToolFailed: true},
	}
	rich := protocol.Request{
		Model: "m", Messages: user, TopK: of(1), MinP: of(0.1), Seed: of(7), KeepAlive: json.RawMessage(`"5m"`), User: "u",
		Options: map[string]json.RawMessage{"num_ctx": json.RawMessage("4096")}, Thinking: of(true),
	}
	for name, c := range map[string]struct {
		codec   fullCodec
		request protocol.Request
		want    string
	}{
		"OpenAI, the least":     {openai.Codec{}, protocol.Request{Model: "m", Messages: user}, `{"model":"m",` + hi + `}`},
		"OpenAI, what it lacks": {openai.Codec{}, rich, `{"model":"m",` + hi + `,"seed":7,"user":"u"}`},
		"OpenAI, any JSON":      {openai.Codec{}, protocol.Request{Model: "m", Messages: user, Format: json.RawMessage(`"json"`)}, `{"model":"m",` + hi + `,"response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":{"type":"object"}}}}`},
		"OpenAI, a tool":        {openai.Codec{}, protocol.Request{Model: "m", Messages: user, Tools: tool, ToolChoice: "tool:f", SingleCall: true}, `{"model":"m",` + hi + `,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}},"strict":true}}],"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false}`},
		"OpenAI, no tools":      {openai.Codec{}, protocol.Request{Model: "m", Messages: user, ToolChoice: "auto", SingleCall: true}, `{"model":"m",` + hi + `}`},
		"OpenAI, a tool's image": {openai.Codec{}, protocol.Request{Model: "m", Messages: shown}, `{"model":"m","messages":[{"role":"user","content":"hi"},
			{"role":"assistant","content":"","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"not JSON"}},{"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}]},
			{"role":"tool","tool_call_id":"c1","content":"look"},{"role":"tool","tool_call_id":"c2","content":"Error: it broke"},
			{"role":"user","content":[{"type":"text","text":"What f shows:"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}`},

		"Anthropic, the least":     {anthropic.Codec{}, protocol.Request{Model: "m", Messages: user}, `{"model":"m","max_tokens":16384,` + hiBlocks + `}`},
		"Anthropic, what it lacks": {anthropic.Codec{}, rich, `{"model":"m","max_tokens":16384,` + hiBlocks + `,"top_k":1,"metadata":{"user_id":"u"}}`},
		"Anthropic, a tool":        {anthropic.Codec{}, protocol.Request{Model: "m", Messages: user, Tools: tool, ToolChoice: "required", SingleCall: true, Thinking: of(false)}, `{"model":"m","max_tokens":16384,` + hiBlocks + `,"tools":[{"name":"f","input_schema":{"type":"object","properties":{}},"strict":true}],"tool_choice":{"type":"any","disable_parallel_tool_use":true},"thinking":{"type":"disabled"}}`},
		"Anthropic, taking turns": {anthropic.Codec{}, protocol.Request{Model: "m", MaxTokens: 5, Messages: append([]protocol.Message{{Role: protocol.RoleSystem, Parts: said("Be brief.")}, {Role: protocol.RoleUser, Parts: said("Oh,")}}, append(shown,
			protocol.Message{Role: protocol.RoleSystem, Parts: said("Hurry.")}, protocol.Message{Role: protocol.RoleUser, Parts: said("Well?")}, protocol.Message{Role: protocol.RoleAssistant})...)},
			`{"model":"m","max_tokens":5,"system":[{"type":"text","text":"Be brief."},{"type":"text","text":"Hurry."}],"messages":[
			{"role":"user","content":[{"type":"text","text":"Oh,"},{"type":"text","text":"hi"}]},
			{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"f","input":{"arguments":"not JSON"}},{"type":"tool_use","id":"c2","name":"g","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":[{"type":"text","text":"look"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]},
			{"type":"tool_result","tool_use_id":"c2","content":[{"type":"text","text":"it broke"}],"is_error":true},{"type":"text","text":"Well?"}]}]}`},
		"Anthropic, a system alone": {anthropic.Codec{}, protocol.Request{Model: "m", Messages: []protocol.Message{{Role: protocol.RoleSystem, Parts: said("hi")}}}, `{"model":"m","max_tokens":16384,` + hiBlocks + `}`},

		"Ollama, the least":     {ollama.Codec{}, protocol.Request{Model: "m", Messages: user}, `{"model":"m",` + noStream + hi + `}`},
		"Ollama, what it lacks": {ollama.Codec{}, rich, `{"model":"m",` + noStream + hi + `,"keep_alive":"5m","options":{"num_ctx":4096,"top_k":1,"min_p":0.1,"seed":7}}`},
		"Ollama, options": {ollama.Codec{}, protocol.Request{Model: "m", Messages: user, Stream: true, MaxTokens: 5, Temperature: of(0.0), TopP: of(0.5), Stop: []string{"x"}, PresencePenalty: of(0.25), FrequencyPenalty: of(0.5), Thinking: of(false), Format: json.RawMessage(`"json"`)},
			`{"model":"m","stream":true,` + hi + `,"think":false,"format":"json","options":{"num_predict":5,"temperature":0,"top_p":0.5,"stop":["x"],"presence_penalty":0.25,"frequency_penalty":0.5}}`},
		"Ollama, no tool to be called": {ollama.Codec{}, protocol.Request{Model: "m", Messages: user, Tools: tool, ToolChoice: "none"}, `{"model":"m",` + noStream + hi + `}`},
		"Ollama, a tool's image": {ollama.Codec{}, protocol.Request{Model: "m", Messages: shown}, `{"model":"m",` + noStream + `"messages":[{"role":"user","content":"hi"},
			{"role":"assistant","content":"","tool_calls":[{"id":"c1","function":{"index":0,"name":"f","arguments":{"arguments":"not JSON"}}},{"id":"c2","function":{"index":1,"name":"g","arguments":{}}}]},
			{"role":"tool","tool_call_id":"c1","tool_name":"f","content":"look"},{"role":"tool","tool_call_id":"c2","tool_name":"g","content":"Error: it broke"},
			{"role":"user","content":"What f shows:","images":["AAAA"]}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.codec.WriteRequest(c.request)
			if err != nil {
				t.Fatal(err)
			}
			same(t, []byte(c.want), got)
		})
	}
}

func TestWriteRequestRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		codec   fullCodec
		request protocol.Request
	}{
		"Anthropic, a format":        {anthropic.Codec{}, protocol.Request{Messages: user, Format: json.RawMessage(`"json"`)}},
		"Anthropic, a penalty":       {anthropic.Codec{}, protocol.Request{Messages: user, PresencePenalty: of(1.0)}},
		"Anthropic, another penalty": {anthropic.Codec{}, protocol.Request{Messages: user, FrequencyPenalty: of(1.0)}},
		"Ollama, a choice of tools":  {ollama.Codec{}, protocol.Request{Messages: user, Tools: []protocol.Tool{{Name: "f"}}, ToolChoice: "required"}},
		"Ollama, an image elsewhere": {ollama.Codec{}, protocol.Request{Messages: []protocol.Message{{Role: protocol.RoleUser, Parts: []protocol.Part{{Image: &protocol.Image{URL: "https://example.com/a.png"}}}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			var u protocol.UnsupportedError
			if _, err := c.codec.WriteRequest(c.request); !errors.As(err, &u) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// same compares JSON.
func same(t *testing.T, want, got []byte) {
	t.Helper()
	var w, g any
	if err := json.Unmarshal(want, &w); err != nil {
		t.Fatalf("%v: %s", err, want)
	}
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("%s\n%s", diff, got)
	}
}

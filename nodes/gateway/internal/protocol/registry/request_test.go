package registry_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
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
		t.Run(d.Path(), func(t *testing.T) {
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
		t.Run(d.Path(), func(t *testing.T) {
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

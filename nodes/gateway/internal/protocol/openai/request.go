package openai

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

type request struct {
	Model             string               `json:"model"`
	Messages          []message            `json:"messages"`
	Tools             []codec.FunctionTool `json:"tools,omitempty"`
	ToolChoice        json.RawMessage      `json:"tool_choice,omitempty"`
	ParallelToolCalls *bool                `json:"parallel_tool_calls,omitempty"`
	Stream            bool                 `json:"stream,omitempty"`
	StreamOptions     *streamOptions       `json:"stream_options,omitempty"`
	MaxTokens         int                  `json:"max_tokens,omitempty"`
	MaxCompletion     int                  `json:"max_completion_tokens,omitempty"`
	Temperature       *float64             `json:"temperature,omitempty"`
	TopP              *float64             `json:"top_p,omitempty"`
	MinP              *float64             `json:"min_p,omitempty"`
	TopK              *int                 `json:"top_k,omitempty"`
	Seed              *int                 `json:"seed,omitempty"`
	PresencePenalty   *float64             `json:"presence_penalty,omitempty"`
	FrequencyPenalty  *float64             `json:"frequency_penalty,omitempty"`
	Stop              codec.Strings        `json:"stop,omitempty"`
	ResponseFormat    *responseFormat      `json:"response_format,omitempty"`
	ReasoningEffort   codec.OptionalString `json:"reasoning_effort,omitempty"`
	User              string               `json:"user,omitempty"`
	N                 int                  `json:"n,omitempty"`
	RepeatPenalty     json.RawMessage      `json:"repeat_penalty,omitempty"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type responseFormat struct {
	Type   string      `json:"type"`
	Schema *jsonSchema `json:"json_schema,omitempty"`
}

type jsonSchema struct {
	Name   string          `json:"name"`
	Schema json.RawMessage `json:"schema"`
	Strict *bool           `json:"strict,omitempty"`
}

// unsupported are the members that change the answer and have no place in the
// neutral form. What is neither here nor read is ignored: it is about
// bookkeeping ("store", "metadata", "service_tier"), about speed ("prediction",
// "cache_prompt"), or known to one server only.
var unsupported = map[string]string{
	"audio":              "audio output",
	"best_of":            "best_of",
	"function_call":      "function_call, the older form of tool_choice,",
	"functions":          "functions, the older form of tools,",
	"grammar":            "a grammar",
	"guided_choice":      "guided_choice",
	"guided_grammar":     "guided_grammar",
	"guided_json":        "guided_json",
	"guided_regex":       "guided_regex",
	"json_schema":        "json_schema outside of response_format",
	"logit_bias":         "logit_bias",
	"logprobs":           "logprobs",
	"structured_outputs": "structured_outputs",
	"top_logprobs":       "logprobs",
	"web_search_options": "a search of the web",
}

// ReadRequest implements [protocol.ClientCodec].
func (Codec) ReadRequest(body []byte) (protocol.Request, error) {
	var in request
	if err := codec.DecodeRequest(body, &in, unsupported); err != nil {
		return protocol.Request{}, err
	}
	switch {
	case in.N > 1:
		return protocol.Request{}, protocol.UnsupportedError{Feature: "n above 1"}
	case len(in.Messages) == 0:
		return protocol.Request{}, codec.ErrNoMessages
	}
	r := protocol.Request{
		Model: in.Model, Stream: in.Stream, IncludeUsage: in.StreamOptions != nil && in.StreamOptions.IncludeUsage,
		SingleCall: in.ParallelToolCalls != nil && !*in.ParallelToolCalls,
		MaxTokens:  cmp.Or(in.MaxCompletion, in.MaxTokens), Temperature: in.Temperature, TopP: in.TopP,
		MinP: in.MinP, TopK: in.TopK, Seed: in.Seed, PresencePenalty: in.PresencePenalty,
		FrequencyPenalty: in.FrequencyPenalty, Stop: in.Stop, User: in.User,
	}
	if !codec.IsDefault(in.RepeatPenalty) { // LM Studio and llama.cpp name it as Ollama does
		r.Options = map[string]json.RawMessage{"repeat_penalty": in.RepeatPenalty}
	}
	if in.ReasoningEffort != "" {
		thinking := in.ReasoningEffort != "none"
		r.Thinking = &thinking
	}
	var err error
	if r.Messages, err = readMessages(in.Messages); err != nil {
		return protocol.Request{}, err
	}
	if r.Tools, err = codec.ReadTools(in.Tools); err != nil {
		return protocol.Request{}, err
	}
	if r.ToolChoice, err = readToolChoice(in.ToolChoice); err != nil {
		return protocol.Request{}, err
	}
	r.Format, err = in.ResponseFormat.read()
	return r, err
}

func readToolChoice(raw json.RawMessage) (string, error) {
	if codec.IsNull(raw) {
		return "", nil
	}
	if word, ok := scan.String(raw); ok {
		switch word {
		case "auto", "none", "required":
			return word, nil
		}
		return "", fmt.Errorf("tool_choice: no %q", word)
	}
	var one codec.FunctionTool
	if err := codec.Decode(raw, &one, "tool_choice"); err != nil {
		return "", err
	}
	if one.Type != "function" || one.Function.Name == "" {
		return "", protocol.UnsupportedError{Feature: fmt.Sprintf("a tool_choice of the type %q", one.Type)}
	}
	return "tool:" + one.Function.Name, nil
}

func (f *responseFormat) read() (json.RawMessage, error) {
	switch {
	case f == nil || f.Type == "text" || f.Type == "":
		return nil, nil
	case f.Type == "json_object":
		return json.RawMessage(`"json"`), nil
	case f.Type != "json_schema":
		return nil, protocol.UnsupportedError{Feature: fmt.Sprintf("a response_format of the type %q", f.Type)}
	case f.Schema == nil:
		return nil, errors.New("response_format: json_schema is missing")
	}
	schema, err := codec.ReadSchema(f.Schema.Schema)
	if err != nil {
		return nil, fmt.Errorf("response_format: %w", err)
	}
	if schema == nil {
		return json.RawMessage(`"json"`), nil
	}
	return schema, nil
}

// WriteRequest implements [protocol.ServerCodec].
//
// Members that are not in OpenAI's own API are left out, as strict servers
// refuse a request with an unknown member: top_k and min_p, Ollama's options,
// and keep_alive.
func (Codec) WriteRequest(r protocol.Request) ([]byte, error) {
	out := request{
		Model: r.Model, Messages: writeMessages(r.Messages), Tools: codec.WriteTools(r.Tools), Stream: r.Stream,
		MaxTokens: r.MaxTokens, Temperature: r.Temperature, TopP: r.TopP, Seed: r.Seed,
		PresencePenalty: r.PresencePenalty, FrequencyPenalty: r.FrequencyPenalty,
		Stop: r.Stop, User: r.User, ResponseFormat: writeFormat(r.Format),
	}
	if r.Stream && r.IncludeUsage {
		out.StreamOptions = &streamOptions{IncludeUsage: true}
	}
	if r.Thinking != nil && !*r.Thinking {
		// "true" is not passed on: a model that can think does so unasked, and
		// one that can't would refuse the request.
		out.ReasoningEffort = "none"
	}
	if len(r.Tools) > 0 { // without tools, servers refuse a choice of them
		if r.SingleCall {
			out.ParallelToolCalls = new(bool)
		}
		out.ToolChoice = writeToolChoice(r.ToolChoice)
	}
	return codec.EncodeRequest(out, r.Model)
}

func writeToolChoice(choice string) json.RawMessage {
	if name, ok := strings.CutPrefix(choice, "tool:"); ok {
		return codec.MustEncode(map[string]any{"type": "function", "function": map[string]string{"name": name}})
	}
	if choice == "" {
		return nil
	}
	return codec.MustEncode(choice)
}

func writeFormat(format json.RawMessage) *responseFormat {
	switch string(format) {
	case "":
		return nil
	case `"json"`: // LM Studio lacks json_object; a schema for any object is the same
		format = json.RawMessage(`{"type":"object"}`)
	}
	return &responseFormat{Type: "json_schema", Schema: &jsonSchema{Name: "answer", Schema: format}}
}

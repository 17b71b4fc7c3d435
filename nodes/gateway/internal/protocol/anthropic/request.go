package anthropic

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
)

type request struct {
	Model         string      `json:"model"`
	MaxTokens     int         `json:"max_tokens"`
	System        blocks      `json:"system,omitempty"`
	Messages      []message   `json:"messages"`
	Tools         []tool      `json:"tools,omitempty"`
	ToolChoice    *toolChoice `json:"tool_choice,omitempty"`
	Stream        bool        `json:"stream,omitempty"`
	StopSequences []string    `json:"stop_sequences,omitempty"`
	Temperature   *float64    `json:"temperature,omitempty"`
	TopP          *float64    `json:"top_p,omitempty"`
	TopK          *int        `json:"top_k,omitempty"`
	Thinking      *thinking   `json:"thinking,omitempty"`
	Metadata      *metadata   `json:"metadata,omitempty"`
	// OutputFormat is the older place of the format, OutputConfig the newer.
	OutputFormat *outputFormat `json:"output_format,omitempty"`
	OutputConfig *outputConfig `json:"output_config,omitempty"`
}

type tool struct {
	Type        string          `json:"type,omitempty"`
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	InputSchema json.RawMessage `json:"input_schema,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

type toolChoice struct {
	Type       string `json:"type"`
	Name       string `json:"name,omitempty"`
	SingleCall bool   `json:"disable_parallel_tool_use,omitempty"`
}

type thinking struct {
	Type string `json:"type"`
}

type metadata struct {
	UserID string `json:"user_id,omitempty"`
}

type outputConfig struct {
	Format *outputFormat `json:"format,omitempty"`
}

type outputFormat struct {
	Type   string          `json:"type"`
	Schema json.RawMessage `json:"schema"`
}

// unsupported are the members that change the answer and have no place in the
// neutral form.
var unsupported = map[string]string{
	"container":   "a container",
	"mcp_servers": "mcp_servers",
}

// ReadRequest implements [protocol.ClientCodec].
func (Codec) ReadRequest(body []byte) (protocol.Request, error) {
	var in request
	if err := codec.DecodeRequest(body, &in, unsupported); err != nil {
		return protocol.Request{}, err
	}
	if len(in.Messages) == 0 {
		return protocol.Request{}, codec.ErrNoMessages
	}
	r := protocol.Request{
		Model: in.Model, Stream: in.Stream, IncludeUsage: true, MaxTokens: in.MaxTokens, Temperature: in.Temperature,
		TopP: in.TopP, TopK: in.TopK, Stop: in.StopSequences,
	}
	if in.Thinking != nil {
		thinks := in.Thinking.Type != "disabled" // "enabled", "adaptive"
		r.Thinking = &thinks
	}
	if in.Metadata != nil {
		r.User = in.Metadata.UserID
	}
	var err error
	if r.Messages, err = in.readMessages(); err != nil {
		return protocol.Request{}, err
	}
	if r.Tools, err = readTools(in.Tools); err != nil {
		return protocol.Request{}, err
	}
	if r.ToolChoice, r.SingleCall, err = in.ToolChoice.read(); err != nil {
		return protocol.Request{}, err
	}
	r.Format, err = in.readFormat()
	return r, err
}

func readTools(in []tool) (out []protocol.Tool, err error) {
	for i, t := range in {
		if t.Type != "" && t.Type != "custom" {
			return nil, protocol.UnsupportedError{Feature: fmt.Sprintf("a tool of the type %q", t.Type)}
		}
		if t.InputSchema, err = codec.ReadSchema(t.InputSchema); err != nil {
			return nil, fmt.Errorf("tools[%d]: input_schema: %w", i, err)
		}
		out = append(out, protocol.Tool{Name: t.Name, Description: t.Description, Parameters: t.InputSchema, Strict: t.Strict})
	}
	return out, nil
}

func (c *toolChoice) read() (choice string, single bool, err error) {
	if c == nil {
		return "", false, nil
	}
	switch c.Type {
	case "auto", "none":
		return c.Type, c.SingleCall, nil
	case "any":
		return "required", c.SingleCall, nil
	case "tool":
		if c.Name == "" {
			return "", false, errors.New("tool_choice: the tool has no name")
		}
		return "tool:" + c.Name, c.SingleCall, nil
	}
	return "", false, fmt.Errorf("tool_choice: no type %q", c.Type)
}

func (r request) readFormat() (json.RawMessage, error) {
	format := r.OutputFormat
	if r.OutputConfig != nil && r.OutputConfig.Format != nil {
		format = r.OutputConfig.Format
	}
	if format == nil {
		return nil, nil
	}
	if format.Type != "json_schema" {
		return nil, protocol.UnsupportedError{Feature: fmt.Sprintf("an output format of the type %q", format.Type)}
	}
	schema, err := codec.ReadSchema(format.Schema)
	if err != nil {
		return nil, fmt.Errorf("output format: %w", err)
	}
	return schema, nil
}

// defaultMaxTokens limits an answer for clients that gave no limit: the API
// requires one. Servers end at the end of their context anyway.
const defaultMaxTokens = 16384

// WriteRequest implements [protocol.ServerCodec].
//
// Members that the API lacks and that don't change what is asked are left out:
// the seed, min_p, Ollama's options and keep_alive. Penalties are refused, and a
// format is: no local server supports one in this API.
func (Codec) WriteRequest(r protocol.Request) ([]byte, error) {
	switch {
	case r.Format != nil:
		return nil, protocol.UnsupportedError{Feature: "a format of the answer"}
	case r.PresencePenalty != nil && *r.PresencePenalty != 0:
		return nil, protocol.UnsupportedError{Feature: "presence_penalty"}
	case r.FrequencyPenalty != nil && *r.FrequencyPenalty != 0:
		return nil, protocol.UnsupportedError{Feature: "frequency_penalty"}
	}
	out := request{
		Model: r.Model, MaxTokens: cmp.Or(r.MaxTokens, defaultMaxTokens), Stream: r.Stream, StopSequences: r.Stop,
		Temperature: r.Temperature, TopP: r.TopP, TopK: r.TopK,
	}
	if r.Thinking != nil && !*r.Thinking {
		out.Thinking = &thinking{Type: "disabled"} // "enabled" is not passed on, as in OpenAI's API
	}
	if r.User != "" {
		out.Metadata = &metadata{UserID: r.User}
	}
	for _, t := range r.Tools {
		out.Tools = append(out.Tools, tool{Name: t.Name, Description: t.Description, InputSchema: t.Schema(), Strict: t.Strict})
	}
	if len(r.Tools) > 0 {
		out.ToolChoice = writeToolChoice(r)
	}
	out.System, out.Messages = writeMessages(r.Messages)
	return codec.EncodeRequest(out, r.Model)
}

func writeToolChoice(r protocol.Request) *toolChoice {
	out := toolChoice{SingleCall: r.SingleCall}
	name, one := strings.CutPrefix(r.ToolChoice, "tool:")
	switch {
	case one:
		out.Type, out.Name = "tool", name
	case r.ToolChoice == "required":
		out.Type = "any"
	case r.ToolChoice == "none":
		return &toolChoice{Type: "none"}
	case r.ToolChoice == "auto" || r.SingleCall:
		out.Type = "auto"
	default:
		return nil
	}
	return &out
}

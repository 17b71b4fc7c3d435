package chat

import (
	"encoding/json"
	"errors"
	"fmt"
)

type anthropicRequest struct {
	Model         string             `json:"model"`
	MaxTokens     int                `json:"max_tokens"`
	System        anthropicContent   `json:"system,omitempty"`
	Messages      []anthropicMessage `json:"messages"`
	Tools         []anthropicTool    `json:"tools,omitempty"`
	ToolChoice    *anthropicChoice   `json:"tool_choice,omitempty"`
	Stream        bool               `json:"stream,omitempty"`
	StopSequences []string           `json:"stop_sequences,omitempty"`
	Temperature   *float64           `json:"temperature,omitempty"`
	TopP          *float64           `json:"top_p,omitempty"`
	TopK          *int               `json:"top_k,omitempty"`
	Thinking      *anthropicThinking `json:"thinking,omitempty"`
	Metadata      *anthropicUser     `json:"metadata,omitempty"`
	// OutputFormat is the older place of the format, OutputConfig the newer.
	OutputFormat *anthropicFormat `json:"output_format,omitempty"`
	OutputConfig *anthropicConfig `json:"output_config,omitempty"`
}

type anthropicMessage struct {
	Role    string           `json:"role"`
	Content anthropicContent `json:"content"`
}

type anthropicTool struct {
	Type        string          `json:"type,omitempty"`
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	InputSchema json.RawMessage `json:"input_schema,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

type anthropicChoice struct {
	Type    string `json:"type"`
	Name    string `json:"name,omitempty"`
	OneCall bool   `json:"disable_parallel_tool_use,omitempty"`
}

type anthropicThinking struct {
	Type string `json:"type"`
}

type anthropicUser struct {
	UserID string `json:"user_id,omitempty"`
}

type anthropicConfig struct {
	Format *anthropicFormat `json:"format,omitempty"`
}

type anthropicFormat struct {
	Type   string          `json:"type"`
	Schema json.RawMessage `json:"schema"`
}

// anthropicContent is a text or a list of blocks.
type anthropicContent []anthropicBlock

// anthropicBlock has pointers where a member belongs to one type of block
// alone, but there has to be written even if it is empty.
type anthropicBlock struct {
	Type      string           `json:"type"`
	Text      *string          `json:"text,omitempty"`
	Thinking  *string          `json:"thinking,omitempty"`
	Signature *string          `json:"signature,omitempty"`
	Source    *anthropicSource `json:"source,omitempty"`
	ID        string           `json:"id,omitempty"`
	Name      string           `json:"name,omitempty"`
	Input     json.RawMessage  `json:"input,omitempty"`
	ToolUseID string           `json:"tool_use_id,omitempty"`
	// Content is a tool's answer. It is read by who asks for it alone: a block
	// in a block in a block would be read over and over.
	Content json.RawMessage `json:"content,omitempty"`
	IsError bool            `json:"is_error,omitempty"`
}

type anthropicSource struct {
	Type      string `json:"type"`
	MediaType string `json:"media_type,omitempty"`
	Data      string `json:"data,omitempty"`
	URL       string `json:"url,omitempty"`
}

// UnmarshalJSON implements [json.Unmarshaler].
func (c *anthropicContent) UnmarshalJSON(b []byte) error {
	if b[0] != '"' {
		return json.Unmarshal(b, (*[]anthropicBlock)(c))
	}
	var text string
	err := json.Unmarshal(b, &text)
	*c = anthropicContent{{Type: "text", Text: &text}}
	return err
}

// anthropicRefused are the members without which an answer would be another,
// see openAIRefused.
var anthropicRefused = map[string]string{
	"container":   "a container",
	"mcp_servers": "mcp_servers",
}

// ReadRequest implements [Dialect].
func (Anthropic) ReadRequest(body []byte) (Request, error) {
	if err := refuse(body, anthropicRefused); err != nil {
		return Request{}, err
	}
	var in anthropicRequest
	if err := decode(body, &in, "the request"); err != nil {
		return Request{}, err
	}
	if len(in.Messages) == 0 {
		return Request{}, errNoMessages
	}
	r := Request{
		Model: in.Model, Stream: in.Stream, Usage: true, MaxTokens: in.MaxTokens, Temperature: in.Temperature,
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
	if r.Messages, err = in.messages(); err != nil {
		return Request{}, err
	}
	for i, t := range in.Tools {
		if t.Type != "" && t.Type != "custom" {
			return Request{}, Unsupported{What: fmt.Sprintf("a tool of the type %q", t.Type)}
		}
		if t.InputSchema, err = schema(t.InputSchema); err != nil {
			return Request{}, fmt.Errorf("tools[%d]: input_schema: %w", i, err)
		}
		r.Tools = append(r.Tools, ToolSpec{Name: t.Name, Description: t.Description, Parameters: t.InputSchema, Strict: t.Strict})
	}
	if err := in.ToolChoice.read(&r); err != nil {
		return Request{}, err
	}
	format := in.OutputFormat
	if in.OutputConfig != nil && in.OutputConfig.Format != nil {
		format = in.OutputConfig.Format
	}
	if format != nil {
		if format.Type != "json_schema" {
			return Request{}, Unsupported{What: fmt.Sprintf("an output format of the type %q", format.Type)}
		}
		if r.Format, err = schema(format.Schema); err != nil {
			return Request{}, fmt.Errorf("output format: %w", err)
		}
	}
	return r, nil
}

func (c *anthropicChoice) read(r *Request) error {
	if c == nil {
		return nil
	}
	r.OneCall = c.OneCall
	switch c.Type {
	case "auto", "none":
		r.ToolChoice = c.Type
	case "any":
		r.ToolChoice = "required"
	case "tool":
		if c.Name == "" {
			return errors.New("tool_choice: the tool has no name")
		}
		r.ToolChoice = "tool:" + c.Name
	default:
		return fmt.Errorf("tool_choice: no type %q", c.Type)
	}
	return nil
}

func (in anthropicRequest) messages() (out []Message, err error) {
	if len(in.System) > 0 {
		system := Message{Role: System}
		if system.Parts, err = in.System.parts(); err != nil {
			return nil, fmt.Errorf("system: %w", err)
		}
		if system.Parts != nil {
			out = append(out, system)
		}
	}
	for i, m := range in.Messages {
		switch Role(m.Role) {
		case User, Assistant, System: // some clients have it here
		default:
			return nil, fmt.Errorf("messages[%d]: no role %q", i, m.Role)
		}
		read, err := m.neutral()
		if err != nil {
			return nil, fmt.Errorf("messages[%d]: %w", i, err)
		}
		out = append(out, read...)
	}
	match(out)
	return out, nil
}

// neutral returns what the tools answered, each as a message of its own, before
// what the user said: that is where the other protocols want it.
func (m anthropicMessage) neutral() ([]Message, error) {
	var tools []Message
	said := Message{Role: Role(m.Role)}
	for _, b := range m.Content {
		switch b.Type {
		case "tool_use":
			given := "{}"
			if !nothing(b.Input) {
				given = string(b.Input)
			}
			said.Calls = append(said.Calls, Call{ID: b.ID, Name: b.Name, Arguments: given})
		case "tool_result":
			var answer anthropicContent
			if !nothing(b.Content) {
				if err := decode(b.Content, &answer, "the content of a tool_result"); err != nil {
					return nil, err
				}
			}
			parts, err := answer.parts()
			if err != nil {
				return nil, err
			}
			tools = append(tools, Message{Role: Tool, Parts: parts, CallID: b.ToolUseID, Failed: b.IsError})
		case "thinking":
			said.Thinking += value(b.Thinking)
		case "redacted_thinking": // nobody but who wrote it can read it
		default:
			part, err := b.part()
			if err != nil {
				return nil, err
			}
			said.Parts = append(said.Parts, part)
		}
	}
	if len(tools) > 0 && said.Parts == nil {
		return tools, nil
	}
	return append(tools, said), nil
}

func (c anthropicContent) parts() (out []Part, err error) {
	for _, b := range c {
		part, err := b.part()
		if err != nil {
			return nil, err
		}
		if part.Image != nil || part.Text != "" {
			out = append(out, part)
		}
	}
	return out, nil
}

func (b anthropicBlock) part() (Part, error) {
	switch {
	case b.Type == "text":
		return Part{Text: value(b.Text)}, nil
	case b.Type != "image":
		return Part{}, Unsupported{What: fmt.Sprintf("content of the type %q", b.Type)}
	case b.Source == nil:
		return Part{}, errors.New("an image without a source")
	}
	switch b.Source.Type {
	case "base64":
		return Part{Image: &Image{MediaType: b.Source.MediaType, Data: b.Source.Data}}, nil
	case "url":
		return Part{Image: imageAt(b.Source.URL)}, nil
	}
	return Part{}, Unsupported{What: fmt.Sprintf("an image's source of the type %q", b.Source.Type)}
}

func value(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

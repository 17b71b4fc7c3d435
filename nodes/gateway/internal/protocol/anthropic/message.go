package anthropic

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
)

type message struct {
	Role    string `json:"role"`
	Content blocks `json:"content"`
}

// blocks are the content of a message: a text, or a list of blocks.
type blocks []block

// block is one content block. Members that must be written even if they are
// empty, but in one type of block only, are pointers.
type block struct {
	Type      string          `json:"type"`
	Text      *string         `json:"text,omitempty"`
	Thinking  *string         `json:"thinking,omitempty"`
	Signature *string         `json:"signature,omitempty"`
	Source    *source         `json:"source,omitempty"`
	ID        string          `json:"id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"`
	ToolUseID string          `json:"tool_use_id,omitempty"`
	// Content is the content of a tool_result. It is decoded on demand: blocks
	// nested in blocks would be read once per level.
	Content json.RawMessage `json:"content,omitempty"`
	IsError bool            `json:"is_error,omitempty"`
}

type source struct {
	Type      string `json:"type"`
	MediaType string `json:"media_type,omitempty"`
	Data      string `json:"data,omitempty"`
	URL       string `json:"url,omitempty"`
}

// UnmarshalJSON implements [json.Unmarshaler].
func (c *blocks) UnmarshalJSON(b []byte) error {
	if b[0] != '"' {
		return json.Unmarshal(b, (*[]block)(c))
	}
	var text string
	err := json.Unmarshal(b, &text)
	*c = blocks{{Type: "text", Text: &text}}
	return err
}

func (r request) readMessages() (out []protocol.Message, err error) {
	if len(r.System) > 0 {
		system := protocol.Message{Role: protocol.RoleSystem}
		if system.Parts, err = r.System.readParts(); err != nil {
			return nil, fmt.Errorf("system: %w", err)
		}
		if system.Parts != nil {
			out = append(out, system)
		}
	}
	for i, m := range r.Messages {
		switch protocol.Role(m.Role) {
		case protocol.RoleUser, protocol.RoleAssistant, protocol.RoleSystem: // some clients put the system prompt here
		default:
			return nil, fmt.Errorf("messages[%d]: no role %q", i, m.Role)
		}
		read, err := m.neutral()
		if err != nil {
			return nil, fmt.Errorf("messages[%d]: %w", i, err)
		}
		out = append(out, read...)
	}
	protocol.LinkToolCalls(out)
	return out, nil
}

// neutral returns a message for each tool result, followed by one for the rest
// of the content: the other APIs expect the results first.
func (m message) neutral() ([]protocol.Message, error) {
	var results []protocol.Message
	rest := protocol.Message{Role: protocol.Role(m.Role)}
	for _, b := range m.Content {
		switch b.Type {
		case "tool_use":
			rest.ToolCalls = append(rest.ToolCalls, b.toolCall())
		case "tool_result":
			result, err := b.toolResult()
			if err != nil {
				return nil, err
			}
			results = append(results, result)
		case "thinking":
			rest.Thinking += deref(b.Thinking)
		case "redacted_thinking": // readable only for the server that wrote it
		default:
			part, err := b.readPart()
			if err != nil {
				return nil, err
			}
			rest.Parts = append(rest.Parts, part)
		}
	}
	if len(results) > 0 && rest.Parts == nil {
		return results, nil
	}
	return append(results, rest), nil
}

func (b block) toolCall() protocol.ToolCall {
	return protocol.ToolCall{ID: b.ID, Name: b.Name, Arguments: codec.ReadArguments(b.Input)}
}

func (b block) toolResult() (protocol.Message, error) {
	var content blocks
	if !codec.IsDefault(b.Content) {
		if err := codec.Decode(b.Content, &content, "the content of a tool_result"); err != nil {
			return protocol.Message{}, err
		}
	}
	parts, err := content.readParts()
	return protocol.Message{Role: protocol.RoleTool, Parts: parts, ToolCallID: b.ToolUseID, ToolFailed: b.IsError}, err
}

func (c blocks) readParts() (out []protocol.Part, err error) {
	for _, b := range c {
		part, err := b.readPart()
		if err != nil {
			return nil, err
		}
		if part.Image != nil || part.Text != "" {
			out = append(out, part)
		}
	}
	return out, nil
}

func (b block) readPart() (protocol.Part, error) {
	switch {
	case b.Type == "text":
		return protocol.Part{Text: deref(b.Text)}, nil
	case b.Type != "image":
		return protocol.Part{}, protocol.UnsupportedError{Feature: fmt.Sprintf("content of the type %q", b.Type)}
	case b.Source == nil:
		return protocol.Part{}, errors.New("an image without a source")
	}
	switch b.Source.Type {
	case "base64":
		return protocol.Part{Image: &protocol.Image{MediaType: b.Source.MediaType, Data: b.Source.Data}}, nil
	case "url":
		return protocol.Part{Image: protocol.ImageFromURL(b.Source.URL)}, nil
	}
	return protocol.Part{}, protocol.UnsupportedError{Feature: fmt.Sprintf("an image's source of the type %q", b.Source.Type)}
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// writeMessages merges consecutive messages of one side, and moves the system's
// messages to the front: the API allows neither elsewhere.
func writeMessages(in []protocol.Message) (system blocks, out []message) {
	for _, m := range in {
		content := writeBlocks(m)
		role := m.Role
		switch role {
		case protocol.RoleSystem:
			system = append(system, content...)
			continue
		case protocol.RoleTool:
			role = protocol.RoleUser
		}
		if len(content) == 0 { // the API refuses a message without content
			continue
		}
		if n := len(out); n > 0 && out[n-1].Role == string(role) {
			out[n-1].Content = append(out[n-1].Content, content...)
			continue
		}
		out = append(out, message{Role: string(role), Content: content})
	}
	if len(out) == 0 { // the API requires a message
		return nil, []message{{Role: string(protocol.RoleUser), Content: system}}
	}
	return system, out
}

func writeBlocks(m protocol.Message) (out blocks) {
	if m.Thinking != "" {
		out = append(out, block{Type: "thinking", Thinking: &m.Thinking, Signature: new(string)})
	}
	content := writeParts(m.Parts)
	if m.Role == protocol.RoleTool {
		result := block{Type: "tool_result", ToolUseID: m.ToolCallID, IsError: m.ToolFailed}
		if content != nil {
			result.Content = codec.MustEncode(content)
		}
		return append(out, result)
	}
	out = append(out, content...)
	for _, c := range m.ToolCalls {
		out = append(out, block{Type: "tool_use", ID: c.ID, Name: c.Name, Input: codec.WriteArguments(c.Arguments)})
	}
	return out
}

func writeParts(parts []protocol.Part) (out blocks) {
	for _, p := range parts {
		switch {
		case p.Image == nil && p.Text == "":
		case p.Image == nil:
			out = append(out, block{Type: "text", Text: &p.Text})
		case p.Image.Data == "":
			out = append(out, block{Type: "image", Source: &source{Type: "url", URL: p.Image.URL}})
		default:
			out = append(out, block{Type: "image", Source: &source{Type: "base64", MediaType: p.Image.Type(), Data: p.Image.Data}})
		}
	}
	return out
}

package openai

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

type message struct {
	Role             string               `json:"role"`
	Content          content              `json:"content"`
	ReasoningContent codec.OptionalString `json:"reasoning_content,omitempty"`
	Reasoning        codec.OptionalString `json:"reasoning,omitempty"`
	Refusal          codec.OptionalString `json:"refusal,omitempty"`
	ToolCalls        []toolCall           `json:"tool_calls,omitempty"`
	ToolCallID       string               `json:"tool_call_id,omitempty"`
	Name             string               `json:"name,omitempty"`
}

type toolCall struct {
	ID       string   `json:"id"`
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name      string          `json:"name"`
	Arguments codec.Arguments `json:"arguments"`
}

// content is null, a text, or a list of parts.
type content []protocol.Part

type part struct {
	Type  string          `json:"type"`
	Text  string          `json:"text"`
	Image json.RawMessage `json:"image_url"`
	// Refusal is what an assistant wrote in place of an answer.
	Refusal string `json:"refusal"`
}

// UnmarshalJSON implements [json.Unmarshaler].
func (c *content) UnmarshalJSON(b []byte) error {
	*c = nil
	switch b[0] {
	case 'n':
		return nil
	case '"':
		text, _ := scan.String(b)
		*c = protocol.TextParts(text)
		return nil
	}
	var parts []part
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	for _, p := range parts {
		read, err := p.read()
		if err != nil {
			return err
		}
		*c = append(*c, read)
	}
	return nil
}

func (p part) read() (protocol.Part, error) {
	switch p.Type {
	case "text", "":
		return protocol.Part{Text: p.Text}, nil
	case "refusal":
		return protocol.Part{Text: p.Refusal}, nil
	case "image_url":
		url, err := imageURL(p.Image)
		if err != nil {
			return protocol.Part{}, err
		}
		return protocol.Part{Image: protocol.ImageFromURL(url)}, nil
	case "input_audio", "audio":
		return protocol.Part{}, protocol.UnsupportedError{Feature: "audio input"}
	}
	return protocol.Part{}, protocol.UnsupportedError{Feature: fmt.Sprintf("content of the type %q", p.Type)}
}

// imageURL reads the address of an image: an object with a "url", or, from some
// libraries, the address itself.
func imageURL(raw []byte) (string, error) {
	if url, ok := scan.String(raw); ok {
		return url, nil
	}
	url, found := "", false
	err := scan.Object(raw, func(name, value []byte) bool {
		if string(name) == "url" {
			url, found = scan.String(value)
		}
		return true
	})
	if err != nil || !found {
		return "", errors.New("an image_url without a url")
	}
	return url, nil
}

// MarshalJSON implements [json.Marshaler]. Content without images is written as
// a text: not every server takes parts, and few take them from anyone but the
// user.
func (c content) MarshalJSON() ([]byte, error) {
	m := protocol.Message{Parts: c}
	if m.Images() == nil {
		return codec.Encode(m.Text())
	}
	type address struct {
		URL string `json:"url"`
	}
	parts := make([]any, len(c))
	for i, p := range c {
		if p.Image == nil {
			parts[i] = struct {
				Type string `json:"type"`
				Text string `json:"text"`
			}{"text", p.Text}
			continue
		}
		parts[i] = struct {
			Type  string  `json:"type"`
			Image address `json:"image_url"`
		}{"image_url", address{p.Image.Address()}}
	}
	return codec.Encode(parts)
}

func readMessages(in []message) ([]protocol.Message, error) {
	out := make([]protocol.Message, len(in))
	for i, m := range in {
		role := protocol.Role(m.Role)
		switch role {
		case "developer":
			role = protocol.RoleSystem
		case protocol.RoleSystem, protocol.RoleUser, protocol.RoleAssistant, protocol.RoleTool:
		case "function":
			return nil, protocol.UnsupportedError{Feature: "a message of a function, the older form of a tool,"}
		default:
			return nil, fmt.Errorf("messages[%d]: no role %q", i, m.Role)
		}
		out[i] = m.neutral(role)
	}
	protocol.LinkToolCalls(out)
	return out, nil
}

func (m message) neutral(role protocol.Role) protocol.Message {
	out := protocol.Message{
		Role: role, Parts: m.Content, Thinking: string(cmp.Or(m.ReasoningContent, m.Reasoning)),
		ToolCallID: m.ToolCallID, Name: m.Name,
	}
	if len(out.Parts) == 0 {
		out.Parts = protocol.TextParts(string(m.Refusal))
	}
	for _, c := range m.ToolCalls {
		out.ToolCalls = append(out.ToolCalls, protocol.ToolCall{
			ID: c.ID, Name: c.Function.Name, Arguments: cmp.Or(string(c.Function.Arguments), "{}"),
		})
	}
	return out
}

func writeMessages(in []protocol.Message) []message {
	in = protocol.MoveToolImages(in)
	out := make([]message, len(in))
	for i, m := range in {
		w := message{
			Role: string(m.Role), Content: m.Parts, ReasoningContent: codec.OptionalString(m.Thinking),
			ToolCalls: writeToolCalls(m.ToolCalls), ToolCallID: m.ToolCallID, Name: m.Name,
		}
		if m.Role == protocol.RoleTool {
			w.Content, w.Name = protocol.TextParts(m.ToolText()), "" // the ID identifies the call
		}
		out[i] = w
	}
	return out
}

func writeToolCalls(in []protocol.ToolCall) (out []toolCall) {
	for _, c := range in {
		out = append(out, toolCall{
			ID: c.ID, Type: "function",
			Function: function{Name: c.Name, Arguments: codec.Arguments(cmp.Or(c.Arguments, "{}"))},
		})
	}
	return out
}

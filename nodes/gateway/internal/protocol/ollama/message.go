package ollama

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
)

type message struct {
	Role       string     `json:"role"`
	Content    string     `json:"content"`
	Thinking   string     `json:"thinking,omitempty"`
	Images     []string   `json:"images,omitempty"`
	ToolCalls  []toolCall `json:"tool_calls,omitempty"`
	ToolName   string     `json:"tool_name,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
}

type toolCall struct {
	// ID exists in newer versions only.
	ID       string `json:"id,omitempty"`
	Function struct {
		Index     int             `json:"index"`
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"function"`
}

func readMessages(in []message) ([]protocol.Message, error) {
	out := make([]protocol.Message, len(in))
	for i, m := range in {
		role := protocol.Role(strings.ToLower(m.Role)) // as the server does
		switch role {
		case protocol.RoleSystem, protocol.RoleUser, protocol.RoleAssistant, protocol.RoleTool:
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
		Role: role, Parts: protocol.TextParts(m.Content), Thinking: m.Thinking, ToolCallID: m.ToolCallID, Name: m.ToolName,
	}
	for _, image := range m.Images {
		out.Parts = append(out.Parts, protocol.Part{Image: &protocol.Image{Data: image}})
	}
	for _, c := range m.ToolCalls {
		out.ToolCalls = append(out.ToolCalls, protocol.ToolCall{
			ID: c.ID, Name: c.Function.Name, Arguments: codec.ReadArguments(c.Function.Arguments),
		})
	}
	return out
}

func writeMessages(in []protocol.Message) (out []message, err error) {
	for _, m := range protocol.MoveToolImages(in) {
		w, err := writeMessage(m)
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	return out, nil
}

func writeMessage(m protocol.Message) (message, error) {
	out := message{Role: string(m.Role), Content: m.Text(), Thinking: m.Thinking, ToolCalls: writeToolCalls(m.ToolCalls)}
	if m.Role == protocol.RoleTool {
		out.Content, out.ToolName, out.ToolCallID = m.ToolText(), m.Name, m.ToolCallID
		return out, nil
	}
	for _, p := range m.Images() {
		if p.Image.Data == "" {
			return out, protocol.UnsupportedError{Feature: "an image that has to be fetched"}
		}
		out.Images = append(out.Images, p.Image.Data)
	}
	return out, nil
}

func writeToolCalls(in []protocol.ToolCall) (out []toolCall) {
	for i, c := range in {
		call := toolCall{ID: c.ID}
		call.Function.Index, call.Function.Name, call.Function.Arguments = i, c.Name, codec.WriteArguments(c.Arguments)
		out = append(out, call)
	}
	return out
}

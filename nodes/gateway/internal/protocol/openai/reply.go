package openai

import (
	"encoding/json"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
)

type reply struct {
	ID      string          `json:"id"`
	Object  string          `json:"object"`
	Created int64           `json:"created"`
	Model   string          `json:"model"`
	Choices []choice        `json:"choices"`
	Usage   *Usage          `json:"usage,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
}

type choice struct {
	Index   int                  `json:"index"`
	Message message              `json:"message"`
	Finish  codec.OptionalString `json:"finish_reason"`
}

// Usage is the JSON form of the token counts.
type Usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
}

// WriteUsage returns the JSON form of u, nil if u is not known.
func WriteUsage(u protocol.Usage) *Usage {
	if !u.Known {
		return nil
	}
	return &Usage{Prompt: u.Prompt, Completion: u.Completion, Total: u.Prompt + u.Completion}
}

// ReadReply implements [protocol.Codec].
func (Codec) ReadReply(body []byte) (protocol.Reply, error) {
	var in reply
	if err := json.Unmarshal(body, &in); err != nil {
		return protocol.Reply{}, codec.Foreign(body, err)
	}
	if !codec.IsDefault(in.Error) {
		return protocol.Reply{}, codec.ReadError(in.Error)
	}
	if in.Object == "error" {
		return protocol.Reply{}, codec.ReadError(body)
	}
	for _, choice := range in.Choices {
		if choice.Index != 0 {
			continue
		}
		finish, failed := ReadFinish(string(choice.Finish))
		if failed != "" {
			return protocol.Reply{}, protocol.ServerError{Message: failed}
		}
		m := choice.Message.neutral(protocol.RoleAssistant)
		codec.AssignIDs(m.ToolCalls)
		r := protocol.Reply{
			ID: in.ID, Model: in.Model, Created: in.Created,
			Text: m.Text(), Thinking: m.Thinking, ToolCalls: m.ToolCalls, Finish: codec.FinishFor(finish, len(m.ToolCalls)),
		}
		if in.Usage != nil {
			r.Usage = protocol.Usage{Prompt: in.Usage.Prompt, Completion: in.Usage.Completion, Known: true}
		}
		return r, nil
	}
	return protocol.Reply{}, codec.Foreign(body, nil)
}

// ReadFinish reads a finish_reason. failed is an error message if the reason is
// that the server broke the answer off.
func ReadFinish(reason string) (finish protocol.Finish, failed string) {
	switch reason {
	case "":
		return "", ""
	case "length", "max_tokens", "model_length":
		return protocol.FinishLength, ""
	case "tool_calls", "function_call":
		return protocol.FinishToolCalls, ""
	case "content_filter":
		return protocol.FinishContentFilter, ""
	case "error", "abort":
		return "", "the server ended the answer by finish_reason " + reason
	}
	return protocol.FinishStop, "" // servers have reasons of their own: "eos", "end_turn"
}

// WriteReply implements [protocol.ClientCodec].
func (Codec) WriteReply(r protocol.Reply) []byte {
	return codec.MustEncode(reply{
		ID: codec.NewID(r.ID, "chatcmpl-"), Object: "chat.completion", Created: codec.Created(r.Created), Model: r.Model,
		Choices: []choice{{
			Message: message{
				Role: string(protocol.RoleAssistant), Content: protocol.TextParts(r.Text),
				ReasoningContent: codec.OptionalString(r.Thinking), ToolCalls: writeToolCalls(r.ToolCalls),
			},
			Finish: codec.OptionalString(codec.FinishFor(r.Finish, len(r.ToolCalls))),
		}},
		Usage: WriteUsage(r.Usage),
	})
}

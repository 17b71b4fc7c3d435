package anthropic

import (
	"encoding/json"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
)

type reply struct {
	ID           string          `json:"id"`
	Type         string          `json:"type"`
	Role         string          `json:"role"`
	Model        string          `json:"model"`
	Content      []block         `json:"content"`
	StopReason   string          `json:"stop_reason"`
	StopSequence *string         `json:"stop_sequence"`
	Usage        json.RawMessage `json:"usage,omitempty"`
	Error        json.RawMessage `json:"error,omitempty"`
}

type usage struct {
	Input  int `json:"input_tokens"`
	Output int `json:"output_tokens"`
}

func writeUsage(u protocol.Usage) []byte { return codec.MustEncode(usage{u.Prompt, u.Completion}) }

// ReadReply implements [protocol.Codec].
func (Codec) ReadReply(body []byte) (protocol.Reply, error) {
	var in reply
	if err := json.Unmarshal(body, &in); err != nil {
		return protocol.Reply{}, codec.Foreign(body, err)
	}
	if !codec.IsDefault(in.Error) {
		return protocol.Reply{}, codec.ReadError(in.Error)
	}
	if in.Type != "message" && in.Content == nil {
		return protocol.Reply{}, codec.Foreign(body, nil)
	}
	r := protocol.Reply{ID: in.ID, Model: in.Model}
	for _, b := range in.Content {
		switch b.Type {
		case "text":
			r.Text += deref(b.Text)
		case "thinking":
			r.Thinking += deref(b.Thinking)
		case "tool_use":
			r.ToolCalls = append(r.ToolCalls, b.toolCall())
		}
	}
	codec.AssignIDs(r.ToolCalls)
	r.Finish = codec.FinishFor(readStopReason(in.StopReason), len(r.ToolCalls))
	if !codec.IsDefault(in.Usage) {
		var err error
		if r.Usage, err = codec.ReadUsage(in.Usage); err != nil {
			return protocol.Reply{}, codec.Foreign(body, err)
		}
	}
	return r, nil
}

func readStopReason(reason string) protocol.Finish {
	switch reason {
	case "":
		return ""
	case "max_tokens", "model_context_window_exceeded":
		return protocol.FinishLength
	case "tool_use":
		return protocol.FinishToolCalls
	case "refusal":
		return protocol.FinishContentFilter
	}
	return protocol.FinishStop
}

func writeStopReason(finish protocol.Finish) string {
	switch finish {
	case protocol.FinishLength:
		return "max_tokens"
	case protocol.FinishToolCalls:
		return "tool_use"
	case protocol.FinishContentFilter:
		return "refusal"
	}
	return "end_turn"
}

// WriteReply implements [protocol.ClientCodec].
func (Codec) WriteReply(r protocol.Reply) []byte {
	out := reply{
		ID: codec.NewID(r.ID, "msg_"), Type: "message", Role: string(protocol.RoleAssistant), Model: r.Model,
		Content: writeBlocks(protocol.Message{
			Role: protocol.RoleAssistant, Parts: protocol.TextParts(r.Text), Thinking: r.Thinking, ToolCalls: r.ToolCalls,
		}),
		StopReason: writeStopReason(codec.FinishFor(r.Finish, len(r.ToolCalls))),
		Usage:      writeUsage(r.Usage),
	}
	if out.Content == nil {
		out.Content = []block{}
	}
	return codec.MustEncode(out)
}

package ollama

import (
	"encoding/json"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
)

type reply struct {
	Model           string          `json:"model"`
	CreatedAt       string          `json:"created_at"`
	Message         *message        `json:"message,omitempty"`
	Done            bool            `json:"done"`
	DoneReason      string          `json:"done_reason,omitempty"`
	PromptEvalCount int             `json:"prompt_eval_count,omitempty"`
	EvalCount       int             `json:"eval_count,omitempty"`
	Error           json.RawMessage `json:"error,omitempty"`
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
	if in.Message == nil {
		return protocol.Reply{}, codec.Foreign(body, nil)
	}
	m := in.Message.neutral(protocol.RoleAssistant)
	codec.AssignIDs(m.ToolCalls)
	r := protocol.Reply{
		Model: in.Model, Created: readTime(in.CreatedAt), Text: m.Text(), Thinking: m.Thinking, ToolCalls: m.ToolCalls,
		Usage: protocol.Usage{Prompt: in.PromptEvalCount, Completion: in.EvalCount, Known: in.PromptEvalCount > 0 || in.EvalCount > 0},
	}
	if in.Done {
		finish := protocol.FinishStop
		if in.DoneReason == "length" {
			finish = protocol.FinishLength
		}
		r.Finish = codec.FinishFor(finish, len(r.ToolCalls))
	}
	return r, nil
}

// WriteReply implements [protocol.ClientCodec].
func (Codec) WriteReply(r protocol.Reply) []byte {
	return codec.MustEncode(reply{
		Model: r.Model, CreatedAt: WriteTime(r.Created),
		Message: &message{
			Role: string(protocol.RoleAssistant), Content: r.Text, Thinking: r.Thinking, ToolCalls: writeToolCalls(r.ToolCalls),
		},
		Done: true, DoneReason: writeDoneReason(r.Finish),
		PromptEvalCount: r.Usage.Prompt, EvalCount: r.Usage.Completion,
	})
}

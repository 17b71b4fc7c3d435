package chat

import (
	"encoding/json"
	"time"
)

type ollamaReply struct {
	Model           string          `json:"model"`
	CreatedAt       string          `json:"created_at"`
	Message         *ollamaMessage  `json:"message,omitempty"`
	Done            bool            `json:"done"`
	DoneReason      string          `json:"done_reason,omitempty"`
	PromptEvalCount int             `json:"prompt_eval_count,omitempty"`
	EvalCount       int             `json:"eval_count,omitempty"`
	Error           json.RawMessage `json:"error,omitempty"`
}

// ReadReply implements [Dialect].
func (Ollama) ReadReply(body []byte) (Reply, error) {
	var in ollamaReply
	if err := json.Unmarshal(body, &in); err != nil {
		return Reply{}, foreign(body, err)
	}
	if !nothing(in.Error) {
		return Reply{}, failure(in.Error)
	}
	if in.Message == nil {
		return Reply{}, foreign(body, nil)
	}
	m := in.Message.neutral(Assistant)
	identify(m.Calls)
	r := Reply{
		Model: in.Model, Created: readTime(in.CreatedAt), Text: m.text(), Thinking: m.Thinking, Calls: m.Calls,
		Usage: Usage{Prompt: in.PromptEvalCount, Completion: in.EvalCount, Known: in.PromptEvalCount > 0 || in.EvalCount > 0},
	}
	if in.Done {
		r.Finish = ending(readOllamaFinish(in.DoneReason), len(r.Calls))
	}
	return r, nil
}

func readTime(text string) int64 {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0 // unknown; nothing hangs on it
	}
	return at.Unix()
}

func writeTime(created int64) string {
	return time.Unix(orNow(created), 0).UTC().Format(time.RFC3339)
}

func readOllamaFinish(reason string) Finish {
	if reason == "length" {
		return Length
	}
	return Stopped // versions before 0.3.5 name no reason
}

func writeOllamaFinish(finish Finish) string {
	if finish == Length {
		return "length"
	}
	return "stop" // also for calls, which speak for themselves
}

// WriteReply implements [Dialect].
func (Ollama) WriteReply(r Reply) []byte {
	return must(ollamaReply{
		Model: r.Model, CreatedAt: writeTime(r.Created),
		Message: &ollamaMessage{
			Role: string(Assistant), Content: r.Text, Thinking: r.Thinking, Calls: writeOllamaCalls(r.Calls),
		},
		Done: true, DoneReason: writeOllamaFinish(r.Finish),
		PromptEvalCount: r.Usage.Prompt, EvalCount: r.Usage.Completion,
	})
}

package chat

import "encoding/json"

type anthropicReply struct {
	ID           string           `json:"id"`
	Type         string           `json:"type"`
	Role         string           `json:"role"`
	Model        string           `json:"model"`
	Content      []anthropicBlock `json:"content"`
	StopReason   string           `json:"stop_reason"`
	StopSequence *string          `json:"stop_sequence"`
	Usage        json.RawMessage  `json:"usage,omitempty"`
	Error        json.RawMessage  `json:"error,omitempty"`
}

type anthropicUsage struct {
	Input  int `json:"input_tokens"`
	Output int `json:"output_tokens"`
}

// ReadReply implements [Dialect].
func (Anthropic) ReadReply(body []byte) (Reply, error) {
	var in anthropicReply
	if err := json.Unmarshal(body, &in); err != nil {
		return Reply{}, foreign(body, err)
	}
	if !nothing(in.Error) {
		return Reply{}, failure(in.Error)
	}
	if in.Type != "message" && in.Content == nil {
		return Reply{}, foreign(body, nil)
	}
	r := Reply{ID: in.ID, Model: in.Model}
	for _, b := range in.Content {
		switch b.Type {
		case "text":
			r.Text += value(b.Text)
		case "thinking":
			r.Thinking += value(b.Thinking)
		case "tool_use":
			given := "{}"
			if !nothing(b.Input) {
				given = string(b.Input)
			}
			r.Calls = append(r.Calls, Call{ID: b.ID, Name: b.Name, Arguments: given})
		}
	}
	identify(r.Calls)
	r.Finish = ending(readAnthropicFinish(in.StopReason), len(r.Calls))
	if !nothing(in.Usage) {
		var err error
		if r.Usage, err = readUsage(in.Usage); err != nil {
			return Reply{}, foreign(body, err)
		}
	}
	return r, nil
}

func readAnthropicFinish(reason string) Finish {
	switch reason {
	case "":
		return ""
	case "max_tokens", "model_context_window_exceeded":
		return Length
	case "tool_use":
		return Calling
	case "refusal":
		return Filtered
	}
	return Stopped
}

func writeAnthropicFinish(finish Finish) string {
	switch finish {
	case Length:
		return "max_tokens"
	case Calling:
		return "tool_use"
	case Filtered:
		return "refusal"
	}
	return "end_turn"
}

// WriteReply implements [Dialect].
func (Anthropic) WriteReply(r Reply) []byte {
	m := Message{Role: Assistant, Parts: texts(r.Text), Thinking: r.Thinking, Calls: r.Calls}
	out := anthropicReply{
		ID: orNew(r.ID, "msg_"), Type: "message", Role: string(Assistant), Model: r.Model, Content: m.blocks(),
		StopReason: writeAnthropicFinish(ending(r.Finish, len(r.Calls))),
		Usage:      must(anthropicUsage{r.Usage.Prompt, r.Usage.Completion}),
	}
	if out.Content == nil {
		out.Content = []anthropicBlock{}
	}
	return must(out)
}

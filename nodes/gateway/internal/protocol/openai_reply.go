package chat

import "encoding/json"

type openAIReply struct {
	ID      string          `json:"id"`
	Object  string          `json:"object"`
	Created int64           `json:"created"`
	Model   string          `json:"model"`
	Choices []openAIChoice  `json:"choices"`
	Usage   *openAIUsage    `json:"usage,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
}

type openAIChoice struct {
	Index   int           `json:"index"`
	Message openAIMessage `json:"message"`
	Finish  loose         `json:"finish_reason"`
}

type openAIUsage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
}

// ReadReply implements [Dialect].
func (OpenAI) ReadReply(body []byte) (Reply, error) {
	var in openAIReply
	if err := json.Unmarshal(body, &in); err != nil {
		return Reply{}, foreign(body, err)
	}
	if !nothing(in.Error) {
		return Reply{}, failure(in.Error)
	}
	if in.Object == "error" {
		return Reply{}, failure(body)
	}
	for _, choice := range in.Choices {
		if choice.Index != 0 {
			continue
		}
		finish, failed := readOpenAIFinish([]byte(choice.Finish))
		if failed != "" {
			return Reply{}, Refused{Text: failed}
		}
		m := choice.Message.neutral(Assistant)
		identify(m.Calls)
		r := Reply{
			ID: in.ID, Model: in.Model, Created: in.Created,
			Text: m.text(), Thinking: m.Thinking, Calls: m.Calls, Finish: ending(finish, len(m.Calls)),
		}
		if in.Usage != nil {
			r.Usage = Usage{Prompt: in.Usage.Prompt, Completion: in.Usage.Completion, Known: true}
		}
		return r, nil
	}
	return Reply{}, foreign(body, nil)
}

// readOpenAIFinish returns why an answer ended, or that the server says so of
// one that broke off.
func readOpenAIFinish(word []byte) (finish Finish, failed string) {
	switch string(word) {
	case "":
		return "", ""
	case "length", "max_tokens", "model_length":
		return Length, ""
	case "tool_calls", "function_call":
		return Calling, ""
	case "content_filter":
		return Filtered, ""
	case "error", "abort":
		return "", "the server ended the answer by finish_reason " + string(word)
	}
	return Stopped, "" // servers have words of their own for it: "eos", "end_turn"
}

// WriteReply implements [Dialect].
func (OpenAI) WriteReply(r Reply) []byte {
	out := openAIReply{
		ID: orNew(r.ID, "chatcmpl-"), Object: "chat.completion", Created: orNow(r.Created), Model: r.Model,
		Choices: []openAIChoice{{
			Message: openAIMessage{
				Role: string(Assistant), Content: texts(r.Text), ReasoningContent: loose(r.Thinking),
				Calls: writeOpenAICalls(r.Calls),
			},
			Finish: loose(ending(r.Finish, len(r.Calls))),
		}},
	}
	if r.Usage.Known {
		out.Usage = &openAIUsage{r.Usage.Prompt, r.Usage.Completion, r.Usage.Prompt + r.Usage.Completion}
	}
	return must(out)
}

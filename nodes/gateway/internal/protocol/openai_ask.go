package chat

import (
	"encoding/json"
	"fmt"
	"strings"
)

// WriteRequest implements [Dialect].
//
// Left out are the members that are no part of OpenAI's own API, as strict
// servers refuse a request for a member that they don't know: top_k and min_p,
// which only narrow the choice of words further, Ollama's options, which set up
// its engine or are samplers of its own, and keep_alive.
func (OpenAI) WriteRequest(r Request) ([]byte, error) {
	out := openAIRequest{
		Model: r.Model, Messages: writeOpenAIMessages(r.Messages), Stream: r.Stream,
		MaxTokens: r.MaxTokens, Temperature: r.Temperature, TopP: r.TopP, Seed: r.Seed,
		PresencePenalty: r.PresencePenalty, FrequencyPenalty: r.FrequencyPenalty,
		Stop: r.Stop, User: r.User,
	}
	if r.Stream && r.Usage {
		out.StreamOptions = &openAIStream{IncludeUsage: true}
	}
	if r.Thinking != nil && !*r.Thinking {
		// That it is to think is what a model that can does unasked, and one
		// that can't would refuse to.
		out.ReasoningEffort = "none"
	}
	for _, t := range r.Tools {
		var tool openAITool
		tool.Type = "function"
		tool.Function.Name, tool.Function.Description = t.Name, t.Description
		tool.Function.Parameters, tool.Function.Strict = t.schema(), t.Strict
		out.Tools = append(out.Tools, tool)
	}
	if len(r.Tools) > 0 { // without tools, servers refuse a choice of them
		if r.OneCall {
			out.ParallelCalls = new(bool)
		}
		if name, ok := strings.CutPrefix(r.ToolChoice, "tool:"); ok {
			out.ToolChoice = must(map[string]any{"type": "function", "function": map[string]string{"name": name}})
		} else if r.ToolChoice != "" {
			out.ToolChoice = must(r.ToolChoice)
		}
	}
	if r.Format != nil {
		out.ResponseFormat = &openAIFormat{Type: "json_schema", Schema: &openAISchema{Name: "answer", Schema: r.Format}}
		if string(r.Format) == `"json"` {
			// LM Studio knows no json_object; any object is the same.
			out.ResponseFormat.Schema.Schema = json.RawMessage(`{"type":"object"}`)
		}
	}
	body, err := encode(out)
	if err != nil {
		return nil, fmt.Errorf("write the request for %s: %w", r.Model, err)
	}
	return body, nil
}

func writeOpenAIMessages(in []Message) []openAIMessage {
	in = afterTools(in)
	out := make([]openAIMessage, len(in))
	for i, m := range in {
		w := openAIMessage{
			Role: string(m.Role), Content: m.Parts, ReasoningContent: loose(m.Thinking),
			Calls: writeOpenAICalls(m.Calls), CallID: m.CallID, Name: m.Name,
		}
		if m.Role == Tool {
			w.Content, w.Name = texts(m.answer()), "" // the ID says it
		}
		out[i] = w
	}
	return out
}

func writeOpenAICalls(in []Call) (out []openAICall) {
	for _, c := range in {
		out = append(out, openAICall{
			ID: c.ID, Type: "function",
			Function: openAIFunction{Name: c.Name, Arguments: arguments(or(c.Arguments, "{}"))},
		})
	}
	return out
}

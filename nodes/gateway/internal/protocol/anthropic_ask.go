package chat

import (
	"fmt"
	"strings"
)

// room is how long an answer may get for who set no bound: the API has to have
// one. The servers end at the context's end anyway.
const room = 16384

// WriteRequest implements [Dialect].
//
// Left out are the members that the API has no room for and that don't change
// what is asked: the seed, by which different servers answer differently
// anyway, min_p, which only narrows the choice of words, Ollama's options and
// keep_alive, which are about its engine. Penalties are another matter, and a
// format is one all the more: the local servers know none here.
func (Anthropic) WriteRequest(r Request) ([]byte, error) {
	switch {
	case r.Format != nil:
		return nil, Unsupported{What: "a format of the answer"}
	case r.PresencePenalty != nil && *r.PresencePenalty != 0:
		return nil, Unsupported{What: "presence_penalty"}
	case r.FrequencyPenalty != nil && *r.FrequencyPenalty != 0:
		return nil, Unsupported{What: "frequency_penalty"}
	}
	out := anthropicRequest{
		Model: r.Model, MaxTokens: or(r.MaxTokens, room), Stream: r.Stream, StopSequences: r.Stop,
		Temperature: r.Temperature, TopP: r.TopP, TopK: r.TopK,
	}
	if r.Thinking != nil && !*r.Thinking {
		out.Thinking = &anthropicThinking{Type: "disabled"} // of "enabled", see OpenAI's WriteRequest
	}
	if r.User != "" {
		out.Metadata = &anthropicUser{UserID: r.User}
	}
	for _, t := range r.Tools {
		out.Tools = append(out.Tools, anthropicTool{
			Name: t.Name, Description: t.Description, InputSchema: t.schema(), Strict: t.Strict,
		})
	}
	if len(r.Tools) > 0 {
		out.ToolChoice = writeAnthropicChoice(r)
	}
	out.System, out.Messages = writeAnthropicMessages(r.Messages)
	body, err := encode(out)
	if err != nil {
		return nil, fmt.Errorf("write the request for %s: %w", r.Model, err)
	}
	return body, nil
}

func writeAnthropicChoice(r Request) *anthropicChoice {
	out := anthropicChoice{OneCall: r.OneCall}
	name, one := strings.CutPrefix(r.ToolChoice, "tool:")
	switch {
	case one:
		out.Type, out.Name = "tool", name
	case r.ToolChoice == "required":
		out.Type = "any"
	case r.ToolChoice == "none":
		return &anthropicChoice{Type: "none"}
	case r.ToolChoice == "auto" || r.OneCall:
		out.Type = "auto"
	default:
		return nil
	}
	return &out
}

// writeAnthropicMessages makes the two sides take turns, and puts what the
// system says before them, wherever it was said: the API has no other place
// for it.
func writeAnthropicMessages(in []Message) (system anthropicContent, out []anthropicMessage) {
	for _, m := range in {
		blocks := m.blocks()
		role := m.Role
		switch role {
		case System:
			system = append(system, blocks...)
			continue
		case Tool:
			role = User
		}
		if len(blocks) == 0 { // which the API refuses
			continue
		}
		if n := len(out); n > 0 && out[n-1].Role == string(role) {
			out[n-1].Content = append(out[n-1].Content, blocks...)
			continue
		}
		out = append(out, anthropicMessage{Role: string(role), Content: blocks})
	}
	if len(out) == 0 { // somebody has to say something
		return nil, []anthropicMessage{{Role: string(User), Content: system}}
	}
	return system, out
}

func (m Message) blocks() (out anthropicContent) {
	if m.Thinking != "" {
		out = append(out, anthropicBlock{Type: "thinking", Thinking: &m.Thinking, Signature: new(string)})
	}
	content := writeAnthropicParts(m.Parts)
	if m.Role == Tool {
		result := anthropicBlock{Type: "tool_result", ToolUseID: m.CallID, IsError: m.Failed}
		if content != nil {
			result.Content = must(content)
		}
		return append(out, result)
	}
	return append(append(out, content...), writeAnthropicCalls(m.Calls)...)
}

func writeAnthropicParts(parts []Part) (out anthropicContent) {
	for _, p := range parts {
		switch {
		case p.Image == nil && p.Text == "":
		case p.Image == nil:
			out = append(out, anthropicBlock{Type: "text", Text: &p.Text})
		case p.Image.Data == "":
			out = append(out, anthropicBlock{Type: "image", Source: &anthropicSource{Type: "url", URL: p.Image.URL}})
		default:
			out = append(out, anthropicBlock{Type: "image", Source: &anthropicSource{
				Type: "base64", MediaType: p.Image.mediaType(), Data: p.Image.Data,
			}})
		}
	}
	return out
}

func writeAnthropicCalls(in []Call) (out anthropicContent) {
	for _, c := range in {
		out = append(out, anthropicBlock{Type: "tool_use", ID: c.ID, Name: c.Name, Input: object(c.Arguments)})
	}
	return out
}

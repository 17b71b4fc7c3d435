package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
)

type ollamaRequest struct {
	Model     string                     `json:"model"`
	Messages  []ollamaMessage            `json:"messages"`
	Stream    *bool                      `json:"stream,omitempty"`
	Format    json.RawMessage            `json:"format,omitempty"`
	KeepAlive json.RawMessage            `json:"keep_alive,omitempty"`
	Tools     []openAITool               `json:"tools,omitempty"`
	Options   map[string]json.RawMessage `json:"options,omitempty"`
	Think     json.RawMessage            `json:"think,omitempty"`
}

type ollamaMessage struct {
	Role     string       `json:"role"`
	Content  string       `json:"content"`
	Thinking string       `json:"thinking,omitempty"`
	Images   []string     `json:"images,omitempty"`
	Calls    []ollamaCall `json:"tool_calls,omitempty"`
	ToolName string       `json:"tool_name,omitempty"`
	CallID   string       `json:"tool_call_id,omitempty"`
}

type ollamaCall struct {
	// ID is of newer versions alone.
	ID       string `json:"id,omitempty"`
	Function struct {
		Index     int             `json:"index"`
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"function"`
}

var ollamaRefused = map[string]string{
	"_debug_render_only": "_debug_render_only",
	"logprobs":           "logprobs",
	"top_logprobs":       "logprobs",
}

// ReadRequest implements [Dialect]. Members that it doesn't know are passed
// over, as the server does.
func (Ollama) ReadRequest(body []byte) (Request, error) {
	if err := refuse(body, ollamaRefused); err != nil {
		return Request{}, err
	}
	var in ollamaRequest
	if err := decode(body, &in, "the request"); err != nil {
		return Request{}, err
	}
	if len(in.Messages) == 0 {
		return Request{}, Unsupported{What: "loading or unloading a model by a chat without messages"}
	}
	r := Request{Model: in.Model, Stream: in.Stream == nil || *in.Stream, Usage: true}
	if !nothing(in.KeepAlive) || string(in.KeepAlive) == "0" {
		r.KeepAlive = in.KeepAlive
	}
	var err error
	if r.Messages, err = readOllamaMessages(in.Messages); err != nil {
		return Request{}, err
	}
	if r.Tools, err = readOpenAITools(in.Tools); err != nil {
		return Request{}, err
	}
	if r.Format, err = readOllamaFormat(in.Format); err != nil {
		return Request{}, err
	}
	if len(in.Think) > 0 && string(in.Think) != "null" && string(in.Think) != `""` {
		thinks := string(in.Think) != "false" // true, or how much
		r.Thinking = &thinks
	}
	return r, r.readOptions(in.Options)
}

func readOllamaMessages(in []ollamaMessage) ([]Message, error) {
	out := make([]Message, len(in))
	for i, m := range in {
		role := Role(strings.ToLower(m.Role)) // as the server does
		switch role {
		case System, User, Assistant, Tool:
		default:
			return nil, fmt.Errorf("messages[%d]: no role %q", i, m.Role)
		}
		out[i] = m.neutral(role)
	}
	match(out)
	return out, nil
}

func (m ollamaMessage) neutral(role Role) Message {
	out := Message{Role: role, Parts: texts(m.Content), Thinking: m.Thinking, CallID: m.CallID, Name: m.ToolName}
	for _, image := range m.Images {
		out.Parts = append(out.Parts, Part{Image: &Image{Data: image}})
	}
	for _, c := range m.Calls {
		given := "{}"
		if !nothing(c.Function.Arguments) {
			given = string(c.Function.Arguments)
		}
		out.Calls = append(out.Calls, Call{ID: c.ID, Name: c.Function.Name, Arguments: given})
	}
	return out
}

func readOllamaFormat(raw json.RawMessage) (json.RawMessage, error) {
	switch {
	case len(raw) == 0, string(raw) == "null", string(raw) == `""`:
		return nil, nil
	case string(raw) == `"json"`, isObject(raw):
		return raw, nil
	}
	return nil, errors.New(`format: it has to be "json" or a JSON schema`)
}

// readOptions takes what the neutral form has names for, and keeps the rest.
func (r *Request) readOptions(options map[string]json.RawMessage) error {
	for name, raw := range options {
		var err error
		switch name {
		case "temperature":
			err = json.Unmarshal(raw, &r.Temperature)
		case "top_p":
			err = json.Unmarshal(raw, &r.TopP)
		case "min_p":
			err = json.Unmarshal(raw, &r.MinP)
		case "presence_penalty":
			err = json.Unmarshal(raw, &r.PresencePenalty)
		case "frequency_penalty":
			err = json.Unmarshal(raw, &r.FrequencyPenalty)
		case "top_k":
			r.TopK, err = whole(raw)
		case "seed":
			r.Seed, err = whole(raw)
		case "num_predict":
			var n *int
			if n, err = whole(raw); n != nil && *n > 0 { // below, it has no bound
				r.MaxTokens = *n
			}
		case "stop":
			err = json.Unmarshal(raw, (*words)(&r.Stop))
		default:
			if r.Options == nil {
				r.Options = make(map[string]json.RawMessage)
			}
			r.Options[name] = raw
		}
		if err != nil {
			return fmt.Errorf("options.%s: %w", name, err)
		}
	}
	return nil
}

// whole reads a whole number, which the server takes with a fraction of zero,
// too. It is nil for null.
func whole(raw json.RawMessage) (*int, error) {
	var f *float64
	if err := json.Unmarshal(raw, &f); err != nil || f == nil {
		return nil, err
	}
	if math.Abs(*f) >= 1<<62 || *f != math.Trunc(*f) {
		return nil, fmt.Errorf("%s is no whole number", raw)
	}
	n := int(*f)
	return &n, nil
}

// WriteRequest implements [Dialect].
//
// Left out are User, of which Ollama knows nothing, that one tool at most is to
// be called, which is a wish with every local server, and that a tool's schema
// is strict.
func (Ollama) WriteRequest(r Request) ([]byte, error) {
	out := ollamaRequest{
		Model: r.Model, Stream: &r.Stream, Format: r.Format, KeepAlive: r.KeepAlive,
		Options: r.ollamaOptions(),
	}
	if r.Thinking != nil && !*r.Thinking {
		out.Think = json.RawMessage("false") // of "true", see OpenAI's WriteRequest
	}
	switch r.ToolChoice {
	case "", "auto":
		out.Tools = writeOllamaTools(r.Tools)
	case "none": // a model calls no tool that it wasn't told of
	default:
		if len(r.Tools) > 0 {
			return nil, Unsupported{What: "tool_choice other than auto or none"}
		}
	}
	for _, m := range afterTools(r.Messages) {
		w, err := writeOllamaMessage(m)
		if err != nil {
			return nil, err
		}
		out.Messages = append(out.Messages, w)
	}
	body, err := encode(out)
	if err != nil {
		return nil, fmt.Errorf("write the request for %s: %w", r.Model, err)
	}
	return body, nil
}

func writeOllamaTools(in []ToolSpec) (out []openAITool) {
	for _, t := range in {
		var tool openAITool
		tool.Type = "function"
		tool.Function.Name, tool.Function.Description, tool.Function.Parameters = t.Name, t.Description, t.schema()
		out = append(out, tool)
	}
	return out
}

func writeOllamaMessage(m Message) (ollamaMessage, error) {
	out := ollamaMessage{Role: string(m.Role), Content: m.text(), Thinking: m.Thinking, Calls: writeOllamaCalls(m.Calls)}
	if m.Role == Tool {
		out.Content, out.ToolName, out.CallID = m.answer(), m.Name, m.CallID
		return out, nil
	}
	for _, p := range m.images() {
		if p.Image.Data == "" {
			return out, Unsupported{What: "an image that has to be fetched"}
		}
		out.Images = append(out.Images, p.Image.Data)
	}
	return out, nil
}

func writeOllamaCalls(in []Call) (out []ollamaCall) {
	for i, c := range in {
		call := ollamaCall{ID: c.ID}
		call.Function.Index, call.Function.Name, call.Function.Arguments = i, c.Name, object(c.Arguments)
		out = append(out, call)
	}
	return out
}

func (r Request) ollamaOptions() map[string]json.RawMessage {
	out := make(map[string]json.RawMessage, len(r.Options)+4)
	for name, raw := range r.Options {
		out[name] = raw
	}
	number := func(name string, n *float64) {
		if n != nil {
			out[name] = must(*n)
		}
	}
	number("temperature", r.Temperature)
	number("top_p", r.TopP)
	number("min_p", r.MinP)
	number("presence_penalty", r.PresencePenalty)
	number("frequency_penalty", r.FrequencyPenalty)
	if r.TopK != nil {
		out["top_k"] = must(*r.TopK)
	}
	if r.Seed != nil {
		out["seed"] = must(*r.Seed)
	}
	if r.MaxTokens > 0 {
		out["num_predict"] = must(r.MaxTokens)
	}
	if len(r.Stop) > 0 {
		out["stop"] = must(r.Stop)
	}
	return out
}

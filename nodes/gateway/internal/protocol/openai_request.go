package chat

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

type openAIRequest struct {
	Model             string          `json:"model"`
	Messages          []openAIMessage `json:"messages"`
	Tools             []openAITool    `json:"tools,omitempty"`
	ToolChoice        json.RawMessage `json:"tool_choice,omitempty"`
	ParallelCalls     *bool           `json:"parallel_tool_calls,omitempty"`
	Stream            bool            `json:"stream,omitempty"`
	StreamOptions     *openAIStream   `json:"stream_options,omitempty"`
	MaxTokens         int             `json:"max_tokens,omitempty"`
	MaxCompletion     int             `json:"max_completion_tokens,omitempty"`
	Temperature       *float64        `json:"temperature,omitempty"`
	TopP              *float64        `json:"top_p,omitempty"`
	MinP              *float64        `json:"min_p,omitempty"`
	TopK              *int            `json:"top_k,omitempty"`
	Seed              *int            `json:"seed,omitempty"`
	PresencePenalty   *float64        `json:"presence_penalty,omitempty"`
	FrequencyPenalty  *float64        `json:"frequency_penalty,omitempty"`
	Stop              words           `json:"stop,omitempty"`
	ResponseFormat    *openAIFormat   `json:"response_format,omitempty"`
	ReasoningEffort   loose           `json:"reasoning_effort,omitempty"`
	User              string          `json:"user,omitempty"`
	N                 int             `json:"n,omitempty"`
	RepetitionPenalty json.RawMessage `json:"repeat_penalty,omitempty"`
}

type openAIStream struct {
	IncludeUsage bool `json:"include_usage"`
}

type openAIMessage struct {
	Role             string        `json:"role"`
	Content          openAIContent `json:"content"`
	ReasoningContent loose         `json:"reasoning_content,omitempty"`
	Reasoning        loose         `json:"reasoning,omitempty"`
	Refusal          loose         `json:"refusal,omitempty"`
	Calls            []openAICall  `json:"tool_calls,omitempty"`
	CallID           string        `json:"tool_call_id,omitempty"`
	Name             string        `json:"name,omitempty"`
}

type openAICall struct {
	ID       string         `json:"id"`
	Type     string         `json:"type"`
	Function openAIFunction `json:"function"`
}

type openAIFunction struct {
	Name      string    `json:"name"`
	Arguments arguments `json:"arguments"`
}

type openAITool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string          `json:"name"`
		Description string          `json:"description,omitempty"`
		Parameters  json.RawMessage `json:"parameters,omitempty"`
		Strict      *bool           `json:"strict,omitempty"`
	} `json:"function"`
}

type openAIFormat struct {
	Type   string        `json:"type"`
	Schema *openAISchema `json:"json_schema,omitempty"`
}

type openAISchema struct {
	Name   string          `json:"name"`
	Schema json.RawMessage `json:"schema"`
	Strict *bool           `json:"strict,omitempty"`
}

// openAIContent is null, a text, or a list of parts.
type openAIContent []Part

type openAIPart struct {
	Type  string          `json:"type"`
	Text  string          `json:"text"`
	Image json.RawMessage `json:"image_url"`
	// Refusal is what an assistant said in place of an answer.
	Refusal string `json:"refusal"`
}

// UnmarshalJSON implements [json.Unmarshaler].
func (c *openAIContent) UnmarshalJSON(b []byte) error {
	*c = nil
	switch b[0] {
	case 'n':
		return nil
	case '"':
		text, _ := scan.String(b)
		*c = texts(text)
		return nil
	}
	var parts []openAIPart
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	for _, p := range parts {
		switch p.Type {
		case "text", "":
			*c = append(*c, Part{Text: p.Text})
		case "refusal":
			*c = append(*c, Part{Text: p.Refusal})
		case "image_url":
			at, err := imageURL(p.Image)
			if err != nil {
				return err
			}
			*c = append(*c, Part{Image: imageAt(at)})
		case "input_audio", "audio":
			return Unsupported{What: "audio input"}
		default:
			return Unsupported{What: fmt.Sprintf("content of the type %q", p.Type)}
		}
	}
	return nil
}

// imageURL reads the address of an image, which some libraries write without an
// object around it.
func imageURL(raw []byte) (string, error) {
	if at, ok := scan.String(raw); ok {
		return at, nil
	}
	at, found := "", false
	err := scan.Object(raw, func(key, value []byte) bool {
		if string(key) == "url" {
			at, found = scan.String(value)
		}
		return true
	})
	if err != nil || !found {
		return "", errors.New("an image_url without a url")
	}
	return at, nil
}

// MarshalJSON implements [json.Marshaler]. Text alone is written as a text: not
// every server takes parts, and few take them from anybody but the user.
func (c openAIContent) MarshalJSON() ([]byte, error) {
	m := Message{Parts: c}
	if m.images() == nil {
		return encode(m.text())
	}
	type address struct {
		URL string `json:"url"`
	}
	parts := make([]any, len(c))
	for i, p := range c {
		if p.Image == nil {
			parts[i] = struct {
				Type string `json:"type"`
				Text string `json:"text"`
			}{"text", p.Text}
			continue
		}
		parts[i] = struct {
			Type  string  `json:"type"`
			Image address `json:"image_url"`
		}{"image_url", address{p.Image.address()}}
	}
	return encode(parts)
}

// openAIRefused are the members that change what is answered, or how, and that
// the neutral form has no room for. What neither stands here nor is read is
// passed over: it is about bookkeeping ("store", "metadata", "service_tier"),
// speed ("prediction", "cache_prompt"), or a server's own that others would
// pass over, too.
var openAIRefused = map[string]string{
	"audio":              "audio output",
	"best_of":            "best_of",
	"function_call":      "function_call, the older form of tool_choice,",
	"functions":          "functions, the older form of tools,",
	"grammar":            "a grammar",
	"guided_choice":      "guided_choice",
	"guided_grammar":     "guided_grammar",
	"guided_json":        "guided_json",
	"guided_regex":       "guided_regex",
	"json_schema":        "json_schema outside of response_format",
	"logit_bias":         "logit_bias",
	"logprobs":           "logprobs",
	"structured_outputs": "structured_outputs",
	"top_logprobs":       "logprobs",
	"web_search_options": "a search of the web",
}

// ReadRequest implements [Dialect].
func (OpenAI) ReadRequest(body []byte) (Request, error) {
	if err := refuse(body, openAIRefused); err != nil {
		return Request{}, err
	}
	var in openAIRequest
	if err := decode(body, &in, "the request"); err != nil {
		return Request{}, err
	}
	switch {
	case in.N > 1:
		return Request{}, Unsupported{What: "n above 1"}
	case len(in.Messages) == 0:
		return Request{}, errNoMessages
	}
	r := Request{
		Model: in.Model, Stream: in.Stream, Usage: in.StreamOptions != nil && in.StreamOptions.IncludeUsage,
		OneCall:   in.ParallelCalls != nil && !*in.ParallelCalls,
		MaxTokens: or(in.MaxCompletion, in.MaxTokens), Temperature: in.Temperature, TopP: in.TopP,
		MinP: in.MinP, TopK: in.TopK, Seed: in.Seed, PresencePenalty: in.PresencePenalty,
		FrequencyPenalty: in.FrequencyPenalty, Stop: in.Stop, User: in.User,
	}
	if !nothing(in.RepetitionPenalty) { // LM Studio's and llama.cpp's name for it is Ollama's
		r.Options = map[string]json.RawMessage{"repeat_penalty": in.RepetitionPenalty}
	}
	if in.ReasoningEffort != "" {
		thinks := in.ReasoningEffort != "none"
		r.Thinking = &thinks
	}
	var err error
	if r.Messages, err = readOpenAIMessages(in.Messages); err != nil {
		return Request{}, err
	}
	if r.Tools, err = readOpenAITools(in.Tools); err != nil {
		return Request{}, err
	}
	if r.ToolChoice, err = readOpenAIChoice(in.ToolChoice); err != nil {
		return Request{}, err
	}
	r.Format, err = in.ResponseFormat.read()
	return r, err
}

func readOpenAIMessages(in []openAIMessage) ([]Message, error) {
	out := make([]Message, len(in))
	for i, m := range in {
		role := Role(m.Role)
		switch role {
		case "developer":
			role = System
		case System, User, Assistant, Tool:
		case "function":
			return nil, Unsupported{What: "a message of a function, the older form of a tool,"}
		default:
			return nil, fmt.Errorf("messages[%d]: no role %q", i, m.Role)
		}
		out[i] = m.neutral(role)
	}
	match(out)
	return out, nil
}

func (m openAIMessage) neutral(role Role) Message {
	out := Message{
		Role: role, Parts: m.Content, Thinking: string(or(m.ReasoningContent, m.Reasoning)),
		CallID: m.CallID, Name: m.Name,
	}
	if len(out.Parts) == 0 {
		out.Parts = texts(string(m.Refusal))
	}
	for _, c := range m.Calls {
		out.Calls = append(out.Calls, Call{ID: c.ID, Name: c.Function.Name, Arguments: or(string(c.Function.Arguments), "{}")})
	}
	return out
}

func readOpenAITools(in []openAITool) (out []ToolSpec, err error) {
	for i, t := range in {
		f := t.Function
		if t.Type != "function" && t.Type != "" {
			return nil, Unsupported{What: fmt.Sprintf("a tool of the type %q", t.Type)}
		}
		if f.Parameters, err = schema(f.Parameters); err != nil {
			return nil, fmt.Errorf("tools[%d]: parameters: %w", i, err)
		}
		out = append(out, ToolSpec{Name: f.Name, Description: f.Description, Parameters: f.Parameters, Strict: f.Strict})
	}
	return out, nil
}

// schema is a JSON schema, nil where there is none.
func schema(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	if !isObject(raw) {
		return nil, errors.New("a JSON schema has to be an object")
	}
	return raw, nil
}

func readOpenAIChoice(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	if raw[0] == '"' {
		var word string
		if err := decode(raw, &word, "tool_choice"); err != nil {
			return "", err
		}
		switch word {
		case "auto", "none", "required":
			return word, nil
		}
		return "", fmt.Errorf("tool_choice: no %q", word)
	}
	var one openAITool
	if err := decode(raw, &one, "tool_choice"); err != nil {
		return "", err
	}
	if one.Type != "function" || one.Function.Name == "" {
		return "", Unsupported{What: fmt.Sprintf("a tool_choice of the type %q", one.Type)}
	}
	return "tool:" + one.Function.Name, nil
}

func (f *openAIFormat) read() (json.RawMessage, error) {
	switch {
	case f == nil || f.Type == "text" || f.Type == "":
		return nil, nil
	case f.Type == "json_object":
		return json.RawMessage(`"json"`), nil
	case f.Type != "json_schema":
		return nil, Unsupported{What: fmt.Sprintf("a response_format of the type %q", f.Type)}
	case f.Schema == nil:
		return nil, errors.New("response_format: json_schema is missing")
	}
	wanted, err := schema(f.Schema.Schema)
	if err != nil {
		return nil, fmt.Errorf("response_format: %w", err)
	}
	if wanted == nil {
		return json.RawMessage(`"json"`), nil
	}
	return wanted, nil
}

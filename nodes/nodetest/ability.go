package nodetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// features are what a chat request asks for beyond its text, whatever the API.
type features struct {
	// images is the number of images, and links those that are no data.
	images, links int
	// unknown is the first kind of a part that no API has.
	unknown string
	tools   []tool
	// choice is "none", "required", a tool's name, or "" for the model's choice.
	choice string
	// schema is that of the answer. Nil is for a free text.
	schema json.RawMessage
	// answered: the last message is the result of a tool.
	answered bool
}

type tool struct {
	name       string
	parameters json.RawMessage
}

// toolCall is a call of a tool by a model.
type toolCall struct {
	id, name  string
	arguments json.RawMessage
}

// readAsked reads a request of OpenAI's chat API, of Anthropic's, or of Ollama's own.
// What it can't read counts as not asked for.
func readAsked(body []byte) features {
	type function struct {
		Name        string
		Parameters  json.RawMessage
		InputSchema json.RawMessage `json:"input_schema"`
	}
	var in struct {
		Messages []struct {
			Role    string
			Content json.RawMessage
			Images  []json.RawMessage
		}
		Images []json.RawMessage
		Tools  []struct {
			function
			Function function
		}
		ToolChoice     json.RawMessage `json:"tool_choice"`
		ResponseFormat struct {
			Type       string
			JSONSchema struct{ Schema json.RawMessage } `json:"json_schema"`
		} `json:"response_format"`
		Format json.RawMessage
	}
	_ = json.Unmarshal(body, &in) // the rest is read although one field has another type
	q := features{images: len(in.Images)}
	for _, m := range in.Messages {
		q.images += len(m.Images)
		q.readParts(m.Content)
		q.answered = m.Role == "tool"
	}
	for _, t := range in.Tools {
		f := t.Function
		if f.Name == "" {
			f = t.function
		}
		if f.Parameters == nil {
			f.Parameters = f.InputSchema
		}
		q.tools = append(q.tools, tool{f.Name, f.Parameters})
	}
	q.choice = readChoice(in.ToolChoice)
	switch {
	case in.ResponseFormat.Type == "json_schema":
		q.schema = in.ResponseFormat.JSONSchema.Schema
	case in.ResponseFormat.Type == "json_object", string(in.Format) == `"json"`:
		q.schema = json.RawMessage(`{"type":"object","properties":{"answer":{"type":"string"}}}`)
	case len(in.Format) > 0 && in.Format[0] == '{':
		q.schema = in.Format
	}
	return q
}

func (q *features) readParts(content json.RawMessage) {
	var parts []struct {
		Type     string
		ImageURL struct{ URL string } `json:"image_url"`
	}
	_ = json.Unmarshal(content, &parts) // a text has no parts
	for _, p := range parts {
		switch p.Type {
		case "image_url", "image", "input_image":
			q.images++
			if strings.HasPrefix(p.ImageURL.URL, "http") {
				q.links++
			}
		case "text", "input_text", "output_text", "tool_use", "tool_result", "thinking", "refusal":
		default:
			if q.unknown == "" {
				q.unknown = p.Type
			}
		}
	}
}

func readChoice(raw json.RawMessage) string {
	var word string
	if json.Unmarshal(raw, &word) == nil {
		if word == "auto" {
			return ""
		}
		return word
	}
	var named struct {
		Name     string
		Function struct{ Name string }
	}
	_ = json.Unmarshal(raw, &named) // neither: the model's choice
	return or(named.Function.Name, named.Name)
}

// reply returns what the model says, and which tools it calls. It calls those that
// the question names, and one where it has to. Their arguments, and the values of a
// structured answer, are its answer.
func (m Model) reply(prompt string, q features) (string, []toolCall) {
	answer := m.answer(prompt)
	if calls := m.calls(prompt, answer, q); len(calls) > 0 {
		return "", calls
	}
	if q.schema != nil {
		return string(shaped(q.schema, answer, 0)), nil
	}
	return answer, nil
}

func (m Model) calls(prompt, answer string, q features) []toolCall {
	if !m.Tools || q.answered || q.choice == "none" {
		return nil
	}
	var calls []toolCall
	for i, t := range q.tools {
		if q.choice == t.name || q.choice == "required" && i == 0 || q.choice == "" && strings.Contains(prompt, t.name) {
			calls = append(calls, toolCall{"call_" + randomID()[:8], t.name, shaped(t.parameters, answer, 0)})
		}
	}
	return calls
}

// deepest is the depth at which a schema that holds itself is given up.
const deepest = 8

// shaped returns a value of a schema in JSON, which says answer where it can.
func shaped(schema json.RawMessage, answer string, depth int) json.RawMessage {
	var s struct {
		Type       any
		Properties map[string]json.RawMessage
		Items      json.RawMessage
		Enum       []json.RawMessage
		Const      json.RawMessage
		AnyOf      []json.RawMessage
	}
	_ = json.Unmarshal(schema, &s) // of no schema: a text
	kind := fmt.Sprint(s.Type)
	if list, ok := s.Type.([]any); ok && len(list) > 0 {
		kind = fmt.Sprint(list[0])
	}
	switch {
	case depth > deepest:
		return json.RawMessage("null")
	case s.Const != nil:
		return s.Const
	case len(s.Enum) > 0:
		if said := encoded(answer); slices.ContainsFunc(s.Enum, func(e json.RawMessage) bool { return string(e) == string(said) }) {
			return said
		}
		return s.Enum[0]
	case len(s.AnyOf) > 0:
		return shaped(s.AnyOf[0], answer, depth+1)
	case kind == "object" || s.Properties != nil:
		out := map[string]json.RawMessage{}
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			out[name] = shaped(s.Properties[name], answer, depth+1)
		}
		return encoded(out)
	case kind == "array":
		return encoded([]json.RawMessage{shaped(s.Items, answer, depth+1)})
	case kind == "integer" || kind == "number":
		if _, err := strconv.Atoi(answer); err != nil {
			return json.RawMessage("0")
		}
		return json.RawMessage(answer)
	case kind == "boolean":
		return json.RawMessage("true")
	case kind == "null":
		return json.RawMessage("null")
	}
	return encoded(answer)
}

func encoded(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null") // texts and raw values can't fail
	}
	return b
}

// openAICalls are calls in the form of OpenAI's chat API.
func openAICalls(calls []toolCall) []any {
	var out []any
	for i, c := range calls {
		out = append(out, map[string]any{
			"index": i, "id": c.id, "type": "function", "function": map[string]any{"name": c.name, "arguments": string(c.arguments)},
		})
	}
	return out
}

// openAICallDeltas are a call's parts in a stream of that API: its name, and then its
// arguments, in two pieces.
func openAICallDeltas(i int, c toolCall) []map[string]any {
	part := func(fields map[string]any) map[string]any {
		fields["index"] = i
		return map[string]any{"tool_calls": []any{fields}}
	}
	arguments := string(c.arguments)
	half := len(arguments) / 2
	return []map[string]any{
		part(map[string]any{"id": c.id, "type": "function", "function": map[string]any{"name": c.name, "arguments": ""}}),
		part(map[string]any{"function": map[string]any{"arguments": arguments[:half]}}),
		part(map[string]any{"function": map[string]any{"arguments": arguments[half:]}}),
	}
}

// oddFrames are frames of a stream of OpenAI's chat API that say nothing, as servers
// and proxies send them.
func oddFrames(id, model string) string {
	head := fmt.Sprintf(`data: {"id":%q,"object":"chat.completion.chunk","created":1,"model":%q,"choices":`, id, model)
	return ": keep-alive\n\ndata:\n\n" +
		head + `[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}` + "\n\n" +
		head + `[{"index":0,"delta":{},"finish_reason":null}]}` + "\n\n" +
		head + `[{"index":0,"delta":{"content":""},"finish_reason":""}]}` + "\n\n" +
		head + `[],"usage":null}` + "\n\n"
}

// text is a message's text. It decodes from a text, from parts, and from null.
type text string

// UnmarshalJSON implements [json.Unmarshaler].
func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] != '"' && b[0] != '[' && string(b) != "null" {
		return fmt.Errorf("content is neither a text nor a list of parts: %.40s", b)
	}
	*t = text(plainText(b))
	return nil
}

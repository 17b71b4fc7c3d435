package codec

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// NewID returns id, or a new unique one with the given prefix if id is empty.
func NewID(id, prefix string) string {
	if id != "" {
		return id
	}
	return prefix + strings.ToLower(rand.Text())
}

// Created returns a time of creation, the present if the server gave none.
func Created(seconds int64) int64 {
	if seconds == 0 {
		return time.Now().Unix()
	}
	return seconds
}

// FinishFor returns the reason why an answer with that many tool calls ended.
// Some servers report "stop" for an answer that calls tools, or nothing at all.
func FinishFor(finish protocol.Finish, calls int) protocol.Finish {
	if calls > 0 && (finish == "" || finish == protocol.FinishStop) {
		return protocol.FinishToolCalls
	}
	return cmp.Or(finish, protocol.FinishStop)
}

// AssignIDs gives an ID to the tool calls of an answer that have none.
func AssignIDs(calls []protocol.ToolCall) {
	for i := range calls {
		calls[i].ID = NewID(calls[i].ID, "call_")
	}
}

// ToolCalls collects the tool calls of a stream from their parts. The zero value
// has none.
type ToolCalls struct {
	// List are the calls in the order in which they began.
	List    []*PartialCall
	byIndex map[int]*PartialCall
}

// PartialCall is a tool call of which parts may be missing.
type PartialCall struct {
	// Index is the call's place in the answer.
	Index     int
	ID, Name  string
	arguments strings.Builder
	written   int // bytes of the arguments that Unwritten returned
	// Begun is for the writer to mark a call that the client knows of.
	Begun bool
}

// Add adds a part and returns its call.
func (c *ToolCalls) Add(d protocol.ToolCallDelta) *PartialCall {
	call := c.byIndex[d.Index]
	if call == nil || d.ID != "" && call.ID != "" && d.ID != call.ID {
		call = &PartialCall{Index: len(c.List)}
		c.List = append(c.List, call)
		if c.byIndex == nil {
			c.byIndex = make(map[int]*PartialCall)
		}
		c.byIndex[d.Index] = call
	}
	call.ID, call.Name = cmp.Or(call.ID, d.ID), cmp.Or(call.Name, d.Name)
	call.arguments.WriteString(d.Arguments)
	return call
}

// Unwritten returns the arguments that came since the call before.
func (p *PartialCall) Unwritten() string {
	rest := p.arguments.String()[p.written:]
	p.written += len(rest)
	return rest
}

// Call returns the call as far as it is known.
func (p *PartialCall) Call() protocol.ToolCall {
	return protocol.ToolCall{ID: NewID(p.ID, "call_"), Name: p.Name, Arguments: p.arguments.String()}
}

// FunctionTool is a tool in OpenAI's form, which Ollama's API has, too.
type FunctionTool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string          `json:"name"`
		Description string          `json:"description,omitempty"`
		Parameters  json.RawMessage `json:"parameters,omitempty"`
		Strict      *bool           `json:"strict,omitempty"`
	} `json:"function"`
}

// ReadTools reads tools. A tool of another type is an
// [protocol.UnsupportedError].
func ReadTools(in []FunctionTool) (out []protocol.Tool, err error) {
	for i, t := range in {
		f := t.Function
		if t.Type != "function" && t.Type != "" {
			return nil, protocol.UnsupportedError{Feature: fmt.Sprintf("a tool of the type %q", t.Type)}
		}
		if f.Parameters, err = ReadSchema(f.Parameters); err != nil {
			return nil, fmt.Errorf("tools[%d]: parameters: %w", i, err)
		}
		out = append(out, protocol.Tool{Name: f.Name, Description: f.Description, Parameters: f.Parameters, Strict: f.Strict})
	}
	return out, nil
}

// WriteTools is the inverse of [ReadTools].
func WriteTools(in []protocol.Tool) (out []FunctionTool) {
	for _, t := range in {
		tool := FunctionTool{Type: "function"}
		tool.Function.Name, tool.Function.Description = t.Name, t.Description
		tool.Function.Parameters, tool.Function.Strict = t.Schema(), t.Strict
		out = append(out, tool)
	}
	return out
}

// ReadToolCallDeltas reads the list of tool calls in a frame, in OpenAI's or in
// Ollama's form. The first of them that has no index gets the given one.
func ReadToolCallDeltas(list []byte, index int) (calls []protocol.ToolCallDelta, err error) {
	var inner error
	err = scan.Array(list, func(value []byte) bool {
		var call protocol.ToolCallDelta
		call, inner = readToolCallDelta(value, index+len(calls))
		calls = append(calls, call)
		return inner == nil
	})
	return calls, cmp.Or(inner, err)
}

func readToolCallDelta(raw []byte, index int) (protocol.ToolCallDelta, error) {
	call := protocol.ToolCallDelta{Index: index}
	var function []byte
	err := scan.Object(raw, func(name, value []byte) bool {
		switch string(name) {
		case "index":
			if n, ok := Integer(value); ok {
				call.Index = n
			}
		case "id":
			call.ID, _ = scan.String(value)
		case "function":
			function = value
		}
		return true
	})
	if err == nil && !IsDefault(function) {
		err = ReadFunction(function, &call)
	}
	return call, err
}

// ReadFunction reads the function of a tool call into call.
func ReadFunction(raw []byte, call *protocol.ToolCallDelta) error {
	return scan.Object(raw, func(name, value []byte) bool {
		switch string(name) {
		case "index": // in Ollama's API
			if n, ok := Integer(value); ok {
				call.Index = n
			}
		case "name":
			call.Name, _ = scan.String(value)
		case "arguments":
			if text, ok := scan.String(value); ok {
				call.Arguments = text
			} else if string(value) != "null" {
				call.Arguments = string(value)
			}
		}
		return true
	})
}

// ReadUsage reads the counts of OpenAI's or Anthropic's API.
func ReadUsage(raw []byte) (u protocol.Usage, err error) {
	err = scan.Object(raw, func(name, value []byte) bool {
		n, ok := Integer(value)
		if !ok {
			return true
		}
		switch string(name) {
		case "prompt_tokens", "input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens":
			u.Prompt += n // Anthropic does not include cached tokens in input_tokens
			u.Known = true
		case "completion_tokens", "output_tokens":
			u.Completion = n
			u.Known = true
		}
		return true
	})
	return u, err
}

// ReplyUsage reads the counts of a whole answer of any API, OpenAI's, Anthropic's
// or Ollama's. Those of a malformed answer are none.
func ReplyUsage(body []byte) (u protocol.Usage) {
	err := scan.Object(body, func(name, value []byte) bool {
		switch string(name) {
		case "usage":
			u, _ = ReadUsage(value)
		case "prompt_eval_count":
			if n, ok := Integer(value); ok {
				u.Prompt, u.Known = n, true
			}
		case "eval_count":
			if n, ok := Integer(value); ok {
				u.Completion, u.Known = n, true
			}
		}
		return true
	})
	if err != nil {
		return protocol.Usage{}
	}
	return u
}

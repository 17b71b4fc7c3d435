package ollama

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
)

type request struct {
	Model     string                     `json:"model"`
	Messages  []message                  `json:"messages"`
	Stream    *bool                      `json:"stream,omitempty"`
	Format    json.RawMessage            `json:"format,omitempty"`
	KeepAlive json.RawMessage            `json:"keep_alive,omitempty"`
	Tools     []codec.FunctionTool       `json:"tools,omitempty"`
	Options   map[string]json.RawMessage `json:"options,omitempty"`
	Think     json.RawMessage            `json:"think,omitempty"`
}

// unsupported are the members that change the answer and have no place in the
// neutral form. Other unknown members are ignored, as the server does.
var unsupported = map[string]string{
	"_debug_render_only": "_debug_render_only",
	"logprobs":           "logprobs",
	"top_logprobs":       "logprobs",
}

// ReadRequest implements [protocol.ClientCodec].
func (Codec) ReadRequest(body []byte) (protocol.Request, error) {
	var in request
	if err := codec.DecodeRequest(body, &in, unsupported); err != nil {
		return protocol.Request{}, err
	}
	if len(in.Messages) == 0 {
		return protocol.Request{}, protocol.UnsupportedError{Feature: "loading or unloading a model by a chat without messages"}
	}
	r := protocol.Request{Model: in.Model, Stream: in.Stream == nil || *in.Stream, IncludeUsage: true}
	if !codec.IsDefault(in.KeepAlive) || string(in.KeepAlive) == "0" {
		r.KeepAlive = in.KeepAlive
	}
	var err error
	if r.Messages, err = readMessages(in.Messages); err != nil {
		return protocol.Request{}, err
	}
	if r.Tools, err = codec.ReadTools(in.Tools); err != nil {
		return protocol.Request{}, err
	}
	if r.Format, err = readFormat(in.Format); err != nil {
		return protocol.Request{}, err
	}
	if !codec.IsNull(in.Think) && string(in.Think) != `""` {
		thinking := string(in.Think) != "false" // true, or an effort
		r.Thinking = &thinking
	}
	return r, readOptions(in.Options, &r)
}

func readFormat(raw json.RawMessage) (json.RawMessage, error) {
	switch {
	case codec.IsNull(raw), string(raw) == `""`:
		return nil, nil
	case string(raw) == `"json"`, codec.IsObject(raw):
		return raw, nil
	}
	return nil, errors.New(`format: it has to be "json" or a JSON schema`)
}

// readOptions sets the fields of r that options have, and keeps the other
// options.
func readOptions(options map[string]json.RawMessage, r *protocol.Request) error {
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
			r.TopK, err = readInt(raw)
		case "seed":
			r.Seed, err = readInt(raw)
		case "num_predict":
			var n *int
			if n, err = readInt(raw); n != nil && *n > 0 { // otherwise there is no limit
				r.MaxTokens = *n
			}
		case "stop":
			err = json.Unmarshal(raw, (*codec.Strings)(&r.Stop))
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

// readInt reads an integer, which may be written with a fraction of zero as the
// server allows. It is nil for null.
func readInt(raw json.RawMessage) (*int, error) {
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

// WriteRequest implements [protocol.ServerCodec].
//
// Members that the API lacks are left out: the user, that a tool's schema is
// strict, and that no calls are made in parallel, which is not binding for any
// local server.
func (Codec) WriteRequest(r protocol.Request) ([]byte, error) {
	out := request{
		Model: r.Model, Stream: &r.Stream, Format: r.Format, KeepAlive: r.KeepAlive, Options: writeOptions(r),
	}
	if r.Thinking != nil && !*r.Thinking {
		out.Think = json.RawMessage("false") // "true" is not passed on, as in OpenAI's API
	}
	switch r.ToolChoice {
	case "", "auto":
		out.Tools = codec.WriteTools(r.Tools)
		for i := range out.Tools {
			out.Tools[i].Function.Strict = nil
		}
	case "none": // a model calls no tool that it doesn't know of
	default:
		if len(r.Tools) > 0 {
			return nil, protocol.UnsupportedError{Feature: "tool_choice other than auto or none"}
		}
	}
	var err error
	if out.Messages, err = writeMessages(r.Messages); err != nil {
		return nil, err
	}
	return codec.EncodeRequest(out, r.Model)
}

func writeOptions(r protocol.Request) map[string]json.RawMessage {
	out := make(map[string]json.RawMessage, len(r.Options)+4)
	maps.Copy(out, r.Options)
	set(out, "temperature", r.Temperature)
	set(out, "top_p", r.TopP)
	set(out, "min_p", r.MinP)
	set(out, "presence_penalty", r.PresencePenalty)
	set(out, "frequency_penalty", r.FrequencyPenalty)
	set(out, "top_k", r.TopK)
	set(out, "seed", r.Seed)
	if r.MaxTokens > 0 {
		out["num_predict"] = codec.MustEncode(r.MaxTokens)
	}
	if len(r.Stop) > 0 {
		out["stop"] = codec.MustEncode(r.Stop)
	}
	return out
}

// set adds an option that is given.
func set[T any](options map[string]json.RawMessage, name string, value *T) {
	if value != nil {
		options[name] = codec.MustEncode(*value)
	}
}

// Prefill implements [protocol.Prefiller]: a model that thinks first would begin
// a new answer.
func (Codec) Prefill(r *protocol.Request) {
	if r.Thinking == nil {
		r.Thinking = new(bool)
	}
}

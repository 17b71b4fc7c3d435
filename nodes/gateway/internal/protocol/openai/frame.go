package openai

import (
	"bytes"
	"cmp"
	"unicode/utf8"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// chunk has the members of a frame that are read, as they stand in it.
type chunk struct {
	id, model, choices, usage, object, failed []byte
	created                                   int
	foreign                                   bool // it has a member of another API
}

func parseChunk(data []byte) (c chunk, err error) {
	err = scan.Object(data, func(name, value []byte) bool {
		switch string(name) {
		case "id":
			c.id = value
		case "model":
			c.model = value
		case "created":
			c.created, _ = codec.Integer(value)
		case "choices":
			c.choices = value
		case "usage":
			c.usage = value
		case "object":
			c.object = value
		case "error":
			c.failed = value
		case "message", "response", "content", "delta", "output":
			c.foreign = true
		}
		return true
	})
	return c, err
}

// ReadFrame implements [protocol.Codec].
func (Codec) ReadFrame(frame []byte) (protocol.Delta, error) {
	name, data := codec.ParseEvent(frame)
	switch {
	case string(data) == "[DONE]":
		return protocol.Delta{Done: true}, nil
	case len(data) == 0 && string(name) != "error":
		return protocol.Delta{}, nil
	}
	c, err := parseChunk(data)
	switch {
	case err == nil && !codec.IsDefault(c.failed):
		return codec.ReadError(c.failed).Delta(), nil
	case string(name) == "error", err == nil && string(c.object) == `"error"`:
		return codec.ReadError(data).Delta(), nil
	case err != nil:
		return protocol.Delta{}, codec.Foreign(frame, err)
	case c.choices == nil && c.foreign:
		return protocol.Delta{}, codec.Foreign(frame, nil)
	case c.choices == nil && codec.IsDefault(c.usage): // of the server's own, such as its progress
		return protocol.Delta{}, nil
	}
	d, err := c.delta()
	if err != nil {
		return protocol.Delta{}, codec.Foreign(frame, err)
	}
	return d, nil
}

func (c chunk) delta() (protocol.Delta, error) {
	d := protocol.Delta{Created: int64(c.created)}
	d.ID, d.Model = stringPair(c.id, c.model)
	if !codec.IsDefault(c.usage) {
		var err error
		if d.Usage, err = codec.ReadUsage(c.usage); err != nil {
			return d, err
		}
	}
	if codec.IsDefault(c.choices) {
		return d, nil
	}
	return d, readChoices(c.choices, &d)
}

// stringPair returns the texts of two JSON strings with one allocation: almost
// every frame has both.
func stringPair(a, b []byte) (string, string) {
	if !isPlain(a) || !isPlain(b) {
		first, _ := scan.String(a)
		second, _ := scan.String(b)
		return first, second
	}
	var buffer [128]byte
	both := string(append(append(buffer[:0], a[1:len(a)-1]...), b[1:len(b)-1]...))
	return both[:len(a)-2], both[len(a)-2:]
}

// isPlain reports whether raw is a JSON string without escapes.
func isPlain(raw []byte) bool {
	return len(raw) >= 2 && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw)
}

// readChoices reads the choice with the index 0.
func readChoices(raw []byte, d *protocol.Delta) error {
	var inner error
	err := scan.Array(raw, func(choice []byte) bool {
		first := true
		var delta, finish []byte
		inner = scan.Object(choice, func(name, value []byte) bool {
			switch string(name) {
			case "index":
				first = string(value) == "0"
			case "delta":
				delta = value
			case "finish_reason":
				finish = value
			}
			return true
		})
		if inner != nil || !first {
			return inner == nil
		}
		if len(finish) > 2 && finish[0] == '"' {
			d.Finish, d.Error = ReadFinish(string(finish[1 : len(finish)-1]))
		}
		if !codec.IsDefault(delta) {
			inner = readDelta(delta, d)
		}
		return inner == nil
	})
	return cmp.Or(inner, err)
}

func readDelta(raw []byte, d *protocol.Delta) error {
	var thinking, function, calls []byte
	err := scan.Object(raw, func(name, value []byte) bool {
		switch string(name) {
		case "content":
			d.Text, _ = scan.String(value)
		case "refusal":
			text, _ := scan.String(value)
			d.Text += text
		case "reasoning", "reasoning_content": // some servers send both with the same text
			if len(value) > 2 && value[0] == '"' {
				thinking = value
			}
		case "tool_calls":
			calls = value
		case "function_call":
			function = value
		}
		return true
	})
	if err != nil {
		return err
	}
	if thinking != nil {
		d.Thinking, _ = scan.String(thinking)
	}
	if !codec.IsDefault(function) { // the older form, of one call at most
		var call protocol.ToolCallDelta
		if err := codec.ReadFunction(function, &call); err != nil {
			return err
		}
		d.ToolCalls = append(d.ToolCalls, call)
	}
	if codec.IsDefault(calls) {
		return nil
	}
	list, err := codec.ReadToolCallDeltas(calls, len(d.ToolCalls))
	d.ToolCalls = append(d.ToolCalls, list...)
	return err
}

package anthropic

import (
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// event has the members of a frame that are read, as they stand in it.
type event struct {
	kind, index, message, block, delta, usage, failed []byte
}

func parseEvent(data []byte) (e event, err error) {
	err = scan.Object(data, func(name, value []byte) bool {
		switch string(name) {
		case "type":
			e.kind = value
		case "index":
			e.index = value
		case "message":
			e.message = value
		case "content_block":
			e.block = value
		case "delta":
			e.delta = value
		case "usage":
			e.usage = value
		case "error":
			e.failed = value
		}
		return true
	})
	return e, err
}

// ReadFrame implements [protocol.Codec]. Events of an unknown type give the zero
// Delta, as the API requires it of its clients.
func (Codec) ReadFrame(frame []byte) (protocol.Delta, error) {
	name, data := codec.ParseEvent(frame)
	switch {
	case string(data) == "[DONE]": // not in the API, but some servers end so
		return protocol.Delta{Done: true}, nil
	case len(data) == 0 && string(name) != "error":
		return protocol.Delta{}, nil
	}
	e, err := parseEvent(data)
	switch {
	case err == nil && !codec.IsDefault(e.failed):
		return codec.ReadError(e.failed).Delta(), nil
	case string(name) == "error", err == nil && string(e.kind) == `"error"`:
		return codec.ReadError(data).Delta(), nil
	case err != nil:
		return protocol.Delta{}, codec.Foreign(frame, err)
	case len(e.kind) < 2 || e.kind[0] != '"':
		return protocol.Delta{}, codec.Foreign(frame, nil)
	}
	var d protocol.Delta
	switch string(e.kind[1 : len(e.kind)-1]) {
	case "message_start":
		err = readMessageStart(e.message, &d)
	case "content_block_start":
		err = readBlockStart(e.block, e.index, &d)
	case "content_block_delta":
		err = readBlockDelta(e.delta, e.index, &d)
	case "message_delta":
		err = readMessageDelta(e.delta, e.usage, &d)
	case "message_stop":
		d.Done = true
	}
	if err != nil {
		return protocol.Delta{}, codec.Foreign(frame, err)
	}
	return d, nil
}

func readMessageStart(message []byte, d *protocol.Delta) error {
	var usage []byte
	err := scan.Object(message, func(name, value []byte) bool {
		switch string(name) {
		case "id":
			d.ID, _ = scan.String(value)
		case "model":
			d.Model, _ = scan.String(value)
		case "usage":
			usage = value
		}
		return true
	})
	if err == nil && !codec.IsDefault(usage) {
		d.Usage, err = codec.ReadUsage(usage)
	}
	return err
}

// readBlockStart reads the beginning of a block, which usually has no content.
func readBlockStart(block, index []byte, d *protocol.Delta) error {
	var kind, input []byte
	var id, name, text, thinking string
	err := scan.Object(block, func(member, value []byte) bool {
		switch string(member) {
		case "type":
			kind = value
		case "id":
			id, _ = scan.String(value)
		case "name":
			name, _ = scan.String(value)
		case "input":
			input = value
		case "text":
			text, _ = scan.String(value)
		case "thinking":
			thinking, _ = scan.String(value)
		}
		return true
	})
	switch string(kind) {
	case `"text"`:
		d.Text = text
	case `"thinking"`:
		d.Thinking = thinking
	case `"tool_use"`:
		call := protocol.ToolCallDelta{ID: codec.NewID(id, "call_"), Name: name}
		call.Index, _ = codec.Integer(index)
		if !codec.IsDefault(input) {
			call.Arguments = string(input)
		}
		d.ToolCalls = []protocol.ToolCallDelta{call}
	}
	return err
}

func readBlockDelta(delta, index []byte, d *protocol.Delta) error {
	var kind, text, thinking, part []byte
	err := scan.Object(delta, func(name, value []byte) bool {
		switch string(name) {
		case "type":
			kind = value
		case "text":
			text = value
		case "thinking":
			thinking = value
		case "partial_json":
			part = value
		}
		return true
	})
	switch string(kind) {
	case `"text_delta"`:
		d.Text, _ = scan.String(text)
	case `"thinking_delta"`:
		d.Thinking, _ = scan.String(thinking)
	case `"input_json_delta"`:
		var call protocol.ToolCallDelta
		call.Index, _ = codec.Integer(index)
		call.Arguments, _ = scan.String(part)
		d.ToolCalls = []protocol.ToolCallDelta{call}
	}
	return err
}

func readMessageDelta(delta, usage []byte, d *protocol.Delta) (err error) {
	if !codec.IsDefault(delta) {
		err = scan.Object(delta, func(name, value []byte) bool {
			if string(name) == "stop_reason" {
				reason, _ := scan.String(value)
				d.Finish = readStopReason(reason)
			}
			return true
		})
	}
	if err == nil && !codec.IsDefault(usage) {
		d.Usage, err = codec.ReadUsage(usage)
	}
	return err
}

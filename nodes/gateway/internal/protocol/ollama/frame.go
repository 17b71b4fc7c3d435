package ollama

import (
	"bytes"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// line has the members of a frame that are not read at once.
type line struct {
	message, reason, failed []byte
	hasDone                 bool
}

// ReadFrame implements [protocol.Codec].
func (Codec) ReadFrame(frame []byte) (protocol.Delta, error) {
	if frame = bytes.TrimSpace(frame); len(frame) == 0 {
		return protocol.Delta{}, nil
	}
	var d protocol.Delta
	l, err := parseLine(frame, &d)
	switch {
	case err != nil:
		return protocol.Delta{}, codec.Foreign(frame, err)
	case !codec.IsDefault(l.failed):
		return codec.ReadError(l.failed).Delta(), nil
	case l.message == nil && !l.hasDone:
		return protocol.Delta{}, codec.Foreign(frame, nil)
	}
	if d.Done {
		reason, _ := scan.String(l.reason)
		d.Finish, d.Loaded = ReadDoneReason(reason)
	}
	if !codec.IsDefault(l.message) {
		if err := readDelta(l.message, &d); err != nil {
			return protocol.Delta{}, codec.Foreign(frame, err)
		}
	}
	return d, nil
}

func parseLine(frame []byte, d *protocol.Delta) (l line, err error) {
	err = scan.Object(frame, func(name, value []byte) bool {
		switch string(name) {
		case "message":
			l.message = value
		case "done":
			l.hasDone = true
		case "done_reason":
			l.reason = value
		case "error":
			l.failed = value
		}
		ReadMember(name, value, d)
		return true
	})
	return l, err
}

// ReadMember sets the field of d that a member of a line stands for, if it is
// one that the lines of all of Ollama's APIs have: the model, the time, the end
// and the counts.
func ReadMember(name, value []byte, d *protocol.Delta) {
	switch string(name) {
	case "model":
		d.Model, _ = scan.String(value)
	case "created_at":
		if len(value) > 2 {
			d.Created = readTime(string(value[1 : len(value)-1]))
		}
	case "done":
		d.Done = string(value) == "true"
	case "prompt_eval_count":
		if n, ok := codec.Integer(value); ok {
			d.Usage.Prompt, d.Usage.Known = n, true
		}
	case "eval_count":
		if n, ok := codec.Integer(value); ok {
			d.Usage.Completion, d.Usage.Known = n, true
		}
	}
}

func readDelta(raw []byte, d *protocol.Delta) error {
	var calls []byte
	err := scan.Object(raw, func(name, value []byte) bool {
		switch string(name) {
		case "content":
			d.Text, _ = scan.String(value)
		case "thinking":
			d.Thinking, _ = scan.String(value)
		case "tool_calls":
			calls = value
		}
		return true
	})
	if err != nil || codec.IsDefault(calls) {
		return err
	}
	d.ToolCalls, err = codec.ReadToolCallDeltas(calls, 0)
	for i := range d.ToolCalls { // a call comes in one piece
		d.ToolCalls[i].ID = codec.NewID(d.ToolCalls[i].ID, "call_")
	}
	return err
}

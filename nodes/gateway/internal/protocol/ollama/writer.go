package ollama

import (
	"cmp"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// NewWriter implements [protocol.StreamCodec].
func (Codec) NewWriter(s protocol.StreamInfo) protocol.StreamWriter {
	head := append([]byte(`{"model":`), codec.MustEncode(s.Model)...)
	head = append(append(head, `,"created_at":`...), codec.MustEncode(WriteTime(s.Created))...)
	return &writer{head: append(head, `,"message":{"role":"assistant","content":`...)}
}

type writer struct {
	head   []byte // of each line, up to its content
	closed bool
	calls  codec.ToolCalls
	finish protocol.Finish
	usage  protocol.Usage
	out    []byte
}

// Write implements [protocol.StreamWriter]. Tool calls are written at the end:
// the API has no parts of a call.
func (w *writer) Write(d protocol.Delta) []byte {
	w.out = w.out[:0]
	if w.closed {
		return nil
	}
	if d.Error != "" {
		w.closed = true
		return Codec{}.ErrorFrame(d.Status, d.Error)
	}
	w.finish = cmp.Or(d.Finish, w.finish)
	w.usage.Add(d.Usage)
	for _, c := range d.ToolCalls {
		w.calls.Add(c)
	}
	if d.Text != "" || d.Thinking != "" {
		w.out = scan.AppendString(append(w.out, w.head...), d.Text)
		if d.Thinking != "" {
			w.out = scan.AppendString(append(w.out, `,"thinking":`...), d.Thinking)
		}
		w.out = append(w.out, "},\"done\":false}\n"...)
	}
	if d.Done {
		w.close()
	}
	return w.out
}

func (w *writer) close() {
	w.closed = true
	if len(w.calls.List) > 0 {
		var list []protocol.ToolCall
		for _, c := range w.calls.List {
			list = append(list, c.Call())
		}
		w.out = append(append(w.out, w.head...), `"","tool_calls":`...)
		w.out = append(append(w.out, codec.MustEncode(writeToolCalls(list))...), "},\"done\":false}\n"...)
	}
	w.out = append(append(w.out, w.head...), `""},"done":true,"done_reason":`...)
	w.out = append(w.out, codec.MustEncode(writeDoneReason(w.finish))...)
	if w.usage.Known {
		counts := codec.MustEncode(struct {
			Prompt int `json:"prompt_eval_count"`
			Eval   int `json:"eval_count"`
		}{w.usage.Prompt, w.usage.Completion})
		w.out = append(append(w.out, ','), counts[1:len(counts)-1]...)
	}
	w.out = append(w.out, "}\n"...)
}

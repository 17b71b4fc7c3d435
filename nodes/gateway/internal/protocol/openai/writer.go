package openai

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// WantsUsage implements [protocol.StreamCodec].
func (Codec) WantsUsage(request []byte) bool { return IncludesUsage(request) }

// IncludesUsage reports whether the stream_options of a request ask for the
// token counts.
func IncludesUsage(request []byte) bool {
	var options streamOptions
	_ = scan.Object(request, func(name, value []byte) bool {
		if string(name) == "stream_options" {
			options = streamOptions{}
			_ = json.Unmarshal(value, &options) // malformed options ask for nothing
		}
		return true
	})
	return options.IncludeUsage
}

// NewWriter implements [protocol.StreamCodec].
func (Codec) NewWriter(s protocol.StreamInfo) protocol.StreamWriter {
	head := append([]byte(`data: {"id":`), codec.MustEncode(codec.NewID(s.ID, "chatcmpl-"))...)
	head = append(head, `,"object":"chat.completion.chunk","created":`...)
	head = strconv.AppendInt(head, codec.Created(s.Created), 10)
	head = append(append(head, `,"model":`...), codec.MustEncode(s.Model)...)
	tail := "}]}\n\n"
	if s.IncludeUsage {
		tail = "}],\"usage\":null}\n\n" // as the API has it in all frames but the last
	}
	return &writer{head: head, tail: tail, begun: s.Resumed, includeUsage: s.IncludeUsage}
}

type writer struct {
	head         []byte // of each frame, up to its choices
	tail         string // of each frame, from the end of its choice on
	begun        bool
	includeUsage bool
	closed       bool
	calls        codec.ToolCalls
	finish       protocol.Finish
	usage        protocol.Usage
	out          []byte
}

// Write implements [protocol.StreamWriter].
func (w *writer) Write(d protocol.Delta) []byte {
	w.out = w.out[:0]
	if w.closed {
		return nil
	}
	if d.Error != "" {
		w.closed = true
		return Codec{}.ErrorFrame(cmp.Or(d.Status, http.StatusInternalServerError), d.Error)
	}
	w.finish = cmp.Or(d.Finish, w.finish)
	w.usage.Add(d.Usage)
	if d.HasToken() || d.Done && !w.begun {
		w.delta(d)
	}
	if d.Done {
		w.close()
	}
	return w.out
}

func (w *writer) delta(d protocol.Delta) {
	w.out = append(append(w.out, w.head...), `,"choices":[{"index":0,"delta":{`...)
	if !w.begun {
		w.begun = true
		w.out = append(w.out, `"role":"assistant",`...)
	}
	if d.Thinking != "" {
		w.out = append(scan.AppendString(append(w.out, `"reasoning_content":`...), d.Thinking), ',')
	}
	if d.Text != "" {
		w.out = append(scan.AppendString(append(w.out, `"content":`...), d.Text), ',')
	}
	if len(d.ToolCalls) > 0 {
		w.out = append(w.out, `"tool_calls":[`...)
		for _, c := range d.ToolCalls {
			w.toolCall(c)
		}
		w.out = append(w.out[:len(w.out)-1], "],"...)
	}
	w.out = append(w.out[:len(w.out)-1], `},"finish_reason":null`...)
	w.out = append(w.out, w.tail...)
}

func (w *writer) toolCall(d protocol.ToolCallDelta) {
	call := w.calls.Add(d)
	w.out = strconv.AppendInt(append(w.out, `{"index":`...), int64(call.Index), 10)
	if !call.Begun {
		call.Begun = true
		call.ID = codec.NewID(call.ID, "call_")
		w.out = scan.AppendString(append(w.out, `,"id":`...), call.ID)
		w.out = scan.AppendString(append(w.out, `,"type":"function","function":{"name":`...), call.Name)
		w.out = append(w.out, ',')
	} else {
		w.out = append(w.out, `,"function":{`...)
	}
	w.out = append(scan.AppendString(append(w.out, `"arguments":`...), call.Unwritten()), "}},"...)
}

func (w *writer) close() {
	w.closed = true
	w.out = append(append(w.out, w.head...), `,"choices":[{"index":0,"delta":{},"finish_reason":`...)
	w.out = scan.AppendString(w.out, string(codec.FinishFor(w.finish, len(w.calls.List))))
	w.out = append(w.out, w.tail...)
	if w.includeUsage && w.usage.Known {
		w.out = append(append(w.out, w.head...), `,"choices":[],"usage":`...)
		w.out = append(append(w.out, codec.MustEncode(WriteUsage(w.usage))...), "}\n\n"...)
	}
	w.out = append(w.out, Codec{}.EndMark()...)
}

package chat

import (
	"strconv"

	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// NewWriter implements [Dialect].
func (OpenAI) NewWriter(s Start) Writer {
	head := append([]byte(`data: {"id":`), must(orNew(s.ID, "chatcmpl-"))...)
	head = append(head, `,"object":"chat.completion.chunk","created":`...)
	head = strconv.AppendInt(head, orNow(s.Created), 10)
	head = append(append(head, `,"model":`...), must(s.Model)...)
	tail := "}]}\n\n"
	if s.Usage {
		tail = "}],\"usage\":null}\n\n" // as the API has it in all frames but the last
	}
	return &openAIWriter{head: head, tail: tail, begun: s.Begun, wants: s.Usage}
}

type openAIWriter struct {
	head   []byte // of each frame, up to its choices
	tail   string
	begun  bool
	wants  bool // the counts
	closed bool
	calls  calls
	finish Finish
	usage  Usage
	out    []byte
}

// Piece implements [Writer].
func (w *openAIWriter) Piece(p Piece) []byte {
	w.out = w.out[:0]
	if w.closed {
		return nil
	}
	if p.Error != "" {
		w.closed = true
		return OpenAI{}.ErrorFrame(or(p.Code, 500), p.Error)
	}
	w.finish = or(p.Finish, w.finish)
	w.usage.Add(p.Usage)
	if p.Token() || p.Done && !w.begun {
		w.delta(p)
	}
	if p.Done {
		w.close()
	}
	return w.out
}

func (w *openAIWriter) delta(p Piece) {
	w.out = append(append(w.out, w.head...), `,"choices":[{"index":0,"delta":{`...)
	if !w.begun {
		w.begun = true
		w.out = append(w.out, `"role":"assistant",`...)
	}
	if p.Thinking != "" {
		w.out = append(scan.AppendString(append(w.out, `"reasoning_content":`...), p.Thinking), ',')
	}
	if p.Text != "" {
		w.out = append(scan.AppendString(append(w.out, `"content":`...), p.Text), ',')
	}
	if len(p.Calls) > 0 {
		w.out = append(w.out, `"tool_calls":[`...)
		for _, c := range p.Calls {
			w.call(c)
		}
		w.out = append(w.out[:len(w.out)-1], "],"...)
	}
	w.out = append(w.out[:len(w.out)-1], `},"finish_reason":null`...)
	w.out = append(w.out, w.tail...)
}

func (w *openAIWriter) call(c CallPiece) {
	call := w.calls.add(c)
	w.out = strconv.AppendInt(append(w.out, `{"index":`...), int64(call.n), 10)
	if !call.begun {
		call.begun = true
		call.id = orNew(call.id, "call_")
		w.out = scan.AppendString(append(w.out, `,"id":`...), call.id)
		w.out = scan.AppendString(append(w.out, `,"type":"function","function":{"name":`...), call.name)
		w.out = append(w.out, ',')
	} else {
		w.out = append(w.out, `,"function":{`...)
	}
	w.out = append(scan.AppendString(append(w.out, `"arguments":`...), call.rest()), "}},"...)
}

func (w *openAIWriter) close() {
	w.closed = true
	w.out = append(append(w.out, w.head...), `,"choices":[{"index":0,"delta":{},"finish_reason":`...)
	w.out = scan.AppendString(w.out, string(ending(w.finish, len(w.calls.list))))
	w.out = append(w.out, w.tail...)
	if w.wants && w.usage.Known {
		w.out = append(append(w.out, w.head...), `,"choices":[],"usage":`...)
		w.out = append(w.out, must(openAIUsage{w.usage.Prompt, w.usage.Completion, w.usage.Prompt + w.usage.Completion})...)
		w.out = append(w.out, "}\n\n"...)
	}
	w.out = append(w.out, "data: [DONE]\n\n"...)
}

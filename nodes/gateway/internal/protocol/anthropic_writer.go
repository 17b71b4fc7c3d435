package chat

import (
	"strconv"

	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// NewWriter implements [Dialect].
func (Anthropic) NewWriter(s Start) Writer {
	w := &anthropicWriter{start: s, begun: s.Begun}
	switch { // what the writer before left open
	case !s.Begun:
	case s.Text != "":
		w.open = "text"
		if s.Thinking != "" {
			w.index = 1
		}
	case s.Thinking != "":
		w.open = "thinking"
	}
	return w
}

type anthropicWriter struct {
	start  Start
	begun  bool
	closed bool
	// open is the type of the block that is open, empty for none; index is its
	// place, or that of the next.
	open  string
	index int
	calls calls
	// blocks is how many of the calls have a block.
	blocks int
	finish Finish
	usage  Usage
	out    []byte
}

// Piece implements [Writer]. One block is open at a time: of several calls that
// grow side by side, the first is written as it comes, the others after it.
func (w *anthropicWriter) Piece(p Piece) []byte {
	w.out = w.out[:0]
	if w.closed {
		return nil
	}
	if p.Error != "" {
		w.closed = true
		return Anthropic{}.ErrorFrame(or(p.Code, 500), p.Error)
	}
	w.finish = or(p.Finish, w.finish)
	w.usage.Add(p.Usage)
	if p.Token() || p.Done {
		w.begin()
	}
	w.words("thinking", p.Thinking)
	w.words("text", p.Text)
	for _, c := range p.Calls {
		w.calls.add(c)
	}
	w.grow()
	if p.Done {
		w.close()
	}
	return w.out
}

func (w *anthropicWriter) begin() {
	if w.begun {
		return
	}
	w.begun = true
	w.event("message_start", func() {
		w.out = append(w.out, `,"message":`...)
		w.out = append(w.out, must(anthropicStart{
			ID: orNew(w.start.ID, "msg_"), Type: "message", Role: string(Assistant), Model: w.start.Model,
			Content: []anthropicBlock{},
		})...)
	})
}

type anthropicStart struct {
	ID           string           `json:"id"`
	Type         string           `json:"type"`
	Role         string           `json:"role"`
	Model        string           `json:"model"`
	Content      []anthropicBlock `json:"content"`
	StopReason   *string          `json:"stop_reason"`
	StopSequence *string          `json:"stop_sequence"`
	Usage        anthropicUsage   `json:"usage"`
}

// words writes a part of the text or of the thinking.
func (w *anthropicWriter) words(kind, text string) {
	if text == "" {
		return
	}
	if w.open != kind {
		w.flush()
		w.stop()
		w.block(kind, func() {
			w.out = append(append(append(w.out, '"'), kind...), `":""`...)
			if kind == "thinking" {
				w.out = append(w.out, `,"signature":""`...)
			}
		})
	}
	w.delta(kind+"_delta", kind, text)
}

// grow writes what came of the call whose block is open, or else of the next.
func (w *anthropicWriter) grow() {
	if w.open != "tool_use" {
		if w.blocks == len(w.calls.list) {
			return
		}
		w.call(w.calls.list[w.blocks])
	}
	if rest := w.calls.list[w.blocks-1].rest(); rest != "" {
		w.delta("input_json_delta", "partial_json", rest)
	}
}

// flush writes all the calls that came.
func (w *anthropicWriter) flush() {
	for w.grow(); w.blocks < len(w.calls.list); w.grow() {
		w.stop()
	}
}

func (w *anthropicWriter) call(c *pending) {
	w.stop()
	w.blocks++
	c.id = orNew(c.id, "toolu_")
	w.block("tool_use", func() {
		w.out = scan.AppendString(append(w.out, `"id":`...), c.id)
		w.out = scan.AppendString(append(w.out, `,"name":`...), c.name)
		w.out = append(w.out, `,"input":{}`...)
	})
}

func (w *anthropicWriter) close() {
	w.closed = true
	w.flush()
	w.stop()
	w.event("message_delta", func() {
		w.out = append(w.out, `,"delta":{"stop_reason":"`...)
		w.out = append(w.out, writeAnthropicFinish(ending(w.finish, len(w.calls.list)))...)
		w.out = append(w.out, `","stop_sequence":null},"usage":`...)
		w.out = append(w.out, must(anthropicUsage{w.usage.Prompt, w.usage.Completion})...)
	})
	w.event("message_stop", nil)
}

// block begins a block, whose members after the type more adds.
func (w *anthropicWriter) block(kind string, more func()) {
	w.open = kind
	w.event("content_block_start", func() {
		w.place()
		w.out = append(append(append(w.out, `,"content_block":{"type":"`...), kind...), `",`...)
		more()
		w.out = append(w.out, '}')
	})
}

func (w *anthropicWriter) delta(kind, member, text string) {
	w.event("content_block_delta", func() {
		w.place()
		w.out = append(append(append(w.out, `,"delta":{"type":"`...), kind...), `","`...)
		w.out = append(append(w.out, member...), `":`...)
		w.out = append(scan.AppendString(w.out, text), '}')
	})
}

// stop ends the block that is open.
func (w *anthropicWriter) stop() {
	if w.open == "" {
		return
	}
	w.event("content_block_stop", w.place)
	w.open = ""
	w.index++
}

func (w *anthropicWriter) place() {
	w.out = strconv.AppendInt(append(w.out, `,"index":`...), int64(w.index), 10)
}

// event writes an event of a type, whose members after that one more adds.
func (w *anthropicWriter) event(kind string, more func()) {
	w.out = append(append(w.out, "event: "...), kind...)
	w.out = append(append(append(w.out, "\ndata: {\"type\":\""...), kind...), '"')
	if more != nil {
		more()
	}
	w.out = append(w.out, "}\n\n"...)
}

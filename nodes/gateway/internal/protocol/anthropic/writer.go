package anthropic

import (
	"cmp"
	"net/http"
	"strconv"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// WantsUsage implements [protocol.StreamCodec]: the API always has the counts.
func (Codec) WantsUsage([]byte) bool { return true }

// NewWriter implements [protocol.StreamCodec].
func (Codec) NewWriter(s protocol.StreamInfo) protocol.StreamWriter {
	w := &writer{info: s, begun: s.Resumed}
	switch { // the block that the writer before left open
	case !s.Resumed:
	case s.SentText != "":
		w.open = "text"
		if s.SentThinking != "" {
			w.index = 1
		}
	case s.SentThinking != "":
		w.open = "thinking"
	}
	return w
}

type writer struct {
	info   protocol.StreamInfo
	begun  bool
	closed bool
	open   string // the type of the open block, "" for none
	index  int    // of the open block, or of the next
	calls  codec.ToolCalls
	blocks int // how many of the calls have a block
	finish protocol.Finish
	usage  protocol.Usage
	out    []byte
}

// Write implements [protocol.StreamWriter]. One block is open at a time: of
// several tool calls whose parts alternate, the first is written as it comes,
// the others after it.
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
	if d.HasToken() || d.Done {
		w.messageStart()
	}
	w.text("thinking", d.Thinking)
	w.text("text", d.Text)
	for _, c := range d.ToolCalls {
		w.calls.Add(c)
	}
	w.toolInput()
	if d.Done {
		w.close()
	}
	return w.out
}

type messageStart struct {
	ID           string  `json:"id"`
	Type         string  `json:"type"`
	Role         string  `json:"role"`
	Model        string  `json:"model"`
	Content      []block `json:"content"`
	StopReason   *string `json:"stop_reason"`
	StopSequence *string `json:"stop_sequence"`
	Usage        usage   `json:"usage"`
}

func (w *writer) messageStart() {
	if w.begun {
		return
	}
	w.begun = true
	w.event("message_start", func() {
		w.out = append(w.out, `,"message":`...)
		w.out = append(w.out, codec.MustEncode(messageStart{
			ID: codec.NewID(w.info.ID, "msg_"), Type: "message", Role: string(protocol.RoleAssistant), Model: w.info.Model,
			Content: []block{},
		})...)
	})
}

// text writes a part of the text or of the reasoning.
func (w *writer) text(kind, text string) {
	if text == "" {
		return
	}
	if w.open != kind {
		w.flushCalls()
		w.stopBlock()
		w.startBlock(kind, func() {
			w.out = append(append(append(w.out, '"'), kind...), `":""`...)
			if kind == "thinking" {
				w.out = append(w.out, `,"signature":""`...)
			}
		})
	}
	w.delta(kind+"_delta", kind, text)
}

// toolInput writes the unwritten arguments of the call whose block is open, or
// of the next call.
func (w *writer) toolInput() {
	if w.open != "tool_use" {
		if w.blocks == len(w.calls.List) {
			return
		}
		w.startCall(w.calls.List[w.blocks])
	}
	if rest := w.calls.List[w.blocks-1].Unwritten(); rest != "" {
		w.delta("input_json_delta", "partial_json", rest)
	}
}

// flushCalls writes the blocks of all calls.
func (w *writer) flushCalls() {
	for w.toolInput(); w.blocks < len(w.calls.List); w.toolInput() {
		w.stopBlock()
	}
}

func (w *writer) startCall(c *codec.PartialCall) {
	w.stopBlock()
	w.blocks++
	c.ID = codec.NewID(c.ID, "toolu_")
	w.startBlock("tool_use", func() {
		w.out = scan.AppendString(append(w.out, `"id":`...), c.ID)
		w.out = scan.AppendString(append(w.out, `,"name":`...), c.Name)
		w.out = append(w.out, `,"input":{}`...)
	})
}

func (w *writer) close() {
	w.closed = true
	w.flushCalls()
	w.stopBlock()
	w.event("message_delta", func() {
		w.out = append(w.out, `,"delta":{"stop_reason":"`...)
		w.out = append(w.out, writeStopReason(codec.FinishFor(w.finish, len(w.calls.List)))...)
		w.out = append(w.out, `","stop_sequence":null},"usage":`...)
		w.out = append(w.out, writeUsage(w.usage)...)
	})
	w.out = append(w.out, Codec{}.EndMark()...)
}

// startBlock begins a block of a type; members appends the others.
func (w *writer) startBlock(kind string, members func()) {
	w.open = kind
	w.event("content_block_start", func() {
		w.blockIndex()
		w.out = append(append(append(w.out, `,"content_block":{"type":"`...), kind...), `",`...)
		members()
		w.out = append(w.out, '}')
	})
}

func (w *writer) delta(kind, member, text string) {
	w.event("content_block_delta", func() {
		w.blockIndex()
		w.out = append(append(append(w.out, `,"delta":{"type":"`...), kind...), `","`...)
		w.out = append(append(w.out, member...), `":`...)
		w.out = append(scan.AppendString(w.out, text), '}')
	})
}

// stopBlock ends the open block, if any.
func (w *writer) stopBlock() {
	if w.open == "" {
		return
	}
	w.event("content_block_stop", w.blockIndex)
	w.open = ""
	w.index++
}

func (w *writer) blockIndex() {
	w.out = strconv.AppendInt(append(w.out, `,"index":`...), int64(w.index), 10)
}

// event writes an event of a type; members appends the others.
func (w *writer) event(kind string, members func()) {
	w.out = append(append(w.out, "event: "...), kind...)
	w.out = append(append(append(w.out, "\ndata: {\"type\":\""...), kind...), '"')
	members()
	w.out = append(w.out, "}\n\n"...)
}

package registry_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/anthropic"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/ollama"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/openai"
)

var start = protocol.StreamInfo{ID: "id-1", Model: "m", Created: 1763942400, IncludeUsage: true}

func TestWhatAWriterWrites(t *testing.T) {
	pieces := []protocol.Delta{
		{Thinking: "hm"}, {Text: "4"}, {},
		{ToolCalls: []protocol.ToolCallDelta{{ID: "a", Name: "f", Arguments: `{"n"`}}}, {ToolCalls: []protocol.ToolCallDelta{{Arguments: ":1}"}}},
		{Finish: protocol.FinishToolCalls}, {Usage: protocol.Usage{Prompt: 9, Completion: 2, Known: true}}, {Done: true}, {Text: "too late"},
	}
	chunk := func(rest string) string {
		return `data: {"id":"id-1","object":"chat.completion.chunk","created":1763942400,"model":"m","choices":` + rest + "}\n\n"
	}
	event := func(kind, rest string) string {
		return "event: " + kind + "\ndata: {\"type\":\"" + kind + `"` + rest + "}\n\n"
	}
	line := func(rest string) string {
		return `{"model":"m","created_at":"2025-11-24T00:00:00Z","message":{"role":"assistant","content":` + rest + "}\n"
	}
	for _, c := range []struct {
		codec fullCodec
		want  []string
	}{
		{openai.Codec{}, []string{
			chunk(`[{"index":0,"delta":{"role":"assistant","reasoning_content":"hm"},"finish_reason":null}],"usage":null`),
			chunk(`[{"index":0,"delta":{"content":"4"},"finish_reason":null}],"usage":null`),
			chunk(`[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\"n\""}}]},"finish_reason":null}],"usage":null`),
			chunk(`[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]},"finish_reason":null}],"usage":null`),
			chunk(`[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"usage":null`),
			chunk(`[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}`),
			"data: [DONE]\n\n",
		}},
		{anthropic.Codec{}, []string{
			event("message_start", `,"message":{"id":"id-1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"output_tokens":0}}`),
			event("content_block_start", `,"index":0,"content_block":{"type":"thinking","thinking":"","signature":""}`),
			event("content_block_delta", `,"index":0,"delta":{"type":"thinking_delta","thinking":"hm"}`),
			event("content_block_stop", `,"index":0`),
			event("content_block_start", `,"index":1,"content_block":{"type":"text","text":""}`),
			event("content_block_delta", `,"index":1,"delta":{"type":"text_delta","text":"4"}`),
			event("content_block_stop", `,"index":1`),
			event("content_block_start", `,"index":2,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}`),
			event("content_block_delta", `,"index":2,"delta":{"type":"input_json_delta","partial_json":"{\"n\""}`),
			event("content_block_delta", `,"index":2,"delta":{"type":"input_json_delta","partial_json":":1}"}`),
			event("content_block_stop", `,"index":2`),
			event("message_delta", `,"delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":9,"output_tokens":2}`),
			event("message_stop", ""),
		}},
		{ollama.Codec{}, []string{
			line(`"","thinking":"hm"},"done":false`),
			line(`"4"},"done":false`),
			line(`"","tool_calls":[{"id":"a","function":{"index":0,"name":"f","arguments":{"n":1}}}]},"done":false`),
			line(`""},"done":true,"done_reason":"stop","prompt_eval_count":9,"eval_count":2`),
		}},
	} {
		t.Run(named(c.codec), func(t *testing.T) {
			got := write(c.codec, start, pieces...)
			if diff := cmp.Diff(strings.Join(c.want, ""), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAWriterHasNothingToSayOfNothing(t *testing.T) {
	for _, d := range codecs() {
		w := d.NewWriter(start)
		for _, p := range []protocol.Delta{{}, {ID: "x", Model: "y"}, {Usage: protocol.Usage{Known: true}}, {Finish: protocol.FinishStop}} {
			if out := w.Write(p); len(out) != 0 {
				t.Errorf("%s writes %q of %+v", d.Path(), out, p)
			}
		}
	}
}

func TestAWriterEndsWithAnError(t *testing.T) {
	for _, d := range codecs() {
		w := d.NewWriter(start)
		_ = w.Write(protocol.Delta{Text: "4"})
		if got, want := string(w.Write(protocol.Delta{Error: "gone", Status: 503})), string(d.ErrorFrame(503, "gone")); got != want {
			t.Errorf("%s: %s, want %s", d.Path(), got, want)
		}
		if out := w.Write(protocol.Delta{Text: "5", Done: true}); len(out) != 0 {
			t.Errorf("%s goes on: %s", d.Path(), out)
		}
	}
}

// A stream that another writer carries on, wherever it broke, is the stream
// that one writer would have written.
func TestAStreamCarriedOnIsTheSame(t *testing.T) {
	for name, pieces := range map[string][]protocol.Delta{
		"text":               {{Text: "one "}, {Text: "two "}, {Text: "three"}, {Finish: protocol.FinishLength}, {Done: true}},
		"thinking":           {{Thinking: "hm "}, {Thinking: "so "}, {Text: "one "}, {Text: "two"}, {Finish: protocol.FinishStop, Usage: protocol.Usage{Prompt: 1, Completion: 4, Known: true}, Done: true}},
		"thinking, no text":  {{Thinking: "hm "}, {Thinking: "so "}, {Done: true}},
		"a call after text":  {{Text: "one "}, {ToolCalls: []protocol.ToolCallDelta{{ID: "a", Name: "f", Arguments: "{}"}}}, {Done: true}},
		"a call, a thought":  {{Thinking: "hm "}, {ToolCalls: []protocol.ToolCallDelta{{ID: "a", Name: "f", Arguments: "{}"}}}, {Done: true}},
		"nothing more to it": {{Text: "one"}, {Done: true}},
	} {
		for _, d := range codecs() {
			for broken := 1; broken < len(pieces); broken++ {
				if pieces[broken-1].ToolCalls != nil {
					break // no call is carried on
				}
				t.Run(fmt.Sprintf("%s by %s after %d", name, named(d), broken), func(t *testing.T) {
					whole := write(d, start, pieces...)
					first := write(d, start, pieces[:broken]...)
					again := start
					again.Resumed = true
					for _, p := range pieces[:broken] {
						again.SentText += p.Text
						again.SentThinking += p.Thinking
					}
					var kept []protocol.Delta // what the first one kept until the end
					if f := pieces[broken-1].Finish; f != "" {
						kept = append(kept, protocol.Delta{Finish: f})
					}
					second := write(d, again, append(kept, pieces[broken:]...)...)
					if diff := cmp.Diff(string(whole), string(first)+string(second)); diff != "" {
						t.Error(diff)
					}
					if _, ok := d.(anthropic.Codec); ok {
						accepts(t, append(first, second...))
					}
				})
			}
		}
	}
}

func TestAnthropicBeginsABlockWhereNoneWasBegun(t *testing.T) {
	again := start
	again.Resumed = true
	got := string(write(anthropic.Codec{}, again, protocol.Delta{Text: "4"}))
	want := "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n" +
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"4\"}}\n\n"
	if got != want {
		t.Error(cmp.Diff(want, got))
	}
}

// accepts reads events as Anthropic's libraries do, which fail on a block that
// isn't there.
func accepts(t *testing.T, stream []byte) {
	t.Helper()
	began, ended, open, next := false, false, false, 0
	for _, frame := range frames(anthropic.Codec{}, stream) {
		var e struct {
			Type  string
			Index int
			Delta struct {
				StopReason string `json:"stop_reason"`
			}
		}
		name, data, _ := bytes.Cut(frame, []byte("\ndata: "))
		if err := json.Unmarshal(data, &e); err != nil || string(name) != "event: "+e.Type {
			t.Fatalf("%v: %s", err, frame)
		}
		ok := began && !ended
		switch e.Type {
		case "message_start":
			ok, began = !began, true
		case "content_block_start":
			ok, open = ok && !open && e.Index == next, true
		case "content_block_delta":
			ok = ok && open && e.Index == next
		case "content_block_stop":
			ok, open = ok && open && e.Index == next, false
			next++
		case "message_delta":
			ok = ok && !open && e.Delta.StopReason != ""
		case "message_stop":
			ended = true
		}
		if !ok {
			t.Fatalf("out of turn: %s\n%s", frame, stream)
		}
	}
	if !ended {
		t.Fatalf("it doesn't end: %s", stream)
	}
}

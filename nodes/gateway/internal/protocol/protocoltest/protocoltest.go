// Package protocoltest has the tests that every codec of an API has to pass.
package protocoltest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
)

// Info is what the streams of the tests have in common.
var Info = protocol.StreamInfo{ID: "id-1", Model: "m", Created: 1763942400, IncludeUsage: true}

// Frames cuts a stream into its frames.
func Frames(c protocol.Codec, stream []byte) [][]byte {
	end := []byte("\n")
	if c.Events() {
		end = []byte("\n\n")
	}
	list := bytes.Split(stream, end)
	return list[:len(list)-1]
}

// Read reads a stream.
func Read(c protocol.Codec, stream []byte) (deltas []protocol.Delta, err error) {
	for _, frame := range Frames(c, stream) {
		d, err := c.ReadFrame(frame)
		if err != nil {
			return deltas, err
		}
		deltas = append(deltas, d)
	}
	return deltas, nil
}

// Write returns the stream of the deltas.
func Write(c protocol.StreamCodec, info protocol.StreamInfo, deltas ...protocol.Delta) []byte {
	var out []byte
	w := c.NewWriter(info)
	for _, d := range deltas {
		out = append(out, w.Write(d)...)
	}
	return out
}

// Gather reads a stream into a reply. done is false if its end is missing. The
// error is that of the first frame that can't be read, or a
// [protocol.ServerError].
func Gather(c protocol.Codec, stream []byte) (r protocol.Reply, done bool, err error) {
	deltas, err := Read(c, stream)
	calls := map[int]int{}
	for _, d := range deltas {
		if d.Error != "" {
			return r, done, protocol.ServerError{Message: d.Error, Status: d.Status}
		}
		r.ID, r.Model, r.Created = later(r.ID, d.ID), later(r.Model, d.Model), later(r.Created, d.Created)
		r.Finish = later(r.Finish, d.Finish)
		r.Text += d.Text
		r.Thinking += d.Thinking
		r.Usage.Add(d.Usage)
		done = done || d.Done
		for _, c := range d.ToolCalls {
			n, ok := calls[c.Index]
			if !ok || c.ID != "" && r.ToolCalls[n].ID != c.ID {
				n = len(r.ToolCalls)
				calls[c.Index] = n
				r.ToolCalls = append(r.ToolCalls, protocol.ToolCall{ID: c.ID, Name: c.Name})
			}
			r.ToolCalls[n].Arguments += c.Arguments
		}
	}
	return r, done, err
}

func later[T comparable](before, after T) T {
	var none T
	if after == none {
		return before
	}
	return after
}

// Conform checks what [protocol.Codec] and the interfaces that c has promise.
func Conform(t *testing.T, c protocol.Codec) {
	t.Run("errors are read back", func(t *testing.T) { errorsAreReadBack(t, c) })
	t.Run("nothing panics", func(t *testing.T) { nothingPanics(t, c) })
	t.Run("the end mark is the end", func(t *testing.T) {
		for _, frame := range Frames(c, c.EndMark()) {
			if d, err := c.ReadFrame(frame); err != nil || !d.Done || d.HasToken() {
				t.Errorf("%q is read as %+v, %v", frame, d, err)
			}
		}
	})
	t.Run("an empty frame says nothing", func(t *testing.T) {
		if d, err := c.ReadFrame(nil); err != nil || !cmp.Equal(protocol.Delta{}, d) {
			t.Errorf("got %+v, %v", d, err)
		}
	})
	t.Run("a carriage return at the end of a frame says nothing", func(t *testing.T) {
		frame := Frames(c, c.ErrorFrame(http.StatusBadGateway, "gone"))[0]
		if d, err := c.ReadFrame(append(bytes.ReplaceAll(frame, []byte("\n"), []byte("\r\n")), '\r')); err != nil || d.Error != "gone" {
			t.Errorf("got %+v, %v", d, err)
		}
	})
	if s, ok := c.(protocol.StreamCodec); ok {
		t.Run("a stream that was written is read back", func(t *testing.T) { streamsAreReadBack(t, s) })
		t.Run("a resumed stream is the same", func(t *testing.T) { resumedStreamsAreTheSame(t, s) })
		t.Run("a writer ends", func(t *testing.T) { writersEnd(t, s) })
	}
	if client, ok := c.(protocol.ClientCodec); ok {
		t.Run("a reply that was written is read back", func(t *testing.T) { repliesAreReadBack(t, client) })
	}
}

func errorsAreReadBack(t *testing.T, c protocol.Codec) {
	for _, status := range []int{400, 401, 403, 404, 413, 429, 500, 502, 503} {
		text := "the node \"m1\" <failed>\nat once"
		_, err := c.ReadReply(c.Error(status, text))
		var failed protocol.ServerError
		if !errors.As(err, &failed) || failed.Message != text {
			t.Errorf("%d: %v", status, err)
		}
		frames := Frames(c, c.ErrorFrame(status, text))
		if len(frames) != 1 {
			t.Fatalf("%d: %d frames", status, len(frames))
		}
		if d, err := c.ReadFrame(frames[0]); err != nil || d.Error != text {
			t.Errorf("%d: %+v %v", status, d, err)
		}
	}
}

func nothingPanics(_ *testing.T, c protocol.Codec) {
	for _, text := range []string{
		"", " ", "\n", "\x00", "null", "[]", "{}", "0", `"x"`, "{", `{"`, `{"a`, `{"a":`, `{"error":`, `{"error":null}`, `{"error":{}}`,
		`{"choices":[null]}`, `{"choices":[{"message":null,"delta":null}]}`, `{"choices":[{"delta":{"tool_calls":[null]}}]}`,
		`{"message":null}`, `{"message":{"tool_calls":[null]}}`, `{"content":[null]}`, `{"type":null}`, `{"type":"message_start"}`,
		`{"type":"content_block_start","content_block":null}`, `{"type":"response.completed","response":null}`,
		`{"messages":[null]}`, `{"messages":[{"role":"user","content":[null]}]}`, `{"prompt":null}`, `{"response":null,"done":true}`,
	} {
		for _, form := range []string{"%s", "data: %s", "data:%s\r", "event: error\ndata: %s", "event: %s"} {
			body := fmt.Appendf(nil, form, text)
			_, _ = c.ReadReply(body)
			_, _ = c.ReadFrame(body)
			if r, ok := c.(protocol.ClientCodec); ok {
				_, _ = r.ReadRequest(body)
			}
			if s, ok := c.(protocol.StreamCodec); ok {
				s.WantsUsage(body)
			}
			if r, ok := c.(protocol.Resumer); ok {
				_, _ = r.ResumeRequest(body, "m", "x", 1)
			}
		}
	}
}

// writes reports whether the stream of an API has a place for a delta.
func writes(c protocol.StreamCodec, d protocol.Delta) bool {
	return len(Write(c, Info, d, protocol.Delta{Done: true})) > len(Write(c, Info, protocol.Delta{Done: true}))
}

// answers are streams of every kind, as deltas.
var answers = map[string][]protocol.Delta{
	"text": {
		{Text: "It's \"4\",\n"}, {}, {Text: "<b>四</b>\u2028"}, {Finish: protocol.FinishLength},
		{Usage: protocol.Usage{Prompt: 9, Completion: 3, Known: true}}, {Done: true},
	},
	"thinking":                  {{Thinking: "2+2, "}, {Thinking: "hm"}, {Text: "4"}, {Text: "."}, {Done: true}},
	"thinking alone":            {{Thinking: "hm "}, {Thinking: "so "}, {Done: true}},
	"thinking and text at once": {{Thinking: "hm", Text: "4", Finish: protocol.FinishStop, Done: true}},
	"calls": {
		{Text: "Let me see."},
		{ToolCalls: []protocol.ToolCallDelta{{ID: "call_a", Name: "weather"}}},
		{ToolCalls: []protocol.ToolCallDelta{{Arguments: `{"city":`}}},
		{ToolCalls: []protocol.ToolCallDelta{{Arguments: `"Paris"}`}}},
		{ToolCalls: []protocol.ToolCallDelta{{Index: 1, ID: "call_b", Name: "time", Arguments: `{}`}}},
		{Finish: protocol.FinishToolCalls}, {Done: true},
	},
	"calls whose parts alternate": {
		{ToolCalls: []protocol.ToolCallDelta{{ID: "a", Name: "x", Arguments: `{"n`}, {Index: 1, ID: "b", Name: "y", Arguments: `{"m`}}},
		{ToolCalls: []protocol.ToolCallDelta{{Arguments: `":1}`}, {Index: 1, Arguments: `":2}`}}},
		{Done: true},
	},
	"calls without an index": {
		{ToolCalls: []protocol.ToolCallDelta{{ID: "a", Name: "x", Arguments: `{"n":1}`}}},
		{ToolCalls: []protocol.ToolCallDelta{{ID: "b", Name: "x", Arguments: `{"n":2}`}}},
		{Finish: protocol.FinishStop, Done: true},
	},
	"a call after thinking": {
		{Thinking: "hm "}, {ToolCalls: []protocol.ToolCallDelta{{ID: "a", Name: "f", Arguments: "{}"}}}, {Done: true},
	},
	"the end alone": {{Done: true}},
}

// sum returns the reply that deltas make, as far as an API's stream has a place
// for it.
func sum(c protocol.StreamCodec, deltas []protocol.Delta) protocol.Reply {
	var r protocol.Reply
	hasThinking, hasCalls := writes(c, protocol.Delta{Thinking: "x"}), writes(c, protocol.Delta{ToolCalls: []protocol.ToolCallDelta{{Name: "f"}}})
	calls := map[string]int{}
	last := map[int]string{}
	for _, d := range deltas {
		r.Text += d.Text
		if hasThinking {
			r.Thinking += d.Thinking
		}
		r.Finish = later(r.Finish, d.Finish)
		r.Usage.Add(d.Usage)
		for _, call := range d.ToolCalls {
			if !hasCalls {
				continue
			}
			if call.ID == "" {
				call.ID = last[call.Index]
			}
			last[call.Index] = call.ID
			n, ok := calls[call.ID]
			if !ok {
				n = len(r.ToolCalls)
				calls[call.ID] = n
				r.ToolCalls = append(r.ToolCalls, protocol.ToolCall{ID: call.ID, Name: call.Name})
			}
			r.ToolCalls[n].Arguments += call.Arguments
		}
	}
	return r
}

// comparableReply takes what differs between the APIs out of a reply: the identity,
// the default of the finish reason, counts that weren't given, and how empty
// arguments are written.
func comparableReply(r protocol.Reply) protocol.Reply {
	r.ID, r.Model, r.Created = "", "", 0
	if r.Finish != protocol.FinishLength {
		r.Finish = ""
	}
	r.Usage.Known = r.Usage.Known && r.Usage.Prompt+r.Usage.Completion > 0
	calls := r.ToolCalls
	r.ToolCalls = nil
	for _, call := range calls {
		if call.Arguments == "" {
			call.Arguments = "{}"
		}
		r.ToolCalls = append(r.ToolCalls, call)
	}
	return r
}

func streamsAreReadBack(t *testing.T, c protocol.StreamCodec) {
	for name, deltas := range answers {
		t.Run(name, func(t *testing.T) {
			stream := Write(c, Info, deltas...)
			got, done, err := Gather(c, stream)
			if err != nil || !done {
				t.Fatalf("done %v, error %v\n%s", done, err, stream)
			}
			if got.Model != Info.Model || got.ID != "" && got.ID != Info.ID {
				t.Errorf("ID %q, model %q", got.ID, got.Model)
			}
			if got.Finish == "" {
				t.Error("no reason for the end")
			}
			if diff := cmp.Diff(comparableReply(sum(c, deltas)), comparableReply(got)); diff != "" {
				t.Errorf("%s\n%s", diff, stream)
			}
		})
	}
}

// resumedStreamsAreTheSame checks that a stream which another writer resumes,
// wherever it broke, is the stream that one writer would have written.
func resumedStreamsAreTheSame(t *testing.T, c protocol.StreamCodec) {
	for name, deltas := range answers {
		for broken := 1; broken < len(deltas); broken++ {
			if deltas[broken-1].ToolCalls != nil {
				break // a tool call is never resumed
			}
			t.Run(fmt.Sprintf("%s after %d", name, broken), func(t *testing.T) {
				resumed := Info
				resumed.Resumed = true
				var kept []protocol.Delta // by the first writer, until the end
				for _, d := range deltas[:broken] {
					resumed.SentText += d.Text
					resumed.SentThinking += d.Thinking
					kept = append(kept, protocol.Delta{Finish: d.Finish, Usage: d.Usage})
				}
				whole := Write(c, Info, deltas...)
				first, second := Write(c, Info, deltas[:broken]...), Write(c, resumed, append(kept, deltas[broken:]...)...)
				if diff := cmp.Diff(withoutTimes(whole), withoutTimes(append(first, second...))); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// createdAt matches the times of a stream's lines: Ollama's are those at which a
// line was written.
var createdAt = regexp.MustCompile(`"created_at":"[^"]*"`)

func withoutTimes(stream []byte) string {
	return createdAt.ReplaceAllString(string(stream), `"created_at":""`)
}

func writersEnd(t *testing.T, c protocol.StreamCodec) {
	w := c.NewWriter(Info)
	for _, d := range []protocol.Delta{{}, {ID: "x", Model: "y"}, {Usage: protocol.Usage{Known: true}}, {Finish: protocol.FinishStop}} {
		if out := w.Write(d); len(out) != 0 {
			t.Errorf("%q is written for %+v", out, d)
		}
	}
	_ = w.Write(protocol.Delta{Text: "4"})
	failed := protocol.Delta{Error: "gone", Status: http.StatusServiceUnavailable}
	if got, want := string(w.Write(failed)), string(c.ErrorFrame(failed.Status, failed.Error)); got != want {
		t.Errorf("an error is %s, want %s", got, want)
	}
	if out := w.Write(protocol.Delta{Text: "5", Done: true}); len(out) != 0 {
		t.Errorf("after an error follows %s", out)
	}
	w = c.NewWriter(Info)
	_ = w.Write(protocol.Delta{Text: "4", Done: true})
	for _, d := range []protocol.Delta{{Text: "5"}, {Done: true}, failed} {
		if out := w.Write(d); len(out) != 0 {
			t.Errorf("after the end follows %s", out)
		}
	}
}

func repliesAreReadBack(t *testing.T, c protocol.ClientCodec) {
	for name, deltas := range answers {
		t.Run(name, func(t *testing.T) {
			want := sum(c, deltas)
			want.ID, want.Model, want.Created = Info.ID, Info.Model, Info.Created
			body := c.WriteReply(want)
			got, err := c.ReadReply(body)
			if err != nil {
				t.Fatal(err)
			}
			if got.Model != Info.Model || got.ID != "" && got.ID != Info.ID || got.Created != 0 && got.Created != Info.Created {
				t.Errorf("ID %q, model %q, created %d", got.ID, got.Model, got.Created)
			}
			if diff := cmp.Diff(comparableReply(want), comparableReply(got)); diff != "" {
				t.Errorf("%s\n%s", diff, body)
			}
		})
	}
}

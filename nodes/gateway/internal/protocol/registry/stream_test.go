package registry_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/anthropic"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/ollama"
)

// frames parts a stream as a gateway does.
func frames(d fullCodec, stream []byte) [][]byte {
	end := []byte("\n")
	if d.Events() {
		end = []byte("\n\n")
	}
	list := bytes.Split(stream, end)
	return list[:len(list)-1]
}

// gather reads a stream into a reply. Its error is that of the first frame that
// can't be read.
func gather(d fullCodec, stream []byte) (r protocol.Reply, done bool, err error) {
	calls := map[int]int{}
	for _, frame := range frames(d, stream) {
		p, err := d.ReadFrame(frame)
		if err != nil {
			return r, done, err
		}
		if p.Error != "" {
			return r, done, protocol.ServerError{Message: p.Error, Status: p.Status}
		}
		if p.ID != "" {
			r.ID = p.ID
		}
		if p.Model != "" {
			r.Model = p.Model
		}
		if p.Created != 0 {
			r.Created = p.Created
		}
		if p.Finish != "" {
			r.Finish = p.Finish
		}
		r.Text += p.Text
		r.Thinking += p.Thinking
		r.Usage.Add(p.Usage)
		done = done || p.Done
		for _, c := range p.ToolCalls {
			n, ok := calls[c.Index]
			if !ok || c.ID != "" && r.ToolCalls[n].ID != c.ID {
				n = len(r.ToolCalls)
				calls[c.Index] = n
				r.ToolCalls = append(r.ToolCalls, protocol.ToolCall{ID: c.ID, Name: c.Name})
			}
			r.ToolCalls[n].Arguments += c.Arguments
		}
	}
	return r, done, nil
}

// write has a writer write the pieces.
func write(d fullCodec, s protocol.StreamInfo, pieces ...protocol.Delta) []byte {
	var out []byte
	w := d.NewWriter(s)
	for _, p := range pieces {
		out = append(out, w.Write(p)...)
	}
	return out
}

func named(d fullCodec) string {
	return strings.TrimPrefix(strings.ReplaceAll(d.Path(), "/", " "), " ")
}

func TestAStreamWrittenIsReadBack(t *testing.T) {
	for name, c := range map[string]struct {
		pieces []protocol.Delta
		want   protocol.Reply
	}{
		"text": {
			[]protocol.Delta{{Text: "It's \"4\",\n"}, {}, {Text: "<b>四</b>\u2028"}, {Finish: protocol.FinishLength}, {Usage: protocol.Usage{Prompt: 9, Completion: 3, Known: true}}, {Done: true}},
			protocol.Reply{Text: "It's \"4\",\n<b>四</b>\u2028", Finish: protocol.FinishLength, Usage: protocol.Usage{Prompt: 9, Completion: 3, Known: true}},
		},
		"thinking": {
			[]protocol.Delta{{Thinking: "2+2, "}, {Thinking: "hm"}, {Text: "4"}, {Text: "."}, {Done: true}},
			protocol.Reply{Thinking: "2+2, hm", Text: "4.", Finish: protocol.FinishStop},
		},
		"thinking and text at once": {
			[]protocol.Delta{{Thinking: "hm", Text: "4", Finish: protocol.FinishStop, Done: true}},
			protocol.Reply{Thinking: "hm", Text: "4", Finish: protocol.FinishStop},
		},
		"calls": {
			[]protocol.Delta{
				{Text: "Let me see."},
				{ToolCalls: []protocol.ToolCallDelta{{Index: 0, ID: "call_a", Name: "weather"}}},
				{ToolCalls: []protocol.ToolCallDelta{{Index: 0, Arguments: `{"city":`}}},
				{ToolCalls: []protocol.ToolCallDelta{{Index: 0, Arguments: `"Paris"}`}}},
				{ToolCalls: []protocol.ToolCallDelta{{Index: 1, ID: "call_b", Name: "time", Arguments: `{}`}}},
				{Finish: protocol.FinishToolCalls}, {Done: true},
			},
			protocol.Reply{Text: "Let me see.", ToolCalls: []protocol.ToolCall{{ID: "call_a", Name: "weather", Arguments: `{"city":"Paris"}`}, {ID: "call_b", Name: "time", Arguments: `{}`}}, Finish: protocol.FinishToolCalls},
		},
		"calls that grow side by side": {
			[]protocol.Delta{
				{ToolCalls: []protocol.ToolCallDelta{{Index: 0, ID: "a", Name: "x", Arguments: `{"n`}, {Index: 1, ID: "b", Name: "y", Arguments: `{"m`}}},
				{ToolCalls: []protocol.ToolCallDelta{{Index: 0, Arguments: `":1}`}, {Index: 1, Arguments: `":2}`}}},
				{Done: true},
			},
			protocol.Reply{ToolCalls: []protocol.ToolCall{{ID: "a", Name: "x", Arguments: `{"n":1}`}, {ID: "b", Name: "y", Arguments: `{"m":2}`}}, Finish: protocol.FinishToolCalls},
		},
		"calls that aren't counted": {
			[]protocol.Delta{
				{ToolCalls: []protocol.ToolCallDelta{{ID: "a", Name: "x", Arguments: `{"n":1}`}}},
				{ToolCalls: []protocol.ToolCallDelta{{ID: "b", Name: "x", Arguments: `{"n":2}`}}},
				{Finish: protocol.FinishStop, Done: true},
			},
			protocol.Reply{ToolCalls: []protocol.ToolCall{{ID: "a", Name: "x", Arguments: `{"n":1}`}, {ID: "b", Name: "x", Arguments: `{"n":2}`}}, Finish: protocol.FinishToolCalls},
		},
		"nothing": {[]protocol.Delta{{Done: true}}, protocol.Reply{Finish: protocol.FinishStop}},
	} {
		for _, d := range codecs() {
			t.Run(name+" by "+named(d), func(t *testing.T) {
				start := protocol.StreamInfo{ID: "id-1", Model: "m\"1", Created: 1700000000, IncludeUsage: true}
				stream := write(d, start, c.pieces...)
				got, done, err := gather(d, stream)
				if err != nil || !done {
					t.Fatalf("done %v, error %v\n%s", done, err, stream)
				}
				want := c.want
				want.ID, want.Model, want.Created = start.ID, start.Model, start.Created
				switch d.(type) {
				case ollama.Codec:
					want.ID = ""
					if want.Finish == protocol.FinishToolCalls {
						want.Finish = protocol.FinishStop // the calls say it
					}
				case anthropic.Codec:
					want.Created = 0
					want.Usage.Known = true
				}
				for i := range got.ToolCalls {
					if len(want.ToolCalls) > i && !json.Valid([]byte(got.ToolCalls[i].Arguments)) {
						t.Errorf("arguments %q", got.ToolCalls[i].Arguments)
					}
					if got.ToolCalls[i].Arguments == "" {
						got.ToolCalls[i].Arguments = "{}"
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s\n%s", diff, stream)
				}
			})
		}
	}
}

package chat_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
)

// frames parts a stream as a gateway does.
func frames(d chat.Dialect, stream []byte) [][]byte {
	end := []byte("\n")
	if d.Events() {
		end = []byte("\n\n")
	}
	list := bytes.Split(stream, end)
	return list[:len(list)-1]
}

// gather reads a stream into a reply. Its error is that of the first frame that
// can't be read.
func gather(d chat.Dialect, stream []byte) (r chat.Reply, done bool, err error) {
	calls := map[int]int{}
	for _, frame := range frames(d, stream) {
		p, err := d.ReadFrame(frame)
		if err != nil {
			return r, done, err
		}
		if p.Error != "" {
			return r, done, chat.Refused{Text: p.Error, Code: p.Code}
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
		for _, c := range p.Calls {
			n, ok := calls[c.Index]
			if !ok || c.ID != "" && r.Calls[n].ID != c.ID {
				n = len(r.Calls)
				calls[c.Index] = n
				r.Calls = append(r.Calls, chat.Call{ID: c.ID, Name: c.Name})
			}
			r.Calls[n].Arguments += c.Arguments
		}
	}
	return r, done, nil
}

// write has a writer write the pieces.
func write(d chat.Dialect, s chat.Start, pieces ...chat.Piece) []byte {
	var out []byte
	w := d.NewWriter(s)
	for _, p := range pieces {
		out = append(out, w.Piece(p)...)
	}
	return out
}

func named(d chat.Dialect) string {
	return strings.TrimPrefix(strings.ReplaceAll(d.Path(), "/", " "), " ")
}

func TestAStreamWrittenIsReadBack(t *testing.T) {
	for name, c := range map[string]struct {
		pieces []chat.Piece
		want   chat.Reply
	}{
		"text": {
			[]chat.Piece{{Text: "It's \"4\",\n"}, {}, {Text: "<b>四</b>\u2028"}, {Finish: chat.Length}, {Usage: chat.Usage{Prompt: 9, Completion: 3, Known: true}}, {Done: true}},
			chat.Reply{Text: "It's \"4\",\n<b>四</b>\u2028", Finish: chat.Length, Usage: chat.Usage{Prompt: 9, Completion: 3, Known: true}},
		},
		"thinking": {
			[]chat.Piece{{Thinking: "2+2, "}, {Thinking: "hm"}, {Text: "4"}, {Text: "."}, {Done: true}},
			chat.Reply{Thinking: "2+2, hm", Text: "4.", Finish: chat.Stopped},
		},
		"thinking and text at once": {
			[]chat.Piece{{Thinking: "hm", Text: "4", Finish: chat.Stopped, Done: true}},
			chat.Reply{Thinking: "hm", Text: "4", Finish: chat.Stopped},
		},
		"calls": {
			[]chat.Piece{
				{Text: "Let me see."},
				{Calls: []chat.CallPiece{{Index: 0, ID: "call_a", Name: "weather"}}},
				{Calls: []chat.CallPiece{{Index: 0, Arguments: `{"city":`}}},
				{Calls: []chat.CallPiece{{Index: 0, Arguments: `"Paris"}`}}},
				{Calls: []chat.CallPiece{{Index: 1, ID: "call_b", Name: "time", Arguments: `{}`}}},
				{Finish: chat.Calling}, {Done: true},
			},
			chat.Reply{Text: "Let me see.", Calls: []chat.Call{{ID: "call_a", Name: "weather", Arguments: `{"city":"Paris"}`}, {ID: "call_b", Name: "time", Arguments: `{}`}}, Finish: chat.Calling},
		},
		"calls that grow side by side": {
			[]chat.Piece{
				{Calls: []chat.CallPiece{{Index: 0, ID: "a", Name: "x", Arguments: `{"n`}, {Index: 1, ID: "b", Name: "y", Arguments: `{"m`}}},
				{Calls: []chat.CallPiece{{Index: 0, Arguments: `":1}`}, {Index: 1, Arguments: `":2}`}}},
				{Done: true},
			},
			chat.Reply{Calls: []chat.Call{{ID: "a", Name: "x", Arguments: `{"n":1}`}, {ID: "b", Name: "y", Arguments: `{"m":2}`}}, Finish: chat.Calling},
		},
		"calls that aren't counted": {
			[]chat.Piece{
				{Calls: []chat.CallPiece{{ID: "a", Name: "x", Arguments: `{"n":1}`}}},
				{Calls: []chat.CallPiece{{ID: "b", Name: "x", Arguments: `{"n":2}`}}},
				{Finish: chat.Stopped, Done: true},
			},
			chat.Reply{Calls: []chat.Call{{ID: "a", Name: "x", Arguments: `{"n":1}`}, {ID: "b", Name: "x", Arguments: `{"n":2}`}}, Finish: chat.Calling},
		},
		"nothing": {[]chat.Piece{{Done: true}}, chat.Reply{Finish: chat.Stopped}},
	} {
		for _, d := range chat.Dialects() {
			t.Run(name+" by "+named(d), func(t *testing.T) {
				start := chat.Start{ID: "id-1", Model: "m\"1", Created: 1700000000, Usage: true}
				stream := write(d, start, c.pieces...)
				got, done, err := gather(d, stream)
				if err != nil || !done {
					t.Fatalf("done %v, error %v\n%s", done, err, stream)
				}
				want := c.want
				want.ID, want.Model, want.Created = start.ID, start.Model, start.Created
				switch d.(type) {
				case chat.Ollama:
					want.ID = ""
					if want.Finish == chat.Calling {
						want.Finish = chat.Stopped // the calls say it
					}
				case chat.Anthropic:
					want.Created = 0
					want.Usage.Known = true
				}
				for i := range got.Calls {
					if len(want.Calls) > i && !json.Valid([]byte(got.Calls[i].Arguments)) {
						t.Errorf("arguments %q", got.Calls[i].Arguments)
					}
					if got.Calls[i].Arguments == "" {
						got.Calls[i].Arguments = "{}"
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s\n%s", diff, stream)
				}
			})
		}
	}
}

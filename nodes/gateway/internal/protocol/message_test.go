package protocol

import (
	"encoding/base64"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLinkToolCalls(t *testing.T) {
	call := func(id, name string) ToolCall { return ToolCall{ID: id, Name: name} }
	result := func(id, name string) Message { return Message{Role: RoleTool, ToolCallID: id, Name: name} }
	calls := func(list ...ToolCall) Message { return Message{Role: RoleAssistant, ToolCalls: list} }
	for name, c := range map[string]struct{ in, want []Message }{
		"by ID": {
			[]Message{calls(call("a", "f"), call("b", "g")), result("b", ""), result("a", "")},
			[]Message{calls(call("a", "f"), call("b", "g")), result("b", "g"), result("a", "f")},
		},
		"by name": {
			[]Message{calls(call("", "f"), call("", "g")), result("", "g"), result("", "f")},
			[]Message{calls(call("call_1", "f"), call("call_2", "g")), result("call_2", "g"), result("call_1", "f")},
		},
		"by order": {
			[]Message{calls(call("", "f"), call("", "f")), result("", ""), result("", "f")},
			[]Message{calls(call("call_1", "f"), call("call_2", "f")), result("call_1", "f"), result("call_2", "f")},
		},
		"a call is answered once": {
			[]Message{calls(call("a", "f")), result("a", ""), result("a", ""), result("", "")},
			[]Message{calls(call("a", "f")), result("a", "f"), result("a", ""), result("", "")},
		},
		"no such call": {
			[]Message{calls(call("a", "f")), result("x", "f"), result("", "g")},
			[]Message{calls(call("a", "f")), result("x", "f"), result("", "g")},
		},
		"the numbers count all calls": {
			[]Message{calls(call("x", "f")), calls(call("", "g"))},
			[]Message{calls(call("x", "f")), calls(call("call_2", "g"))},
		},
		"a result before its call": {
			[]Message{result("", "f"), calls(call("a", "f"))},
			[]Message{result("", "f"), calls(call("a", "f"))},
		},
	} {
		t.Run(name, func(t *testing.T) {
			LinkToolCalls(c.in)
			if diff := cmp.Diff(c.want, c.in); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMoveToolImages(t *testing.T) {
	image := Part{Image: &Image{Data: "AAAA"}}
	tool := Message{Role: RoleTool, Name: "f", Parts: []Part{{Text: "look"}, image}}
	nameless := Message{Role: RoleTool, Parts: []Part{image}}
	user := Message{Role: RoleUser, Parts: []Part{image}}
	moved := func(parts ...Part) Message { return Message{Role: RoleUser, Parts: parts} }
	for name, c := range map[string]struct{ in, want []Message }{
		"none":       {[]Message{user}, []Message{user}},
		"at the end": {[]Message{tool}, []Message{tool, moved(Part{Text: "What f shows:"}, image)}},
		"of several results, after the last": {
			[]Message{tool, nameless, user},
			[]Message{tool, nameless, moved(Part{Text: "What f shows:"}, image, Part{Text: "What the tool shows:"}, image), user},
		},
		"twice": {
			[]Message{tool, user, nameless},
			[]Message{tool, moved(Part{Text: "What f shows:"}, image), user, nameless, moved(Part{Text: "What the tool shows:"}, image)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, MoveToolImages(c.in)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAppendPartial(t *testing.T) {
	user := Message{Role: RoleUser, Parts: []Part{{Text: "hi"}}}
	begun := Message{Role: RoleAssistant, Parts: make([]Part, 1, 2)}
	begun.Parts[0].Text = "So"
	for name, c := range map[string]struct{ in, want []Message }{
		"a new message":             {[]Message{user}, []Message{user, {Role: RoleAssistant, Parts: []Part{{Text: "x"}}}}},
		"the client's own":          {[]Message{user, begun}, []Message{user, {Role: RoleAssistant, Parts: []Part{{Text: "Sox"}}}}},
		"a conversation of nothing": {nil, []Message{{Role: RoleAssistant, Parts: []Part{{Text: "x"}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := Request{Messages: c.in}
			r.AppendPartial("x")
			if diff := cmp.Diff(c.want, r.Messages); diff != "" {
				t.Error(diff)
			}
		})
	}
	if extra := begun.Parts[:2][1]; extra.Text != "" {
		t.Errorf("the client's message was changed: %q", extra.Text)
	}
}

func TestToolText(t *testing.T) {
	for text, want := range map[string]string{"no": "Error: no", "Error: no": "Error: no", "ERROR 5": "ERROR 5", "": "Error: "} {
		m := Message{Parts: TextParts(text), ToolFailed: true}
		if got := m.ToolText(); got != want {
			t.Errorf("%q: got %q", text, got)
		}
		m.ToolFailed = false
		if got := m.ToolText(); got != text {
			t.Errorf("%q, not failed: got %q", text, got)
		}
	}
}

func TestMessageText(t *testing.T) {
	m := Message{Parts: []Part{{Text: "a"}, {Image: &Image{URL: "x"}}, {Text: ""}, {Text: "b"}}}
	if got := m.Text(); got != "a\n\nb" {
		t.Errorf("got %q", got)
	}
	if got := m.Images(); len(got) != 1 || got[0].Image.URL != "x" {
		t.Errorf("got %+v", got)
	}
}

func TestImages(t *testing.T) {
	for url, want := range map[string]Image{
		"https://example.com/a.png":             {URL: "https://example.com/a.png"},
		"data:image/png;base64,AAAA":            {MediaType: "image/png", Data: "AAAA"},
		"data:image/png;charset=x;base64,AA,AA": {MediaType: "image/png", Data: "AA,AA"},
		"data:;base64,AAAA":                     {Data: "AAAA"},
		"data:image/svg+xml,<svg/>":             {URL: "data:image/svg+xml,<svg/>"},
		"data:image/png;base64":                 {URL: "data:image/png;base64"},
		"":                                      {},
	} {
		if got := *ImageFromURL(url); got != want {
			t.Errorf("%s: got %+v", url, got)
		}
	}
	jpeg := base64.StdEncoding.EncodeToString([]byte("\xff\xd8\xff\xe0 and so on, for more bytes than are looked at, which are forty-eight"))
	for _, c := range []struct {
		image             Image
		mediaType, adress string
	}{
		{Image{URL: "x"}, "image/png", "x"},
		{Image{Data: "AAAA", MediaType: "image/webp"}, "image/webp", "data:image/webp;base64,AAAA"},
		{Image{Data: jpeg}, "image/jpeg", "data:image/jpeg;base64," + jpeg},
		{Image{Data: "AAAA"}, "image/png", "data:image/png;base64,AAAA"},
		{Image{Data: "/9j/"}, "image/jpeg", "data:image/jpeg;base64,/9j/"},
		{Image{Data: "/9j/4"}, "image/jpeg", "data:image/jpeg;base64,/9j/4"},
		{Image{Data: "?"}, "image/png", "data:image/png;base64,?"},
	} {
		if got := c.image.Type(); got != c.mediaType {
			t.Errorf("%+v: type %q", c.image, got)
		}
		if got := c.image.Address(); got != c.adress {
			t.Errorf("%+v: address %q", c.image, got)
		}
	}
}

func TestUsageAdd(t *testing.T) {
	var u Usage
	for _, step := range []struct{ add, want Usage }{
		{Usage{Prompt: 7, Completion: 7}, Usage{}},
		{Usage{Known: true}, Usage{Known: true}},
		{Usage{Prompt: 9, Completion: 1, Known: true}, Usage{Prompt: 9, Completion: 1, Known: true}},
		{Usage{Completion: 5, Known: true}, Usage{Prompt: 9, Completion: 5, Known: true}},
	} {
		if u.Add(step.add); u != step.want {
			t.Errorf("after %+v: %+v, want %+v", step.add, u, step.want)
		}
	}
}

func TestReplyEmpty(t *testing.T) {
	for _, r := range []Reply{{}, {Finish: FinishStop, Usage: Usage{Completion: 1}}} {
		if !r.Empty() {
			t.Errorf("%+v is not empty", r)
		}
	}
	for _, r := range []Reply{
		{Text: "x"}, {Thinking: "x"}, {ToolCalls: []ToolCall{{}}}, {Usage: Usage{Completion: 2}}, {Finish: FinishLength},
	} {
		if r.Empty() {
			t.Errorf("%+v is empty", r)
		}
	}
}

func TestReplyDelta(t *testing.T) {
	r := Reply{
		ID: "i", Model: "m", Created: 1, Text: "x", Thinking: "y", Finish: FinishToolCalls, Usage: Usage{Prompt: 1, Known: true},
		ToolCalls: []ToolCall{{ID: "a", Name: "f", Arguments: "{}"}, {ID: "b", Name: "g"}},
	}
	want := Delta{
		ID: "i", Model: "m", Created: 1, Text: "x", Thinking: "y", Finish: FinishToolCalls, Usage: Usage{Prompt: 1, Known: true},
		ToolCalls: []ToolCallDelta{{ID: "a", Name: "f", Arguments: "{}"}, {Index: 1, ID: "b", Name: "g"}}, Done: true,
	}
	if diff := cmp.Diff(want, r.Delta()); diff != "" {
		t.Error(diff)
	}
}

func TestDeltaKinds(t *testing.T) {
	calls := []ToolCallDelta{{}}
	for _, c := range []struct {
		delta              Delta
		hasToken, textOnly bool
	}{
		{Delta{}, false, false},
		{Delta{ID: "i", Model: "m", Created: 1, Text: "x"}, true, true},
		{Delta{Thinking: "x"}, true, false},
		{Delta{ToolCalls: calls}, true, false},
		{Delta{Text: "x", Thinking: "x"}, true, false},
		{Delta{Text: "x", ToolCalls: calls}, true, false},
		{Delta{Text: "x", Finish: FinishStop}, true, false},
		{Delta{Text: "x", Done: true}, true, false},
		{Delta{Text: "x", Usage: Usage{Known: true}}, true, false},
		{Delta{Text: "x", Error: "gone"}, true, false},
		{Delta{Finish: FinishStop, Done: true}, false, false},
	} {
		if c.delta.HasToken() != c.hasToken || c.delta.TextOnly() != c.textOnly {
			t.Errorf("%+v: token %v, text only %v", c.delta, c.delta.HasToken(), c.delta.TextOnly())
		}
	}
}

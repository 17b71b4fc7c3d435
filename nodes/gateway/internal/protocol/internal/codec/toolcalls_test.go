package codec

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
)

func TestToolCalls(t *testing.T) {
	var calls ToolCalls
	add := func(index int, id, name, arguments string) *PartialCall {
		return calls.Add(protocol.ToolCallDelta{Index: index, ID: id, Name: name, Arguments: arguments})
	}
	first := add(0, "a", "f", `{"n"`)
	if got := first.Unwritten(); got != `{"n"` {
		t.Errorf("unwritten %q", got)
	}
	if again := add(0, "", "ignored", ":1}"); again != first {
		t.Error("a part of a call is another call")
	}
	if got := first.Unwritten(); got != ":1}" {
		t.Errorf("unwritten %q", got)
	}
	if got := first.Unwritten(); got != "" {
		t.Errorf("unwritten %q", got)
	}
	if same := add(0, "a", "", ""); same != first {
		t.Error("the same ID is another call")
	}
	second := add(0, "b", "g", "{}") // another ID at the same index
	third := add(7, "", "h", "")
	if late := add(7, "c", "", ""); late != third || third.ID != "c" {
		t.Errorf("an ID that comes late makes another call, or is lost: %+v", third)
	}
	want := []*PartialCall{first, second, third}
	for i, c := range calls.List {
		if c != want[i] || c.Index != i {
			t.Errorf("call %d is %+v", i, c)
		}
	}
	if diff := cmp.Diff(protocol.ToolCall{ID: "a", Name: "f", Arguments: `{"n":1}`}, first.Call()); diff != "" {
		t.Error(diff)
	}
}

func TestNewID(t *testing.T) {
	if got := NewID("x", "call_"); got != "x" {
		t.Errorf("got %q", got)
	}
	one, two := NewID("", "call_"), NewID("", "call_")
	if !strings.HasPrefix(one, "call_") || len(one) < 20 || one == two {
		t.Errorf("got %q and %q", one, two)
	}
	calls := []protocol.ToolCall{{ID: "x"}, {}, {}}
	AssignIDs(calls)
	if calls[0].ID != "x" || calls[1].ID == "" || calls[1].ID == calls[2].ID {
		t.Errorf("got %+v", calls)
	}
}

func TestCreated(t *testing.T) {
	if got := Created(7); got != 7 {
		t.Errorf("got %d", got)
	}
	before := time.Now().Unix()
	if got := Created(0); got < before || got > time.Now().Unix() {
		t.Errorf("got %d", got)
	}
}

func TestReadUsage(t *testing.T) {
	for raw, want := range map[string]protocol.Usage{
		`{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}`:                                      {Prompt: 9, Completion: 2, Known: true},
		`{"input_tokens":5,"cache_read_input_tokens":3,"cache_creation_input_tokens":1,"output_tokens":2}`: {Prompt: 9, Completion: 2, Known: true},
		`{"output_tokens":7}`: {Completion: 7, Known: true},
		`{"input_tokens":0}`:  {Known: true},
		`{"prompt_tokens":"many","completion_tokens":null,"prompt_tokens_details":{"cached_tokens":4}}`: {},
	} {
		if got, err := ReadUsage([]byte(raw)); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", raw, got, err)
		}
	}
	if _, err := ReadUsage([]byte(`"many"`)); err == nil {
		t.Error("a text is read as counts")
	}
}

func TestReadToolCallDeltas(t *testing.T) {
	got, err := ReadToolCallDeltas([]byte(`[
		{"id":"a","function":{"name":"f","arguments":"{}"}},
		{"function":{"name":"g","arguments":{"n":1}}},
		{"index":7,"function":{"arguments":null}},
		{"index":"x","function":{"index":9}}, {}]`), 2)
	want := []protocol.ToolCallDelta{
		{Index: 2, ID: "a", Name: "f", Arguments: "{}"}, {Index: 3, Name: "g", Arguments: `{"n":1}`}, {Index: 7}, {Index: 9}, {Index: 6},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for _, raw := range []string{`"f"`, `["f"]`, `[{"function":"f"}]`, `[{"function":{"name"}}]`, `[{}`} {
		if got, err := ReadToolCallDeltas([]byte(raw), 0); err == nil {
			t.Errorf("%s: got %+v", raw, got)
		}
	}
}

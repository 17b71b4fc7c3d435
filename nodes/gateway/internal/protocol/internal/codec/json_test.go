package codec

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
)

func TestIsDefault(t *testing.T) {
	for _, value := range []string{"", "null", "false", "0", `""`, "[]", "{}"} {
		if !IsDefault([]byte(value)) {
			t.Errorf("%s is no default", value)
		}
	}
	for _, value := range []string{"true", "1", "0.0", `"x"`, "[0]", `{"a":1}`} {
		if IsDefault([]byte(value)) {
			t.Errorf("%s is a default", value)
		}
	}
}

func TestReadSchema(t *testing.T) {
	for raw, want := range map[string]string{"": "", "null": "", `{"type":"object"}`: `{"type":"object"}`, ` {}`: ` {}`} {
		if got, err := ReadSchema(json.RawMessage(raw)); err != nil || string(got) != want {
			t.Errorf("%q: got %q, %v", raw, got, err)
		}
	}
	for _, raw := range []string{"[]", "7", `"x"`, "{", "{}{}"} {
		if got, err := ReadSchema(json.RawMessage(raw)); err == nil {
			t.Errorf("%q: got %q", raw, got)
		}
	}
}

func TestArguments(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1}`: `{"a":1}`, "": "{}", "null": "{}", "not JSON": `{"arguments":"not JSON"}`, "[1]": `{"arguments":"[1]"}`,
	} {
		if got := string(WriteArguments(text)); got != want {
			t.Errorf("%q is written as %s, want %s", text, got, want)
		}
	}
	for raw, want := range map[string]string{`"{\"a\":1}"`: `{"a":1}`, `{"a":1}`: `{"a":1}`, `{}`: `{}`, `null`: "", `false`: ""} {
		var got Arguments
		if err := json.Unmarshal([]byte(raw), &got); err != nil || string(got) != want {
			t.Errorf("%s is read as %q, %v, want %q", raw, got, err, want)
		}
	}
}

func TestStrings(t *testing.T) {
	for raw, want := range map[string]Strings{`"a"`: {"a"}, `["a","b"]`: {"a", "b"}, `[]`: {}, `null`: nil} {
		var got Strings
		if err := json.Unmarshal([]byte(raw), &got); err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s: got %q, %v", raw, got, err)
		}
	}
	if err := json.Unmarshal([]byte(`7`), new(Strings)); err == nil {
		t.Error("a number is taken")
	}
}

func TestRefuse(t *testing.T) {
	members := map[string]string{"a": "the thing a"}
	if err := Refuse([]byte(`{"b":1,"a":null}`), members); err != nil {
		t.Error(err)
	}
	var u protocol.UnsupportedError
	if err := Refuse([]byte(`{"b":1,"a":1}`), members); !errors.As(err, &u) || u.Feature != "the thing a" {
		t.Error(err)
	}
	if err := Refuse([]byte(`{"b":1`), members); err == nil || errors.As(err, &u) {
		t.Error(err)
	}
}

func TestForeignIsBounded(t *testing.T) {
	cause := errors.New("the cause")
	err := Foreign([]byte(strings.Repeat("x", 1000)), cause)
	if !errors.Is(err, ErrForeign) || !errors.Is(err, cause) || len(err.Error()) > 200 || strings.Count(err.Error(), "x") != 120 {
		t.Error(err)
	}
	if err := Foreign([]byte("x"), nil); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), `"x"`) {
		t.Error(err)
	}
}

func TestReadError(t *testing.T) {
	for raw, want := range map[string]protocol.ServerError{
		`"gone"`:                                               {Message: "gone"},
		`""`:                                                   {Message: "the server failed without a word"},
		`{"message":"gone","code":503}`:                        {Message: "gone", Status: 503},
		`{"message":"gone","code":"404"}`:                      {Message: "gone", Status: 404},
		`{"message":"gone","code":399}`:                        {Message: "gone"},
		`{"message":"gone","code":400}`:                        {Message: "gone", Status: 400},
		`{"message":"gone","code":599}`:                        {Message: "gone", Status: 599},
		`{"message":"gone","code":600}`:                        {Message: "gone"},
		`{"message":"gone","code":"a_word"}`:                   {Message: "gone"},
		`{"message":"x","type":"server_error"}`:                {Message: "x", Status: 500},
		`{"message":"x","type":"overloaded_error","code":503}`: {Message: "x", Status: 503},
		`{"code":503}`:                                         {Message: `{"code":503}`, Status: 503},
		`it crashed`:                                           {Message: "it crashed"},
		"\xff":                                                 {Message: "\uFFFD"},
		``:                                                     {Message: "the server failed without a word"},
	} {
		if got := ReadError([]byte(raw)); got != want {
			t.Errorf("%s: got %+v, want %+v", raw, got, want)
		}
	}
}

func TestFinishFor(t *testing.T) {
	for _, c := range []struct {
		finish protocol.Finish
		calls  int
		want   protocol.Finish
	}{
		{"", 0, protocol.FinishStop},
		{"", 1, protocol.FinishToolCalls},
		{protocol.FinishStop, 0, protocol.FinishStop},
		{protocol.FinishStop, 1, protocol.FinishToolCalls},
		{protocol.FinishLength, 1, protocol.FinishLength},
		{protocol.FinishContentFilter, 0, protocol.FinishContentFilter},
	} {
		if got := FinishFor(c.finish, c.calls); got != c.want {
			t.Errorf("%q with %d calls: got %q, want %q", c.finish, c.calls, got, c.want)
		}
	}
}

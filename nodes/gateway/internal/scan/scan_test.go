package scan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

func TestObject(t *testing.T) {
	type member struct{ Key, Value string }
	for name, c := range map[string]struct {
		text string
		want []member
	}{
		"empty":   {` {} `, nil},
		"values":  {`{"a":1,"b":"x","c":null,"d":true,"e":-1.5e+3,"f":0}`, []member{{"a", "1"}, {"b", `"x"`}, {"c", "null"}, {"d", "true"}, {"e", "-1.5e+3"}, {"f", "0"}}},
		"spaces":  {"\n{ \"a\" :\t1 ,\r\n\"b\": [ ] }\n", []member{{"a", "1"}, {"b", "[ ]"}}},
		"nested":  {`{"a":{"b":[{"c":"}]"}]},"d":[[],{}]}`, []member{{"a", `{"b":[{"c":"}]"}]}`}, {"d", `[[],{}]`}}},
		"escapes": {`{"a\"b":"\\","\u0063":"\"}"}`, []member{{`a"b`, `"\\"`}, {"c", `"\"}"`}}},
		"twice":   {`{"a":1,"a":2}`, []member{{"a", "1"}, {"a", "2"}}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []member
			err := scan.Object([]byte(c.text), func(key, value []byte) bool {
				got = append(got, member{string(key), string(value)})
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestObjectStopsWhenTold(t *testing.T) {
	var keys []string
	err := scan.Object([]byte(`{"a":1,"b":2,garbage`), func(key, _ []byte) bool {
		keys = append(keys, string(key))
		return len(keys) < 2
	})
	if err != nil || !cmp.Equal(keys, []string{"a", "b"}) {
		t.Errorf("keys %v, error %v", keys, err)
	}
}

func TestOffset(t *testing.T) {
	text := []byte(` {"a" : 1, "b":"x"}`)
	var got []int
	if err := scan.Object(text, func(_, value []byte) bool {
		got = append(got, scan.Offset(text, value))
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{8, 15}, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNoObject(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		cut  bool
	}{
		"nothing":           {"", true},
		"spaces":            {"  ", true},
		"array":             {"[]", false},
		"string":            {`"x"`, false},
		"cut":               {`{`, true},
		"cut in a key":      {`{"a`, true},
		"cut after a key":   {`{"a"`, true},
		"cut before value":  {`{"a":`, true},
		"cut in a string":   {`{"a":"x\"}`, true},
		"cut in a word":     {`{"a":tr`, true},
		"cut in a nested":   {`{"a":{"b":[1,2]`, true},
		"cut after a comma": {`{"a":1,`, true},
		"cut at the end":    {`{"a":1`, true},
		"trailing comma":    {`{"a":1,}`, false},
		"trailing garbage":  {`{"a":1}x`, false},
		"a second object":   {`{"a":1}{"a":2}`, false},
		"wrong bracket":     {`{"a":[1}`, false},
		"wrong at the end":  {`{"a":1]`, false},
		"no colon":          {`{"a" 1}`, false},
		"no comma":          {`{"a":1 "b":2}`, false},
		"no quotes":         {`{a:1}`, false},
		"no value":          {`{"a":,"b":1}`, false},
		"no number":         {`{"a":01}`, false},
		"no fraction":       {`{"a":1.}`, false},
		"no exponent":       {`{"a":1e}`, false},
		"only a sign":       {`{"a":-}`, false},
		"no word":           {`{"a":nil}`, false},
		"bad escape in key": {`{"\x":1}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := scan.Object([]byte(c.text), func(_, _ []byte) bool { return true })
			if err == nil {
				t.Fatal("no error")
			}
			if got := errors.Is(err, scan.ErrTruncated); got != c.cut {
				t.Errorf("truncated is %v: %v", got, err)
			}
		})
	}
}

func TestArray(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
		fail bool
	}{
		"empty":          {text: " [ ] "},
		"values":         {text: `[1, "]", {"a":[2]} ,null]`, want: []string{"1", `"]"`, `{"a":[2]}`, "null"}},
		"trailing comma": {text: `[1,]`, want: []string{"1"}, fail: true},
		"cut":            {text: `[1,[2]`, want: []string{"1", "[2]"}, fail: true},
		"garbage":        {text: `[1]]`, want: []string{"1"}, fail: true},
		"object":         {text: `{}`, fail: true},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			err := scan.Array([]byte(c.text), func(value []byte) bool {
				got = append(got, string(value))
				return true
			})
			if (err != nil) != c.fail {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNestingHasABound(t *testing.T) {
	for name, n := range map[string]int{"as deep as may be": 9999, "too deep": 1_000_000} {
		t.Run(name, func(t *testing.T) {
			text := []byte(`{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}")
			err := scan.Object(text, func(_, _ []byte) bool { return true })
			if (err == nil) != json.Valid(text) {
				t.Error(err)
			}
		})
	}
}

func TestString(t *testing.T) {
	for raw, want := range map[string]string{
		`""`:                      "",
		`"plain"`:                 "plain",
		`"a\n\t\r\b\f\/\\\"b"`:    "a\n\t\r\b\f/\\\"b",
		`"\u003c\u003C"`:          "<<",
		`"\ud83d\ude00!"`:         "😀!",
		`"\ud83d!"`:               "\uFFFD!",
		`"\ud83d\u0041"`:          "\uFFFDA",
		"\"\xff\xfe é\"":          "\uFFFD\uFFFD é",
		"\"a\nb\"":                "a\nb", // should have been escaped
		"\"a\tb\\n\"":             "a\tb\n",
		"\"\x00\xff\\u0041\"":     "\x00\uFFFDA",
		`"日本語 \u65e5"`:            "日本語 日",
		`"ends in a backslash\\"`: `ends in a backslash\`,
	} {
		if got, ok := scan.String([]byte(raw)); !ok || got != want {
			t.Errorf("%s: got %q %v, want %q", raw, got, ok, want)
		}
	}
	for _, raw := range []string{``, `"`, `x`, `null`, `"a"b"`, `"\"`, `"\x"`, `"\u12"`, `"\u12g4"`} {
		if got, ok := scan.String([]byte(raw)); ok {
			t.Errorf("%s: got %q", raw, got)
		}
	}
}

func FuzzObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1,"b":[{"c":"d\"}"}],"e":null}`, ` {"\u0061":"\ud83d\ude00"} `, `{"a":-0.5E-7}`, `[{"a":1}]`, `{"a":[}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := map[string]string{}
		err := scan.Object(text, func(key, value []byte) bool {
			got[string(key)] = string(value)
			return true
		})
		var want map[string]json.RawMessage
		if !json.Valid(text) || json.Unmarshal(text, &want) != nil || want == nil || !utf8.Valid(text) {
			return
		}
		if err != nil {
			t.Fatalf("a valid object: %v", err)
		}
		if len(got) != len(want) {
			t.Fatalf("got %d members, want %d", len(got), len(want))
		}
		for key, value := range want {
			if got[key] != string(value) {
				t.Fatalf("%q: got %q, want %q", key, got[key], value)
			}
		}
		whole := bytes.TrimSpace(text)
		for n := range min(len(whole), 200) {
			err := scan.Object(whole[:len(whole)-n-1], func(_, _ []byte) bool { return true })
			if !errors.Is(err, scan.ErrTruncated) {
				t.Fatalf("without its last %d bytes: %v", n+1, err)
			}
		}
	})
}

func FuzzString(f *testing.F) {
	for _, seed := range []string{`"a\n\u00e9\ud83d\ude00"`, `"\`, "\"\xc3\"", `"a"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, ok := scan.String(raw)
		var want string
		if len(raw) > 0 && raw[0] == '"' && raw[len(raw)-1] == '"' && json.Unmarshal(raw, &want) == nil && (!ok || got != want) {
			t.Errorf("got %q %v, want %q", got, ok, want)
		}
		back := scan.AppendString(nil, string(raw))
		if json.Unmarshal(back, &want) != nil || want != strings.ToValidUTF8(want, "") {
			t.Fatalf("%q is written as %q", raw, back)
		}
		if again, ok := scan.String(back); !ok || again != want {
			t.Errorf("%q read back as %q", want, again)
		}
	})
}

func BenchmarkObject(b *testing.B) {
	talk := func(size, message int) []byte {
		var body bytes.Buffer
		body.WriteString(`{"model":"qwen3-8b","stream":true,"messages":[`)
		text, _ := json.Marshal(strings.Repeat("He said \"no\".\nAnd then? ", message/24))
		for i := 0; body.Len() < size; i++ {
			if i > 0 {
				body.WriteByte(',')
			}
			body.WriteString(`{"role":"user","content":` + string(text) + `}`)
		}
		body.WriteString(`],"temperature":0.2}`)
		return body.Bytes()
	}
	for _, c := range []struct {
		name string
		body []byte
	}{
		{"1KB", talk(1000, 250)},
		{"1MB of talk", talk(1_000_000, 2000)},
		{"1MB image", []byte(`{"model":"m","messages":[{"role":"user","content":"?","images":["` + strings.Repeat("iVBORw0K", 125_000) + `"]}]}`)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			for b.Loop() {
				if err := scan.Object(c.body, func(_, _ []byte) bool { return true }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

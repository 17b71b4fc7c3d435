package jsontext

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestDocument edits the documents in testdata/document.txt. The input is quoted
// where it has other characters than a line can show.
func TestDocument(t *testing.T) {
	datadriven.RunTest(t, "testdata/document.txt", func(t *testing.T, d *datadriven.TestData) string {
		input := d.Input
		if unquoted, err := strconv.Unquote(input); err == nil && strings.HasPrefix(input, `"`) {
			input = unquoted
		}
		doc, err := Parse([]byte(input))
		var wrong *Error
		if errors.As(err, &wrong) {
			return fmt.Sprintf("byte %d, syntax %t: %v", wrong.Offset, wrong.Syntax, err)
		}
		var key, value string
		index := -1
		d.MaybeScanArgs(t, "key", &key)
		d.MaybeScanArgs(t, "value", &value)
		d.MaybeScanArgs(t, "index", &index)
		var text []byte
		switch d.Cmd {
		case "parse":
			return described(doc)
		case "set":
			var formatted []byte
			if formatted, err = doc.Style.Format([]byte(value), 1); err == nil {
				text, err = doc.Set(key, formatted)
			}
		case "replace":
			text, err = doc.SetElements(key, map[int][]byte{index: []byte(value)}, nil)
		case "add":
			var added [][]byte
			for _, v := range strings.Split(value, ";") {
				added = append(added, []byte(v))
			}
			text, err = doc.SetElements(key, nil, added)
		case "none":
			text, err = doc.SetElements(key, nil, nil)
		case "delete":
			deleted := map[int]bool{}
			for _, c := range value {
				deleted[int(c-'0')] = true
			}
			text = doc.DeleteElements(key, deleted)
		default:
			d.Fatalf(t, "unknown command %s", d.Cmd)
		}
		if err != nil {
			return "error: " + err.Error()
		}
		if string(doc.Text) != input {
			d.Fatalf(t, "the document itself changed")
		}
		if !json.Valid(bytes.TrimPrefix(text, ByteOrderMark)) {
			d.Fatalf(t, "no JSON: %s", text)
		}
		if input != d.Input {
			return strconv.Quote(string(text))
		}
		return string(text)
	})
}

func described(doc *Document) string {
	var out strings.Builder
	for _, key := range doc.Keys() {
		value, elements, ok := doc.Member(key)
		fmt.Fprintf(&out, "%s %t: %s", key, ok, doc.At(value))
		if elements != nil {
			out.WriteString(" of")
			for _, e := range elements {
				fmt.Fprintf(&out, " <%s>", doc.At(e))
			}
		}
		out.WriteByte('\n')
	}
	fmt.Fprintf(&out, "newline %q, indent %q\n", doc.Style.newline, doc.Style.indent)
	return out.String()
}

func TestFormatObject(t *testing.T) {
	members := Object{{"a", []byte("1")}, {"<é>", []byte("[]")}}
	for name, test := range map[string]struct {
		style Style
		depth int
		want  string
	}{
		"one line": {Style{}, 2, `{"a": 1, "<é>": []}`},
		"lines":    {Style{"\n", "  "}, 1, "{\n    \"a\": 1,\n    \"<é>\": []\n  }"},
	} {
		got, err := test.style.FormatObject(members, test.depth)
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, test.want)
		}
		if test.style.OneLine() != (name == "one line") {
			t.Errorf("%s: OneLine is %t", name, test.style.OneLine())
		}
	}
}

func TestMerge(t *testing.T) {
	object := func(text string) Object {
		o, err := ParseObject([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	for name, test := range map[string]struct{ written, was, is, want string }{
		"unchanged":         {`{"b": 1.0, "x": [ 1 ], "a":2}`, `{"a":2,"b":1}`, `{"a":2,"b":1}`, `{"b":1.0,"x":[ 1 ],"a":2}`},
		"changed":           {`{"b": 1.0, "a":2}`, `{"a":2,"b":1}`, `{"a":2,"b":3}`, `{"b":3,"a":2}`},
		"removed":           {`{"b": 1.0, "a":2}`, `{"a":2,"b":1}`, `{"a":2}`, `{"a":2}`},
		"added":             {`{"b": 1.0}`, `{"b":1}`, `{"a":2,"b":1}`, `{"b":1.0,"a":2}`},
		"unknown, set now":  {`{"a": 1.0}`, `{}`, `{"a":2}`, `{"a":2}`},
		"nothing":           {`{}`, `{}`, `{}`, `{}`},
		"of two, the last":  {`{"a": 1, "a": 2.0}`, `{"a":2}`, `{"a":2}`, `{"a":1,"a":2.0}`},
		"a key with escape": {`{"\u003c": 1}`, `{}`, `{}`, `{"<":1}`},
	} {
		got, err := Merge(object(test.written), object(test.was), object(test.is))
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, test.want)
		}
	}
}

func TestExcerpt(t *testing.T) {
	long := strings.Repeat("x", 41)
	for text, want := range map[string]string{"a\n": `"a\n"`, long[1:]: strconv.Quote(long[1:]), long: strconv.Quote(long[1:]) + "…"} {
		if got := Excerpt([]byte(text)); got != want {
			t.Errorf("Excerpt(%q) = %s, want %s", text, got, want)
		}
	}
}

// A text nested deeper than encoding/json reads is refused, not followed.
func TestDepthIsBounded(t *testing.T) {
	for depth, ok := range map[int]bool{9_000: true, 20_000: false, 2_000_000: false} {
		text := []byte(`{"a":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + "}")
		if _, err := Parse(text); (err == nil) != ok {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
}

package jsontext

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Style is the layout of a JSON text. The zero value writes everything on one
// line.
type Style struct {
	// newline ends a line, indent is one level of indentation; both are empty in
	// a text of one line.
	newline, indent string
}

// OneLine reports whether the text has no lines.
func (s Style) OneLine() bool { return s.newline == "" }

// line returns the start of a line at a depth.
func (s Style) line(depth int) string {
	if s.newline == "" {
		return ""
	}
	return s.newline + strings.Repeat(s.indent, depth)
}

// separator returns what stands between two values on lines that begin so.
func (s Style) separator(line string) string {
	if s.newline == "" {
		return ", "
	}
	return "," + line
}

// Format lays out a value at a depth: 0 is the whole text, 1 a member's value.
func (s Style) Format(value json.RawMessage, depth int) ([]byte, error) {
	var out bytes.Buffer
	if s.newline == "" {
		err := json.Compact(&out, value)
		return out.Bytes(), err
	}
	if err := json.Indent(&out, value, strings.Repeat(s.indent, depth), s.indent); err != nil {
		return nil, err
	}
	return bytes.ReplaceAll(out.Bytes(), []byte("\n"), []byte(s.newline)), nil
}

// FormatObject lays out an object at a depth, its values already laid out.
func (s Style) FormatObject(members Object, depth int) ([]byte, error) {
	list := make([][]byte, len(members))
	for i, m := range members {
		key, err := Encode(m.Key)
		if err != nil {
			return nil, err
		}
		list[i] = append(append(key, ": "...), m.Value...)
	}
	return s.block('{', list, '}', depth), nil
}

// FormatArray lays out an array at a depth, its elements already laid out.
func (s Style) FormatArray(elements [][]byte, depth int) []byte {
	return s.block('[', elements, ']', depth)
}

// block writes items on lines of their own between two brackets.
func (s Style) block(open byte, items [][]byte, end byte, depth int) []byte {
	out := []byte{open}
	start := s.line(depth + 1)
	for i, item := range items {
		if i == 0 {
			out = append(out, start...)
		} else {
			out = append(out, s.separator(start)...)
		}
		out = append(out, item...)
	}
	out = append(out, s.line(depth)...)
	return append(out, end)
}

package scan

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// String returns the text of a JSON string. ok is false if raw is no string.
// Invalid UTF-8 becomes U+FFFD. Unescaped control characters are allowed.
func String(raw []byte) (text string, ok bool) {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return "", false
	}
	if inside := raw[1 : len(raw)-1]; bytes.IndexByte(inside, '\\') < 0 && bytes.IndexByte(inside, '"') < 0 && utf8.Valid(inside) {
		return string(inside), true // most strings have no escapes
	}
	unquoted, err := jsontext.AppendUnquote(nil, raw)
	if err != nil { // also for invalid UTF-8, which was replaced
		raw = escapeControls(raw)
		if !jsontext.Value(raw).IsValid(jsontext.AllowInvalidUTF8(true)) {
			return "", false
		}
		unquoted, _ = jsontext.AppendUnquote(nil, raw)
	}
	return string(unquoted), true
}

// escapeControls returns raw with its control characters escaped.
func escapeControls(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for _, c := range raw {
		if c < ' ' {
			out = fmt.Appendf(out, `\u%04x`, c)
			continue
		}
		out = append(out, c)
	}
	return out
}

// AppendString appends s as a JSON string. Invalid UTF-8 becomes U+FFFD.
func AppendString(to []byte, s string) []byte {
	to, _ = jsontext.AppendQuote(to, s) // its only error is about UTF-8
	return to
}

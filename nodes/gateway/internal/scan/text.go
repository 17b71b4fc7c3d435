package scan

import (
	"bytes"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// String returns the text of a JSON string; false where raw is none. As in
// encoding/json, what is no UTF-8 becomes U+FFFD. A line break that should have
// been escaped is let through.
func String(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return "", false
	}
	raw = raw[1 : len(raw)-1]
	if bytes.IndexByte(raw, '\\') < 0 && bytes.IndexByte(raw, '"') < 0 && utf8.Valid(raw) {
		return string(raw), true
	}
	var out strings.Builder
	out.Grow(len(raw))
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '"':
			return "", false
		case c == '\\':
			r, n, ok := escape(raw[i:])
			if !ok {
				return "", false
			}
			out.WriteRune(r)
			i += n
		case c < utf8.RuneSelf:
			out.WriteByte(c)
			i++
		default:
			r, n := utf8.DecodeRune(raw[i:])
			out.WriteRune(r)
			i += n
		}
	}
	return out.String(), true
}

// escape resolves the escape at the beginning of b, and says how long it is.
func escape(b []byte) (r rune, n int, ok bool) {
	if len(b) < 2 {
		return 0, 0, false
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2, true
	case 'n':
		return '\n', 2, true
	case 't':
		return '\t', 2, true
	case 'r':
		return '\r', 2, true
	case 'b':
		return '\b', 2, true
	case 'f':
		return '\f', 2, true
	case 'u':
		if r, ok = unicode(b); !ok {
			return 0, 0, false
		}
		if utf16.IsSurrogate(r) {
			if low, ok := unicode(b[6:]); ok {
				if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
					return both, 12, true
				}
			}
			r = utf8.RuneError // half a character
		}
		return r, 6, true
	}
	return 0, 0, false
}

// unicode reads \uXXXX.
func unicode(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// AppendString appends s as a JSON string. What is no UTF-8 becomes U+FFFD.
func AppendString(to []byte, s string) []byte {
	const hex = "0123456789abcdef"
	to = append(to, '"')
	from := 0 // what lies before has been appended
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				to = append(append(to, s[from:i]...), "\uFFFD"...)
				from = i + n
			}
			i += n
			continue
		}
		i++
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		to = append(append(to, s[from:i-1]...), '\\')
		from = i
		switch c {
		case '"', '\\':
			to = append(to, c)
		case '\n':
			to = append(to, 'n')
		case '\r':
			to = append(to, 'r')
		case '\t':
			to = append(to, 't')
		default:
			to = append(to, 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(to, s[from:]...), '"')
}

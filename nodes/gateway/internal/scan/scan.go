// Package scan iterates over the members of a JSON object and the elements of a
// JSON array without decoding them. A gateway reads each request, each answer
// and each frame for a few members only, and passes the rest on as it stands.
//
// It exists for speed. Long strings are skipped by [bytes.IndexByte]: a request
// of 1 MB that holds an image takes 0.02 ms, and 0.5 ms with the decoder of
// encoding/json/jsontext. With that decoder the gateway was slower than a bare
// reverse proxy in front of the same server, and without it it is not
// (BenchmarkGateway). Strings are read and written by that library.
//
// Skipped values are checked for their strings and brackets only. A text that is
// cut off, has unbalanced brackets, or is followed by anything but white space
// is an error. To pass a nested value on by itself, check it with [json.Valid].
package scan

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrTruncated is wrapped by the error of a text that ends too early.
var ErrTruncated = errors.New("the JSON text ends too early")

// maxDepth is the greatest depth of nesting, as in encoding/json.
const maxDepth = 10000

// Object calls yield with each member of the object b in order: its name
// without quotes and escapes, and its value as it stands in b. Duplicate names
// are allowed. If yield returns false, Object stops and returns nil.
//
// The value is a part of b and its position is [Offset]. Append to none.
func Object(b []byte, yield func(name, value []byte) bool) error {
	i, err := open(b, '{')
	if err != nil {
		return err
	}
	for first := true; ; first = false {
		i = skipSpace(b, i)
		if first && i < len(b) && b[i] == '}' {
			return end(b, i+1)
		}
		var name []byte
		if name, i, err = memberName(b, i); err != nil {
			return err
		}
		after, err := skipValue(b, i)
		if err != nil {
			return err
		}
		if !yield(name, b[i:after]) {
			return nil
		}
		var more bool
		if i, more, err = separator(b, after, '}'); err != nil || !more {
			return err
		}
	}
}

// Array calls yield with each element of the array b in order, as it stands in
// b. If yield returns false, Array stops and returns nil.
func Array(b []byte, yield func(value []byte) bool) error {
	i, err := open(b, '[')
	if err != nil {
		return err
	}
	for first := true; ; first = false {
		i = skipSpace(b, i)
		if first && i < len(b) && b[i] == ']' {
			return end(b, i+1)
		}
		after, err := skipValue(b, i)
		if err != nil {
			return err
		}
		if !yield(b[i:after:after]) {
			return nil
		}
		var more bool
		if i, more, err = separator(b, after, ']'); err != nil || !more {
			return err
		}
	}
}

// Offset returns where value begins in b. The value must have come from [Object]
// called with b.
func Offset(b, value []byte) int { return cap(b) - cap(value) }

// open returns the index after the bracket that begins the text.
func open(b []byte, bracket byte) (int, error) {
	i := skipSpace(b, 0)
	if i >= len(b) {
		return i, truncated(i)
	}
	if b[i] != bracket {
		return i, unexpected(b, i, string(rune(bracket)))
	}
	return i + 1, nil
}

// memberName reads the name at i and its colon, and returns where the value
// begins.
func memberName(b []byte, i int) (name []byte, at int, err error) {
	if i >= len(b) {
		return nil, i, truncated(i)
	}
	if b[i] != '"' {
		return nil, i, unexpected(b, i, "a key")
	}
	after, ok := skipString(b, i)
	if !ok {
		return nil, i, truncated(len(b))
	}
	name = b[i+1 : after-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		unquoted, ok := String(b[i:after])
		if !ok {
			return nil, i, unexpected(b, i, "a key")
		}
		name = []byte(unquoted)
	}
	i = skipSpace(b, after)
	if i >= len(b) {
		return nil, i, truncated(i)
	}
	if b[i] != ':' {
		return nil, i, unexpected(b, i, "a colon")
	}
	return name, skipSpace(b, i+1), nil
}

// separator reads what follows a value: a comma, or the closing bracket and the
// end of the text. It returns where the next value begins.
func separator(b []byte, i int, closing byte) (next int, more bool, err error) {
	i = skipSpace(b, i)
	switch {
	case i >= len(b):
		return i, false, truncated(i)
	case b[i] == ',':
		return i + 1, true, nil
	case b[i] == closing:
		return i, false, end(b, i+1)
	}
	return i, false, unexpected(b, i, fmt.Sprintf("a comma or %c", closing))
}

// end checks that only white space follows.
func end(b []byte, i int) error {
	if i = skipSpace(b, i); i < len(b) {
		return unexpected(b, i, "the end of the text")
	}
	return nil
}

// skipValue returns the index after the value that begins at i.
func skipValue(b []byte, i int) (int, error) {
	if i >= len(b) {
		return i, truncated(i)
	}
	switch b[i] {
	case '"':
		after, ok := skipString(b, i)
		if !ok {
			return i, truncated(len(b))
		}
		return after, nil
	case '{', '[':
		return skipNested(b, i)
	}
	after := i
	for after < len(b) && !delimiter[b[after]] {
		after++
	}
	if isScalar(b[i:after]) {
		return after, nil
	}
	if after == len(b) {
		return i, truncated(after) // the rest might have made it valid
	}
	return i, unexpected(b, i, "a value")
}

// skipNested returns the index after the object or array that begins at i. It
// keeps its own stack: recursion could exhaust the goroutine's.
func skipNested(b []byte, i int) (int, error) {
	var buffer [64]byte
	closing := buffer[:0] // the brackets to come, innermost last
	for ; i < len(b); i++ {
		if !structural[b[i]] {
			continue
		}
		switch c := b[i]; c {
		case '"':
			after, ok := skipString(b, i)
			if !ok {
				return i, truncated(len(b))
			}
			i = after - 1
		case '{', '[':
			if len(closing) == maxDepth {
				return i, fmt.Errorf("JSON nested deeper than %d at byte %d", maxDepth, i)
			}
			closing = append(closing, c+2) // both pairs are two apart in ASCII
		default:
			if c != closing[len(closing)-1] {
				return i, unexpected(b, i, string(rune(closing[len(closing)-1])))
			}
			if closing = closing[:len(closing)-1]; len(closing) == 0 {
				return i + 1, nil
			}
		}
	}
	return i, truncated(i)
}

// skipString returns the index after the string that begins at i. ok is false if
// it has no end.
func skipString(b []byte, i int) (after int, ok bool) {
	first := i + 1
	for at := first; ; {
		n := bytes.IndexByte(b[at:], '"')
		if n < 0 {
			return len(b), false
		}
		at += n
		slashes := 0
		for at-slashes > first && b[at-slashes-1] == '\\' {
			slashes++
		}
		at++
		if slashes%2 == 0 {
			return at, true
		}
	}
}

// skipSpace returns the index of the first byte from i on that is not white
// space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// isScalar reports whether b is a number, true, false or null.
func isScalar(b []byte) bool {
	switch string(b) {
	case "":
		return false
	case "true", "false", "null":
		return true
	}
	if b[0] != '0' && isDigits(b) { // almost all numbers here are counts
		return true
	}
	return jsontext.Value(b).IsValid()
}

func isDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

var (
	delimiter  = set(" \n\t\r,:}]{[\"")
	structural = set("{}[]\"")
)

// set returns a table of the bytes in chars.
func set(chars string) (is [256]bool) {
	for i := range len(chars) {
		is[chars[i]] = true
	}
	return is
}

// truncated is the error of a text that ends at byte at.
func truncated(at int) error { return fmt.Errorf("%w, at byte %d", ErrTruncated, at) }

// unexpected is the error of the byte at i, in place of which want is expected.
func unexpected(b []byte, i int, want string) error {
	return fmt.Errorf("%q at byte %d of the JSON text in place of %s", b[i], i, want)
}

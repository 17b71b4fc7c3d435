// Package scan takes JSON apart without building anything: it hands out the
// members of an object, or the values of an array, as they stand in the text.
// A gateway looks at each body and at each frame that passes through it, mostly
// for one or two members; the rest is only skipped.
//
// What is skipped is checked for its strings and brackets: a text that was cut
// off, that doesn't close what it opened, or that goes on after its end, is an
// error. What stands between the brackets of a nested value is looked at by
// whoever takes it apart; to pass a nested value on, ask [json.Valid].
package scan

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrTruncated is wrapped by the error of a text that ends too early.
var ErrTruncated = errors.New("the JSON text ends too early")

// depth is how deep brackets may stand in each other, as in encoding/json.
const depth = 10000

// Object yields the members of the object b in order, the key without quotes
// and with its escapes resolved, the value as it stands. Both are valid as long
// as b is; they point into it, except for a key with escapes. A key that comes
// twice is yielded twice. Once yield returns false nothing more is looked at,
// and the error is nil. A value's capacity reaches to the end of b, so that
// cap(b) - cap(value) is its place; append to none.
func Object(b []byte, yield func(key, value []byte) bool) error {
	i, err := open(b, '{')
	if err != nil {
		return err
	}
	for first := true; ; first = false {
		i = space(b, i)
		if i < len(b) && b[i] == '}' && first {
			return end(b, i+1)
		}
		if i >= len(b) {
			return cut(i)
		}
		if b[i] != '"' {
			return unexpected(b, i, "a key")
		}
		after, ok := text(b, i)
		if !ok {
			return cut(len(b))
		}
		key := b[i+1 : after-1]
		if bytes.IndexByte(key, '\\') >= 0 {
			unquoted, ok := String(b[i:after])
			if !ok {
				return unexpected(b, i, "a key")
			}
			key = []byte(unquoted)
		}
		i = space(b, after)
		if i >= len(b) {
			return cut(i)
		}
		if b[i] != ':' {
			return unexpected(b, i, "a colon")
		}
		i = space(b, i+1)
		if after, err = value(b, i); err != nil {
			return err
		}
		if !yield(key, b[i:after]) {
			return nil
		}
		i = space(b, after)
		if i >= len(b) {
			return cut(i)
		}
		switch b[i] {
		case ',':
			i++
		case '}':
			return end(b, i+1)
		default:
			return unexpected(b, i, "a comma or the end of the object")
		}
	}
}

// Array yields the values of the array b in order, as [Object] does.
func Array(b []byte, yield func(value []byte) bool) error {
	i, err := open(b, '[')
	if err != nil {
		return err
	}
	for first := true; ; first = false {
		i = space(b, i)
		if i < len(b) && b[i] == ']' && first {
			return end(b, i+1)
		}
		after, err := value(b, i)
		if err != nil {
			return err
		}
		if !yield(b[i:after:after]) {
			return nil
		}
		i = space(b, after)
		if i >= len(b) {
			return cut(i)
		}
		switch b[i] {
		case ',':
			i++
		case ']':
			return end(b, i+1)
		default:
			return unexpected(b, i, "a comma or the end of the array")
		}
	}
}

func open(b []byte, bracket byte) (int, error) {
	i := space(b, 0)
	if i >= len(b) {
		return i, cut(i)
	}
	if b[i] != bracket {
		return i, unexpected(b, i, string(rune(bracket)))
	}
	return i + 1, nil
}

func end(b []byte, i int) error {
	if i = space(b, i); i < len(b) {
		return unexpected(b, i, "the end of the text")
	}
	return nil
}

// value returns where the value that begins at i ends.
func value(b []byte, i int) (int, error) {
	if i >= len(b) {
		return i, cut(i)
	}
	switch b[i] {
	case '"':
		after, ok := text(b, i)
		if !ok {
			return i, cut(len(b))
		}
		return after, nil
	case '{', '[':
		return nested(b, i)
	}
	after := i
	for after < len(b) && !delimits[b[after]] {
		after++
	}
	if scalar(b[i:after]) {
		return after, nil
	}
	if after == len(b) {
		return i, cut(after) // it may have been one, had it gone on
	}
	return i, unexpected(b, i, "a value")
}

// nested goes by a list of its own, not by recursion: how deep a client nests
// its brackets is no reason to run out of stack.
func nested(b []byte, i int) (int, error) {
	var space [64]byte
	waits := space[:0] // the brackets that are to close what is open
	for ; i < len(b); i++ {
		if !bracket[b[i]] {
			continue
		}
		switch c := b[i]; c {
		case '"':
			after, ok := text(b, i)
			if !ok {
				return i, cut(len(b))
			}
			i = after - 1
		case '{', '[':
			if len(waits) == depth {
				return i, fmt.Errorf("JSON nested deeper than %d at byte %d", depth, i)
			}
			waits = append(waits, c+2) // both pairs stand two apart in ASCII
		default:
			if c != waits[len(waits)-1] {
				return i, unexpected(b, i, string(rune(waits[len(waits)-1])))
			}
			if waits = waits[:len(waits)-1]; len(waits) == 0 {
				return i + 1, nil
			}
		}
	}
	return i, cut(i)
}

// text returns where the string that begins at i ends. Most of a large body is
// a few long strings, so they are passed with the fastest there is.
func text(b []byte, i int) (int, bool) {
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

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// scalar reports whether b is a number, true, false or null.
func scalar(b []byte) bool {
	switch string(b) {
	case "true", "false", "null":
		return true
	}
	i := 0
	digits := func() bool {
		from := i
		for i < len(b) && '0' <= b[i] && b[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return false
	}
	if i < len(b) && b[i] == '.' {
		if i++; !digits() {
			return false
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return false
		}
	}
	return i == len(b)
}

var (
	delimits = set(" \n\t\r,:}]{[\"")
	bracket  = set("{}[]\"")
)

func set(chars string) (is [256]bool) {
	for i := range len(chars) {
		is[chars[i]] = true
	}
	return is
}

func cut(at int) error { return fmt.Errorf("%w, at byte %d", ErrTruncated, at) }

func unexpected(b []byte, i int, want string) error {
	return fmt.Errorf("%q at byte %d of the JSON text in place of %s", b[i], i, want)
}

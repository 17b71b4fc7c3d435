package jsontext

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// The functions here find their way through JSON that is known to be valid.
// That is many times quicker than a decoder, and files have megabytes. In other
// text they find nonsense, but they end.

// blank returns where the blanks end.
func Blank(text []byte, at int) int {
	for at < len(text) {
		switch text[at] {
		case ' ', '\t', '\r', '\n':
			at++
		default:
			return at
		}
	}
	return at
}

// skipText returns the end of the text that begins here.
func skipText(text []byte, at int) int {
	for at++; at < len(text); {
		quote := bytes.IndexByte(text[at:], '"')
		if quote < 0 {
			return len(text)
		}
		end := at + quote
		escapes := 0
		for end-escapes > at && text[end-escapes-1] == '\\' {
			escapes++
		}
		at = end + 1
		if escapes%2 == 0 {
			return at
		}
	}
	return len(text)
}

// skip returns the end of the value that begins here.
func Skip(text []byte, at int) int {
	depth := 0
	for at < len(text) {
		switch text[at] {
		case '"':
			at = skipText(text, at)
		case '{', '[':
			depth++
			at++
			continue
		case '}', ']':
			depth--
			at++
		case ' ', '\t', '\r', '\n', ',', ':':
			at++
			continue
		default:
			for at < len(text) && !delimiter[text[at]] {
				at++
			}
		}
		if depth <= 0 {
			return at
		}
	}
	return len(text)
}

var delimiter = [256]bool{' ': true, '\t': true, '\r': true, '\n': true, ',': true, ':': true, '}': true, ']': true}

// EachElement calls visit with the places of an array's values. The array
// begins at its bracket.
func EachElement(text []byte, at int, visit func(Span)) (end int) {
	at = Blank(text, at+1)
	for at < len(text) && text[at] != ']' {
		value := Span{at, Skip(text, at)}
		visit(value)
		at = next(text, value.To)
	}
	return at + 1
}

// EachMember calls visit with the keys of an object and the places of its
// values, until it returns an error. The object begins at its brace.
func EachMember(text []byte, at int, visit func(key string, value Span) error) (end int, err error) {
	at = Blank(text, at+1)
	for at < len(text) && text[at] != '}' {
		keyEnd := skipText(text, at)
		key, err := unquote(text[at:keyEnd])
		if err != nil {
			return at, err
		}
		from := min(Blank(text, Blank(text, keyEnd)+1), len(text))
		value := Span{from, Skip(text, from)}
		if err := visit(key, value); err != nil {
			return at, err
		}
		at = next(text, value.To)
	}
	return at + 1, nil
}

// next returns where the next value begins, or the closing bracket.
func next(text []byte, at int) int {
	at = Blank(text, at)
	if at < len(text) && text[at] == ',' {
		at = Blank(text, at+1)
	}
	return at
}

func unquote(text []byte) (string, error) {
	if len(text) < 2 || text[0] != '"' {
		return "", fmt.Errorf("want a key, found %s", Brief(text))
	}
	if bytes.IndexByte(text, '\\') < 0 {
		return string(bytes.ToValidUTF8(text[1:len(text)-1], []byte("\uFFFD"))), nil
	}
	var key string
	if err := json.Unmarshal(text, &key); err != nil {
		return "", fmt.Errorf("a key: %w", err)
	}
	return key, nil
}

package jsontext

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Span is a part of a text, from From up to To, in bytes.
type Span struct{ From, To int }

// Error is the failure to read a text as the JSON that is wanted.
type Error struct {
	// Offset is where the text is wrong, in bytes.
	Offset int
	// Syntax is true for a text that is no JSON at all, and may be half written;
	// false for JSON of another kind.
	Syntax bool
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// place is where a member of an object stands.
type place struct {
	key   string
	value Span
	// elements are those of a value that is an array, where they are asked for.
	elements []Span
}

// errNoObject is returned for JSON of another kind.
var errNoObject = errors.New("want an object")

// scan finds the members of the object that is the whole text, and the object's
// own place. The error is an [*Error].
func scan(text []byte, elements bool) (list []place, object Span, err error) {
	body := bytes.TrimPrefix(text, ByteOrderMark)
	s := scanner{
		from: len(text) - len(body),
		// What encoding/json reads is read here as well.
		decoder: jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)),
	}
	list, object, err = s.object(elements)
	if err == nil {
		return list, object, nil
	}
	if errors.Is(err, errNoObject) {
		return nil, Span{}, &Error{Offset: object.From, Err: fmt.Errorf("%w, found %s", err, Excerpt(body))}
	}
	// In the words of encoding/json, which most readers know.
	offset := s.offset()
	var syntax *json.SyntaxError
	if known := json.Unmarshal(body, new(json.RawMessage)); errors.As(known, &syntax) {
		err, offset = known, s.from+int(syntax.Offset)
	}
	return nil, Span{}, &Error{Offset: offset, Syntax: true, Err: err}
}

// scanner reads a text value by value.
type scanner struct {
	from    int // where the JSON starts
	decoder *jsontext.Decoder
}

// offset returns the end of the last token.
func (s *scanner) offset() int { return s.from + int(s.decoder.InputOffset()) }

func (s *scanner) object(elements bool) (list []place, object Span, err error) {
	if s.decoder.PeekKind() != jsontext.KindBeginObject {
		if object, err = s.value(); err == nil {
			err = s.end()
		}
		if err == nil {
			err = errNoObject
		}
		return nil, object, err
	}
	if _, err := s.decoder.ReadToken(); err != nil {
		return nil, Span{}, err
	}
	object.From = s.offset() - 1
	for s.decoder.PeekKind() != jsontext.KindEndObject {
		key, err := s.decoder.ReadToken()
		if err != nil {
			return nil, Span{}, err
		}
		p := place{key: key.String()}
		if elements && s.decoder.PeekKind() == jsontext.KindBeginArray {
			p.value, p.elements, err = s.array()
		} else {
			p.value, err = s.value()
		}
		if err != nil {
			return nil, Span{}, err
		}
		list = append(list, p)
	}
	if _, err := s.decoder.ReadToken(); err != nil {
		return nil, Span{}, err
	}
	object.To = s.offset()
	return list, object, s.end()
}

// value reads a value of any kind.
func (s *scanner) value() (Span, error) {
	value, err := s.decoder.ReadValue()
	to := s.offset()
	return Span{to - len(value), to}, err
}

// array reads an array; the next token is its bracket.
func (s *scanner) array() (array Span, elements []Span, err error) {
	if _, err := s.decoder.ReadToken(); err != nil {
		return Span{}, nil, err
	}
	array.From = s.offset() - 1
	elements = []Span{}
	for s.decoder.PeekKind() != jsontext.KindEndArray {
		element, err := s.value()
		if err != nil {
			return Span{}, nil, err
		}
		elements = append(elements, element)
	}
	_, err = s.decoder.ReadToken()
	array.To = s.offset()
	return array, elements, err
}

// end checks that only white space follows.
func (s *scanner) end() error {
	if _, err := s.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("more text after the end")
	}
	return nil
}

package jsontext

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// ByteOrderMark is how some programs begin a file of UTF-8.
var ByteOrderMark = []byte("\xef\xbb\xbf")

// Span is a stretch of a text, from From up to To, in bytes.
type Span struct{ From, To int }

// Member is one key of a JSON object with its value as it was written.
type Member struct {
	Key   string
	Value json.RawMessage
}

// Object is a JSON object in its order.
type Object []Member

// ParseObject reads an object without interpreting its values.
func ParseObject(text []byte) (Object, error) {
	if !json.Valid(text) {
		var anything json.RawMessage
		if err := json.Unmarshal(text, &anything); err != nil {
			return nil, err
		}
	}
	return Members(text)
}

// Members reads an object of valid JSON. The values are stretches of the text.
func Members(text []byte) (Object, error) {
	start := Blank(text, 0)
	if start == len(text) || text[start] != '{' {
		return nil, fmt.Errorf("want an object, found %s", Brief(text))
	}
	list := Object{}
	_, err := EachMember(text, start, func(key string, value Span) error {
		list = append(list, Member{key, text[value.From:value.To:value.To]})
		return nil
	})
	return list, err
}

// Get returns a member; of several with the same key the last, as every reader
// of JSON does.
func (o Object) Get(key string) (json.RawMessage, bool) {
	for _, m := range slices.Backward(o) {
		if m.Key == key {
			return m.Value, true
		}
	}
	return nil, false
}

// Merge writes an object that was read as written and may have been changed
// since: is is what it says now, was is what the text said. A member that didn't
// change keeps its text and place, a removed one goes, a new one comes last.
func Merge(written, was, is Object) (json.RawMessage, error) {
	var out bytes.Buffer
	put := func(key string, value json.RawMessage) error {
		name, err := Encode(key)
		if err != nil {
			return err
		}
		if out.Len() > 0 {
			out.WriteByte(',')
		}
		out.Write(name)
		out.WriteByte(':')
		out.Write(value)
		return nil
	}
	for _, m := range written {
		before, known := was.Get(m.Key)
		now, still := is.Get(m.Key)
		value := m.Value
		switch {
		case known && !still:
			continue
		case still && (!known || !bytes.Equal(before, now)):
			value = now
		}
		if err := put(m.Key, value); err != nil {
			return nil, err
		}
	}
	for _, m := range is {
		if _, there := written.Get(m.Key); there {
			continue
		}
		if err := put(m.Key, m.Value); err != nil {
			return nil, err
		}
	}
	return slices.Concat([]byte{'{'}, out.Bytes(), []byte{'}'}), nil
}

// Encode writes a value without the escapes that only HTML needs.
func Encode(value any) (json.RawMessage, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), nil
}

// Brief is the start of a text, for an error.
func Brief(text []byte) string {
	const most = 40
	if len(text) > most {
		return strconv.Quote(string(text[:most])) + "…"
	}
	return strconv.Quote(string(text))
}

package jsontext

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
)

// ByteOrderMark is how some programs begin a file of UTF-8.
var ByteOrderMark = []byte("\xef\xbb\xbf")

// Member is a member of a JSON object: its key and the text of its value.
type Member struct {
	Key   string
	Value json.RawMessage
}

// Object is a JSON object: its members in their order, duplicates included.
type Object []Member

// ParseObject reads a JSON object. The values alias text. The error is an
// [*Error].
func ParseObject(text []byte) (Object, error) {
	places, _, err := scan(text, false)
	if err != nil {
		return nil, err
	}
	object := make(Object, len(places))
	for i, p := range places {
		object[i] = Member{p.key, text[p.value.From:p.value.To:p.value.To]}
	}
	return object, nil
}

// Get returns the value of a key; of several members with the same key the last,
// as encoding/json does.
func (o Object) Get(key string) (json.RawMessage, bool) {
	for _, m := range slices.Backward(o) {
		if m.Key == key {
			return m.Value, true
		}
	}
	return nil, false
}

// Merge returns the text of an object that was read as written and may have been
// changed since: is holds its members now, was those that written stood for. An
// unchanged member keeps its text and place, a removed one goes, a new one comes
// last.
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

// Encode returns the JSON of a value, without the escapes that only HTML needs.
func Encode(value any) (json.RawMessage, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), nil
}

// Excerpt returns the start of a text in quotes, for an error.
func Excerpt(text []byte) string {
	const most = 40
	if len(text) > most {
		return strconv.Quote(string(text[:most])) + "…"
	}
	return strconv.Quote(string(text))
}

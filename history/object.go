package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// member is one key of a JSON object with its value as it was written.
type member struct {
	key   string
	value json.RawMessage
}

// object is a JSON object in its order.
type object []member

// parseObject reads an object without interpreting its values.
func parseObject(text []byte) (object, error) {
	if !json.Valid(text) {
		var anything json.RawMessage
		if err := json.Unmarshal(text, &anything); err != nil {
			return nil, err
		}
	}
	return members(text)
}

// members reads an object of valid JSON. The values are stretches of the text.
func members(text []byte) (object, error) {
	start := blank(text, 0)
	if start == len(text) || text[start] != '{' {
		return nil, fmt.Errorf("want an object, found %s", brief(text))
	}
	list := object{}
	_, err := eachMember(text, start, func(key string, value place) error {
		list = append(list, member{key, text[value.from:value.to:value.to]})
		return nil
	})
	return list, err
}

// get returns a member; of several with the same key the last, as every reader
// of JSON does.
func (o object) get(key string) (json.RawMessage, bool) {
	for _, m := range slices.Backward(o) {
		if m.key == key {
			return m.value, true
		}
	}
	return nil, false
}

// merge writes an object that was read as written and may have been changed
// since: is is what it says now, was is what the text said. A member that didn't
// change keeps its text and place, a removed one goes, a new one comes last.
func merge(written, was, is object) (json.RawMessage, error) {
	var out bytes.Buffer
	put := func(key string, value json.RawMessage) error {
		name, err := encode(key)
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
		before, known := was.get(m.key)
		now, still := is.get(m.key)
		value := m.value
		switch {
		case known && !still:
			continue
		case still && (!known || !bytes.Equal(before, now)):
			value = now
		}
		if err := put(m.key, value); err != nil {
			return nil, err
		}
	}
	for _, m := range is {
		if _, there := written.get(m.key); there {
			continue
		}
		if err := put(m.key, m.value); err != nil {
			return nil, err
		}
	}
	return slices.Concat([]byte{'{'}, out.Bytes(), []byte{'}'}), nil
}

// encode writes a value without the escapes that only HTML needs.
func encode(value any) (json.RawMessage, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), nil
}

// figure is a number with a fraction: 7 is written 7.0, as the records have it.
type figure float64

func (f figure) MarshalJSON() ([]byte, error) {
	number := float64(f)
	if math.IsNaN(number) || math.IsInf(number, 0) {
		return nil, fmt.Errorf("%v is no figure to record", number)
	}
	if math.Abs(number) >= 1e15 {
		return json.Marshal(number)
	}
	text := strconv.FormatFloat(number, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return []byte(text), nil
}

// brief is the start of a text, for an error.
func brief(text []byte) string {
	const most = 40
	if len(text) > most {
		return strconv.Quote(string(text[:most])) + "…"
	}
	return strconv.Quote(string(text))
}

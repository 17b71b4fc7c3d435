package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// encode is json.Marshal without the escapes for HTML, which make text for a
// model longer and harder to read in a log.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// must is encode for what consists of plain values alone and can't fail.
func must(v any) []byte {
	out, err := encode(v)
	if err != nil {
		return []byte("{}")
	}
	return out
}

// decode reads a whole body into v.
func decode(body []byte, v any, what string) error {
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	return nil
}

// refuse returns [Unsupported] where an object has one of the members named,
// and it says something.
func refuse(body []byte, members map[string]string) error {
	var found error
	err := scan.Object(body, func(key, value []byte) bool {
		if what, ok := members[string(key)]; ok && !nothing(value) {
			found = Unsupported{What: what}
		}
		return found == nil
	})
	if found != nil {
		return found
	}
	return err
}

// nothing reports whether a value says the same as its absence.
func nothing(value []byte) bool {
	switch string(value) {
	case "", "null", "false", "0", `""`, "[]", "{}":
		return true
	}
	return false
}

// isObject reports whether raw is a whole JSON object.
func isObject(raw []byte) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 0 && raw[0] == '{' && json.Valid(raw)
}

// object returns the arguments of a call as an object. Models do write what is
// none; it is handed on under a name, so that the tool refuses it and the model
// hears of it, as with a protocol that has arguments as text.
func object(arguments string) json.RawMessage {
	if isObject([]byte(arguments)) {
		return json.RawMessage(arguments)
	}
	if arguments == "" || arguments == "null" {
		return json.RawMessage("{}")
	}
	return append(scan.AppendString([]byte(`{"arguments":`), arguments), '}')
}

// words is a text or a list of them: several members may be either.
type words []string

// UnmarshalJSON implements [json.Unmarshaler].
func (w *words) UnmarshalJSON(b []byte) error {
	if b[0] != '"' {
		return json.Unmarshal(b, (*[]string)(w))
	}
	*w = make(words, 1)
	return json.Unmarshal(b, &(*w)[0])
}

// loose is a text; whatever else stands there is taken for none.
type loose string

// UnmarshalJSON implements [json.Unmarshaler].
func (l *loose) UnmarshalJSON(b []byte) error {
	s, _ := scan.String(b)
	*l = loose(s)
	return nil
}

// arguments of a call are the text of an object; some send the object.
type arguments string

// UnmarshalJSON implements [json.Unmarshaler].
func (a *arguments) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return json.Unmarshal(b, (*string)(a))
	}
	if !nothing(b) || string(b) == "{}" {
		*a = arguments(b)
	}
	return nil
}

// integer reads a count; false where raw is none.
func integer(raw []byte) (int, bool) {
	n, err := strconv.Atoi(string(raw))
	return n, err == nil
}

package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// Encode is json.Marshal without HTML escapes: they make a text longer for the
// model and harder to read in a log.
func Encode(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// MustEncode is [Encode] for values that can't fail. If one does, the result is
// an empty object.
func MustEncode(v any) []byte {
	out, err := Encode(v)
	if err != nil {
		return []byte("{}")
	}
	return out
}

// EncodeRequest encodes a request for a model.
func EncodeRequest(v any, model string) ([]byte, error) {
	body, err := Encode(v)
	if err != nil {
		return nil, fmt.Errorf("write the request for %s: %w", model, err)
	}
	return body, nil
}

// Decode reads a whole body into v. what names the body in the error.
func Decode(body []byte, v any, what string) error {
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	return nil
}

// DecodeRequest reads a request into v. The error is an
// [protocol.UnsupportedError] if one of the members in unsupported has a value
// other than its default; the map gives the feature for each.
func DecodeRequest(body []byte, v any, unsupported map[string]string) error {
	if err := Refuse(body, unsupported); err != nil {
		return err
	}
	return Decode(body, v, "the request")
}

// Refuse returns an [protocol.UnsupportedError] if a JSON object has one of the
// members in unsupported with a value that [IsDefault] is false for.
func Refuse(body []byte, unsupported map[string]string) error {
	var found error
	err := scan.Object(body, func(name, value []byte) bool {
		if feature, ok := unsupported[string(name)]; ok && !IsDefault(value) {
			found = protocol.UnsupportedError{Feature: feature}
		}
		return found == nil
	})
	if found != nil {
		return found
	}
	return err
}

// IsDefault reports whether a JSON value means the same as its absence: null,
// false, 0, and what is empty.
func IsDefault(value []byte) bool {
	switch string(value) {
	case "", "null", "false", "0", `""`, "[]", "{}":
		return true
	}
	return false
}

// IsNull reports whether a member is absent or null.
func IsNull(value []byte) bool { return len(value) == 0 || string(value) == "null" }

// IsObject reports whether raw is a valid JSON object.
func IsObject(raw []byte) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 0 && raw[0] == '{' && json.Valid(raw)
}

// ReadSchema checks a JSON schema; it returns nil if there is none.
func ReadSchema(raw json.RawMessage) (json.RawMessage, error) {
	if IsNull(raw) {
		return nil, nil
	}
	if !IsObject(raw) {
		return nil, errors.New("a JSON schema has to be an object")
	}
	return raw, nil
}

// ReadArguments returns the text of a tool call's arguments from their JSON
// value.
func ReadArguments(raw json.RawMessage) string {
	if IsDefault(raw) {
		return "{}"
	}
	return string(raw)
}

// WriteArguments returns the arguments of a tool call as a JSON object. Text
// that is none becomes the member "arguments": the tool refuses it and the model
// is told, as it is in an API whose arguments are text.
func WriteArguments(arguments string) json.RawMessage {
	if IsObject([]byte(arguments)) {
		return json.RawMessage(arguments)
	}
	if arguments == "" || arguments == "null" {
		return json.RawMessage("{}")
	}
	return append(scan.AppendString([]byte(`{"arguments":`), arguments), '}')
}

// Integer reads a count.
func Integer(raw []byte) (n int, ok bool) {
	n, err := strconv.Atoi(string(raw))
	return n, err == nil
}

// Strings is a list of texts that may be given as a single text.
type Strings []string

// UnmarshalJSON implements [json.Unmarshaler].
func (s *Strings) UnmarshalJSON(b []byte) error {
	if b[0] != '"' {
		return json.Unmarshal(b, (*[]string)(s))
	}
	*s = make(Strings, 1)
	return json.Unmarshal(b, &(*s)[0])
}

// OptionalString is a text. A value of another type is read as "".
type OptionalString string

// UnmarshalJSON implements [json.Unmarshaler].
func (o *OptionalString) UnmarshalJSON(b []byte) error {
	s, _ := scan.String(b)
	*o = OptionalString(s)
	return nil
}

// Arguments are the arguments of a tool call as a text. Some clients and servers
// send an object instead.
type Arguments string

// UnmarshalJSON implements [json.Unmarshaler].
func (a *Arguments) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return json.Unmarshal(b, (*string)(a))
	}
	if !IsDefault(b) || string(b) == "{}" {
		*a = Arguments(b)
	}
	return nil
}

package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/turbone/jarvis/history/internal/jsontext"
)

// record is a value with a JSON object.
type record interface {
	// members returns the members of the object.
	members() (jsontext.Object, error)
}

// marshal returns the JSON of a value that was read from written (nil for none)
// and may have been changed since. before is a new value of the same type.
func marshal(value record, written jsontext.Object, before interface {
	record
	read(written jsontext.Object) error
},
) ([]byte, error) {
	is, err := value.members()
	if err != nil {
		return nil, err
	}
	var was jsontext.Object
	if written != nil {
		if err := before.read(written); err != nil {
			return nil, err
		}
		if was, err = before.members(); err != nil {
			return nil, err
		}
	}
	return jsontext.Merge(written, was, is)
}

// unmarshal reads a value from its JSON, which belongs to the caller.
func unmarshal(value interface {
	read(written jsontext.Object) error
}, text []byte,
) error {
	written, err := jsontext.ParseObject(bytes.Clone(text))
	if err != nil {
		return err
	}
	return value.read(written)
}

// writer builds the members of a JSON object. It keeps the last error.
type writer struct {
	object jsontext.Object
	err    error
}

// put adds a member.
func (w *writer) put(key string, value any) {
	text, err := jsontext.Encode(value)
	if err != nil {
		w.err = fmt.Errorf("%s: %w", key, err)
		return
	}
	w.object = append(w.object, jsontext.Member{Key: key, Value: text})
}

// some adds a member unless it is "".
func (w *writer) some(key, value string) {
	if value != "" {
		w.put(key, value)
	}
}

// extra adds unknown members, sorted by key.
func (w *writer) extra(members map[string]json.RawMessage) {
	for _, key := range slices.Sorted(maps.Keys(members)) {
		if _, taken := w.object.Get(key); !taken {
			w.put(key, members[key])
		}
	}
}

// orEmpty makes a nil map {} in the JSON.
func orEmpty[V any](values map[string]V) map[string]V {
	if values == nil {
		return map[string]V{}
	}
	return values
}

// read calls the reader of each member. Members without one, and those of another
// program, are kept in extra.
func read(written jsontext.Object, extra *map[string]json.RawMessage, readers map[string]func(json.RawMessage) error) error {
	for _, m := range written {
		reader, known := readers[m.Key]
		if !known {
			keepExtra(extra, m)
			continue
		}
		if bytes.Equal(m.Value, []byte("null")) {
			continue
		}
		err := reader(m.Value)
		if errors.Is(err, errForeign) {
			keepExtra(extra, m)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", m.Key, err)
		}
	}
	return nil
}

// keepExtra adds a member to extra.
func keepExtra(extra *map[string]json.RawMessage, m jsontext.Member) {
	if *extra == nil {
		*extra = map[string]json.RawMessage{}
	}
	(*extra)[m.Key] = m.Value
}

// errForeign is returned for a member whose key another program uses for something
// else.
var errForeign = errors.New("a member of another program")

// orForeign returns errForeign for a value that cannot be parsed. It is for keys
// that were introduced late and may have been in use before.
func orForeign[T any](parse func(json.RawMessage) (T, error)) func(json.RawMessage) (T, error) {
	return func(value json.RawMessage) (T, error) {
		parsed, err := parse(value)
		if err != nil {
			err = errForeign
		}
		return parsed, err
	}
}

func boolean(value json.RawMessage) (parsed bool, err error) {
	err = json.Unmarshal(value, &parsed)
	return parsed, err
}

// into returns a reader that stores the parsed value in target.
func into[T any](target *T, parse func(json.RawMessage) (T, error)) func(json.RawMessage) error {
	return func(value json.RawMessage) error {
		parsed, err := parse(value)
		if err == nil {
			*target = parsed
		}
		return err
	}
}

// optional returns a parser of pointers.
func optional[T any](parse func(json.RawMessage) (T, error)) func(json.RawMessage) (*T, error) {
	return func(value json.RawMessage) (*T, error) {
		parsed, err := parse(value)
		return &parsed, err
	}
}

// text parses a string.
func text(value json.RawMessage) (parsed string, err error) {
	if err = json.Unmarshal(value, &parsed); err != nil {
		err = fmt.Errorf("want a text, found %s", jsontext.Excerpt(value))
	}
	return parsed, err
}

// float parses a number.
func float(value json.RawMessage) (parsed float64, err error) {
	if err = json.Unmarshal(value, &parsed); err != nil {
		err = fmt.Errorf("want a number, found %s", jsontext.Excerpt(value))
	}
	return parsed, err
}

// count parses an integer. 10.0 is 10: other languages write integers so.
func count(value json.RawMessage) (int, error) {
	parsed, err := float(value)
	if err == nil && (parsed != math.Trunc(parsed) || math.Abs(parsed) > 1<<53) {
		err = fmt.Errorf("want a whole number, found %s", jsontext.Excerpt(value))
	}
	if err != nil {
		return 0, err
	}
	return int(parsed), nil
}

// milliseconds parses a duration in milliseconds, which may have a fraction.
func milliseconds(value json.RawMessage) (time.Duration, error) {
	parsed, err := float(value)
	if most := float64(math.MaxInt64/time.Millisecond) / 2; err == nil && math.Abs(parsed) > most {
		err = fmt.Errorf("want milliseconds, found %s", jsontext.Excerpt(value))
	}
	if err != nil {
		return 0, err
	}
	return time.Duration(math.Round(parsed * float64(time.Millisecond))), nil
}

// settings parses an object and keeps its numbers as they are written.
func settings(value json.RawMessage) (parsed map[string]any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	if err = decoder.Decode(&parsed); err != nil {
		err = fmt.Errorf("want an object of settings, found %s", jsontext.Excerpt(value))
	}
	return parsed, err
}

// tallies parses the counts of nodes or domains.
func tallies(value json.RawMessage) (parsed map[string]Tally, err error) {
	list, err := jsontext.ParseObject(value)
	if err != nil {
		return nil, err
	}
	parsed = make(map[string]Tally, len(list))
	for _, m := range list {
		var tally Tally
		if !bytes.Equal(m.Value, []byte("null")) {
			if err := json.Unmarshal(m.Value, &tally); err != nil {
				return nil, fmt.Errorf("%s: %w", m.Key, err)
			}
		}
		parsed[m.Key] = tally
	}
	return parsed, nil
}

// layouts are the formats of a time that are read.
var layouts = []string{
	time.RFC3339Nano,
	"2006-01-02T15:04:05.999999999",
	"2006-01-02T15:04",
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04:05.999999999Z0700",
	time.DateOnly,
}

// parseTime parses a time; one without a zone is local, "" is zero.
func parseTime(value json.RawMessage) (time.Time, error) {
	written, err := text(value)
	if err != nil || written == "" {
		return time.Time{}, err
	}
	for _, layout := range layouts {
		if parsed, err := time.ParseInLocation(layout, written, time.Local); err == nil {
			return parsed, nil
		}
	}
	return time.Time{}, fmt.Errorf("want a time such as 2026-02-25T20:23:57 or 2026-02-25T20:23:57+01:00, found %s", jsontext.Excerpt(value))
}

// stamp formats a time with a numeric offset: not every program reads "Z".
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("2006-01-02T15:04:05.999999999-07:00")
}

// figure is a number that is written with a fraction: 7 as 7.0.
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

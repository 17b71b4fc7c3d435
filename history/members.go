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

// writer collects the members of an object.
type writer struct {
	object jsontext.Object
	err    error
}

func (w *writer) put(key string, value any) {
	text, err := jsontext.Encode(value)
	if err != nil {
		w.err = fmt.Errorf("%s: %w", key, err)
		return
	}
	w.object = append(w.object, jsontext.Member{Key: key, Value: text})
}

func (w *writer) some(key, value string) {
	if value != "" {
		w.put(key, value)
	}
}

func (w *writer) extra(members map[string]json.RawMessage) {
	for _, key := range slices.Sorted(maps.Keys(members)) {
		if _, taken := w.object.Get(key); !taken {
			w.put(key, members[key])
		}
	}
}

func orEmpty[V any](values map[string]V) map[string]V {
	if values == nil {
		return map[string]V{}
	}
	return values
}

// read hands each member to its reader, and what has none to extra.
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

func keepExtra(extra *map[string]json.RawMessage, m jsontext.Member) {
	if *extra == nil {
		*extra = map[string]json.RawMessage{}
	}
	(*extra)[m.Key] = m.Value
}

// errForeign: another program uses this name for something else.
var errForeign = errors.New("a member of another program")

// orForeign leaves a value alone that it can't read: names that this program
// came to use late may have been in use before.
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

func into[T any](target *T, parse func(json.RawMessage) (T, error)) func(json.RawMessage) error {
	return func(value json.RawMessage) error {
		parsed, err := parse(value)
		if err == nil {
			*target = parsed
		}
		return err
	}
}

func optional[T any](parse func(json.RawMessage) (T, error)) func(json.RawMessage) (*T, error) {
	return func(value json.RawMessage) (*T, error) {
		parsed, err := parse(value)
		return &parsed, err
	}
}

func text(value json.RawMessage) (parsed string, err error) {
	if err = json.Unmarshal(value, &parsed); err != nil {
		err = fmt.Errorf("want a text, found %s", jsontext.Excerpt(value))
	}
	return parsed, err
}

func float(value json.RawMessage) (parsed float64, err error) {
	if err = json.Unmarshal(value, &parsed); err != nil {
		err = fmt.Errorf("want a number, found %s", jsontext.Excerpt(value))
	}
	return parsed, err
}

// count takes 10.0 for 10, which other languages write.
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

func settings(value json.RawMessage) (parsed map[string]any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	if err = decoder.Decode(&parsed); err != nil {
		err = fmt.Errorf("want an object of settings, found %s", jsontext.Excerpt(value))
	}
	return parsed, err
}

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

// The ways in which programs write a time. Without a zone it is this machine's.
var layouts = []string{
	time.RFC3339Nano,
	"2006-01-02T15:04:05.999999999",
	"2006-01-02T15:04",
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04:05.999999999Z0700",
	time.DateOnly,
}

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

// stamp writes a time with its offset in figures: not every reader knows the Z.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("2006-01-02T15:04:05.999999999-07:00")
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

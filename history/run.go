package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/turbone/jarvis/scoring"
)

// Run is one measured run: a row of the history.
//
// Its JSON keeps what was read: a run that was read and not changed is written
// as it was, with members of other programs and the numbers' own notation.
type Run struct {
	// Time is when the run ended. In the file it may stand without a zone,
	// which means this machine's.
	Time time.Time
	// Type is what kind of run it was: "autotest", "arena", ….
	Type string
	// Model is the model that was measured (model_m1 in the file, whatever the
	// node).
	Model string
	// Config are its settings, numbers as [json.Number] where they were read.
	Config map[string]any
	// Score is the composite, 0 to 10, recorded with two decimals.
	Score float64
	// PassRate is the share of tests that passed, 0 to 100.
	PassRate float64
	// Latency is the mean, recorded in whole milliseconds.
	Latency time.Duration
	// Tests is how many there were.
	Tests int
	// ByNode and ByDomain are the parts of the run.
	ByNode, ByDomain map[string]Tally

	// The rest is optional; readers that don't know it pass over it.

	// ID tells a run from every other. A run that reports several times
	// carries the same one each time, and each report replaces the one before.
	ID string
	// Node is the node that was measured, where it was one.
	Node string
	// Errors is how many tests got no answer, nil where it isn't recorded; see
	// [Run.ErrorCount].
	Errors *int
	// Suite is the hash of the tasks. Runs of different suites don't compare.
	Suite string
	// Digest and Quantization are the model's, Engine and EngineVersion the
	// server's.
	Digest, Quantization, Engine, EngineVersion string
	// P95 is the latency that 95 % of the tests stayed below, 0 if unknown.
	P95 time.Duration
	// Extra are all other members, as they stand.
	Extra map[string]json.RawMessage

	written object
}

// Tally is a part of a run: the tests of one node or one domain.
type Tally struct {
	// Pass of Total tests passed.
	Pass, Total int
	// Latency is the mean, nil where it isn't recorded.
	Latency *time.Duration
	// Extra are all other members, as they stand.
	Extra map[string]json.RawMessage

	written object
}

// ErrorCount returns how many tests got no answer. Old rows don't say so; there
// it follows from the score.
func (r Run) ErrorCount() int {
	if r.Errors != nil {
		return *r.Errors
	}
	return scoring.Errors(r.Score, r.PassRate, r.Latency, r.Tests)
}

// MarshalJSON writes the run; what was read and not changed as it was read.
func (r Run) MarshalJSON() ([]byte, error) {
	is, err := r.members()
	if err != nil {
		return nil, err
	}
	var was object
	if r.written != nil {
		var before Run
		if err := before.read(r.written); err != nil {
			return nil, err
		}
		if was, err = before.members(); err != nil {
			return nil, err
		}
	}
	return merge(r.written, was, is)
}

// UnmarshalJSON reads a run. A member that is missing or null is zero.
func (r *Run) UnmarshalJSON(text []byte) error {
	*r = Run{}
	written, err := parseObject(text)
	if err != nil {
		return err
	}
	return r.read(written)
}

func (r *Run) read(written object) error {
	r.written = written
	return read(written, &r.Extra, map[string]func(json.RawMessage) error{
		"timestamp":       into(&r.Time, parseTime),
		"type":            into(&r.Type, text),
		"model_m1":        into(&r.Model, text),
		"config_m1":       into(&r.Config, settings),
		"score_composite": into(&r.Score, float),
		"pass_rate":       into(&r.PassRate, float),
		"avg_latency_ms":  into(&r.Latency, milliseconds),
		"total_tests":     into(&r.Tests, count),
		"by_node":         into(&r.ByNode, tallies),
		"by_domain":       into(&r.ByDomain, tallies),
		"run_id":          into(&r.ID, text),
		"node":            into(&r.Node, text),
		"errors":          into(&r.Errors, optional(count)),
		"suite_hash":      into(&r.Suite, text),
		"model_digest":    into(&r.Digest, text),
		"quantization":    into(&r.Quantization, text),
		"engine":          into(&r.Engine, text),
		"engine_version":  into(&r.EngineVersion, text),
		"p95_latency_ms":  into(&r.P95, milliseconds),
	})
}

func (r Run) members() (object, error) {
	w := writer{}
	w.put("timestamp", stamp(r.Time))
	w.put("type", r.Type)
	w.put("model_m1", r.Model)
	w.put("config_m1", orEmpty(r.Config))
	w.put("score_composite", figure(scoring.Round(r.Score)))
	w.put("pass_rate", figure(r.PassRate))
	w.put("avg_latency_ms", r.Latency.Round(time.Millisecond).Milliseconds())
	w.put("total_tests", r.Tests)
	w.put("by_node", orEmpty(r.ByNode))
	w.put("by_domain", orEmpty(r.ByDomain))
	w.some("run_id", r.ID)
	w.some("node", r.Node)
	if r.Errors != nil {
		w.put("errors", *r.Errors)
	}
	w.some("suite_hash", r.Suite)
	w.some("model_digest", r.Digest)
	w.some("quantization", r.Quantization)
	w.some("engine", r.Engine)
	w.some("engine_version", r.EngineVersion)
	if r.P95 != 0 {
		w.put("p95_latency_ms", r.P95.Round(time.Millisecond).Milliseconds())
	}
	w.extra(r.Extra)
	return w.object, w.err
}

// MarshalJSON writes the tally; what was read and not changed as it was read.
func (t Tally) MarshalJSON() ([]byte, error) {
	is, err := t.members()
	if err != nil {
		return nil, err
	}
	var was object
	if t.written != nil {
		var before Tally
		if err := before.read(t.written); err != nil {
			return nil, err
		}
		if was, err = before.members(); err != nil {
			return nil, err
		}
	}
	return merge(t.written, was, is)
}

// UnmarshalJSON reads a tally.
func (t *Tally) UnmarshalJSON(text []byte) error {
	*t = Tally{}
	written, err := parseObject(text)
	if err != nil {
		return err
	}
	return t.read(written)
}

func (t *Tally) read(written object) error {
	t.written = written
	return read(written, &t.Extra, map[string]func(json.RawMessage) error{
		"pass":        into(&t.Pass, count),
		"total":       into(&t.Total, count),
		"avg_latency": into(&t.Latency, optional(milliseconds)),
	})
}

func (t Tally) members() (object, error) {
	w := writer{}
	w.put("pass", t.Pass)
	w.put("total", t.Total)
	if t.Latency != nil {
		w.put("avg_latency", t.Latency.Round(time.Millisecond).Milliseconds())
	}
	w.extra(t.Extra)
	return w.object, w.err
}

// Champion is the model that serves because it won, with the settings it won
// with.
type Champion struct {
	// Model is the model's name on its node.
	Model string
	// Score is the composite it was crowned with, 0 to 10.
	Score float64
	// Since is when it was crowned; a mere date means its midnight on this
	// machine.
	Since time.Time
	// Config are its settings.
	Config map[string]any
	// Node is where it won, RunID the run that crowned it; both may be unknown.
	Node, RunID string
	// Extra are all other members, as they stand.
	Extra map[string]json.RawMessage

	written object
}

// MarshalJSON writes the champion; what was read and not changed as it was read.
func (c Champion) MarshalJSON() ([]byte, error) {
	is, err := c.members()
	if err != nil {
		return nil, err
	}
	var was object
	if c.written != nil {
		var before Champion
		if err := before.read(c.written); err != nil {
			return nil, err
		}
		if was, err = before.members(); err != nil {
			return nil, err
		}
	}
	return merge(c.written, was, is)
}

// UnmarshalJSON reads a champion.
func (c *Champion) UnmarshalJSON(text []byte) error {
	*c = Champion{}
	written, err := parseObject(text)
	if err != nil {
		return err
	}
	return c.read(written)
}

func (c *Champion) read(written object) error {
	c.written = written
	return read(written, &c.Extra, map[string]func(json.RawMessage) error{
		"model":  into(&c.Model, text),
		"score":  into(&c.Score, float),
		"since":  into(&c.Since, parseTime),
		"config": into(&c.Config, settings),
		"node":   into(&c.Node, text),
		"run_id": into(&c.RunID, text),
	})
}

func (c Champion) members() (object, error) {
	w := writer{}
	w.put("model", c.Model)
	w.put("score", figure(scoring.Round(c.Score)))
	w.put("since", stamp(c.Since))
	w.put("config", orEmpty(c.Config))
	w.some("node", c.Node)
	w.some("run_id", c.RunID)
	w.extra(c.Extra)
	return w.object, w.err
}

// writer collects the members of an object.
type writer struct {
	object object
	err    error
}

func (w *writer) put(key string, value any) {
	text, err := encode(value)
	if err != nil {
		w.err = fmt.Errorf("%s: %w", key, err)
		return
	}
	w.object = append(w.object, member{key, text})
}

func (w *writer) some(key, value string) {
	if value != "" {
		w.put(key, value)
	}
}

func (w *writer) extra(members map[string]json.RawMessage) {
	for _, key := range slices.Sorted(maps.Keys(members)) {
		w.put(key, members[key])
	}
}

func orEmpty[V any](values map[string]V) map[string]V {
	if values == nil {
		return map[string]V{}
	}
	return values
}

// read hands each member to its reader, and what has none to extra.
func read(written object, extra *map[string]json.RawMessage, readers map[string]func(json.RawMessage) error) error {
	for _, m := range written {
		reader, known := readers[m.key]
		if !known {
			if *extra == nil {
				*extra = map[string]json.RawMessage{}
			}
			(*extra)[m.key] = m.value
			continue
		}
		if bytes.Equal(m.value, []byte("null")) {
			continue
		}
		if err := reader(m.value); err != nil {
			return fmt.Errorf("%s: %w", m.key, err)
		}
	}
	return nil
}

func into[T any](target *T, parse func(json.RawMessage) (T, error)) func(json.RawMessage) error {
	return func(value json.RawMessage) (err error) {
		*target, err = parse(value)
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
		err = fmt.Errorf("want a text, found %s", brief(value))
	}
	return parsed, err
}

func float(value json.RawMessage) (parsed float64, err error) {
	if err = json.Unmarshal(value, &parsed); err != nil {
		err = fmt.Errorf("want a number, found %s", brief(value))
	}
	return parsed, err
}

// count takes 10.0 for 10, which other languages write.
func count(value json.RawMessage) (int, error) {
	parsed, err := float(value)
	if err == nil && (parsed != math.Trunc(parsed) || math.Abs(parsed) > 1<<53) {
		err = fmt.Errorf("want a whole number, found %s", brief(value))
	}
	if err != nil {
		return 0, err
	}
	return int(parsed), nil
}

func milliseconds(value json.RawMessage) (time.Duration, error) {
	parsed, err := float(value)
	if most := float64(math.MaxInt64/time.Millisecond) / 2; err == nil && math.Abs(parsed) > most {
		err = fmt.Errorf("want milliseconds, found %s", brief(value))
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
		err = fmt.Errorf("want an object of settings, found %s", brief(value))
	}
	return parsed, err
}

func tallies(value json.RawMessage) (parsed map[string]Tally, err error) {
	list, err := parseObject(value)
	if err != nil {
		return nil, err
	}
	parsed = make(map[string]Tally, len(list))
	for _, m := range list {
		var tally Tally
		if !bytes.Equal(m.value, []byte("null")) {
			if err := json.Unmarshal(m.value, &tally); err != nil {
				return nil, fmt.Errorf("%s: %w", m.key, err)
			}
		}
		parsed[m.key] = tally
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
	return time.Time{}, fmt.Errorf("want a time such as 2026-02-25T20:23:57 or 2026-02-25T20:23:57+01:00, found %s", brief(value))
}

// stamp writes a time with its offset in figures: not every reader knows the Z.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("2006-01-02T15:04:05.999999999-07:00")
}

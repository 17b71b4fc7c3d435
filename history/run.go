package history

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/turbone/jarvis/history/internal/jsontext"
	"github.com/turbone/jarvis/scoring"
)

// Run is one measured run, a row of the history.
//
// Its JSON is stable: a member that was read and not changed is written as it was
// read, including unknown members and the notation of numbers.
type Run struct {
	// Time is when the run ended. A time without a zone in the JSON is local.
	Time time.Time
	// Type is the kind of run, such as "autotest" or "arena".
	Type string
	// Model is the measured model, in the JSON model_m1 for every node.
	Model string
	// Config are the settings of the model. Numbers that were read are
	// [json.Number].
	Config map[string]any
	// Score is the composite, 0 to 10. Two decimals are recorded.
	Score float64
	// PassRate is the percentage of tests that passed, 0 to 100.
	PassRate float64
	// Latency is the mean latency. Whole milliseconds are recorded.
	Latency time.Duration
	// Tests is the number of tests.
	Tests int
	// ByNode and ByDomain are the counts of each node and domain.
	ByNode, ByDomain map[string]Tally

	// The fields below are optional.

	// ID identifies the run. A run that is reported several times has the same ID
	// each time, and each report replaces the one before.
	ID string
	// Node is the measured node, "" for a run on several.
	Node string
	// Errors is the number of tests without an answer, nil if unknown; see
	// [Run.ErrorCount].
	Errors *int
	// Suite is the hash of the tasks. Runs of different suites are not comparable.
	Suite string
	// Digest and Quantization describe the model, Engine and EngineVersion the
	// server.
	Digest, Quantization, Engine, EngineVersion string
	// P95 is the 95th percentile of the latencies, 0 if unknown.
	P95 time.Duration
	// FirstToken is the mean time to the first token, 0 if unknown.
	FirstToken time.Duration
	// Results are the single tests, nil if they were not recorded.
	Results []scoring.Test
	// Session is the ID of the tournament that the run belongs to, "" for none.
	Session string
	// Crowned is true for the run that made its model the champion. It is no
	// evidence about the model later: its score is biased upwards by the selection
	// (winner's curse).
	Crowned bool
	// Unsteady is the reason why the figures are less certain than usual, such as
	// a busy machine; "" for none.
	Unsteady string
	// Extra are all other members of the JSON.
	Extra map[string]json.RawMessage

	// written is the JSON that the run was read from, nil for none.
	written jsontext.Object
}

// Tally counts the tests of one node or one domain in a run.
type Tally struct {
	// Pass is the number of tests that passed, out of Total.
	Pass, Total int
	// Latency is the mean latency, nil if unknown.
	Latency *time.Duration
	// Extra are all other members of the JSON.
	Extra map[string]json.RawMessage

	written jsontext.Object
}

// WithID returns the run with its ID, or with a new unique one if it has none. It is
// for implementations of [HistoryStore].
func (r Run) WithID() (Run, error) {
	if r.ID != "" {
		return r, nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Run{}, fmt.Errorf("name the run: %w", err)
	}
	r.ID = id.String()
	return r, nil
}

// ErrorCount returns the number of tests without an answer. For rows that don't
// record it, it is derived from the score.
func (r Run) ErrorCount() int {
	if r.Errors != nil {
		return *r.Errors
	}
	return scoring.Errors(r.Score, r.PassRate, r.Latency, r.Tests)
}

// MarshalJSON returns the JSON of the run; members that were read and not changed
// are as they were read.
func (r Run) MarshalJSON() ([]byte, error) {
	return marshal(r, r.written, new(Run))
}

// UnmarshalJSON reads a run. A member that is missing or null leaves its field
// zero.
func (r *Run) UnmarshalJSON(text []byte) error {
	*r = Run{}
	return unmarshal(r, text)
}

func (r *Run) read(written jsontext.Object) error {
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
		"avg_ttft_ms":     into(&r.FirstToken, orForeign(milliseconds)),
		"session":         into(&r.Session, orForeign(text)),
		"crowned":         into(&r.Crowned, orForeign(boolean)),
		"unsteady":        into(&r.Unsteady, orForeign(text)),
		resultsKey:        into(&r.Results, orForeign(results)),
	})
}

func (r Run) members() (jsontext.Object, error) {
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
	if r.FirstToken != 0 {
		w.put("avg_ttft_ms", r.FirstToken.Round(time.Millisecond).Milliseconds())
	}
	w.some("session", r.Session)
	if r.Crowned {
		w.put("crowned", true)
	}
	w.some("unsteady", r.Unsteady)
	if r.Results != nil {
		w.put(resultsKey, groupResults(r.Results))
	}
	w.extra(r.Extra)
	return w.object, w.err
}

// MarshalJSON returns the JSON of the tally; members that were read and not
// changed are as they were read.
func (t Tally) MarshalJSON() ([]byte, error) {
	return marshal(t, t.written, new(Tally))
}

// UnmarshalJSON reads a tally.
func (t *Tally) UnmarshalJSON(text []byte) error {
	*t = Tally{}
	return unmarshal(t, text)
}

func (t *Tally) read(written jsontext.Object) error {
	t.written = written
	return read(written, &t.Extra, map[string]func(json.RawMessage) error{
		"pass":        into(&t.Pass, count),
		"total":       into(&t.Total, count),
		"avg_latency": into(&t.Latency, optional(milliseconds)),
	})
}

func (t Tally) members() (jsontext.Object, error) {
	w := writer{}
	w.put("pass", t.Pass)
	w.put("total", t.Total)
	if t.Latency != nil {
		w.put("avg_latency", t.Latency.Round(time.Millisecond).Milliseconds())
	}
	w.extra(t.Extra)
	return w.object, w.err
}

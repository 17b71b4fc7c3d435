package history

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/turbone/jarvis/history/internal/jsontext"
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
	// FirstToken is the mean time to the first token, 0 if unknown.
	FirstToken time.Duration
	// Results are the tests one by one, nil where they weren't recorded.
	Results []scoring.Test
	// Session is the tournament that the run was a part of, "" for none.
	Session string
	// Crowned says that this run made its model the champion. It doesn't count
	// as evidence for it later: who is crowned was lucky, too.
	Crowned bool
	// Unsteady says why the figures are less sure than usual: the warm-up
	// didn't settle, the machine was busy; "" where nothing was.
	Unsteady string
	// Extra are all other members, as they stand.
	Extra map[string]json.RawMessage

	written jsontext.Object
}

// Tally is a part of a run: the tests of one node or one domain.
type Tally struct {
	// Pass of Total tests passed.
	Pass, Total int
	// Latency is the mean, nil where it isn't recorded.
	Latency *time.Duration
	// Extra are all other members, as they stand.
	Extra map[string]json.RawMessage

	written jsontext.Object
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
	var was jsontext.Object
	if r.written != nil {
		var before Run
		if err := before.read(r.written); err != nil {
			return nil, err
		}
		if was, err = before.members(); err != nil {
			return nil, err
		}
	}
	return jsontext.Merge(r.written, was, is)
}

// UnmarshalJSON reads a run. A member that is missing or null is zero.
func (r *Run) UnmarshalJSON(text []byte) error {
	*r = Run{}
	written, err := jsontext.ParseObject(bytes.Clone(text)) // json.Unmarshal has found it valid, and wants it back
	if err != nil {
		return err
	}
	return r.read(written)
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

// MarshalJSON writes the tally; what was read and not changed as it was read.
func (t Tally) MarshalJSON() ([]byte, error) {
	is, err := t.members()
	if err != nil {
		return nil, err
	}
	var was jsontext.Object
	if t.written != nil {
		var before Tally
		if err := before.read(t.written); err != nil {
			return nil, err
		}
		if was, err = before.members(); err != nil {
			return nil, err
		}
	}
	return jsontext.Merge(t.written, was, is)
}

// UnmarshalJSON reads a tally.
func (t *Tally) UnmarshalJSON(text []byte) error {
	*t = Tally{}
	written, err := jsontext.ParseObject(bytes.Clone(text))
	if err != nil {
		return err
	}
	return t.read(written)
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

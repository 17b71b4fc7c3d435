package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/turbone/jarvis/history/internal/jsontext"
	"github.com/turbone/jarvis/scoring"
)

// Result is the result of an autotest. Only Tests and Pass, or Results, are
// required.
type Result struct {
	// RunID identifies the run; see [Run.ID]. Without one the run is identified by
	// Started, or else by its counts: see [AppendToHistory].
	RunID string
	// Started is when the run began, Ended when the result was taken. Zero means
	// unknown for Started, now for Ended.
	Started, Ended time.Time
	// Type is the kind of run; "" means "autotest".
	Type string
	// Model, Config and Node are the measured model, its settings and its node, ""
	// for several nodes.
	Model  string
	Config map[string]any
	Node   string
	// Suite is the hash of the tasks. Digest and Quantization describe the model,
	// Engine and EngineVersion the server.
	Suite, Digest, Quantization, Engine, EngineVersion string
	// Cycles is the number of cycles, 0 if unknown.
	Cycles int
	// Tests is the number of tests, Pass of those that passed, Errors of those
	// without an answer. If Tests is 0, all three are counted from Results.
	Tests, Pass, Errors int
	// Latency is the mean latency; 0 means that of Results, or of ByNode.
	Latency time.Duration
	// ByNode and ByDomain are the counts of each node and domain.
	ByNode, ByDomain map[string]Tally
	// Results are the single tests.
	Results []scoring.Test
	// Scorer computes the score; nil means [scoring.Default].
	Scorer scoring.Scorer
	// Extra are all other members of the file. They are not recorded.
	Extra map[string]json.RawMessage
}

// cyclesKey is the key of a run's number of cycles.
const cyclesKey = "cycles"

// Run returns the run that the result is recorded as, with its score. The error
// names the member that is impossible: "by_node.M1: 5 of 4 tests passed".
func (r Result) Run() (Run, error) {
	if err := r.check(); err != nil {
		return Run{}, err
	}
	if len(r.Results) > 0 {
		r.count()
	}
	if r.Latency == 0 {
		r.Latency = meanLatency(r.ByNode)
	}
	if r.Node == "" && len(r.ByNode) == 1 {
		for name := range r.ByNode {
			r.Node = name
		}
	}
	scorer := r.Scorer
	if scorer == nil {
		scorer = scoring.Default()
	}
	score := scorer.Score(scoring.Sample{Tests: r.Tests, Passed: r.Pass, Errors: r.Errors, Latency: r.Latency})
	run := Run{
		ID: r.RunID, Time: r.Ended, Type: r.Type, Model: r.Model, Config: r.Config, Node: r.Node,
		Score: score.Composite, PassRate: 100 * float64(r.Pass) / float64(r.Tests), Latency: r.Latency, Tests: r.Tests, Errors: &r.Errors,
		ByNode: r.ByNode, ByDomain: r.ByDomain,
		Suite: r.Suite, Digest: r.Digest, Quantization: r.Quantization, Engine: r.Engine, EngineVersion: r.EngineVersion,
		Results: r.Results,
	}
	if run.Type == "" {
		run.Type = "autotest"
	}
	if run.Time.IsZero() {
		run.Time = time.Now()
	}
	if len(r.Results) > 0 {
		run.P95 = scoring.LatencyQuantile(r.Results, 0.95)
		run.FirstToken = meanFirstToken(r.Results)
	}
	if r.Cycles > 0 {
		run.Extra = map[string]json.RawMessage{cyclesKey: fmt.Append(nil, r.Cycles)}
	}
	return run, nil
}

// check returns an error for impossible counts.
func (r Result) check() error {
	if r.Tests == 0 && len(r.Results) == 0 {
		return errors.New("total: no test was made, so there is nothing to record")
	}
	for _, count := range []struct {
		key   string
		value int
	}{{"cycles", r.Cycles}, {"total", r.Tests}, {"pass", r.Pass}, {"errors", r.Errors}} {
		if count.value < 0 {
			return fmt.Errorf("%s: %d is no count", count.key, count.value)
		}
	}
	if len(r.Results) == 0 || r.Tests > 0 {
		if r.Pass > r.Tests {
			return fmt.Errorf("pass: %d of %d tests passed", r.Pass, r.Tests)
		}
		if r.Pass+r.Errors > r.Tests {
			return fmt.Errorf("errors: %d passed and %d without an answer are more than the %d tests", r.Pass, r.Errors, r.Tests)
		}
	}
	if n := len(r.Results); n > 0 && r.Tests > 0 && r.Tests != n {
		return fmt.Errorf("total: %d, but there are results of %d tests", r.Tests, n)
	}
	if r.Latency < 0 {
		return fmt.Errorf("avg_latency_ms: %v is no latency", r.Latency)
	}
	for _, parts := range []struct {
		key     string
		tallies map[string]Tally
	}{{"by_node", r.ByNode}, {"by_domain", r.ByDomain}} {
		for _, name := range slices.Sorted(maps.Keys(parts.tallies)) {
			if err := parts.tallies[name].check(); err != nil {
				return fmt.Errorf("%s.%s: %w", parts.key, name, err)
			}
		}
	}
	return nil
}

// check returns an error for impossible counts.
func (t Tally) check() error {
	switch {
	case t.Total < 0:
		return fmt.Errorf("total: %d is no count", t.Total)
	case t.Pass < 0:
		return fmt.Errorf("pass: %d is no count", t.Pass)
	case t.Pass > t.Total:
		return fmt.Errorf("pass: %d of %d tests passed", t.Pass, t.Total)
	case t.Latency != nil && *t.Latency < 0:
		return fmt.Errorf("avg_latency: %v is no latency", *t.Latency)
	}
	for _, key := range []string{"fail", "error"} {
		value, there := t.Extra[key]
		if !there || bytes.Equal(value, []byte("null")) {
			continue
		}
		n, err := count(value)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if n < 0 || n > t.Total-t.Pass {
			return fmt.Errorf("%s: %d, where %d of %d tests passed", key, n, t.Pass, t.Total)
		}
	}
	return nil
}

// count fills in what is not set from the single results.
func (r *Result) count() {
	sample := scoring.Measure(r.Results)
	if r.Tests == 0 {
		r.Tests, r.Pass, r.Errors = sample.Tests, sample.Passed, sample.Errors
	}
	if r.Latency == 0 {
		r.Latency = sample.Latency
	}
	if r.ByDomain == nil {
		r.ByDomain = map[string]Tally{}
		parts := map[string][]scoring.Test{}
		for _, t := range r.Results {
			parts[t.Domain] = append(parts[t.Domain], t)
		}
		for domain, tests := range parts {
			if domain != "" {
				r.ByDomain[domain] = tallyOf(tests)
			}
		}
	}
	if r.ByNode == nil && r.Node != "" {
		r.ByNode = map[string]Tally{r.Node: tallyOf(r.Results)}
	}
}

// tallyOf counts tests.
func tallyOf(tests []scoring.Test) Tally {
	sample := scoring.Measure(tests)
	return Tally{Pass: sample.Passed, Total: sample.Tests, Latency: &sample.Latency}
}

// meanLatency returns the mean latency of the tests on all nodes.
func meanLatency(nodes map[string]Tally) time.Duration {
	sum, tests := 0.0, 0.0
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		if t := nodes[name]; t.Latency != nil {
			sum += float64(t.Total) * float64(*t.Latency)
			tests += float64(t.Total)
		}
	}
	if tests == 0 {
		return 0
	}
	return time.Duration(sum / tests)
}

// meanFirstToken returns the mean time to the first token of the tests that have
// one, 0 if none has.
func meanFirstToken(tests []scoring.Test) time.Duration {
	var sum time.Duration
	n := 0
	for _, t := range tests {
		if t.FirstToken > 0 {
			sum += t.FirstToken
			n++
		}
	}
	return sum / time.Duration(max(n, 1))
}

// ErrResult is wrapped by every error of [ReadResult].
var ErrResult = errors.New("this is no result of an autotest")

// ReadResult reads the result file of an autotest:
//
//	{"cycles": 5, "total": 50, "pass": 46, "fail": 2, "errors": 2,
//	 "by_node": {"M1": {"total": 4, "pass": 3, "fail": 0, "error": 1, "avg_latency": 9926}},
//	 "by_domain": {"math": {"total": 5, "pass": 4, "fail": 1, "error": 0}}}
//
// Only total and pass are required. The file may also contain run_id, started,
// timestamp, type, model, config, node, suite_hash, avg_latency_ms and the other
// members of a run in the history. All other members are kept in Extra. The error
// names the member that is wrong.
func ReadResult(text []byte) (Result, error) {
	r, err := readResult(bytes.TrimPrefix(text, jsontext.ByteOrderMark))
	if err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrResult, err)
	}
	return r, nil
}

func readResult(body []byte) (r Result, err error) {
	if len(bytes.Trim(body, " \t\r\n\x00")) == 0 {
		return r, errors.New("it is empty; is the autotest still writing it?")
	}
	var whole json.RawMessage
	if err := json.Unmarshal(body, &whole); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			before := body[:min(int(syntax.Offset), len(body))]
			line := 1 + bytes.Count(before, []byte{'\n'})
			return r, fmt.Errorf("line %d, byte %d: it is no JSON: %w", line, syntax.Offset, err)
		}
		return r, err
	}
	written, err := jsontext.ParseObject(whole)
	if err != nil {
		return r, err
	}
	if _, is := written.Get("runs"); is {
		return r, errors.New(`it has "runs": it is a history, not one run's result`)
	}
	failed := 0
	err = read(written, &r.Extra, map[string]func(json.RawMessage) error{
		"run_id":         into(&r.RunID, text),
		"started":        into(&r.Started, parseTime),
		"timestamp":      into(&r.Ended, parseTime),
		"type":           into(&r.Type, text),
		"model":          into(&r.Model, text),
		"model_m1":       into(&r.Model, text),
		"config":         into(&r.Config, settings),
		"config_m1":      into(&r.Config, settings),
		"node":           into(&r.Node, text),
		"suite_hash":     into(&r.Suite, text),
		"model_digest":   into(&r.Digest, text),
		"quantization":   into(&r.Quantization, text),
		"engine":         into(&r.Engine, text),
		"engine_version": into(&r.EngineVersion, text),
		cyclesKey:        into(&r.Cycles, count),
		"total":          into(&r.Tests, count),
		"pass":           into(&r.Pass, count),
		"fail":           into(&failed, count),
		"errors":         into(&r.Errors, count),
		"avg_latency_ms": into(&r.Latency, milliseconds),
		"by_node":        into(&r.ByNode, tallies),
		"by_domain":      into(&r.ByDomain, tallies),
		resultsKey:       into(&r.Results, results),
	})
	if err != nil {
		return r, err
	}
	if len(r.Results) == 0 {
		for _, key := range []string{"total", "pass"} {
			if _, there := written.Get(key); !there {
				return r, fmt.Errorf("%s: it is missing; is this another program's file?", key)
			}
		}
	}
	if err := r.check(); err != nil {
		return r, err
	}
	if r.Tests > 0 && (failed < 0 || r.Pass+failed+r.Errors > r.Tests) {
		return r, fmt.Errorf("fail: %d passed, %d failed and %d without an answer, of %d tests", r.Pass, failed, r.Errors, r.Tests)
	}
	return r, nil
}

// startedID returns the ID of a run that is identified by when it began.
func (r Result) startedID(run Run) string {
	name := strings.Map(func(c rune) rune {
		if c == ' ' || c == '/' || c == ':' {
			return '-'
		}
		return c
	}, run.Model)
	parts := []string{run.Type, r.Started.UTC().Format("20060102T150405.000000")}
	for _, part := range []string{run.Node, name} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "-")
}

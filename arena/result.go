package arena

import (
	"fmt"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/scoring"
)

// Verdict is how a tournament ended.
type Verdict string

// The verdicts.
const (
	// VerdictPromoted means that the candidate is better and serves from now on.
	VerdictPromoted Verdict = "promoted"
	// VerdictRetained means that the candidate is not better by as much as is
	// worth a change.
	VerdictRetained Verdict = "retained"
	// VerdictInconclusive means that the tests did not decide; the champion
	// stays.
	VerdictInconclusive Verdict = "inconclusive"
	// VerdictFailed means that the tournament could not be held, or not to its
	// end; the node is as it was before.
	VerdictFailed Verdict = "failed"
)

// Result is the outcome of a tournament. Its JSON form is the output of the
// jarvis-arena command.
type Result struct {
	Verdict Verdict `json:"verdict"`
	Node    string  `json:"node"`
	// Reason is a sentence that says why.
	Reason    string `json:"reason"`
	Candidate Side   `json:"candidate"`
	Champion  Side   `json:"champion"`
	// Gap is the candidate's composite less the champion's; nil if it was never
	// judged.
	Gap *Gap `json:"gap"`
	// TestsUsed is the number of the candidate's tests.
	TestsUsed int `json:"tests_used"`
	// Loaded is the model that the node serves afterwards, "" if that could not
	// be ensured.
	Loaded string `json:"loaded"`
	// Session is the ID of the tournament. Its runs in the history have it.
	Session string `json:"session,omitempty"`
	// More is the approximate number of further tests that would settle an
	// inconclusive tournament, 0 if unknown.
	More int `json:"more_tests,omitempty"`
	// Smallest is the smallest gap that could have been detected.
	Smallest float64 `json:"smallest_gap,omitempty"`
	// Unused says which earlier runs of the champion did not count, and why.
	Unused []string `json:"runs_not_used,omitempty"`
	// Notes says what else is to be known of the tests.
	Notes []string `json:"notes,omitempty"`
	// Method is the method that decided.
	Method Method `json:"rule,omitempty"`
	// Looks are all judgements, in order.
	Looks []scoring.Look `json:"-"`
	// ChampionTests and CandidateTests are the tests of this session.
	ChampionTests  []scoring.Test `json:"-"`
	CandidateTests []scoring.Test `json:"-"`
}

// Side is one of the two models as measured in a tournament. Scores have two
// decimals.
type Side struct {
	Model       string         `json:"model"`
	Load        nodes.Settings `json:"load,omitempty"`
	Score       float64        `json:"score"`
	Quality     float64        `json:"quality"`
	Speed       float64        `json:"speed"`
	Reliability float64        `json:"reliability"`
	Tests       int            `json:"tests"`
	Pass        int            `json:"pass"`
	Errors      int            `json:"errors"`
	LatencyMS   int64          `json:"latency_ms"`
	P95MS       int64          `json:"p95_latency_ms,omitempty"`
	FirstMS     int64          `json:"first_token_ms,omitempty"`
	// Unsteady is why the figures are less certain than usual, "" if they are
	// not.
	Unsteady string `json:"unsteady,omitempty"`
}

// Gap is an estimate with its 95 % interval on tasks like these, see [scoring.Look].
type Gap struct {
	Estimate float64 `json:"estimate"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
	// Excess is by about how much the estimate is too high because the candidate
	// was promoted, see [scoring.Look.Excess].
	Excess float64 `json:"winner_excess,omitempty"`
}

// side returns what a model's tests measured.
func side(m nodes.Model, tests []scoring.Test, weights scoring.Composite, unsteady string) Side {
	sample := scoring.Measure(tests)
	score := weights.Score(sample).Rounded()
	return Side{
		Model: m.Name, Load: m.Settings, Score: score.Composite, Quality: score.Quality, Speed: score.Speed,
		Reliability: score.Reliability, Tests: sample.Tests, Pass: sample.Passed, Errors: sample.Errors,
		LatencyMS: sample.Latency.Round(time.Millisecond).Milliseconds(),
		P95MS:     scoring.LatencyQuantile(tests, 0.95).Milliseconds(),
		FirstMS:   scoring.MedianDuration(firstTokens(tests)).Milliseconds(), Unsteady: unsteady,
	}
}

// result returns the result of the session with a verdict.
func (t *tournament) result(v Verdict, reason string) Result {
	r := Result{
		Verdict: v, Node: t.node.Name, Reason: reason, Session: t.ID, Method: t.Method, TestsUsed: len(t.candidate),
		Candidate: side(t.Candidate, t.candidate, t.weights, t.unsteady[Candidate]),
		Champion:  side(t.Champion, t.champions(), t.weights, t.unsteady[Champion]),
		Unused:    t.Unused, Notes: t.notes(), Looks: t.looks, ChampionTests: t.champions(), CandidateTests: t.candidate,
	}
	if t.intact {
		r.Loaded = t.Champion.Name
	}
	if t.Method == MethodMeasured {
		r.Candidate = r.Champion
		r.TestsUsed = len(t.before)
	}
	if look := t.decisive(); look.Tests > 0 {
		r.Gap = &Gap{
			Estimate: scoring.Round(look.Estimate), Low: scoring.Round(look.Low), High: scoring.Round(look.High),
			Excess: scoring.Round(look.Excess()),
		}
		r.More, r.Smallest = look.More, scoring.Round(look.Smallest)
	}
	if t.confirmed != nil {
		r.Looks = append(r.Looks[:len(r.Looks):len(r.Looks)], *t.confirmed)
	}
	return r
}

// notes says which tests were asked anew.
func (p *progress) notes() (list []string) {
	for _, r := range []Role{Champion, Candidate} {
		switch count := p.askedAnew(r); {
		case count == 1:
			list = append(list, fmt.Sprintf("1 test of the %s was asked anew after it had stopped answering", r))
		case count > 1:
			list = append(list, fmt.Sprintf("%d tests of the %s were asked anew after it had stopped answering", count, r))
		}
	}
	return list
}

// Sentence returns the outcome as a sentence, with its notes.
func (r Result) Sentence() string {
	return strings.Join(append([]string{r.outcome()}, r.Notes...), "; ")
}

func (r Result) outcome() string {
	switch r.Verdict {
	case VerdictPromoted:
		return fmt.Sprintf("PROMOTED %s over %s after %d tests of the candidate: %s", r.Candidate.Model, r.Champion.Model, r.TestsUsed, r.Reason)
	case VerdictRetained:
		if r.Method == MethodMeasured {
			return fmt.Sprintf("MEASURED %s with %d tests: score %.2f", r.Champion.Model, r.TestsUsed, r.Champion.Score)
		}
		return fmt.Sprintf("RETAINED %s after %d tests of the candidate: %s", r.Champion.Model, r.TestsUsed, r.Reason)
	case VerdictInconclusive:
		return fmt.Sprintf("INCONCLUSIVE, %s stays: %s", r.Champion.Model, r.Reason)
	}
	return fmt.Sprintf("FAILED: %s", r.Reason)
}

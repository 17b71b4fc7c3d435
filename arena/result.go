package arena

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/scoring"
)

// Verdict is how a tournament ended.
type Verdict string

// The verdicts.
const (
	// VerdictPromoted: the candidate is better, and serves from now on.
	VerdictPromoted Verdict = "promoted"
	// VerdictRetained: it isn't, by as much as is worth a change.
	VerdictRetained Verdict = "retained"
	// VerdictInconclusive: the tests didn't tell; the champion stays.
	VerdictInconclusive Verdict = "inconclusive"
	// VerdictFailed: the tournament could not be held, or not to its end; the
	// node is as it was before.
	VerdictFailed Verdict = "failed"
)

// Result is a tournament's outcome, in the shape that the commands print.
type Result struct {
	Verdict Verdict `json:"verdict"`
	Node    string  `json:"node"`
	// Reason says why in a sentence.
	Reason    string `json:"reason"`
	Candidate Side   `json:"candidate"`
	Champion  Side   `json:"champion"`
	// Gap is candidate less champion, in points of the composite; nil where it
	// was never judged.
	Gap *Gap `json:"gap"`
	// TestsUsed is how many tests of the candidate there were.
	TestsUsed int `json:"tests_used"`
	// Loaded is the model that the node serves afterwards, "" where that could
	// not be reached.
	Loaded string `json:"loaded"`
	// Session names the tournament; its runs in the history bear its name.
	Session string `json:"session,omitempty"`
	// More is about how many more tests would have settled an inconclusive one,
	// 0 where that can't be told.
	More int `json:"more_tests,omitempty"`
	// Smallest is the smallest gap that could have been found.
	Smallest float64 `json:"smallest_gap,omitempty"`
	// Method is how it was decided.
	Method Method `json:"rule,omitempty"`
	// Looks are the judgements on the way.
	Looks []scoring.Look `json:"-"`
	// ChampionTests and CandidateTests are the tests themselves.
	ChampionTests  []scoring.Test `json:"-"`
	CandidateTests []scoring.Test `json:"-"`
}

// Side is one of the two models, as measured in this session. Scores are
// rounded to two decimals.
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
	// Unsteady says why the figures are less sure than usual.
	Unsteady string `json:"unsteady,omitempty"`
}

// Gap is an estimate with its interval, which holds at all looks together.
type Gap struct {
	Estimate float64 `json:"estimate"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
	// OtherLow and OtherHigh are the interval on other tasks like these.
	OtherLow  float64 `json:"other_tasks_low"`
	OtherHigh float64 `json:"other_tasks_high"`
}

func side(m nodes.Model, tests []scoring.Test, weights scoring.Composite, unsteady string) Side {
	sample := scoring.Measure(tests)
	score := weights.Score(sample).Rounded()
	return Side{
		Model: m.Name, Load: m.Settings, Score: score.Composite, Quality: score.Quality, Speed: score.Speed,
		Reliability: score.Reliability, Tests: sample.Tests, Pass: sample.Passed, Errors: sample.Errors,
		LatencyMS: sample.Latency.Round(time.Millisecond).Milliseconds(),
		P95MS:     scoring.LatencyQuantile(tests, 0.95).Milliseconds(),
		FirstMS:   medianFirstToken(tests).Milliseconds(), Unsteady: unsteady,
	}
}

func (m *match) result(v Verdict, reason string) Result {
	r := Result{
		Verdict: v, Node: m.Node, Reason: reason, Session: m.ID, Method: m.Method, TestsUsed: len(m.candidate),
		Candidate: side(m.Candidate, m.candidate, m.weights, m.unsteady[Candidate]),
		Champion:  side(m.Champion, m.champion(), m.weights, m.unsteady[Champion]),
		Looks:     m.looks, ChampionTests: m.champion(), CandidateTests: m.candidate,
	}
	if m.intact {
		r.Loaded = m.Champion.Name
	}
	if m.Method == MethodMeasured {
		r.Candidate = r.Champion
		r.TestsUsed = len(m.before)
	}
	if look := m.last(); look.Tests > 0 {
		r.Gap = &Gap{
			Estimate: scoring.Round(look.Estimate), Low: scoring.Round(look.Low), High: scoring.Round(look.High),
			OtherLow: scoring.Round(look.OtherLow), OtherHigh: scoring.Round(look.OtherHigh),
		}
		r.More, r.Smallest = look.More, scoring.Round(look.Smallest)
	}
	if m.confirmed != nil {
		r.Looks = append(r.Looks[:len(r.Looks):len(r.Looks)], *m.confirmed)
	}
	return r
}

// outcome is the verdict of a session that has come to its end, and why.
func (p *progress) outcome() (Verdict, string) {
	if p.failure != "" {
		return VerdictFailed, p.failure
	}
	if p.Method == MethodMeasured {
		return VerdictRetained, p.Champion.Name + " is what the node serves: measured, not compared"
	}
	look := p.last()
	verdict, _ := p.verdict()
	gap := gapText(look)
	switch {
	case verdict == scoring.Promote && p.SelfTest:
		return VerdictInconclusive, fmt.Sprintf("the model seems better than itself (%s): this node is too unsteady for a verdict", gap)
	case p.SelfTest:
		return VerdictRetained, fmt.Sprintf("the model against itself: %s; on this node a gap of %.2f can be found", gap, look.Smallest)
	case verdict == scoring.Promote && p.Method == MethodPlain:
		return VerdictPromoted, fmt.Sprintf("its score is above the champion's by %.2f (plain rule)", look.Estimate)
	case p.Method == MethodPlain:
		return VerdictRetained, fmt.Sprintf("the score of %s is not above the champion's (%+.2f, plain rule)", p.Candidate.Name, look.Estimate)
	case verdict == scoring.Promote:
		return VerdictPromoted, fmt.Sprintf("better by %s", gap)
	case len(look.Guards) > 0 && look.Z >= look.Upper:
		return VerdictRetained, fmt.Sprintf("the score of %s is higher (%s), but %s", p.Candidate.Name, gap, strings.Join(look.Guards, " and "))
	case verdict == scoring.Inconclusive:
		text := fmt.Sprintf("nothing is shown after %d tests: %s; the champion stays", look.Tests, gap)
		if look.More > 0 {
			text += fmt.Sprintf("; about %d more tests would settle it", look.More)
		}
		return VerdictInconclusive, text
	case look.High < 0:
		return VerdictRetained, fmt.Sprintf("%s is worse by %.2f [%.2f … %.2f]", p.Candidate.Name, round(-look.Estimate), round(-look.High), round(-look.Low))
	}
	return VerdictRetained, fmt.Sprintf("%s is not better by as much as is worth a change: %s", p.Candidate.Name, gap)
}

// gapText is a gap with its interval.
func gapText(l scoring.Look) string {
	return fmt.Sprintf("%+.2f [%+.2f … %+.2f]", round(l.Estimate), round(l.Low), round(l.High))
}

// round keeps a minus zero from being shown.
func round(figure float64) float64 {
	if r := scoring.Round(figure); r != 0 && !math.IsNaN(r) {
		return r
	}
	return 0
}

func lookText(l scoring.Look) string {
	text := fmt.Sprintf("after %d tests: %s, z %.2f of %.2f", l.Tests, gapText(l), l.Z, l.Upper)
	if l.Verdict == scoring.Continue && l.More > 0 {
		text += fmt.Sprintf(", about %d more", l.More)
	}
	return text
}

// Sentence is the outcome for people.
func (r Result) Sentence() string {
	switch r.Verdict {
	case VerdictPromoted:
		return fmt.Sprintf("PROMOTED %s over %s after %d tests: %s", r.Candidate.Model, r.Champion.Model, r.TestsUsed, r.Reason)
	case VerdictRetained:
		if r.Method == MethodMeasured {
			return fmt.Sprintf("MEASURED %s with %d tests: score %.2f", r.Champion.Model, r.TestsUsed, r.Champion.Score)
		}
		return fmt.Sprintf("RETAINED %s after %d tests: %s", r.Champion.Model, r.TestsUsed, r.Reason)
	case VerdictInconclusive:
		return fmt.Sprintf("INCONCLUSIVE, %s stays: %s", r.Champion.Model, r.Reason)
	}
	return fmt.Sprintf("FAILED: %s", r.Reason)
}

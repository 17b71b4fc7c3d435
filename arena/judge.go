package arena

import (
	"fmt"
	"math"
	"strings"

	"github.com/turbone/jarvis/scoring"
)

// plan returns how the candidate's tests are judged. The latencies of tests
// that ran side by side say nothing about the speed.
func (p *progress) plan() scoring.Plan {
	weights := p.weights
	if p.Parallel > 1 {
		weights.Speed = 0
	}
	return scoring.Plan{Cap: p.Cap, Strict: p.Strict, Weights: weights}
}

// moments returns the numbers of the candidate's tests at which there is a
// look.
func (p *progress) moments() []int {
	if p.Method == MethodPlain {
		return []int{p.Cap}
	}
	return p.plan().Looks()
}

// seen returns the number of the candidate's tests at the latest look.
func (p *progress) seen() int {
	if len(p.looks) == 0 {
		return 0
	}
	return p.looks[len(p.looks)-1].Tests
}

// verdict returns the verdict of the latest look. decided is false as long as
// the candidate's tests go on.
func (p *progress) verdict() (v scoring.Verdict, decided bool) {
	v = p.decisive().Verdict
	return v, v != "" && v != scoring.Continue
}

// decisive returns the latest judgement, the zero Look if there was none.
func (p *progress) decisive() scoring.Look {
	if p.judged == nil {
		return scoring.Look{}
	}
	return *p.judged
}

// look judges the tests so far.
func (p *progress) look() scoring.Look {
	if p.Method == MethodPlain {
		return p.plainLook()
	}
	return p.plan().Judge(scoring.Evidence{
		Champion: p.champions(), Candidate: p.candidate, History: p.history, Interleaved: p.After > 0,
		SecondBlock: p.confirmed != nil,
	})
}

// confirm judges a promotion once more, with the champion's second block.
func (p *progress) confirm() scoring.Look {
	return p.plan().Confirm(p.looks[len(p.looks)-1], scoring.Evidence{
		Champion: p.champions(), Candidate: p.candidate, History: p.history,
	})
}

// plainLook judges by the plain rule: its interval is the estimate alone.
func (p *progress) plainLook() scoring.Look {
	candidate := p.weights.Score(scoring.Measure(p.candidate))
	stored := p.weights.Score(scoring.Measure(p.before)).Composite
	if p.Stored != nil {
		stored = *p.Stored
	}
	gap := candidate.Composite - stored
	look := scoring.Look{Verdict: scoring.Retain, Tests: len(p.candidate), Tasks: p.Tasks, Estimate: gap, Low: gap, High: gap}
	if scoring.PlainRule(candidate, stored) {
		look.Verdict = scoring.Promote
	}
	return look
}

// smallest returns the smallest gap that the session can detect: by the
// champion's own runs if there are enough, else by a typical node. 0 means that
// it is unknown.
func (p *progress) smallest() float64 {
	if p.Cap == 0 || p.Method == MethodPlain { // which has no bound
		return 0
	}
	if len(p.history) >= enoughHistory {
		last := p.history[0]
		look := p.plan().Judge(scoring.Evidence{Champion: last, Candidate: last, History: p.history[1:], Interleaved: p.After > 0})
		if look.Smallest > 0 {
			return look.Smallest
		}
	}
	return typicalGap(p.Tasks, p.Cap, p.weights)
}

// falsePromotions returns the greatest number of equal candidates of 100 that are
// promoted.
func (p *progress) falsePromotions() int {
	switch p.Method {
	case MethodMeasured:
		return 0
	case MethodPlain:
		return 50
	}
	return 7
}

// outcome returns the verdict of a session that has ended, and the reason.
func (p *progress) outcome() outcome {
	if p.failure != "" {
		return outcome{VerdictFailed, p.failure}
	}
	if p.Method == MethodMeasured {
		return outcome{VerdictRetained, p.Champion.Name + " is what the node serves: measured, not compared"}
	}
	look := p.decisive()
	gap := gapText(look)
	promoted := look.Verdict == scoring.Promote
	switch {
	case promoted && p.SelfTest:
		return outcome{VerdictInconclusive, fmt.Sprintf("the model seems better than itself (%s): this node is too unsteady for a verdict", gap)}
	case p.SelfTest:
		return outcome{VerdictRetained, fmt.Sprintf(
			"the model against itself: %s; on this node a gap of %.2f can be found, and at most %d of 100 equal candidates are promoted",
			gap, look.Smallest, p.falsePromotions())}
	case promoted && p.Method == MethodPlain:
		return outcome{VerdictPromoted, fmt.Sprintf("its score is above the champion's by %.2f (plain rule)", look.Estimate)}
	case p.Method == MethodPlain:
		return outcome{VerdictRetained, fmt.Sprintf("the score of %s is not above the champion's (%+.2f, plain rule)", p.Candidate.Name, look.Estimate)}
	case promoted:
		text := "better by " + gap
		if excess := round(look.Excess()); excess > 0 {
			text += fmt.Sprintf(", which is about %.2f too high because it won", excess)
		}
		return outcome{VerdictPromoted, text}
	case len(look.Guards) > 0 && look.Estimate > 0:
		return outcome{VerdictRetained, fmt.Sprintf("the score of %s is higher (%s), but %s", p.Candidate.Name, gap, strings.Join(look.Guards, " and "))}
	case look.Verdict == scoring.Inconclusive:
		text := fmt.Sprintf("nothing is shown after %d tests of the candidate: %s; the champion stays", look.Tests, gap)
		if look.More > 0 {
			text += fmt.Sprintf("; about %d more of them would settle it", look.More)
		}
		return outcome{VerdictInconclusive, text}
	case look.High < 0:
		return outcome{VerdictRetained, fmt.Sprintf("%s is worse by %.2f [%.2f … %.2f]", p.Candidate.Name, round(-look.Estimate), round(-look.High), round(-look.Low))}
	}
	return outcome{VerdictRetained, fmt.Sprintf("%s is probably not better by the %.1f points that are worth a change: %s", p.Candidate.Name, scoring.Worth, gap)}
}

// gapText returns a gap with its interval, if it has one.
func gapText(l scoring.Look) string {
	if l.Low == l.High {
		return fmt.Sprintf("%+.2f", round(l.Estimate))
	}
	return fmt.Sprintf("%+.2f [%+.2f … %+.2f]", round(l.Estimate), round(l.Low), round(l.High))
}

// round returns a figure with two decimals, and 0 for a negative zero.
func round(figure float64) float64 {
	if r := scoring.Round(figure); r != 0 && !math.IsNaN(r) {
		return r
	}
	return 0
}

package scoring

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Text returns the alarm as one line: "[REGRESSION] M1 score 9.2 → 7.8 (-15%): …".
// An empty node is left out.
func (a Alarm) Text(node string) string {
	head := "[" + strings.ToUpper(string(a.Kind)) + "] "
	if node != "" {
		head += node + " "
	}
	return head + a.Reason()
}

// Reason returns [Alarm.Text] without kind and node: "score 9.2 → 7.8 (-15%): …",
// or "since Ollama 0.33.0: score 8.0 → 6.4 (-20%): …".
func (a Alarm) Reason() string {
	if a.Kind == Outage {
		return a.outage()
	}
	head := fmt.Sprintf("score %s (%s)", scores(a.From, a.To), percentChange(-a.Drop))
	if a.Change != "" {
		head = "since " + a.Change + ": " + head
	}
	var parts []string
	if main := a.part(a.Cause); main != "" {
		parts = append(parts, main)
	} else if a.Cause != "" {
		parts = append(parts, string(a.Cause))
	}
	for _, c := range []Cause{CauseQuality, CauseSpeed, CauseErrors} {
		if c != a.Cause && a.notable(c) {
			parts = append(parts, a.part(c))
		}
	}
	if len(a.Domains) > 0 {
		var names []string
		for _, d := range a.Domains {
			names = append(names, fmt.Sprintf("%s %s → %s", d.Domain, percent(d.From), percent(d.To)))
		}
		parts = append(parts, "worse in "+enumerated(names, 3))
	}
	switch n := len(a.Tasks); {
	case n == 1:
		parts = append(parts, "a task that always passed now always fails: "+a.Tasks[0])
	case n > 1:
		parts = append(parts, fmt.Sprintf("%d tasks that always passed now always fail: %s", n, enumerated(a.Tasks, 5)))
	}
	if a.Prefill.Known {
		parts = append(parts, fmt.Sprintf("slower prefill, first token after %s → %s", seconds(a.Prefill.From), seconds(a.Prefill.To)))
	}
	if a.Decoding.Known {
		parts = append(parts, fmt.Sprintf("slower decoding, %s → %s tokens per second", rateOf(a.Decoding.From), rateOf(a.Decoding.To)))
	}
	if a.Slow {
		parts = append(parts, "a slow decline over several runs")
	}
	if sure := a.Sureness(); sure != "" {
		parts = append(parts, sure)
	}
	return head + ": " + strings.Join(parts, "; ")
}

// Sureness returns the alarm's confidence in words. It is "" for an outage, which
// is counted and not estimated, and where Z is unknown.
func (a Alarm) Sureness() string {
	if a.Z == 0 {
		return ""
	}
	word := "likely"
	switch z := math.Abs(a.Z); {
	case z >= 5:
		word = "as good as certain"
	case z >= 4:
		word = "nearly certain"
	case z >= 3:
		word = "very likely"
	}
	return fmt.Sprintf("%s (z %.1f)", word, a.Z)
}

// change returns the change of a cause's figure.
func (a Alarm) change(c Cause) Change {
	switch c {
	case CauseQuality:
		return a.Quality
	case CauseSpeed:
		return a.Latency
	default:
		return a.Errors
	}
}

// notable reports whether a part changed in the alarm's direction by more than
// chance explains.
func (a Alarm) notable(c Cause) bool {
	change := a.change(c)
	return change.Known && change.Z*sign(a.Kind) < qualityAspect.limits().suspect
}

// part returns the change of a cause's figure in words, "" where unknown.
func (a Alarm) part(c Cause) string {
	change := a.change(c)
	if !change.Known {
		return ""
	}
	switch c {
	case CauseQuality:
		return fmt.Sprintf("quality %s → %s", percent(change.From), percent(change.To))
	case CauseSpeed:
		return fmt.Sprintf("speed, mean latency %s → %s", seconds(change.From), seconds(change.To))
	default:
		return fmt.Sprintf("errors %s → %s of the tests", percent(change.From), percent(change.To))
	}
}

// outage returns the reason of an outage.
func (a Alarm) outage() string {
	text := fmt.Sprintf("no answer to %d of %d tests", a.Unanswered, a.Tests)
	if a.Tests > 0 {
		text += fmt.Sprintf(" (%s)", percent(float64(a.Unanswered)/float64(a.Tests)))
	}
	if a.Runs > 1 {
		text += fmt.Sprintf(" in %d runs", a.Runs)
	}
	switch {
	case !a.Quality.Known && a.Tests-a.Unanswered >= leastTests*a.Runs:
		return text + "; nothing yet to compare the answers with"
	case !a.Quality.Known:
		return text + "; says nothing of the model: too few answers to judge"
	case a.Quality.Z < qualityAspect.limits().suspect:
		return text + fmt.Sprintf("; fewer of the answers are right: %s → %s", percent(a.Quality.From), percent(a.Quality.To))
	default:
		return text + "; the answers that came are as good as before"
	}
}

// scores formats both with one decimal, or with two where one would hide the
// change.
func scores(from, to float64) string {
	text, other := fmt.Sprintf("%.1f", from), fmt.Sprintf("%.1f", to)
	if text == other {
		text, other = fmt.Sprintf("%.2f", from), fmt.Sprintf("%.2f", to)
	}
	return text + " → " + other
}

func percentChange(share float64) string {
	if whole := math.Round(100 * share); whole != 0 {
		return fmt.Sprintf("%+.0f%%", whole)
	}
	return "0%"
}

func percent(share float64) string {
	text := fmt.Sprintf("%.1f", 100*share)
	return strings.TrimSuffix(text, ".0") + "%"
}

func seconds(figure float64) string {
	if figure < 1 {
		return time.Duration(figure * float64(time.Second)).Round(time.Millisecond).String()
	}
	return fmt.Sprintf("%.1fs", figure)
}

// rateOf formats tokens per second, from the seconds per token.
func rateOf(perToken float64) string {
	if perToken <= 0 {
		return "?"
	}
	return fmt.Sprintf("%.3g", 1/perToken)
}

// enumerated joins the first names, and counts the rest.
func enumerated(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

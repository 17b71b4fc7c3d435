package arena

import (
	"fmt"

	"github.com/turbone/jarvis/internal/duration"
	"github.com/turbone/jarvis/scoring"
)

// String returns the event as a line, without its time.
func (e Event) String() string { return fmt.Sprintf("%s: %s", e.Node, e.Text()) }

// Text returns the event as a sentence, without the node's name.
func (e Event) Text() string {
	switch e.Type {
	case EventStarted, EventResumed, EventRecovering:
		return e.sessionText()
	case EventPromoted, EventRetained:
		if e.Result != nil {
			return e.Result.Sentence()
		}
	case EventLook, EventConfirmed:
		if e.Look != nil {
			return e.lookText()
		}
	}
	switch e.Type {
	case EventWaiting:
		return fmt.Sprintf("%s; waiting up to %s", e.Cause, duration.Text(e.Limit))
	case EventTraffic:
		return "it may still get traffic: " + e.Cause
	case EventBusy:
		return fmt.Sprintf("%d requests of others are under way: the figures are less sure", e.Count)
	case EventLoading:
		return "loading " + e.Model
	case EventLoaded:
		return fmt.Sprintf("%s is loaded (%s)", e.Model, duration.Text(e.Took))
	case EventAway:
		return fmt.Sprintf("waiting for the server, up to %s: %s", duration.Text(e.Limit), e.Cause)
	case EventRestarting:
		return "the server doesn't answer: restarting it"
	case EventUnsteady:
		return fmt.Sprintf("%s: %s", e.Model, e.Cause)
	case EventReloading:
		return fmt.Sprintf("%s: %d tests in a row without an answer: %s; loading it again", e.Model, e.Count, e.Cause)
	case EventPaused:
		return fmt.Sprintf("%s: %d tests in a row without an answer; waiting up to %s until it answers", e.Model, e.Count, duration.Text(e.Limit))
	case EventRepeating:
		return fmt.Sprintf("%s: %d tests without an answer are asked anew", e.Model, e.Count)
	case EventDropped:
		return e.Cause
	case EventChosen:
		return e.Model + " is the best of the candidates"
	case EventRestored:
		return e.Model + " serves again"
	}
	return fmt.Sprintf("%s %s", e.Type, e.Model)
}

// sessionText says what a session is about.
func (e Event) sessionText() string {
	switch {
	case e.Type == EventResumed:
		return fmt.Sprintf("%s against %s, going on after %d tests of all", challengers(e.Model, e.Candidates), e.Opponent, e.Done)
	case e.Type == EventRecovering:
		return fmt.Sprintf("a tournament of %s was cut short after %d tests of all: ending it", challengers(e.Model, e.Candidates), e.Done)
	case e.SelfTest:
		return fmt.Sprintf("%s against itself, %d tests", e.Opponent, e.Most)
	case e.Method == MethodMeasured:
		return fmt.Sprintf("measuring %s, %d tests", e.Opponent, e.Most)
	case e.Candidates > 1:
		return fmt.Sprintf("%d candidates, the best of them against %s, at most %d tests of all", e.Candidates, e.Opponent, e.Most)
	}
	return fmt.Sprintf("%s against %s, at most %d tests of both", challengers(e.Model, e.Candidates), e.Opponent, e.Most)
}

// lookText says how the tests so far were judged.
func (e Event) lookText() string {
	l := e.Look
	text := fmt.Sprintf("after %d tests of the candidate: %s", l.Tests, gapText(*l))
	if l.Upper != 0 { // the plain rule has no bound
		text += fmt.Sprintf(", z %.2f of %.2f", l.Z, l.Upper)
	}
	if l.Verdict == scoring.Continue && l.More > 0 {
		text += fmt.Sprintf(", about %d more", l.More)
	}
	switch {
	case e.Type != EventConfirmed:
		return text
	case l.Verdict == scoring.Promote:
		return "confirmed: " + text
	}
	return "not confirmed: " + text
}

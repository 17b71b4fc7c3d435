package grade

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// ErrMatchesEmpty is the error for a pattern that every answer matches.
var ErrMatchesEmpty = errors.New("the pattern matches the empty text, so any answer: write what a right one contains")

// Regex returns a [Grader] that accepts an answer in which an RE2 pattern matches
// anywhere. The pattern is tried on the answer without its thinking and without
// copies of the question, first with and then without markup and accents. It
// knows no denial: "not 4" contains a 4. Anchor the pattern where that matters.
//
// It returns an error for an invalid pattern, and [ErrMatchesEmpty].
func Regex(pattern string) (Grader, error) {
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("the pattern %q of an expected answer: %w", pattern, err)
	}
	if compiled.MatchString("") {
		return nil, fmt.Errorf("the pattern %q of an expected answer: %w", pattern, ErrMatchesEmpty)
	}
	return regex{compiled}, nil
}

type regex struct{ pattern *regexp.Regexp }

func (g regex) Grade(question, answer string) bool {
	said := spoken(answer)
	if strings.TrimSpace(said) == "" {
		return false
	}
	return g.pattern.MatchString(strings.TrimSpace(unrepeated(said, question))) ||
		g.pattern.MatchString(strings.TrimSpace(unrepeated(plain(said), plain(question))))
}

// String describes the grader.
func (g regex) String() string { return "regex " + strconv.Quote(g.pattern.String()) }

// unrepeated returns a text without the copies of the question in it. A
// question as short as a word is left: it may be the answer.
func unrepeated(said, question string) string {
	question = strings.TrimSpace(question)
	if len(strings.Fields(question)) < 2 {
		if strings.TrimSpace(said) == question {
			return ""
		}
		return said
	}
	return strings.ReplaceAll(said, question, "\n")
}

package grade

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// ErrMatchesEmpty is returned for a pattern that every answer meets.
var ErrMatchesEmpty = errors.New("the pattern matches the empty text, so any answer: write what a right one contains")

// Regex returns a [Grader] that takes an answer for right in which an RE2
// pattern is found, anywhere, in the case the pattern says. It looks at the
// answer without its thinking, first as it was written, then without markup
// and accents. What only repeats the question doesn't count. It knows no
// denial: "not 4" holds a 4; anchor the pattern where that matters.
//
// The error is that of a pattern that isn't one, or [ErrMatchesEmpty].
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

package grade

import (
	"fmt"
	"strconv"
	"strings"
)

// OneOf returns a [Grader] that accepts an answer which [Expect] accepts for at
// least one of the texts.
//
// The error wraps [ErrNoExpectation] if there is no text, or one without content.
func OneOf(texts ...string) (Grader, error) {
	if len(texts) == 0 {
		return nil, fmt.Errorf("one of no texts: %w", ErrNoExpectation)
	}
	o := oneOf{texts: append([]string(nil), texts...)}
	for i, text := range texts {
		grader, err := Expect(text)
		if err != nil {
			return nil, fmt.Errorf("text %d of %d, %q: %w", i+1, len(texts), text, err)
		}
		o.graders = append(o.graders, grader)
	}
	return o, nil
}

type oneOf struct {
	texts   []string
	graders []Grader
}

func (o oneOf) Grade(question, answer string) bool {
	for _, grader := range o.graders {
		if grader.Grade(question, answer) {
			return true
		}
	}
	return false
}

// String describes the grader, the same for the same texts in the same order.
func (o oneOf) String() string {
	quoted := make([]string, len(o.texts))
	for i, text := range o.texts {
		quoted[i] = strconv.Quote(text)
	}
	return "one_of " + strings.Join(quoted, " ")
}

package grade

import "fmt"

// Grader says whether an answer to a question is right. It must be pure, and
// safe to use from several goroutines.
type Grader interface {
	// Grade takes the question as it was asked and the answer as it came,
	// thinking and markup included.
	Grade(question, answer string) bool
}

// MustExpect is [Expect] for a text known to be right, as a literal in a
// program or a test is. It panics where Expect returns an error.
func MustExpect(text string) Grader { return must(Expect(text)) }

// MustOneOf is [OneOf] for texts known to be right. It panics where OneOf
// returns an error.
func MustOneOf(texts ...string) Grader { return must(OneOf(texts...)) }

// MustRegex is [Regex] for a pattern known to be right. It panics where Regex
// returns an error.
func MustRegex(pattern string) Grader { return must(Regex(pattern)) }

// MustNumber is [Number] for a number and tolerances known to be right. It
// panics where Number returns an error.
func MustNumber(value float64, o NumberOptions) Grader { return must(Number(value, o)) }

// MustJSON is [JSON] for a path and a value known to be right. It panics where
// JSON returns an error.
func MustJSON(path string, want any) Grader { return must(JSON(path, want)) }

// MustChoice is [Choice] for a letter and options known to be right. It panics
// where Choice returns an error.
func MustChoice(letter string, options map[string]string) Grader {
	return must(Choice(letter, options))
}

func must(grader Grader, err error) Grader {
	if err != nil {
		panic(fmt.Errorf("grade: %w", err))
	}
	return grader
}

package grade

import "fmt"

// Grader decides whether an answer to a question is right. Implementations must
// be pure functions, safe for concurrent use.
type Grader interface {
	// Grade reports whether answer is right. question is the text that was
	// asked, answer the whole answer with its thinking and markup.
	Grade(question, answer string) bool
}

// MustExpect is like [Expect] but panics instead of returning an error. It is for
// arguments that are literals of a program or a test.
func MustExpect(text string) Grader { return must(Expect(text)) }

// MustOneOf is like [OneOf] but panics instead of returning an error. It is for
// arguments that are literals of a program or a test.
func MustOneOf(texts ...string) Grader { return must(OneOf(texts...)) }

// MustRegex is like [Regex] but panics instead of returning an error. It is for
// arguments that are literals of a program or a test.
func MustRegex(pattern string) Grader { return must(Regex(pattern)) }

// MustNumber is like [Number] but panics instead of returning an error. It is for
// arguments that are literals of a program or a test.
func MustNumber(value float64, o NumberOptions) Grader { return must(Number(value, o)) }

// MustJSON is like [JSON] but panics instead of returning an error. It is for
// arguments that are literals of a program or a test.
func MustJSON(path string, want any) Grader { return must(JSON(path, want)) }

// MustChoice is like [Choice] but panics instead of returning an error. It is for
// arguments that are literals of a program or a test.
func MustChoice(letter string, options map[string]string) Grader {
	return must(Choice(letter, options))
}

func must(grader Grader, err error) Grader {
	if err != nil {
		panic(fmt.Errorf("grade: %w", err))
	}
	return grader
}

package grade_test

import (
	"fmt"

	"github.com/turbone/jarvis/scoring/grade"
)

func ExampleExpect() {
	grader := grade.MustExpect("4")
	const question = "What is 2+2?"
	for _, answer := range []string{
		`<think>easy</think>It is $\boxed{4}$.`,
		"Four.",
		"14",
		"It is not 4.",
		"<think>It is 4",
		question,
	} {
		fmt.Println(grader.Grade(question, answer), answer)
	}
	// Output:
	// true <think>easy</think>It is $\boxed{4}$.
	// true Four.
	// false 14
	// false It is not 4.
	// false <think>It is 4
	// false What is 2+2?
}

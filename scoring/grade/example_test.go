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

func Example() {
	for _, task := range []struct {
		grader           grade.Grader
		question, answer string
	}{
		{grade.MustOneOf("Paris", "Lutetia"), "The capital of France?", "It is **Paris**."},
		{grade.MustNumber(1.5, grade.NumberOptions{Unit: "min"}), "How long is 90 s?", "That makes 90 s."},
		{grade.MustRegex(`(?m)^SELECT .*;$`), "Write a query.", "```sql\nSELECT 1;\n```"},
		{grade.MustJSON("user.id", 7), "Answer in JSON.", `{"user": {"id": 8}}`},
		{grade.MustChoice("B", map[string]string{"A": "red", "B": "blue"}), "Which colour?", "The answer is (B)."},
	} {
		fmt.Println(task.grader.Grade(task.question, task.answer), task.grader)
	}
	// Output:
	// true one_of "Paris" "Lutetia"
	// true number 1.5 min
	// true regex "(?m)^SELECT .*;$"
	// false json "user.id" = 7
	// true choice B A="red" B="blue"
}

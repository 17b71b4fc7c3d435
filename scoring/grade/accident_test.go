package grade

import "testing"

// What looks like the expected answer, and says something else.
func TestNoAnswerByAccident(t *testing.T) {
	tests := []struct {
		name, expect, answer string
		want                 bool
	}{
		{"thousands with zeros", "4", "4,000", false},
		{"thousands with zeros, in a sentence", "10", "It costs 10,000 euros.", false},
		{"thousands with zeros, in LaTeX", "4", "$4,000$", false},
		{"thousands that would be a decimal", "12.5", "12,500", false},
		{"the thousands themselves", "4000", "4,000", true},
		{"the thousands among thousands", "12500", "12,500.00", true},
		{"a decimal point with zeros", "4", "4.000", true},
		{"a decimal comma with zeros", "4", "4,00", true},
		{"a decimal comma", "1.234", "1,234", true},
		{"a decimal comma after nothing", "0.5", "0,500", true},
		{"thousands in short", "4", "4k", false},
		{"a temperature", "4", "4K", true},

		{"one of two", "cold", "hot or cold", false},
		{"one of two, with a full stop", "cold", "It is hot or cold.", false},
		{"the first of two", "yes", "yes or no", false},
		{"the first of two places", "Paris", "Paris or London.", false},
		{"one of two, in French", "Paris", "Paris ou Lyon", false},
		{"one of two, several words", "New York", "New York or Boston", false},
		{"one of two, then decided", "cold", "Hot or cold? Cold.", true},
		{"another name", "Paris", "Paris, or Lutetia", true},
		{"a clause after", "Paris", "Paris or so they say in the books", true},
		{"where, in French", "Paris", "Paris où se trouve la tour Eiffel", true},
		{"more or less", "cold", "It is more or less cold", true},

		{"linear, said quadratic", "O(n)", "It takes O(n^2).", false},
		{"linear, said quadratic, with a superscript", "O(n)", "It takes O(n²).", false},
		{"linear, said more", "O(n)", "It takes O(n log n).", false},
		{"linear", "O(n)", "It takes O(n).", true},
		{"linear, in LaTeX", "O(n)", `It takes \(O(n)\).`, true},
		{"linear, in code", "O(n)", "It takes `O(n)` time", true},
		{"linear times logarithmic", "O(n log n)", "O(n log n)", true},
		{"another call", "print(x)", "print(x, y)", false},
		{"a base", "x", "x^2", false},
		{"words in parentheses", "Paris (France)", "Paris, France", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			grader, err := Expect(test.expect)
			if err != nil {
				t.Fatal(err)
			}
			if got := grader.Grade("", test.answer); got != test.want {
				t.Errorf("expected %q, answered %q: graded %v", test.expect, test.answer, got)
			}
		})
	}
}

package grade

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

type graded struct {
	name     string
	question string
	answer   string
	want     bool
}

func grade(t *testing.T, grader Grader, rows []graded) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if got := grader.Grade(row.question, row.answer); got != row.want {
				t.Errorf("%v, answered %q: graded %v", grader, row.answer, got)
			}
		})
	}
}

func TestNumber(t *testing.T) {
	tests := []struct {
		value   float64
		options NumberOptions
		answer  string
		want    bool
	}{
		{4, NumberOptions{}, "4", true},
		{4, NumberOptions{}, "**4**.", true},
		{4, NumberOptions{}, `$\boxed{4}$`, true},
		{4, NumberOptions{}, "<think>5</think>4", true},
		{4, NumberOptions{}, "<think>4", false},
		{4, NumberOptions{}, "<|channel|>analysis<|message|>5<|channel|>final<|message|>4", true},
		{4, NumberOptions{}, "", false},
		{4, NumberOptions{}, "14", false},
		{4, NumberOptions{}, "-4", false},
		{4, NumberOptions{}, "minus 4", false},
		{-4, NumberOptions{}, "-4", true},
		{-4, NumberOptions{}, "−4", true},
		{-4, NumberOptions{}, "x = -4", true},
		{-4, NumberOptions{}, "moins 4", true},
		{4, NumberOptions{}, "not 4", false},
		{4, NumberOptions{}, "It is 4, not 5.", true},
		{5, NumberOptions{}, "It is 4, not 5.", false},
		{4, NumberOptions{}, "It is 4. No wait, it is not 4.", false},
		{4, NumberOptions{}, "n'est pas 4", false},
		{4, NumberOptions{}, "4 or 5", false},
		{5, NumberOptions{}, "4 or 5", false},
		{5, NumberOptions{}, "4 ou 5", false},
		{4, NumberOptions{}, "2 + 2 = 4", true},
		{2, NumberOptions{}, "2 + 2 = 4", false},
		{3, NumberOptions{}, "3 × 4", false},
		{12, NumberOptions{}, `\(3 \times 4 = 12\)`, true},
		{4, NumberOptions{}, "The answer is 4, as 2 and 2 show.", true},
		{4, NumberOptions{}, "Réponse : 4", true},
		{4, NumberOptions{}, "Four.", true},
		{4, NumberOptions{}, "quatre", true},
		{4, NumberOptions{}, "twenty-four", false},
		{4, NumberOptions{}, "GPT-4", false},
		{4, NumberOptions{}, "4^2", false},
		{1234, NumberOptions{}, "1,234", true},
		{1234, NumberOptions{}, "1 234", true},
		{1234, NumberOptions{}, "1.234", true},
		{1234, NumberOptions{}, "1'234", true},
		{1234, NumberOptions{}, "1\u202f234", true},
		{1234, NumberOptions{}, `$1{,}234$`, true},
		{1234.5, NumberOptions{}, "1.234,5", true},
		{3.14, NumberOptions{}, "3,14", true},
		{3.14159, NumberOptions{Tolerance: 0.01}, "3.14", true},
		{3.14159, NumberOptions{Tolerance: 0.001}, "3.14", false},
		{100, NumberOptions{Relative: 0.02}, "98", true},
		{100, NumberOptions{Relative: 0.02}, "97", false},
		{1200, NumberOptions{}, "1.2e3", true},
		{1200, NumberOptions{}, "1.2 × 10^3", true},
		{1200, NumberOptions{}, `$1.2 \times 10^{3}$`, true},
		{0.0012, NumberOptions{}, `1.2 \times 10^{-3}`, true},
		{0.5, NumberOptions{}, "1/2", true},
		{0.5, NumberOptions{}, `\frac{1}{2}`, true},
		{0.5, NumberOptions{}, ".5", true},
		{30, NumberOptions{Unit: "%"}, "30 %", true},
		{30, NumberOptions{Unit: "%"}, "30 percent", true},
		{30, NumberOptions{Unit: "%"}, "30", true},
		{4, NumberOptions{Unit: "s"}, "4 s", true},
		{4, NumberOptions{Unit: "s"}, "4000 ms", true},
		{4, NumberOptions{Unit: "s"}, "4 ms", false},
		{4, NumberOptions{Unit: "s"}, "4 secondes", true},
		{90, NumberOptions{Unit: "min"}, "1.5 h", true},
		{4, NumberOptions{Unit: "h"}, "It takes 4 hours for 300 km.", true},
		{1, NumberOptions{Unit: "GiB"}, "1024 MiB", true},
		{1, NumberOptions{Unit: "GB"}, "1000 MB", true},
		{1, NumberOptions{Unit: "GB"}, "1024 MB", false},
		{2, NumberOptions{Unit: "kg"}, "2000 g", true},
		{2, NumberOptions{Unit: "km"}, "2 kg", false},
		{2, NumberOptions{Unit: "km"}, "2 parsecs", false},
		{4, NumberOptions{}, "4 million", false},
		{4, NumberOptions{}, "4 milliards", false},
		{4e6, NumberOptions{}, "4 million", true},
		{4e6, NumberOptions{Unit: "EUR"}, "4 million euros", true},
		{2.5e9, NumberOptions{}, "2,5 milliards d'octets", true},
		{4e9, NumberOptions{}, "$4 billion", true},
		{3000, NumberOptions{}, "3 mille", true},
		{3000, NumberOptions{Unit: "billion"}, "3,000 billion", true},
		{3000, NumberOptions{Unit: "billion"}, "3,000 billion euros", true},
		{3000, NumberOptions{Unit: "billion"}, "3 billion", false},
		{24, NumberOptions{Unit: "px"}, "24 pixels", true},
		{24, NumberOptions{Unit: "px"}, "24px", true},
		{20, NumberOptions{Unit: "EUR"}, "20 €", true},
		{20, NumberOptions{Unit: "EUR"}, "$20", false},
		{20, NumberOptions{Unit: "USD"}, "$20", true},
		{90, NumberOptions{Unit: "min"}, "$90$", true},
		{90, NumberOptions{Unit: "min"}, "$$90$$", true},
		{90, NumberOptions{Unit: "min"}, "The answer is $90$.", true},
		{90, NumberOptions{Unit: "min"}, "It takes $90$ minutes.", true},
		{90, NumberOptions{Unit: "min"}, "It takes $90$ hours.", false},
		{90, NumberOptions{Unit: "min"}, "It takes $90\\text{ min}$.", true},
		{-90, NumberOptions{Unit: "EUR"}, "$-90$", true},
		{90, NumberOptions{Unit: "min"}, "$90", false},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%v %v %q", test.value, test.options, test.answer), func(t *testing.T) {
			grader := MustNumber(test.value, test.options)
			if got := grader.Grade("How much is it, of all?", test.answer); got != test.want {
				t.Errorf("graded %v", got)
			}
		})
	}
}

func TestChoice(t *testing.T) {
	options := map[string]string{"A": "London", "B": "Paris", "C": "Rome", "D": "Madrid"}
	const question = "What is the capital of France? A) London B) Paris C) Rome D) Madrid"
	var rows []graded
	for answer, want := range map[string]bool{
		"B": true, "b": true, "(b)": true, "B.": true, "**B**": true, "B)": true, "(B) Paris": true, "B) Paris": true,
		"Answer: B": true, "The answer is B) Paris": true, "Réponse : B": true, "La réponse est B.": true,
		"Paris": true, "It is Paris.": true, `\boxed{B}`: true, `$\boxed{\text{B}}$`: true, "Option B": true,
		"A is wrong, B": true, "A is wrong. The answer is B.": true, "Not A but B": true, "<think>A</think>B": true,
		"The correct answer is **B**.": true, "B, because C is in Italy": true, question + "\nB": true, "C'est B": true,
		"A": false, "C": false, "London": false, "A or B": false, "B or C": false, "B ou C": false, "": false, "not B": false,
		"Answer: C": false, "<think>B": false, "<think>B</think>A": false, question: false, "A) London B) Paris C) Rome D) Madrid": false,
		"It is not B.": false, "Paris or London": false, "A, B, C, D": false, "B is wrong": false, "The answer is not B": false,
		"E": false, "Bonjour": false, "A and B": false, "The answer is B or C": false,
	} {
		rows = append(rows, graded{answer, question, answer, want})
	}
	grade(t, MustChoice("B", options), rows)
	grade(t, MustChoice("b", nil), []graded{{"no options", "", "The answer is B.", true}, {"no options, another", "", "C", false}})
	grade(t, MustChoice("A", options), []graded{{"an article", question, "A city it is", false}, {"A", question, "Answer: A", true}})
}

func TestJSON(t *testing.T) {
	tests := []struct {
		path   string
		want   any
		answer string
		right  bool
	}{
		{"", 4, "4", true}, {"", "a", `"a"`, true}, {"", nil, "null", true}, {"", []int{1, 2}, "[1, 2]", true},
		{"", []int{1, 2}, "[2, 1]", false}, {"", map[string]any{"a": 1}, `{"a":1}`, true},
		{"", map[string]any{"a": 1}, `{"a":1,"b":2}`, false}, {"", map[string]any{}, "{}", true},
		{"a", 1, `{"a":1}`, true}, {"a", 1, `{"a":1.0}`, true}, {"a", 100, `{"a":1e2}`, true}, {"a", 1, `{"a":"1"}`, false},
		{"a", 1, `{"a":2}`, false}, {"a", 1, `{"b":1}`, false}, {"a", true, `{"a":true}`, true}, {"a", true, `{"a":false}`, false},
		{"a", "Été", `{"a":" Été "}`, true}, {"a", "Été", `{"a":"été"}`, false}, {"a.b[0].c", 1, `{"a":{"b":[{"c":1}]}}`, true},
		{"a.b[1].c", 1, `{"a":{"b":[{"c":1}]}}`, false}, {"[1]", 2, "[1,2]", true}, {"a.b", 1, `{"a":[1]}`, false},
		{"a", 1, "Here:\n```json\n{\"a\": 1}\n```\nDone.", true}, {"a", 1, "Here is {\"a\": 1} for you.", true},
		{"a", 1, "<think>{\"a\":2}</think>{\"a\":1}", true}, {"a", 1, "<think>{\"a\":1}", false}, {"a", 1, "", false},
		{"a", 1, `{"a":1,}`, false}, {"a", 1, `{"a":1`, false}, {"a", 1, `{a:1}`, false}, {"a", 1, `Take {x} and {"a":1}`, true},
		{"a", 1, "```json\n{\"a\":2}\n```\nCorrected:\n```json\n{\"a\":1}\n```", true}, {"a", 1, `{"a":1} and {"a":2}`, true},
		{"a", 1, `{"a":1e999999999}`, false}, {"a", nil, `{}`, false},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s %v %s", test.path, test.want, test.answer), func(t *testing.T) {
			if got := MustJSON(test.path, test.want).Grade("", test.answer); got != test.right {
				t.Errorf("graded %v", got)
			}
		})
	}
	const question = `Double the a of {"a":1} please`
	grade(t, MustJSON("a", 2), []graded{
		{"after the question's", question, `From {"a":1} comes {"a":2}`, true},
		{"the question", question, question, false},
	})
}

func TestOneOfAndRegex(t *testing.T) {
	const question = "Is it Paris or London, of both?"
	grade(t, MustOneOf("Paris", "Lutetia"), []graded{
		{"one", question, "Paris", true}, {"other", question, "It is Lutetia.", true}, {"bold", question, "**paris**", true},
		{"none", question, "Rome", false}, {"denied", question, "not Paris", false}, {"empty", question, "", false},
		{"thought", question, "<think>Paris", false}, {"question", question, question, false}, {"piece", question, "Parisian", false},
		{"one denied", question, "Not Paris but Lutetia", true}, {"alternative", question, "Paris or Rome", false},
		{"French", question, "C'est Paris.", true}, {"LaTeX", question, `\boxed{\text{Paris}}`, true},
		{"harmony", question, "<|channel|>final<|message|>Paris", true}, {"analysis", question, "<|channel|>analysis<|message|>Paris", false},
	})
	grade(t, MustRegex(`\bPari[sz]\b`), []graded{
		{"plain", question, "Paris", true}, {"inside", question, "It is Pariz, yes", true}, {"bold", question, "**Paris**", true},
		{"case", question, "paris", false}, {"piece", question, "Parisian", false}, {"empty", question, "", false},
		{"thought", question, "<think>Paris</think>Rome", false}, {"cut", question, "<think>Paris", false},
		{"question", question, question, false}, {"after it", question, question + " Paris", true},
		{"harmony", question, "<|channel|>final<|message|>Paris", true}, {"analysis", question, "<|channel|>analysis<|message|>Paris", false},
	})
	grade(t, MustRegex(`^été$`), []graded{{"raw accents", "", "été", true}, {"without", "", "ete", false}})
	grade(t, MustRegex("(?m)^```go$"), []graded{{"raw markup", "", "```go\nx\n```", true}})
	grade(t, MustRegex(`^x = 4$`), []graded{{"markup", "", "**x = 4**", true}})
}

func TestGradersThatCannotBe(t *testing.T) {
	check := func(name string, err, want error) {
		t.Helper()
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: error %v, want %v", name, err, want)
		}
	}
	_, err := OneOf()
	check("one of none", err, ErrNoExpectation)
	_, err = OneOf("a", " ")
	check("one of blank", err, ErrNoExpectation)
	_, err = Regex("a*")
	check("empty match", err, ErrMatchesEmpty)
	_, err = Regex("(")
	check("no pattern", err, nil)
	_, err = Number(math.NaN(), NumberOptions{})
	check("no number", err, ErrNoNumber)
	_, err = Number(1, NumberOptions{Tolerance: -1})
	check("negative tolerance", err, ErrNoNumber)
	for _, path := range []string{".a", "a[", "a[x]", "a..b", "[99999999999999999999]", "a."} {
		_, err = JSON(path, 1)
		check("path "+path, err, nil)
	}
	_, err = JSON("a", math.Inf(1))
	check("no JSON", err, nil)
	for _, letter := range []string{"", "AB", "1", "é"} {
		_, err = Choice(letter, nil)
		check("letter "+letter, err, nil)
	}
	_, err = Choice("B", map[string]string{"A": "x"})
	check("no such option", err, nil)
}

func TestGradersDescribeThemselves(t *testing.T) {
	for want, grader := range map[string]Grader{
		`expect "Paris"`:           MustExpect("Paris"),
		`expect "=>"`:              MustExpect("=>"),
		`one_of "a" "b"`:           MustOneOf("a", "b"),
		`regex "a\\d"`:             MustRegex(`a\d`),
		`number 4 ±0.1 ±1% s`:      MustNumber(4, NumberOptions{Tolerance: 0.1, Relative: 0.01, Unit: "s"}),
		`json "a" = {"x":1,"y":2}`: MustJSON("a", map[string]int{"y": 2, "x": 1}),
		`choice B A="one" B="two"`: MustChoice("b", map[string]string{"b": "two", "a": "one"}),
	} {
		if got := fmt.Sprint(grader); got != want {
			t.Errorf("described as %s, want %s", got, want)
		}
	}
}

func everyGrader(t testing.TB) []Grader {
	return []Grader{MustOneOf("Paris", "4"), MustRegex(`\d+`), MustNumber(4, NumberOptions{Unit: "s"}), MustJSON("a", 1), MustChoice("B", nil)}
}

// TestTheEndOfALongAnswerCounts: of a megabyte the end is looked through.
func TestTheEndOfALongAnswerCounts(t *testing.T) {
	grader := MustExpect("Paris")
	long := strings.Repeat("Hm, let me see. ", 1<<16)
	if !grader.Grade("Which town?", long+"It is Paris.") || grader.Grade("Which town?", "It is Paris. "+long) {
		t.Error("the end of a long answer is not what counts")
	}
}

// BenchmarkGarbage grades a megabyte of what costs most.
func BenchmarkGarbage(b *testing.B) {
	for _, garbage := range []string{"[", "4 ", "1/"} {
		answer := strings.Repeat(garbage, 1<<20/len(garbage))
		for _, grader := range everyGrader(b) {
			b.Run(fmt.Sprintf("%v of %q", grader, garbage), func(b *testing.B) {
				for b.Loop() {
					grader.Grade("What is it, then?", answer)
				}
			})
		}
	}
}

func FuzzGraders(f *testing.F) {
	for _, seed := range []string{"4 s", "B", `{"a":1}`, "1/0", "-4e9", "\\boxed{", "\xff4", "4 × 10^-3", "− 4", "$ -4", "[[", ".5", "(b)"} {
		f.Add("What is it, then?", seed)
	}
	f.Fuzz(func(t *testing.T, question, answer string) {
		for _, grader := range everyGrader(t) {
			if first, again := grader.Grade(question, answer), grader.Grade(question, answer); first != again {
				t.Errorf("%v graded in two ways", grader)
			}
			if grader.Grade(question, " ") {
				t.Errorf("%v is met by nothing", grader)
			}
		}
	})
}

func TestMust(t *testing.T) {
	for name, make := range map[string]func() Grader{
		"Expect": func() Grader { return MustExpect("") },
		"OneOf":  func() Grader { return MustOneOf() },
		"Regex":  func() Grader { return MustRegex("(") },
		"Number": func() Grader { return MustNumber(1, NumberOptions{Tolerance: -1}) },
		"JSON":   func() Grader { return MustJSON("[", 1) },
		"Choice": func() Grader { return MustChoice("BB", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if _, ok := recover().(error); !ok {
					t.Error("no panic with an error")
				}
			}()
			make()
		})
	}
}

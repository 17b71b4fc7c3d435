package grade

import (
	"errors"
	"strings"
	"testing"
)

const (
	sum     = "What is 2+2? Answer with the number only."
	capital = "What is the capital of France? Answer with one word."
	somme   = "Combien font 2+2 ? Réponds par le nombre seul."
)

func TestExpect(t *testing.T) {
	tests := []struct {
		name, question, expect, answer string
		want                           bool
	}{
		// the plain answer
		{"bare", sum, "4", "4", true},
		{"full stop", sum, "4", "4.", true},
		{"exclamation", sum, "4", "4!", true},
		{"sentence", capital, "Paris", "The capital is Paris.", true},
		{"phrase", capital, "Paris", "Paris, of course", true},
		{"equation", sum, "4", "2+2=4", true},
		{"equation with spaces", sum, "4", "2 + 2 = 4.", true},
		{"equation, result first", sum, "4", "4 = 2 + 2", true},
		{"word and number", somme, "4", "Quatre, 4.", true},
		{"number in words", sum, "4", "Four.", true},
		{"number in words, at the end", sum, "4", "The answer is four", true},
		{"number in French words", somme, "4", "La réponse est quatre.", true},
		{"case", capital, "Paris", "PARIS", true},
		{"explained", sum, "4", "4. Because two and two make four.", true},
		{"plus sign", sum, "4", "+4", true},
		{"label", sum, "4", "Answer: 4", true},
		{"dash", sum, "4", "Answer - 4", true},
		{"em dash", sum, "4", "The answer — 4 — is easy", true},
		{"arrow", sum, "4", "2+2 => 4", true},
		{"corrected", sum, "4", "not 5 but 4", true},
		{"no, then the answer", sum, "4", "No, 4.", true},
		{"doubtless", sum, "4", "There is no doubt that it is 4", true},
		{"another denied", sum, "4", "It is 4, not 5.", true},
		{"another denied before", sum, "blue", "It is not green. It is blue.", true},
		{"another denied, no full stop", sum, "blue", "It is not green it is blue", true},
		{"French correction", somme, "4", "Ce n'est pas 5 mais 4", true},
		{"French correction, no comma", capital, "Paris", "Ce n'est pas Lyon c'est Paris", true},
		{"plus as an operator", somme, "4", "Deux plus deux font 4", true},
		{"not only", capital, "Paris", "Paris is not only the capital but the largest city", true},
		{"no as the answer", "", "no", "No, it isn't.", true},
		{"both in one sentence", sum, "4", "2 + 2 is 4 and not 5.", true},
		{"after numbered steps", sum, "4", "1. Take 2\n2. Add 2\n\nAnswer: 4", true},
		{"French no", somme, "4", "Non, c'est 4.", true},
		{"zeros", sum, "4", "4.0", true},
		{"unit", sum, "30", "30kg", true},
		{"unit apart", sum, "30", "30 kg", true},
		{"percent", sum, "30", "30%", true},
		{"currency", sum, "30", "$30", true},
		{"elision", "", "oxygène", "C'est l'oxygène.", true},
		{"possessive", capital, "Paris", "Paris's the one", true},
		{"hyphens", "", "rez-de-chaussée", "le rez de chaussée", true},
		{"several words", "", "New York", "It is new york.", true},
		{"several words apart", "", "New York", "New in York", false},
		{"Chinese", "", "东京", "首都是东京。", true},
		{"Chinese wrong", "", "东京", "首都是北京。", false},
		{"Japanese", "", "パリ", "答えはパリです", true},
		{"steps", "", "19481", "847*20=16940, 847*3=2541, 16940+2541=19481", true},
		{"as JSON", sum, "4", `{"answer": 4}`, true},
		{"link", capital, "Paris", "[Paris](https://example.com/a)", true},

		// a wrong answer
		{"empty", sum, "4", "", false},
		{"blank", sum, "4", " \n\t", false},
		{"another number", sum, "4", "5", false},
		{"longer number", sum, "4", "14", false},
		{"longer at the end", sum, "4", "42", false},
		{"decimal", sum, "4", "4.5", false},
		{"decimal comma", sum, "4", "4,5", false},
		{"fraction of it", sum, "4", "0.4", false},
		{"bare fraction", sum, "4", "It's .4", false},
		{"negative", sum, "4", "-4", false},
		{"negative in a sentence", sum, "4", "The answer is -4.", false},
		{"negative with the true sign", sum, "4", "−4", false},
		{"negative with a space", sum, "4", "x = - 4", false},
		{"negative in words", sum, "4", "minus 4", false},
		{"French negative in words", somme, "4", "moins 4", false},
		{"thousands", sum, "4", "4,000,000", false},
		{"scale", sum, "4", "4 million", false},
		{"and a half", sum, "4", "4 and a half", false},
		{"et demi", somme, "4", "4 et demi", false},
		{"half", sum, "4", "4½", false},
		{"squared", sum, "4", "4²", false},
		{"power", sum, "4", "4^3", false},
		{"root", sum, "4", "√4", false},
		{"factor", sum, "4", "4*3 is it", false},
		{"product", sum, "4", "3 x 4", false},
		{"of a model's name", sum, "4", "I am GPT-4", false},
		{"of another name", sum, "4", "qwen4", false},
		{"ordinal", sum, "4", "the 4th", false},
		{"time", sum, "4", "4:30", false},
		{"minutes", sum, "4", "at 16:4", false},
		{"version", sum, "4", "1.2.4", false},
		{"address", sum, "4", "10.5.0.4", false},
		{"range", sum, "4", "2-4", false},
		{"alternative", sum, "4", "4 or 5", false},
		{"alternative after", sum, "4", "5 or 4", false},
		{"less than", sum, "4", "x < 4", false},
		{"unequal", sum, "4", "≠ 4", false},
		{"unequal in code", sum, "4", "x != 4", false},
		{"list number", sum, "1", "1. Add them\n2. Say it", false},
		{"struck out", sum, "4", "~~4~~ 5", false},
		{"fourteen", sum, "4", "fourteen", false},
		{"twenty-four", sum, "4", "twenty-four", false},
		{"vingt-quatre", somme, "4", "vingt-quatre", false},
		{"point four", sum, "4", "zero point four", false},
		{"inflected", capital, "Paris", "Parisian", false},
		{"another word", capital, "Paris", "London", false},
		{"C and C++", "", "C", "C++", false},
		{"C++ and C", "", "C++", "C", false},
		{"C++", "", "C++", "It is C++.", true},
		{"C#", "", "C#", "In C#, yes", true},
		{"C and c'est", "", "C", "C'est B", false},

		// denied
		{"not", sum, "4", "not 4", false},
		{"isn't", sum, "4", "It isn't 4", false},
		{"isn’t", sum, "4", "It isn’t 4", false},
		{"is not", sum, "4", "The answer is not 4.", false},
		{"not equal to", sum, "4", "It is not equal to 4", false},
		{"don't think", sum, "4", "I don't think the answer is 4", false},
		{"never", sum, "4", "never 4", false},
		{"cannot", sum, "4", "It cannot be 4", false},
		{"not in quotes", sum, "4", `not "4"`, false},
		{"not in bold", sum, "4", "**not** **4**", false},
		{"n'est pas", somme, "4", "n'est pas 4", false},
		{"ce n'est pas", somme, "4", "Ce n’est pas 4.", false},
		{"n'est plus", capital, "Paris", "La capitale n'est plus Paris", false},
		{"pas", somme, "4", "pas 4", false},
		{"n'est pas égal à", somme, "4", "La somme n'est pas égale à 4", false},
		{"denied after", sum, "4", "4 is not the answer", false},
		{"wrong after", sum, "4", "4 is wrong", false},
		{"denied after in French", somme, "4", "4 n'est pas la réponse", false},
		{"taken back", sum, "4", "It is 4. No wait, it is not 4.", false},
		{"not true", "", "true", "not true", false},
		{"not Paris", capital, "Paris", "It's not Paris but Lyon", false},

		// numbers as people write them
		{"comma", "", "1234", "1,234", true},
		{"space", "", "1234", "1 234", true},
		{"no-break space", "", "1234", "1\u00a0234", true},
		{"narrow no-break space", "", "1234", "1\u202f234", true},
		{"thin space", "", "1234", "1\u2009234", true},
		{"point", "", "1234", "1.234", true},
		{"apostrophe", "", "1234", "1'234", true},
		{"underscore", "", "1234", "1_234", true},
		{"LaTeX comma", "", "1234", `$1{,}234$`, true},
		{"LaTeX thin space", "", "1234", `\(1\,234\)`, true},
		{"millions", "", "1234567", "1,234,567", true},
		{"Indian", "", "12345678", "1,23,45,678", true},
		{"with cents", "", "1234.5", "1,234.50", true},
		{"with cents, French", "", "1234,5", "1 234,50", true},
		{"with cents, German", "", "1234.5", "1.234,50", true},
		{"grouped in the expectation", "", "1,234", "1234", true},
		{"the multiplication of the record", "Calcule 847 * 23.", "19481", "847 * 23 = 19,481", true},
		{"the wrong one of the record", "Calcule 847 * 23.", "19481", "847 * 23 = 19,491", false},
		{"decimal point for comma", "", "3,14", "3.14", true},
		{"decimal isn't thousands", "", "3.142", "3142", false},
		{"wrong group", "", "1234", "1,23", false},
		{"beside more groups", "", "1234", "1,234,567", false},
		{"list", "", "4", "3,4,5", true},
		{"zero", "", "0", "0", true},
		{"expected negative", "", "-4", "-4", true},
		{"expected negative, true sign", "", "-4", "−4", true},
		{"expected negative in words", "", "-4", "minus 4", true},
		{"expected negative, got positive", "", "-4", "4", false},
		{"expected fraction", "", "1/2", "It is 1/2.", true},
		{"expected fraction in LaTeX", "", "1/2", `\frac{1}{2}`, true},
		{"expected date", "", "2024-05-04", "On 2024-05-04.", true},
		{"expected address", "", "10.5.0.2", "It is 10.5.0.2", true},
		{"another address", "", "10.5.0.2", "It is 10.5.0.3", false},
		{"expected time", "", "4:30", "At 4:30.", true},
		{"expected model", "", "gpt-4", "I am GPT-4", true},

		// accents
		{"accent left out", "", "été", "ete", true},
		{"accent added", "", "ete", "été", true},
		{"decomposed", "", "été", "e\u0301te\u0301", true},
		{"capital accent", "", "été", "ÉTÉ", true},
		{"ligature", "", "cœur", "Le coeur", true},
		{"sharp s", "", "Straße", "STRASSE", true},
		{"wide", "", "4", "４", true},
		{"zero-width space", "", "4", "\u200b4\u200b", true},

		// wrapped
		{"bold", sum, "4", "**4**", true},
		{"italic", sum, "4", "*4*", true},
		{"italic in a sentence", sum, "4", "It is *4* indeed", true},
		{"underlined", sum, "4", "__4__", true},
		{"italic with lines", sum, "4", "_4_", true},
		{"bold italic", sum, "4", "***4***", true},
		{"code", sum, "4", "`4`", true},
		{"fence", sum, "4", "```\n4\n```", true},
		{"fence with a language", sum, "4", "```python\n4\n```", true},
		{"fence in a line", sum, "4", "```4```", true},
		{"dollars", sum, "4", "$4$", true},
		{"double dollars", sum, "4", "$$4$$", true},
		{"boxed", sum, "4", `\boxed{4}`, true},
		{"boxed in dollars", sum, "4", `$\boxed{4}$`, true},
		{"boxed text", capital, "Paris", `\boxed{\text{Paris}}`, true},
		{"brackets", sum, "4", `\[ 2+2 = 4 \]`, true},
		{"parentheses", sum, "4", `\(4\)`, true},
		{"boxed wrong", sum, "4", `\boxed{14}`, false},
		{"root in LaTeX", sum, "4", `\sqrt{4}`, false},
		{"unequal in LaTeX", sum, "4", `$2+2 \neq 4$`, false},
		{"heading", sum, "4", "### 4", true},
		{"item", sum, "4", "- 4", true},
		{"star item", sum, "4", "* 4", true},
		{"quotation", sum, "4", "> 4", true},
		{"HTML", sum, "4", "<b>4</b>", true},
		{"entity", sum, "4", "&nbsp;4&nbsp;", true},
		{"quotes", capital, "Paris", "« Paris »", true},
		{"control token", sum, "4", "4<|im_end|>", true},
		{"product stays a product", "", "2*3", "It's 2*3", true},
		{"power in code", sum, "16", "2**4 = 16", true},
		{"operand of a power", sum, "4", "2**4 = 16", false},

		// thinking
		{"thought", sum, "4", "<think>easy</think>4", true},
		{"thought the right, said the wrong", sum, "4", "<think>It is 4</think>5", false},
		{"only thought", sum, "4", "<think>It is 4</think>", false},
		{"unclosed", sum, "4", "<think>It is 4", false},
		{"unclosed after an answer", sum, "4", "4 <think>or is it", false},
		{"closing alone", sum, "4", "Two and two\n</think>\n\n4", true},
		{"closing alone, thought the right", sum, "4", "It is 4</think>5", false},
		{"twice", sum, "4", "<think>a</think>so<think>b</think>4", true},
		{"nested", sum, "4", "<think>a<think>b</think>4?</think>4", true},
		{"capitals", sum, "4", "<THINK>5</THINK>4", true},
		{"capitals that change length", sum, "4", "İİ<think>4</think>5", false},
		{"brackets of Magistral", sum, "4", "[THINK]5[/THINK]4", true},
		{"channels", sum, "4", "<|channel|>analysis<|message|>5?<|end|><|start|>assistant<|channel|>final<|message|>4<|return|>", true},
		{"analysis alone", sum, "4", "<|channel|>analysis<|message|>It is 4", false},

		// repetition
		{"question repeated", "Which is larger, 3 or 4?", "4", "Which is larger, 3 or 4?", false},
		{"question repeated in bold", "Is it hot or cold?", "cold", "**Is it hot or cold?**", false},
		{"question repeated, then answered", "Which is larger: 3 and 4?", "4", "Which is larger: 3 and 4? 4.", true},
		{"first sentence repeated", "Is 4 even? Say yes or no.", "4", "Is 4 even?", false},
		{"a word of the question", "Which is larger, 3 or 4?", "4", "4", true},
		{"sentence to repeat", "Repeat: the quick brown fox", "the quick brown fox", "the quick brown fox", true},
		{"nothing but the operands", sum, "2", "2+2", false},

		// letters
		{"letter", "", "B", "B", true},
		{"letter in parentheses", "", "B", "(B)", true},
		{"letter with text", "", "B", "B) Paris", true},
		{"letter in a sentence", "", "B", "The answer is B.", true},
		{"letter, lower case", "", "B", "b", true},
		{"article", "", "A", "A good question", false},
		{"article inside", "", "A", "It is a dog", false},
		{"letter A", "", "A", "The answer is A", true},
		{"letter A in bold", "", "A", "**A**", true},
		{"letter A with text", "", "A", "A. Paris", true},
		{"another letter", "", "B", "C", false},

		// signs
		{"sign", "", "=>", "Use => there", true},
		{"sign missing", "", "=>", "Use -> there", false},
		{"comparison", "", "<", "3 < 4", true},
		{"strict equality", "", "===", "a === b", true},
		{"equality isn't strict", "", "===", "a == b", false},
		{"brackets expected", "", "[]", "It is [].", true},
	}
	names := map[string]bool{}
	for _, test := range tests {
		if names[test.name] {
			t.Errorf("two tests are called %q", test.name)
		}
		names[test.name] = true
		t.Run(test.name, func(t *testing.T) {
			grader, err := Expect(test.expect)
			if err != nil {
				t.Fatal(err)
			}
			if got := grader.Grade(test.question, test.answer); got != test.want {
				t.Errorf("expected %q, answered %q: graded %v\ntokens %+v", test.expect, test.answer, got, tokens(plain(spoken(test.answer))))
			}
		})
	}
}

func TestExpectNothing(t *testing.T) {
	for _, text := range []string{"", " ", "\n\t", "\u00a0"} {
		if _, err := Expect(text); !errors.Is(err, ErrNoExpectation) {
			t.Errorf("Expect(%q) = %v, want ErrNoExpectation", text, err)
		}
	}
}

// An expectation always meets itself, said plainly.
func TestExpectMeetsItself(t *testing.T) {
	for _, text := range []string{
		"4", "-4", "4.5", "1,234", "1 234,5", "Paris", "cold", "New York", "l'été", "C++", "C#", ".NET", "x^2", "O(n log n)",
		"1/2", "50 %", "$5", "=>", "{}", "a", "A", "I", "yes", "no", "not", "n'est pas", "2024-05-04", "16:04", "10.5.0.2",
		"SELECT * FROM users", "print(\"hi\")", "<div>", "git commit -m", "4²", "½", "H₂O", "π", "3x+2", "--help", "snake_case", "_x", "&&", "||", "東京", "नमस्ते", "سلام",
	} {
		grader, err := Expect(text)
		if err != nil {
			t.Errorf("Expect(%q): %v", text, err)
			continue
		}
		if !grader.Grade("", text) {
			t.Errorf("%q does not meet itself: %+v", text, tokens(plain(text)))
		}
	}
}

func FuzzGrade(f *testing.F) {
	for _, seed := range []string{"4", "-4", "− 4", "1.234,5", "<think>4", "</think>4", "```\n4", `\boxed{4`, "\xff\xfe", "4\u202f", ".5", "-", "it's", "\u0301", "İ<think>", "3,4,5,", "#", "[THINK]"} {
		f.Add(sum, seed, seed)
		f.Add(seed, "4", seed)
	}
	f.Fuzz(func(t *testing.T, question, expect, answer string) {
		grader, err := Expect(expect)
		if err != nil {
			if !errors.Is(err, ErrNoExpectation) {
				t.Fatalf("Expect(%q): %v", expect, err)
			}
			return
		}
		got := grader.Grade(question, answer)
		if got != grader.Grade(question, answer) {
			t.Error("graded in two ways")
		}
		if strings.TrimSpace(answer) == "" && got {
			t.Errorf("an empty answer meets %q", expect)
		}
	})
}

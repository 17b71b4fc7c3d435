package grade

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ErrNoExpectation is the error for an expected text without content, which no
// answer or every answer would contain.
var ErrNoExpectation = errors.New("an expected answer needs a word, a number or a sign: write what a right answer contains")

// Expect returns a [Grader] that accepts an answer which contains the expected
// text as whole words or as a number in any notation.
//
// Case, accents, punctuation, markup and thinking are ignored. A number may have
// thousands separators, superfluous zeros or a unit without a space. As the last
// word of the answer it may be written out in English or French.
//
// A mention does not count if it is part of a longer word or number, an operand
// of a calculation, a number with another sign, denied ("not 4", "4 is wrong",
// "n'est pas 4"), one of two alternatives ("4 or 5"), part of the repeated
// question, or inside the thinking. If the last mention is denied the answer is
// wrong, whatever the mentions before it.
//
// The error is [ErrNoExpectation] for a text without content.
func Expect(text string) (Grader, error) {
	want := tokens(plain(text))
	if len(want) == 0 {
		literal := squeeze(text)
		if literal == "" {
			return nil, ErrNoExpectation
		}
		return signs(literal), nil
	}
	e := &expectation{source: text, want: want, call: call.MatchString(strings.TrimSpace(text))}
	if len(want) == 1 {
		e.letter = letterOf(want[0])
		if want[0].kind == number {
			e.values = expectedValues(want[0])
		}
	}
	return e, nil
}

// signs is an expected text of punctuation only, such as "=>" or "[]".
type signs string

func (s signs) Grade(question, answer string) bool {
	answer = squeeze(spoken(answer))
	if question := squeeze(question); len(question) > len(s) {
		answer = strings.Replace(answer, question, "", 1)
	}
	return strings.Contains(answer, string(s))
}

func squeeze(text string) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
}

// String describes the grader.
func (s signs) String() string { return "expect " + strconv.Quote(string(s)) }

// expectation is the grader of an expected text.
type expectation struct {
	// source is the expected text as given.
	source string
	want   []token
	// values are the possible values of a single expected number.
	values []string
	// letter is a single expected letter, which must be written in its case.
	letter string
	// call says that the text ends with an argument list, as O(n) does: there
	// the closing parenthesis must follow.
	call bool
}

var call = regexp.MustCompile(`[\pL\d_]\([^()]*\)$`)

// expectedValues returns the possible values of an expected number. A point is a
// decimal point there; a comma is a decimal comma or a thousands separator.
func expectedValues(t token) []string {
	if whole, fraction, point := strings.Cut(t.raw, "."); point && !strings.ContainsAny(t.raw, ", '_"+string(narrowSpace)) && !strings.Contains(fraction, ".") {
		value := canonical(whole+"."+fraction, "")
		if t.minus {
			value = signed(value)
		}
		return []string{value}
	}
	return t.values
}

// letterOf returns a token that is a single letter, "" for others.
func letterOf(t token) string {
	if t.kind == word && len(t.raw) == 1 {
		return t.raw
	}
	return ""
}

// String describes the grader.
func (e *expectation) String() string { return "expect " + strconv.Quote(e.source) }

func (e *expectation) Grade(question, answer string) bool {
	said := tokens(plain(spoken(answer)))
	first := e.unasked(said, tokens(plain(question)))
	found := false
	for at := 0; at+len(e.want) <= len(said); at++ {
		if at < first.skip(at) {
			continue
		}
		if !e.at(said, at) || !e.whole(said, at) {
			continue
		}
		// The last mention decides.
		found = !denied(said, at, at+len(e.want))
	}
	return found
}

// span is a range of tokens that repeats the question.
type span struct{ from, to int }

type spans []span

// skip returns the end of the span that contains a place, or the place itself.
func (s spans) skip(at int) int {
	for _, stretch := range s {
		if stretch.from <= at && at < stretch.to {
			return stretch.to
		}
	}
	return at
}

// unasked returns the spans of an answer that repeat the question: whole copies
// anywhere, and at the start the first sentence, if it ends with a question mark.
func (e *expectation) unasked(said, asked []token) spans {
	if len(asked) <= len(e.want) {
		return nil
	}
	var stretches spans
	for at := 0; at+len(asked) <= len(said); at++ {
		if sameTokens(said[at:at+len(asked)], asked) {
			stretches = append(stretches, span{at, at + len(asked)})
			at += len(asked) - 1
		}
	}
	end := slices.IndexFunc(asked, func(t token) bool { return t.sentence }) + 1
	if end > len(e.want) && asked[end-1].question && end <= len(said) && sameTokens(said[:end], asked[:end]) {
		stretches = append(stretches, span{0, end})
	}
	return stretches
}

func sameTokens(a, b []token) bool {
	return slices.EqualFunc(a, b, func(x, y token) bool { return x.kind == y.kind && x.text == y.text })
}

// at reports whether the expected tokens are at a place.
func (e *expectation) at(said []token, at int) bool {
	if e.values != nil {
		return e.numberAt(said, at)
	}
	for i, want := range e.want {
		t := said[at+i]
		switch {
		case t.kind == number && want.kind == number && sameValue(t, want):
		case t.kind != want.kind || t.text != want.text:
			return false
		}
	}
	if e.call && !said[at+len(e.want)-1].closed {
		return false
	}
	return e.letter == "" || letterAt(said, at, e.letter)
}

func sameValue(a, b token) bool {
	if len(a.values) == 0 || len(b.values) == 0 {
		return a.text == b.text && a.minus == b.minus
	}
	return slices.ContainsFunc(a.values, func(value string) bool { return slices.Contains(b.values, value) })
}

// numberAt reports whether the expected number is at a place, by value.
func (e *expectation) numberAt(said []token, at int) bool {
	t := said[at]
	if t.kind == word {
		value, known := numberWords[t.text]
		if !known || at != len(said)-1 || at > 0 && beforeNumber[said[at-1].text] && !said[at].after {
			return false
		}
		return slices.Contains(e.values, value)
	}
	values := t.values
	if at > 0 && negative[said[at-1].text] && !t.after && t.kind == number {
		if at > 1 && said[at-2].kind == number {
			return false // ten minus four
		}
		values = nil
		for _, value := range t.values {
			values = append(values, signed(value))
		}
	}
	return slices.ContainsFunc(values, func(value string) bool { return slices.Contains(e.values, value) })
}

// letterAt reports whether a letter at a place is an answer, not a short word. A
// "B" is an answer anywhere, in its case; an "A", an "I" or a "y" only where no
// word can be.
func letterAt(said []token, at int, letter string) bool {
	t := said[at]
	if t.raw != letter && len(said) > 1 && letter < "a" {
		return false
	}
	if !strings.Contains("aiyo", t.text) {
		return true
	}
	return at == len(said)-1 || t.mark || said[at+1].text == "is" || said[at+1].text == "est"
}

// whole reports whether the expected tokens at a place stand for themselves: not
// for a part of a word, of a number, of a calculation or of an alternative.
func (e *expectation) whole(said []token, at int) bool {
	next := at + len(e.want)
	first, last := said[at], said[next-1]
	before, after := tokenAt(said, at-1), tokenAt(said, next)
	switch {
	case first.stuckLeft || last.stuckRight && !e.want[len(e.want)-1].stuckRight:
		return false
	case first.kind == number && operandAfter(said, at) || last.kind == number && operandBefore(said, next):
		return false
	case last.kind == word && !last.mark && after.text == "^":
		return false // the base of a power
	case first.kind == word && wordAlternative(said, at, next):
		return false
	case first.kind == symbol && before.kind == symbol && before.text == first.text,
		last.kind == symbol && after.kind == symbol && after.text == last.text:
		return false // a part of a longer sign
	}
	return true
}

// tokenAt returns the token at a place, the zero token outside of the list.
func tokenAt(list []token, at int) token {
	if at < 0 || at >= len(list) {
		return token{}
	}
	return list[at]
}

// operandAfter reports whether the number at a place is the right side of a
// calculation, of an alternative or of a decimal point in words.
func operandAfter(said []token, at int) bool {
	if at == 0 {
		return false
	}
	before := said[at-1]
	if before.kind == symbol {
		return binds(before.text) && !(before.text == "+" && unary(said, at-1))
	}
	if at < 2 || said[at-2].kind != number {
		return false
	}
	return before.text == "x" || alternative(before.text) && !said[at].after || pointInWords(before.text)
}

// operandBefore reports whether the number before a place is the left side of a
// calculation, of an alternative or of a decimal point in words, or is multiplied
// by a word.
func operandBefore(said []token, next int) bool {
	last, after, beyond := said[next-1], tokenAt(said, next), tokenAt(said, next+1)
	switch {
	case after.kind == symbol && binds(after.text) && (after.text == "^" || !ascii(after.text)) && !last.mark,
		after.kind == symbol && binds(after.text) && beyond.kind == number:
		return true
	case after.text == "x" || pointInWords(after.text) || alternative(after.text):
		return beyond.kind == number && beyond.text != last.text
	}
	return !after.after && (scales[after.text] || half(after, beyond))
}

func pointInWords(text string) bool { return text == "point" || text == "virgule" }

// half reports whether two tokens begin "and a half".
func half(after, beyond token) bool {
	return (after.text == "and" || after.text == "et") && (beyond.text == "a" || strings.HasPrefix(beyond.text, "demi"))
}

// wordAlternative reports whether said[first:next] is one of two alternatives that
// an answer leaves open: "hot or cold". After a comma it is not: "Paris, or
// Lutetia of old" names one thing twice. More than one word after the "or" may
// be a clause, and "ou" also means "where" in French without accents.
func wordAlternative(said []token, first, next int) bool {
	if at := first - 1; at > 0 && alternative(said[at].text) && !said[at].after && !said[first].after &&
		said[at-1].kind == word && (next == len(said) || said[next-1].sentence || said[next-1].mark) {
		return true
	}
	if next+1 >= len(said) || !alternative(said[next].text) || said[next].after || said[next+1].after || said[next+1].kind != word {
		return false
	}
	return next+2 == len(said) || said[next+1].sentence || said[next+1].mark
}

// unary reports whether the plus at a place is a sign, not an operator.
func unary(said []token, at int) bool {
	return at == 0 || said[at-1].kind == symbol || said[at-1].kind == word
}

func alternative(text string) bool { return text == "or" || text == "ou" || text == "oder" }

func ascii(text string) bool { return text[0] < 0x80 }

// binds reports whether a symbol makes the number beside it an operand. A number
// after "=" is a result.
func binds(text string) bool {
	switch text {
	case "=", "%", "#", "@", "&", "≈", "≡":
		return false
	}
	return true
}

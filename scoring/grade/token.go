package grade

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
)

type kind int

const (
	word kind = iota
	number
	symbol
)

// token is a word, a number or a symbol of a plain text. Punctuation is no token;
// its meaning is kept in the tokens around it.
type token struct {
	kind kind
	// text is case-folded, raw as written.
	text, raw string
	// values are the possible values of a number, none for "10.5.0.2".
	values []string
	// stuckLeft and stuckRight say that the token is a part of something
	// longer: the 4 of "GPT-4", "4th" and "4:30", the C of "C++".
	stuckLeft, stuckRight bool
	// after says that a new clause starts before this token, mark that
	// punctuation follows it.
	after, mark bool
	// closed says that a closing parenthesis follows it.
	closed bool
	// sentence says that a sentence ends with this token, question that it
	// ends with a question mark.
	sentence, question bool
	// minus says that the number has a minus sign.
	minus bool
}

// lexer cuts a plain text into tokens.
type lexer struct {
	text string
	at   int
	list []token
	// clause says that a new clause starts before the next token.
	clause bool
	fold   cases.Caser
}

// tokens returns the tokens of a plain text.
func tokens(text string) []token {
	l := lexer{text: text, fold: cases.Fold()}
	for l.at < len(text) {
		r, size := utf8.DecodeRuneInString(text[l.at:])
		switch {
		case '0' <= r && r <= '9', r == '.' && startsFraction(text, l.at):
			l.number()
		case unscripted(r):
			l.add(token{kind: word, raw: string(r)})
			l.at += size
		case wordRune(r):
			l.word()
		default:
			l.sign(r)
			l.at += size
		}
	}
	return l.list
}

func (l *lexer) add(t token) {
	t.text = l.fold.String(t.raw)
	t.after, l.clause = l.clause, false
	l.list = append(l.list, t)
}

// word adds the word that starts here.
func (l *lexer) word() {
	start, end := l.at, l.at
	for end < len(l.text) {
		r, size := utf8.DecodeRuneInString(l.text[end:])
		if !wordRune(r) && !(r == '_' && end > start) || unscripted(r) {
			break
		}
		end += size
	}
	t := token{kind: word, raw: strings.TrimRight(l.text[start:end], "_")}
	if next, _ := utf8.DecodeRuneInString(l.text[end:]); next == '+' || next == '#' {
		t.stuckRight = true
	}
	if utf8.RuneCountInString(t.raw) == 1 {
		elided(l.text, start, end, &t)
	}
	l.add(t)
	l.at = end
}

// sign adds the operator that stands here, or notes the punctuation.
func (l *lexer) sign(r rune) {
	if r == minusSign || r == '-' {
		if isSign(l.text, l.at, l.list) {
			return // the number after it takes it in
		}
		if !subtracts(l.text, l.at) {
			return // a hyphen, or a dash between words
		}
	}
	if operator(r) {
		l.add(token{kind: symbol, raw: string(r)})
		return
	}
	if len(l.list) > 0 && !unicode.IsSpace(r) {
		last := &l.list[len(l.list)-1]
		last.mark, last.closed = true, last.closed || r == ')'
	}
	switch r {
	case '.', '!', '?', '\n', '。', '！', '？', '…':
		if len(l.list) > 0 {
			last := &l.list[len(l.list)-1]
			last.sentence, last.question = true, last.question || r == '?'
		}
		l.clause = true
	case ',', ';', ':', '(', ')', '→', '—', '|', '、':
		l.clause = true
	}
}

// elided marks a single letter that an apostrophe joins to a word: the C of
// "c'est" and the s of "it's", not the A of 'A'.
func elided(text string, start, end int, t *token) {
	if strings.HasPrefix(text[end:], "'") {
		next, _ := utf8.DecodeRuneInString(text[end+1:])
		t.stuckRight = t.stuckRight || unicode.IsLetter(next)
	}
	if strings.HasSuffix(text[:start], "'") {
		before, _ := utf8.DecodeLastRuneInString(text[:start-1])
		t.stuckLeft = unicode.IsLetter(before)
	}
}

// number adds the number that starts here with the sign before it, or the several
// numbers of a list such as 3,4,5.
func (l *lexer) number() {
	start, rest := l.at, l.text[l.at:]
	found := listed.FindString(rest)
	if found == "" || isGrouped(rest, len(found)) {
		length, values := 0, []string(nil)
		if rest[0] == '.' {
			length, _ = numeral(rest[1:])
			length++
			values = []string{canonical("0"+rest[:length], "")}
		} else {
			length, values = numeral(rest)
		}
		t := token{kind: number, raw: rest[:length], values: values}
		readLeft(l.text, start, l.list, &t)
		l.at += length
		readRight(l.text, l.at, &t)
		l.add(t)
		return
	}
	l.at += len(found)
	parts := strings.Split(found, ",")
	for i, part := range parts {
		t := token{kind: number, raw: part, values: []string{canonical(part, "")}, mark: i < len(parts)-1}
		if i == 0 {
			readLeft(l.text, start, l.list, &t)
		}
		if i == len(parts)-1 {
			readRight(l.text, l.at, &t)
		}
		l.add(t)
	}
}

func isGrouped(text string, length int) bool {
	n, values := numeral(text)
	return n >= length && len(values) > 0
}

// readLeft reads the sign of a number, and whether it is part of something longer
// on its left.
func readLeft(text string, at int, list []token, t *token) {
	before, size := utf8.DecodeLastRuneInString(text[:at])
	switch {
	case at == 0:
	case before == '-' || before == minusSign || before == ' ' && minusBefore(text, at):
		if isSign(text, at-size-spaceBeforeSign(text, at), list) {
			t.minus = true
			for i, value := range t.values {
				t.values[i] = signed(value)
			}
		} else if before == '-' && stuckTo(text, at-size) {
			t.stuckLeft = true
		}
	case before == '/' || before == ':' || before == '.' || before == ',':
		previous, _ := utf8.DecodeLastRuneInString(text[:at-size])
		t.stuckLeft = '0' <= previous && previous <= '9' || before == '.' && unicode.IsLetter(previous)
	case before == '_':
		t.stuckLeft = true
	}
}

// readRight reads whether a number is part of something longer on its right.
func readRight(text string, at int, t *token) {
	rest := text[at:]
	after, size := utf8.DecodeRuneInString(rest)
	switch {
	case rest == "":
	case after == ':' || after == '-' || after == '.':
		next, _ := utf8.DecodeRuneInString(rest[size:])
		t.stuckRight = '0' <= next && next <= '9' && after != '-' || after == '-' && unicode.IsLetter(next)
	case after == '_':
		t.stuckRight = true
	case unscripted(after):
	case unicode.IsLetter(after):
		end := strings.IndexFunc(rest, func(r rune) bool { return !wordRune(r) || unscripted(r) })
		if end < 0 {
			end = len(rest)
		}
		// 4 K is a temperature, 4k four thousand.
		t.stuckRight = !units[strings.ToLower(rest[:end])] || rest[:end] == "k"
	}
}

func signed(value string) string {
	if value == "0" || strings.HasPrefix(value, "-") {
		return value
	}
	return "-" + value
}

// minusBefore reports whether a minus sign and a space precede a number.
func minusBefore(text string, at int) bool {
	return strings.HasSuffix(text[:at], string(minusSign)+" ") || strings.HasSuffix(text[:at], "- ")
}

func spaceBeforeSign(text string, at int) int {
	switch {
	case strings.HasSuffix(text[:at], string(minusSign)+" "):
		return utf8.RuneLen(minusSign)
	case strings.HasSuffix(text[:at], "- "):
		return 1
	}
	return 0
}

// isSign reports whether the dash at an offset is the sign of the number after it,
// not that of a subtraction, of "GPT-4", or between words.
func isSign(text string, at int, list []token) bool {
	r, size := utf8.DecodeRuneInString(text[at:])
	rest := text[at+size:]
	spaced := strings.HasPrefix(rest, " ")
	rest = strings.TrimPrefix(rest, " ")
	if rest == "" || !isDigit(rest[0]) && !startsFraction(rest, 0) {
		return false
	}
	left := strings.TrimRight(text[:at], " ")
	before, _ := utf8.DecodeLastRuneInString(left)
	glued := len(left) == at && at > 0
	switch {
	case left == "":
		return !spaced || r == minusSign
	case unicode.IsDigit(before) || before == ')' || before == ']' || before == '%':
		return false // a subtraction, or a range
	case before == '=' || before == '(' || before == '≈':
		return true
	case glued && (unicode.IsLetter(before) || before == '_'):
		return false
	}
	return !spaced || r == minusSign
}

// subtracts reports whether the dash at an offset follows a number.
func subtracts(text string, at int) bool {
	before, _ := utf8.DecodeLastRuneInString(strings.TrimRight(text[:at], " "))
	return unicode.IsDigit(before) || before == ')'
}

func stuckTo(text string, at int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:at])
	return unicode.IsLetter(before) || before == '_'
}

// startsFraction reports whether a number without a whole part starts at an
// offset: ".5", not the end of "file.5" or "...5".
func startsFraction(text string, at int) bool {
	if at+1 >= len(text) || text[at] != '.' || !isDigit(text[at+1]) {
		return false
	}
	before, _ := utf8.DecodeLastRuneInString(text[:at])
	return before != '.' && !unicode.IsDigit(before) && !unicode.IsLetter(before) && before != ')'
}

func wordRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

// unscripted reports whether a letter belongs to a script without spaces between
// words. Each such letter is a token of its own.
func unscripted(r rune) bool {
	return r > 0xe00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// operator reports whether a character is a symbol, not punctuation.
func operator(r rune) bool {
	switch r {
	case '$', '|', '~', '\'', '"', '`', '→', '←', '°', '≈', '<', '>':
		return r == '<' || r == '>'
	case '+', '*', '/', '%', '@', '#', '&', '=', '^', '-', minusSign:
		return true
	}
	return unicode.Is(unicode.Sm, r) || unicode.Is(unicode.No, r)
}

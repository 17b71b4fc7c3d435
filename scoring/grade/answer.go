package grade

import (
	"html"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// thinking are the marks of the thinking in the answers of models.
var thinking = []struct{ open, end string }{
	{"<think>", "</think>"},
	{"<thinking>", "</thinking>"},
	{"<thought>", "</thought>"},
	{"<reasoning>", "</reasoning>"},
	{"[think]", "[/think]"},
	{"◁think▷", "◁/think▷"},
	{"<|begin_of_thought|>", "<|end_of_thought|>"},
}

var (
	channelFinal = regexp.MustCompile(`(?i)<\|channel\|>\s*final\s*(?:<\|constrain\|>\w*)?\s*<\|message\|>`)
	channelOther = regexp.MustCompile(`(?i)<\|channel\|>`)
	control      = regexp.MustCompile(`<\|[A-Za-z_]{1,30}\|>`)
)

// lookedThrough is the length of the end of an answer that is read, in bytes. A
// longer answer repeats itself, and would take long to grade.
const lookedThrough = 1 << 16

// spoken returns the end of an answer without its thinking.
func spoken(text string) string {
	said := aloud(text)
	if len(said) > lookedThrough {
		said = strings.ToValidUTF8(said[len(said)-lookedThrough:], "")
	}
	return said
}

// aloud returns an answer without its thinking. It is empty if the thinking does
// not end, whatever was written before.
func aloud(text string) string {
	if at := channelFinal.FindAllStringIndex(text, -1); at != nil {
		text = text[at[len(at)-1][1]:]
	} else if channelOther.MatchString(text) {
		return "" // only analysis and tool calls
	}
	for _, mark := range thinking {
		text = without(text, mark.open, mark.end)
	}
	return control.ReplaceAllString(text, " ")
}

// without removes the thinking between two marks. A closing mark without an
// opening one is usual where the opening one belongs to the chat template: all
// text before it is thinking.
func without(text, open, end string) string {
	lower := asciiLower(text)
	var kept strings.Builder
	for at := 0; ; {
		from := strings.Index(lower[at:], open)
		if from < 0 {
			if to := strings.LastIndex(lower[at:], end); to >= 0 {
				return text[at+to+len(end):]
			}
			kept.WriteString(text[at:])
			return kept.String()
		}
		if to := strings.LastIndex(lower[at:at+from], end); to >= 0 {
			kept.Reset()
			kept.WriteString(text[at+to+len(end) : at+from])
		} else {
			kept.WriteString(text[at : at+from])
		}
		kept.WriteByte(' ')
		at += from + len(open)
		to := strings.Index(lower[at:], end)
		if to < 0 {
			return ""
		}
		at += to + len(end)
	}
}

// asciiLower returns text in lower case. Unlike strings.ToLower it keeps every
// byte at its offset.
func asciiLower(text string) string {
	lower := []byte(text)
	for i, b := range lower {
		if 'A' <= b && b <= 'Z' {
			lower[i] = b + 'a' - 'A'
		}
	}
	return string(lower)
}

// rewriting is one replacement on the way from markup to plain text.
type rewriting struct {
	from *regexp.Regexp
	to   string
}

func rewritings(pairs ...string) []rewriting {
	var list []rewriting
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, rewriting{regexp.MustCompile(pairs[i]), pairs[i+1]})
	}
	return list
}

// markup removes Markdown and HTML, in this order. A star between two numbers is
// arithmetic, and stays.
var markup = rewritings(
	"(?m)^[ \t]*(?:```|~~~)[^\n`]*$", "\n", // fences, with the language's name
	"```", "",
	`(?i)</?(?:b|i|u|em|strong|p|br|div|span|code|pre|answer|li|ul|ol|big|small|tt|h[1-6])\s*/?>`, " ",
	`~~[^~\n]*~~`, " ", // struck out is not said
	`(?m)^[ \t]*>[ \t]+`, "", // a quotation
	`(?m)^[ \t]*#{1,6}[ \t]+`, "", // a heading
	`(?m)^[ \t]*[-*+•][ \t]+`, "", // an item of a list
	`!?\[([^\]\n]*)\]\([^)\n]*\)`, "$1", // a link
	`(\d|\))(\s*)\*\*(\s*)(\d|\()`, "$1$2^$3$4", // a power
	`\*\*\*|\*\*|___|__`, "",
	`(^|[^\w)*]|[^\d)]\s)\*(\S)`, "$1$2", // *so*
	`([^\s*])\*($|[^\w(*])`, "$1$2",
	`(^|[\s(.,;:])_(\S)`, "$1$2", // _so_
	`(\S)_($|[\s).,;:!?])`, "$1$2",
	"`", "",
)

// latex replaces LaTeX commands, the innermost first.
var latex = rewritings(
	`\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}`, " $1/$2 ",
	`\\sqrt\s*(?:\[[^\]]*\])?\s*\{?`, " √",
	`\\(?:times|cdot|ast)\b`, "×",
	`\\div\b`, "÷",
	`\\pm\b`, "±",
	`\\neq?\b`, "≠",
	`\\(?:leq?|lt)\b`, "<",
	`\\(?:geq?|gt)\b`, ">",
	`\\(?:to|rightarrow|Rightarrow|implies|longrightarrow|Longrightarrow)\b`, "→",
	`\\(?:left|right|displaystyle|quad|qquad)\b`, " ",
	`(\d)\\[,;:! ](\d)`, "$1\u202f$2", // thin spaces between thousands
	`(\d)\{([,.])\}(\d)`, "$1$2$3",
	`\\[,;:! ]`, " ",
	`\\\*`, "×",
	`\\([%$#&_{}])`, "$1",
	`\\[()\[\]]`, " ",
	`\\[A-Za-z]+\*?\s*\{`, " {", // \boxed{…}, \text{…}, \mathbf{…}
	`\^\s*\{?\s*\\circ\s*\}?`, "°",
)

var arrows = rewritings(
	`[-=]+>`, " → ",
	`<[-=]+>?`, " ← ",
	`!==?|=/=`, "≠",
)

// listItem matches the number of a line in a numbered list. In a single such line
// it may be the answer: "4. Because two and two make four."
var listItem = regexp.MustCompile(`(?m)^[ \t]*\d{1,3}[.)][ \t]+`)

// plain returns a text without markup, with one way to write each character. It
// keeps the case, for answers that are a single letter.
func plain(text string) string {
	text = strings.ToValidUTF8(text, " ")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = html.UnescapeString(text)
	if len(listItem.FindAllStringIndex(text, 2)) == 2 {
		text = listItem.ReplaceAllString(text, "")
	}
	for _, step := range markup {
		text = step.from.ReplaceAllString(text, step.to)
	}
	if strings.ContainsRune(text, '\\') || strings.ContainsRune(text, '{') {
		// A fraction in a fraction needs a second turn; deeper ones don't
		// occur in answers.
		for range 2 {
			for _, step := range latex {
				text = step.from.ReplaceAllString(text, step.to)
			}
		}
		text = strings.ReplaceAll(text, "$", " ")
	}
	for _, step := range arrows {
		text = step.from.ReplaceAllString(text, step.to)
	}
	return letters(text)
}

// spelled maps characters to their plain spelling.
var spelled = spellings(
	"oe", "œ", "OE", "Œ", "ae", "æ", "AE", "Æ",
	"o", "ø", "O", "Ø", "l", "ł", "L", "Ł", "d", "đ", "D", "Đ", "i", "ı",
	"'", "’‘ʼ′`´",
	"-", "‐‑‒–﹣", // not the minus sign, which is never a dash
	"*", "∗",
	"/", "⁄∕",
	"\n", "\u2028\u2029\v\f\r",
	string(narrowSpace), "\u00a0\u2009\u2007",
)

func spellings(pairs ...string) map[rune]string {
	all := map[rune]string{'\n': "\n", narrowSpace: string(narrowSpace)}
	for i := 0; i < len(pairs); i += 2 {
		for _, r := range pairs[i+1] {
			all[r] = pairs[i]
		}
	}
	return all
}

// letters returns a text with one way to write each character: without accents
// and invisible characters, wide forms narrow, all dashes, apostrophes and spaces
// alike.
func letters(text string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(width.Fold.String(text)) {
		switch other, ok := spelled[r]; {
		case ok:
			b.WriteString(other)
		case accent(r) || unicode.Is(unicode.Cf, r):
		case unicode.IsSpace(r) || unicode.IsControl(r):
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return norm.NFC.String(b.String())
}

// accent reports whether a character is a combining accent or a variation
// selector. The stroke of ≠ is no accent.
func accent(r rune) bool {
	return 0x300 <= r && r <= 0x36f && r != 0x338 || 0xfe00 <= r && r <= 0xfe0f
}

const (
	minusSign   = '−'
	narrowSpace = '\u202f'
)

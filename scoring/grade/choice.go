package grade

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Choice returns a [Grader] for multiple choice. It accepts an answer that chooses
// the letter, or names only the text of its option. An answer that chooses
// another letter or several is wrong. options maps letters to texts; nil means
// that they are unknown.
//
// It returns an error for a letter that is not one from A to Z or not among the
// options, for two options with one letter, and for an option's text without
// content.
func Choice(letter string, options map[string]string) (Grader, error) {
	c := choice{letter: strings.ToUpper(strings.TrimSpace(letter))}
	if len(c.letter) != 1 || c.letter < "A" || c.letter > "Z" {
		return nil, fmt.Errorf("the right choice %q: write one letter from A to Z", letter)
	}
	for name, text := range options {
		key := strings.ToUpper(strings.TrimSpace(name))
		if len(key) != 1 || key < "A" || key > "Z" {
			return nil, fmt.Errorf("the option %q: write one letter from A to Z", name)
		}
		grader, err := Expect(text)
		if err != nil {
			return nil, fmt.Errorf("the text %q of option %s: %w", text, key, err)
		}
		c.options = append(c.options, option{key, text, grader})
	}
	slices.SortFunc(c.options, func(a, b option) int { return strings.Compare(a.letter, b.letter) })
	for i := 1; i < len(c.options); i++ {
		if c.options[i].letter == c.options[i-1].letter {
			return nil, fmt.Errorf("the option %s is there twice: give each a letter of its own", c.options[i].letter)
		}
	}
	if len(options) > 0 && !c.has(c.letter) {
		return nil, fmt.Errorf("the right choice %s is none of the options: add it, or choose another", c.letter)
	}
	return c, nil
}

type option struct {
	letter, text string
	grader       Grader
}

type choice struct {
	letter  string
	options []option
}

// String describes the grader, options in the order of their letters.
func (c choice) String() string {
	text := "choice " + c.letter
	for _, option := range c.options {
		text += " " + option.letter + "=" + strconv.Quote(option.text)
	}
	return text
}

func (c choice) has(letter string) bool {
	return slices.ContainsFunc(c.options, func(o option) bool { return o.letter == letter })
}

// chosen matches "the answer is B", "Réponse : (b)", "option B".
var chosen = regexp.MustCompile(`(?i)\b(?:answer|reponse|choice|choix|option|lettre|letter)\b\s*(?:is|est|:|=|-)*\s*(?:the |la |l')?(?:option|letter|lettre)?\s*[("'\[{]*([a-z])\b`)

func (c choice) Grade(question, answer string) bool {
	said := strings.TrimSpace(unrepeated(plain(boxed(spoken(answer))), plain(question)))
	bare := strings.Trim(said, " \n\t.()[]{}\"':;!*")
	if len(bare) == 1 {
		return strings.ToUpper(bare) == c.letter
	}
	list := tokens(said)
	stated, open := c.stated(list)
	switch {
	case open:
		return false
	case len(stated) == 1:
		return stated[0] == c.letter
	case len(list) > 1 && len(stated) > 1 && list[0].raw == stated[0] && reasons[list[1].text]:
		return stated[0] == c.letter // B, because C is something else
	}
	if cues := chosen.FindAllStringSubmatchIndex(said, -1); len(cues) > 0 {
		last := cues[len(cues)-1]
		return c.cued(said, last[2], last[3])
	}
	return len(stated) == 0 && c.named(question, answer)
}

// stated returns the letters that an answer states, each once. open says that it
// leaves the choice between two of them open.
func (c choice) stated(list []token) (letters []string, open bool) {
	for at, t := range list {
		if c.between(list, at) {
			return nil, true
		}
		letter := strings.ToUpper(t.raw)
		if t.kind != word || t.stuckLeft || t.stuckRight || !c.option(letter) {
			continue
		}
		if t.raw != letter && !(t.closed && at == 0) || (at > 0 || strings.Contains("AIYO", letter)) && !letterAt(list, at, t.raw) {
			continue
		}
		if !denied(list, at, at+1) && !slices.Contains(letters, letter) {
			letters = append(letters, letter)
		}
	}
	return letters, false
}

// option reports whether a text is the letter of an option, which any letter from
// A to Z is where the options are unknown.
func (c choice) option(letter string) bool {
	return len(letter) == 1 && letter >= "A" && letter <= "Z" && (len(c.options) == 0 || c.has(letter))
}

// cued reports whether said[from:to], the letter after "the answer is", is the
// right one, and neither denied nor one of several.
func (c choice) cued(said string, from, to int) bool {
	here := tokens(said[from:min(len(said), from+40)])
	if len(here) > 1 && leavesOpen(here[1].text) {
		return false
	}
	before := tokens(said[max(0, from-80):from])
	return strings.ToUpper(said[from:to]) == c.letter && !deniedBefore(append(before, here...), len(before))
}

// named reports whether an answer names the text of the right option alone.
func (c choice) named(question, answer string) bool {
	var named []string
	for _, option := range c.options {
		if option.grader.Grade(question, answer) {
			named = append(named, option.letter)
		}
	}
	return len(named) == 1 && named[0] == c.letter
}

// reasons are words that start the reason of a choice.
var reasons = set("because since as car parce puisque comme")

// between reports whether the word at a place leaves the choice between two
// letters open: "A or B", "A and B".
func (c choice) between(list []token, at int) bool {
	return at > 0 && at+1 < len(list) && leavesOpen(list[at].text) && c.option(list[at-1].raw) && c.option(list[at+1].raw) &&
		!denied(list, at-1, at+2)
}

func leavesOpen(text string) bool { return alternative(text) || text == "and" || text == "et" }

// boxed returns the content of the last \boxed{…} of a text, or the text.
func boxed(text string) string {
	at := strings.LastIndex(text, `\boxed{`)
	if at < 0 {
		return text
	}
	inside := text[at+len(`\boxed{`):]
	depth := 1
	for i := range len(inside) {
		switch inside[i] {
		case '{':
			depth++
		case '}':
			depth--
		}
		if depth == 0 {
			return inside[:i]
		}
	}
	return text
}

package grade

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// NumberOptions are the tolerances and the unit of an expected number. The zero
// value is an exact number without a unit.
type NumberOptions struct {
	// Tolerance is the greatest accepted difference, in the unit.
	Tolerance float64
	// Relative is the greatest accepted difference as a share of the number:
	// 0.01 is 1 %. The wider of the two tolerances counts.
	Relative float64
	// Unit is the unit of the number, "" to accept any.
	Unit string
}

// ErrNoNumber is the error for a number or a tolerance that no answer could meet.
var ErrNoNumber = errors.New("an expected number and its tolerances must be finite, the tolerances not negative")

// Number returns a [Grader] that accepts an answer whose result is the number.
// The result is the number in \boxed{}, else the one after "answer", "result" or
// the last "=", else the last number. Operands of a calculation, denied numbers
// and alternatives are no results.
//
// If a unit is expected, the number may have another unit of the same quantity
// (90 s for 1.5 min) or none. A unit of another quantity is wrong. Currencies
// are not converted.
//
// The error is [ErrNoNumber].
func Number(value float64, o NumberOptions) (Grader, error) {
	for _, figure := range []float64{value, o.Tolerance, o.Relative} {
		if math.IsNaN(figure) || math.IsInf(figure, 0) {
			return nil, fmt.Errorf("the number %v ±%v: %w", value, o.Tolerance, ErrNoNumber)
		}
	}
	if o.Tolerance < 0 || o.Relative < 0 {
		return nil, fmt.Errorf("the number %v ±%v: %w", value, o.Tolerance, ErrNoNumber)
	}
	o.Unit = strings.TrimSpace(o.Unit)
	return numeric{value, o}, nil
}

type numeric struct {
	value   float64
	options NumberOptions
}

// String describes the grader.
func (n numeric) String() string {
	figure := func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
	text := "number " + figure(n.value)
	if n.options.Tolerance > 0 {
		text += " ±" + figure(n.options.Tolerance)
	}
	if n.options.Relative > 0 {
		text += " ±" + figure(100*n.options.Relative) + "%"
	}
	if n.options.Unit != "" {
		text += " " + n.options.Unit
	}
	return text
}

// mention is a number in an answer, with its position and possible values.
type mention struct {
	from, to int
	values   []float64
	// scale is the word that multiplies the number, "" for none; factors are
	// the possible factors.
	scale   string
	factors []float64
	unit    string
	operand bool
	cued    bool
	open    bool // one of two
}

var (
	power      = regexp.MustCompile(`^(?:[eE]([+-]?\d{1,3})\b|\s*[×x*·]\s*10\s*\^\s*[{(]?\s*([-+−]?\d{1,3})[})]?)`)
	unitAfter  = regexp.MustCompile(`^[\s{]*(%|°\s?[CFK]?\b|°|[€$£]|[\pL]+(?:/[\pL]+)?)`)
	mathEnd    = regexp.MustCompile(`^\s?\${1,2}(?:[^$\d\s]|\s|$)`)
	scaleAfter = regexp.MustCompile(`^[\s-]{0,2}(\pL+)\b`)
	cue        = regexp.MustCompile(`(?i)(?:\b(?:answer|reponse|result|resultat)\b[^\d\n.;]{0,40}|[=≈]\s*)[-+−$€£{(\s]*$`)
	operand    = regexp.MustCompile(`[+*/×·÷^√]\s*$|[\d)]\s*[-−x]\s*$`)
	operates   = regexp.MustCompile(`^\s*(?:[+*/×·÷^-]|−|x\b)\s*[(√]?\s*[-−]?\s*\d|^\s*[\^²³!]`)
	openBefore = regexp.MustCompile(`(?i)\d[^\d\n.;]{0,12}\b(?:or|ou)\s+$`)
	openAfter  = regexp.MustCompile(`(?i)^[^\d\n.;]{0,12}\b(?:or|ou)\s+[-−]?\d`)
	fraction   = regexp.MustCompile(`^\s?/\s?(\d{1,9})(?:\D|$)`)
)

func (n numeric) Grade(question, answer string) bool {
	said := strings.TrimSpace(unrepeated(plain(boxed(spoken(answer))), plain(question)))
	list := mentions(said)
	if len(list) == 0 {
		return n.inWords(said)
	}
	var given *mention
	var refused []mention
	for pass := range 3 {
		for i := len(list) - 1; i >= 0 && given == nil; i-- {
			m := &list[i]
			_, fits := convert(m.unit, n.options.Unit)
			known := n.options.Unit != "" && m.unit != "" && fits
			switch {
			case m.operand, pass == 0 && !m.cued, pass == 1 && !known:
				continue
			case deniedAt(said, m.from, m.to):
				refused = append(refused, *m)
				continue
			}
			given = m
		}
	}
	if given == nil || given.open || !n.right(*given) {
		return false
	}
	for _, m := range refused {
		if n.right(m) && m.from > given.from {
			return false
		}
	}
	return true
}

func (n numeric) right(m mention) bool {
	factor, factors := 1.0, m.factors
	counted := m.scale != "" && sameWord(m.scale, n.options.Unit) // millions were asked for, and the number of them is given
	if m.scale == "" || counted {
		factors = []float64{1}
	}
	if n.options.Unit != "" && m.unit != "" && !counted {
		var ok bool
		if factor, ok = convert(m.unit, n.options.Unit); !ok {
			return false
		}
	}
	for _, value := range m.values {
		for _, scale := range factors {
			if n.near(value * scale * factor) {
				return true
			}
		}
	}
	return false
}

func (n numeric) near(value float64) bool {
	// Rounding errors of binary fractions are no difference: 0.1 + 0.2 is 0.3.
	slack := 1e-9 * math.Abs(n.value)
	return math.Abs(value-n.value) <= max(n.options.Tolerance, n.options.Relative*math.Abs(n.value))+slack
}

// inWords grades an answer without digits, whose last word may be a number.
func (n numeric) inWords(said string) bool {
	list := tokens(said)
	for at := len(list) - 1; at >= 0 && at >= len(list)-2; at-- {
		text, known := numberWords[list[at].text]
		if !known {
			continue
		}
		if at < len(list)-1 {
			if factor, ok := convert(list[at+1].raw, n.options.Unit); !ok || factor != 1 {
				return false
			}
		}
		sign := 1.0
		if at > 0 && !list[at].after {
			if before := list[at-1].text; negative[before] {
				sign = -1
			} else if beforeNumber[before] || alternative(before) {
				return false
			}
		}
		value, err := strconv.ParseFloat(text, 64)
		return err == nil && !denied(list, at, at+1) && n.near(sign*value)
	}
	return false
}

func deniedAt(said string, from, to int) bool {
	before := tokens(strings.ToValidUTF8(said[max(0, from-120):from], ""))
	all := tokens(strings.ToValidUTF8(said[max(0, from-120):min(len(said), to+80)], ""))
	return len(before) < len(all) && denied(all, len(before), len(before)+1)
}

// How many bytes around a number are read for its parts and its context.
const (
	numeralWindow  = 200
	exponentWindow = 40
	fractionWindow = 20
	contextWindow  = 60
)

// window returns up to size bytes of a text from a place.
func window(text string, from, size int) string { return text[from:min(len(text), from+size)] }

// mentions returns the numbers in a plain text, in their order.
func mentions(said string) []mention {
	var list []mention
	for at := 0; at < len(said); {
		if !isDigit(said[at]) && !startsFraction(said, at) {
			at++
			continue
		}
		length, texts := figuresAt(said, at)
		m := mention{from: at, to: at + length}
		at = m.to
		if len(texts) == 0 || partOfWord(said, m.from) {
			continue
		}
		left := said[max(0, m.from-contextWindow):m.from]
		scale := m.scaled(said)
		at = m.to
		sign := signBefore(said, m.from, m.to, left)
		for _, text := range texts {
			if value, err := strconv.ParseFloat(text, 64); err == nil {
				m.values = append(m.values, sign*value*scale)
			}
		}
		m.context(left, window(said, m.to, contextWindow), sign)
		list = append(list, m)
	}
	return list
}

// figuresAt returns the length of the number at a place and what it may mean,
// nothing where it can't be read.
func figuresAt(said string, at int) (length int, texts []string) {
	if said[at] != '.' {
		return numeral(window(said, at, numeralWindow))
	}
	length, _ = numeral(said[at+1 : min(len(said), at+numeralWindow)])
	length++
	return length, []string{"0" + said[at:at+length]}
}

// partOfWord reports whether the figures at a place continue a word, as in GPT-4.
func partOfWord(said string, at int) bool {
	before, _ := utf8.DecodeLastRuneInString(said[:at])
	return wordRune(before) && at > 0 || before == '_' || before == '-' && stuckTo(said, at-1)
}

// scaled reads what multiplies the number: an exponent or a fraction, whose
// factor it returns, and a word such as "million".
func (m *mention) scaled(said string) (factor float64) {
	factor = 1
	if found := power.FindStringSubmatch(window(said, m.to, exponentWindow)); found != nil {
		exponent, err := strconv.Atoi(strings.ReplaceAll(strings.TrimPrefix(found[1]+found[2], "+"), "−", "-"))
		if err == nil {
			factor = math.Pow10(exponent)
			m.to += len(found[0])
		}
	} else if found := fraction.FindStringSubmatch(window(said, m.to, fractionWindow)); found != nil {
		under, err := strconv.ParseFloat(found[1], 64)
		if err == nil && under != 0 {
			factor = 1 / under
			m.to += strings.Index(said[m.to:], found[1]) + len(found[1])
		}
	}
	if found := scaleAfter.FindStringSubmatch(window(said, m.to, fractionWindow)); found != nil {
		if factors, ok := scaleWords[strings.ToLower(found[1])]; ok {
			m.scale, m.factors = found[1], factors
			m.to += len(found[0])
		}
	}
	return factor
}

// signBefore returns -1 for a number with a minus sign or a word such as "minus"
// before it, else 1.
func signBefore(said string, from, to int, left string) float64 {
	minus := strings.TrimRight(strings.TrimRight(left, " $€£"), " ")
	if strings.HasSuffix(minus, "-") || strings.HasSuffix(minus, string(minusSign)) {
		plain := strings.ReplaceAll(said[:from], "$", "")
		if isSign(plain+said[from:to], strings.LastIndexAny(plain, "-−"), nil) {
			return -1
		}
	} else if fields := strings.Fields(left); len(fields) > 0 && negative[strings.ToLower(fields[len(fields)-1])] {
		return -1
	}
	return 1
}

// context reads the unit of the number and its part in the text from what stands
// before and after it.
func (m *mention) context(left, right string, sign float64) {
	if math := mathEnd.FindString(right); math != "" && strings.HasSuffix(strings.TrimRight(left, " -−"), "$") {
		left, right = "", right[len(math):] // $90$ is set as mathematics, and costs nothing
	}
	if found := unitAfter.FindStringSubmatch(right); found != nil && !strings.Contains(found[0], "\n") {
		m.unit = strings.ReplaceAll(found[1], " ", "")
	} else if currency, _ := utf8.DecodeLastRuneInString(strings.TrimRight(left, " -−")); strings.ContainsRune("$€£", currency) {
		m.unit = string(currency)
	}
	if notUnits[strings.ToLower(m.unit)] {
		m.unit = ""
	}
	m.cued = cue.MatchString(left)
	m.operand = sign > 0 && operand.MatchString(left) || operates.MatchString(right)
	m.open = openBefore.MatchString(left) || openAfter.MatchString(right)
}

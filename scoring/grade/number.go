package grade

import (
	"regexp"
	"slices"
	"strings"
)

var (
	decimal = regexp.MustCompile(`^\d+[.,]\d+`)
	digits  = regexp.MustCompile(`^\d+`)
	dotted  = regexp.MustCompile(`^\d+(?:\.\d+){2,}`)
	listed  = regexp.MustCompile(`^\d+(?:,\d+){2,}`)
	// A comma before three figures of which the last is a superfluous zero parts
	// thousands: nobody writes 4 as "4,000", and who writes 12.5 writes "12,5".
	thousands = regexp.MustCompile(`^[1-9]\d{0,2},\d\d0(?:\D|$)`)
	indian    = regexp.MustCompile(`^\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?`)
	// grouped are numbers with thousands separators, one pattern for each; a
	// decimal mark of another kind may follow.
	grouped = []*regexp.Regexp{
		regexp.MustCompile(`^\d{1,3}(?:,\d{3})+(?:\.\d+)?`),
		regexp.MustCompile(`^\d{1,3}(?:\.\d{3})+(?:,\d+)?`),
		regexp.MustCompile(`^\d{1,3}(?: \d{3})+(?:[.,]\d+)?`),
		regexp.MustCompile(`^\d{1,3}(?:` + string(narrowSpace) + `\d{3})+(?:[.,]\d+)?`),
		regexp.MustCompile(`^\d{1,3}(?:'\d{3})+(?:[.,]\d+)?`),
		regexp.MustCompile(`^\d{1,3}(?:_\d{3})+(?:\.\d+)?`),
	}
)

// numeral returns the length of the number at the start of a text and its possible
// values: "1.234" may be 1234 or a decimal number. An address such as 10.5.0.2
// has a length and no values.
func numeral(text string) (length int, values []string) {
	try := func(pattern *regexp.Regexp) string {
		found := pattern.FindString(text)
		if len(found) < len(text) && found != "" && isDigit(text[len(found)]) {
			return "" // cut inside a group
		}
		return found
	}
	add := func(found, value string) {
		switch {
		case found == "" || len(found) < length:
			return
		case len(found) > length:
			length, values = len(found), nil
		}
		if !slices.Contains(values, value) {
			values = append(values, value)
		}
	}
	found := try(digits)
	add(found, canonical(found, ""))
	if found := try(listed); found == "" && !thousands.MatchString(text) {
		found = try(decimal)
		add(found, canonical(strings.Replace(found, ",", ".", 1), ""))
	}
	for _, pattern := range grouped {
		found := try(pattern)
		if found == "" {
			continue
		}
		groups := digits.ReplaceAllString(found, "")
		separator := []rune(groups)[0]
		rest := strings.ReplaceAll(found, string(separator), "")
		add(found, canonical(strings.Replace(rest, ",", ".", 1), ""))
	}
	if found := try(indian); found != "" {
		add(found, canonical(strings.ReplaceAll(found, ",", ""), ""))
	}
	if found := try(dotted); len(found) > length {
		return len(found), nil
	}
	return length, values
}

// canonical writes a number without superfluous zeros.
func canonical(number, sign string) string {
	whole, fraction, _ := strings.Cut(number, ".")
	whole = strings.TrimLeft(whole, "0")
	fraction = strings.TrimRight(fraction, "0")
	switch {
	case whole == "" && fraction == "":
		return "0" // which has no sign
	case whole == "":
		whole = "0"
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return sign + whole
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// numberWords are written-out numbers, for an answer such as "Four." One is left
// out, since it is also an article in French and a pronoun in English.
var numberWords = map[string]string{
	"zero": "0", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
	"eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13",
	"fourteen": "14", "fifteen": "15", "sixteen": "16", "seventeen": "17", "eighteen": "18",
	"nineteen": "19", "twenty": "20",
	"deux": "2", "trois": "3", "quatre": "4", "cinq": "5", "sept": "7", "huit": "8", "neuf": "9",
	"dix": "10", "onze": "11", "douze": "12", "treize": "13", "quatorze": "14", "quinze": "15",
	"seize": "16", "vingt": "20",
}

func set(words string) map[string]bool {
	all := map[string]bool{}
	for _, word := range strings.Fields(words) {
		all[word] = true
	}
	return all
}

var (
	// beforeNumber are words that change the value of the number after them.
	beforeNumber = set("minus moins negative negatif point virgule comma hundred cent cents thousand mille " +
		"twenty thirty forty fifty sixty seventy eighty ninety vingt trente quarante cinquante soixante " +
		"quatre dix one and et plus fois times")
	// negative are the words that make it negative.
	negative = set("minus moins negative negatif")
	// scales multiply the number before them.
	scales = set("hundred thousand million millions billion billions trillion mille milliard milliards dozen")
	// scaleWords are their factors. A French billion is a thousand English ones.
	scaleWords = map[string][]float64{
		"dozen": {12}, "douzaine": {12}, "hundred": {100}, "thousand": {1e3}, "mille": {1e3}, "million": {1e6}, "millions": {1e6},
		"milliard": {1e9}, "milliards": {1e9}, "billion": {1e9, 1e12}, "billions": {1e9, 1e12}, "trillion": {1e12}, "trillions": {1e12},
	}
	// units may follow a number without a space: 30kg is 30.
	units = set("g kg mg t m km cm mm nm l ml cl dl s ms us ns h min mn j d v a w kw hz khz mhz ghz c f k " +
		"b o kb ko mb mo gb go tb to kib mib gib eur usd gbp chf € $ £ px pt fps x")
)

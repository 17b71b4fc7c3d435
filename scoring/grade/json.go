package grade

import (
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// jsonTries is the number of brackets in an answer that are tried as the start of
// a JSON value.
const jsonTries = 2000

var (
	fence    = regexp.MustCompile("(?s)(?:```|~~~)[^\\n`]*\\n(.*?)(?:```|~~~)")
	jsonStep = regexp.MustCompile(`^(?:\.?([^.\[\]]+)|\[(\d+)\])`)
)

// JSON returns a [Grader] that accepts an answer whose JSON has the wanted value
// at a path such as "a.b[0].c"; "" is the whole value.
//
// The JSON of an answer is its last fenced block that is JSON, else its first
// object or array; the last one if the question contains JSON, which the answer
// may repeat. It must be strict JSON, without comments or trailing commas.
// Numbers are compared by value, strings exactly but for the space around them.
//
// It returns an error for an invalid path and for a value that JSON can't
// represent.
func JSON(path string, want any) (Grader, error) {
	g := jsonGrader{path: path}
	for rest := path; rest != ""; {
		found := jsonStep.FindStringSubmatch(rest)
		if found == nil || len(rest) == len(path) && rest[0] == '.' {
			return nil, fmt.Errorf("the JSON path %q is wrong at %q: write it as a.b[0].c", path, rest)
		}
		step := jsonPathStep{key: found[1]}
		if found[2] != "" {
			index, err := strconv.Atoi(found[2])
			if err != nil {
				return nil, fmt.Errorf("the index of the JSON path %q: %w", path, err)
			}
			step.index = index
		}
		g.steps = append(g.steps, step)
		rest = rest[len(found[0]):]
	}
	encoded, err := json.Marshal(want)
	if err != nil {
		return nil, fmt.Errorf("the value wanted at the JSON path %q: %w", path, err)
	}
	g.text = string(encoded)
	decoder := json.NewDecoder(strings.NewReader(g.text))
	decoder.UseNumber()
	if err := decoder.Decode(&g.want); err != nil {
		return nil, fmt.Errorf("the value wanted at the JSON path %q: %w", path, err)
	}
	return g, nil
}

type jsonPathStep struct {
	key   string
	index int
}

type jsonGrader struct {
	path, text string
	steps      []jsonPathStep
	want       any
}

// String describes the grader.
func (g jsonGrader) String() string { return "json " + strconv.Quote(g.path) + " = " + g.text }

func (g jsonGrader) Grade(question, answer string) bool {
	said := unrepeated(aloud(answer), question)
	var found []any
	for _, block := range fence.FindAllStringSubmatch(said, -1) {
		if value, ok := wholeJSON(block[1]); ok {
			found = []any{value}
		}
	}
	if found == nil {
		if value, ok := wholeJSON(said); ok {
			found = []any{value}
		} else if found = jsonValues(said); len(found) > 1 && len(jsonValues(question)) > 0 {
			found = found[len(found)-1:]
		}
	}
	if len(found) == 0 {
		return false
	}
	value, ok := g.at(found[0])
	return ok && sameJSON(value, g.want)
}

func (g jsonGrader) at(value any) (any, bool) {
	for _, step := range g.steps {
		if step.key != "" {
			object, _ := value.(map[string]any)
			next, ok := object[step.key]
			if !ok {
				return nil, false
			}
			value = next
			continue
		}
		list, _ := value.([]any)
		if step.index >= len(list) {
			return nil, false
		}
		value = list[step.index]
	}
	return value, true
}

func wholeJSON(text string) (value any, ok bool) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return nil, false
	}
	_, err := decoder.Token()
	return value, err == io.EOF
}

// jsonValues returns the outermost objects and arrays in a text.
func jsonValues(text string) []any {
	var list []any
	for tries := 0; tries < jsonTries; tries++ {
		at := strings.IndexAny(text, "{[")
		if at < 0 {
			break
		}
		text = text[at:]
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		var value any
		if decoder.Decode(&value) != nil {
			text = text[1:]
			continue
		}
		list = append(list, value)
		text = text[decoder.InputOffset():]
	}
	return list
}

func sameJSON(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		return ok && sameNumber(a.String(), b.String())
	case string:
		b, ok := b.(string)
		return ok && strings.TrimSpace(a) == strings.TrimSpace(b)
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !sameJSON(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for key := range a {
			other, ok := b[key]
			if !ok || !sameJSON(a[key], other) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

// sameNumber compares two JSON numbers by value. Exponents of more than three
// digits are not computed, since the result would fill the memory.
func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	for _, text := range []string{a, b} {
		if at := strings.IndexAny(text, "eE"); at >= 0 && len(strings.TrimLeft(text[at+1:], "+-0")) > 3 || len(text) > 1000 {
			return false
		}
	}
	x, okX := new(big.Rat).SetString(a)
	y, okY := new(big.Rat).SetString(b)
	return okX && okY && x.Cmp(y) == 0
}

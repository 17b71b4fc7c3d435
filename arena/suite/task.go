package suite

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/turbone/jarvis/scoring/grade"
)

// written is a task of a file before it is checked.
type written struct {
	id, domain, prompt string
	maxTokens          int

	expect string
	oneOf  texts
	regex  string
	number number
	json   wanted
	choice choice

	right, wrong texts

	// given holds the keys that are present.
	given map[string]bool
}

// keys returns the keys of a task and where to store their values.
func (w *written) keys() map[string]any {
	return map[string]any{
		"id": &w.id, "domain": &w.domain, "prompt": &w.prompt, "max_tokens": &w.maxTokens,
		"expect": &w.expect, "one_of": &w.oneOf, "regex": &w.regex, "number": &w.number, "json": &w.json, "choice": &w.choice,
		"right": &w.right, "wrong": &w.wrong,
	}
}

// number is a number, alone or with a tolerance.
type number struct {
	Value     float64 `yaml:"value"`
	Tolerance float64 `yaml:"tolerance"`
	Relative  float64 `yaml:"relative"`
	Unit      string  `yaml:"unit"`
}

func (n *number) UnmarshalYAML(unmarshal func(any) error) error {
	if err := unmarshal(&n.Value); err == nil {
		return nil
	}
	type plain number
	return unmarshal((*plain)(n))
}

// wanted is the expected value at a path of a JSON answer.
type wanted struct {
	Path   string `yaml:"path"`
	Equals any    `yaml:"equals"`
}

// choice is the letter of the right option.
type choice struct {
	Letter  string            `yaml:"letter"`
	Options map[string]string `yaml:"options"`
}

// texts is a text or a list of texts.
type texts []string

func (t *texts) UnmarshalYAML(unmarshal func(any) error) error {
	var one string
	if err := unmarshal(&one); err == nil {
		*t = texts{one}
		return nil
	}
	return unmarshal((*[]string)(t))
}

// task reads the task that begins at a line.
func (r *reader) task(node ast.Node, at int) {
	mapping, ok := node.(*ast.MappingNode)
	if !ok {
		r.mistake(at, "", "not a task; one has an id, a prompt and a grader such as `expect: Paris`")
		return
	}
	before := len(r.mistakes)
	w := r.written(mapping)
	switch first, taken := r.lines[w.id]; {
	case w.id == "":
		r.mistake(at, "", "no id; give each task one of its own")
	case taken:
		r.mistake(at, w.id, "the id is taken by the task at line %d; give each its own", first)
	default:
		r.lines[w.id] = at
	}
	if strings.TrimSpace(w.prompt) == "" {
		r.mistake(at, w.id, "no prompt")
	}
	if w.maxTokens < 0 {
		r.mistake(at, w.id, "max_tokens is %d; leave it out for the default", w.maxTokens)
	}
	if len(r.mistakes) > before {
		return
	}
	grader, err := w.grader()
	if err != nil {
		r.mistake(at, w.id, "%v", err)
		return
	}
	t := Task{
		ID: w.id, Domain: cmp.Or(w.domain, r.domain), Prompt: w.prompt, MaxTokens: w.maxTokens, Grader: grader,
		Right: w.right, Wrong: w.wrong,
	}
	for _, answer := range t.Right {
		if !grader.Grade(t.Prompt, answer) {
			r.mistake(at, t.ID, "its grader, %v, takes the right sample %q for wrong", grader, answer)
		}
	}
	for _, answer := range t.Wrong {
		if grader.Grade(t.Prompt, answer) {
			r.mistake(at, t.ID, "its grader, %v, takes the wrong sample %q for right", grader, answer)
		}
	}
	r.content.tasks = append(r.content.tasks, t)
}

// written reads the keys of a task.
func (r *reader) written(mapping *ast.MappingNode) (w written) {
	w.given = map[string]bool{}
	keys := w.keys()
	for _, pair := range mapping.Values {
		if keyOf(pair) == "id" { // first: mistakes name the task
			r.value(pair, &w.id, "")
		}
	}
	for _, pair := range mapping.Values {
		name := keyOf(pair)
		into, known := keys[name]
		w.given[name] = true
		switch {
		case name == "id":
		case !known:
			r.mistake(r.offset+line(pair.Key, 0), w.id, "unknown key %q; a task has %s", name, strings.Join(slices.Sorted(maps.Keys(keys)), ", "))
		default:
			r.value(pair, into, w.id)
		}
	}
	return w
}

// keyOf returns a key without quotes.
func keyOf(pair *ast.MappingValueNode) string { return pair.Key.GetToken().Value }

// value reads the value of a key.
func (r *reader) value(pair *ast.MappingValueNode, into any, task string) {
	if err := yaml.NodeToValue(pair.Value, into, yaml.Strict()); err != nil {
		what := "cannot be read"
		var e yaml.Error
		switch into.(type) {
		case *string:
			what = "not a text; put it in quotes"
		case *texts:
			what = "neither a text nor a list of texts"
		case *int:
			what = "not a whole number"
		default:
			if errors.As(err, &e) {
				what = e.GetMessage()
			}
		}
		r.mistake(r.offset+line(pair.Key, 0), task, "%s: %s", keyOf(pair), what)
	}
}

// errGraders is the error for a task with no grader or several.
var errGraders = errors.New("give exactly one of expect, one_of, regex, number, json and choice")

// grader returns the task's grader.
func (w *written) grader() (grade.Grader, error) {
	var names []string
	for _, name := range []string{"expect", "one_of", "regex", "number", "json", "choice"} {
		if w.given[name] {
			names = append(names, name)
		}
	}
	if len(names) != 1 {
		return nil, fmt.Errorf("%s: %w", cmp.Or(strings.Join(names, " and "), "no grader"), errGraders)
	}
	grader, err := w.named(names[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", names[0], err)
	}
	return grader, nil
}

// named returns the grader of a key.
func (w *written) named(key string) (grade.Grader, error) {
	switch key {
	case "one_of":
		return grade.OneOf(w.oneOf...)
	case "regex":
		return grade.Regex(w.regex)
	case "number":
		n := w.number
		return grade.Number(n.Value, grade.NumberOptions{Tolerance: n.Tolerance, Relative: n.Relative, Unit: n.Unit})
	case "json":
		return grade.JSON(w.json.Path, w.json.Equals)
	case "choice":
		return grade.Choice(w.choice.Letter, w.choice.Options)
	}
	return grade.Expect(w.expect)
}

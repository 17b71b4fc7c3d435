package suite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// write puts a file into a folder of the test's own.
func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRead reads the same tasks from each kind of file.
func TestRead(t *testing.T) {
	const inYAML = `
- id: capital
  domain: geographie
  prompt: Quelle est la capitale de l'Italie ? 🇮🇹
  one_of: [Rome, Roma]
  right: Rome
- id: sum
  domain: math
  prompt: What is 2+2? Answer with the number alone.
  expect: 4
  max_tokens: 20
  wrong: ["5", "14"]
- {id: way, domain: math, prompt: "How far?", number: {value: 12.5, tolerance: 0.1, unit: km}}
- {id: year, domain: math, prompt: "Which year?", number: 1969}
- {id: shape, domain: code, prompt: "As JSON?", json: {path: "a[0].b", equals: [1, x]}}
- {id: option, domain: code, prompt: "A: heap, B: stack?", choice: {letter: B, options: {A: heap, B: stack}}}
- {id: mode, domain: code, prompt: "chmod?", regex: 'chmod\s+600'}
`
	// As Python writes it, with escapes.
	const inJSONL = `{"id": "capital", "domain": "geographie", "prompt": "Quelle est la capitale de l'Italie ? \ud83c\uddee\ud83c\uddf9", "one_of": ["Rome", "Roma"], "right": "Rome"}
{"id": "sum", "domain": "math", "prompt": "What is 2+2? Answer with the number alone.", "expect": "4", "max_tokens": 20, "wrong": ["5", "14"]}

{"id": "way", "domain": "math", "prompt": "How far?", "number": {"value": 12.5, "tolerance": 0.1, "unit": "km"}}
{"id": "year", "domain": "math", "prompt": "Which year?", "number": 1969}
{"id": "shape", "domain": "code", "prompt": "As JSON?", "json": {"path": "a[0].b", "equals": [1, "x"]}}
{"id": "option", "domain": "code", "prompt": "A: heap, B: stack?", "choice": {"letter": "B", "options": {"A": "heap", "B": "stack"}}}
{"id": "mode", "domain": "code", "prompt": "chmod?", "regex": "chmod\\s+600"}
`
	mapping := "version: 7\ndomain: unused\ntasks:" + strings.ReplaceAll(inYAML, "\n", "\n  ")
	want := []string{
		`capital geographie "Quelle est la capitale de l'Italie ? 🇮🇹" 0 one_of "Rome" "Roma" [Rome] []`,
		`sum math "What is 2+2? Answer with the number alone." 20 expect "4" [] [5 14]`,
		`way math "How far?" 0 number 12.5 ±0.1 km [] []`,
		`year math "Which year?" 0 number 1969 [] []`,
		`shape code "As JSON?" 0 json "a[0].b" = [1,"x"] [] []`,
		`option code "A: heap, B: stack?" 0 choice B A="heap" B="stack" [] []`,
		`mode code "chmod?" 0 regex "chmod\\s+600" [] []`,
	}
	hashes := map[string]bool{}
	for name, text := range map[string]string{
		"list.yaml": inYAML, "mapping.yml": mapping, "windows.yaml": "\ufeff" + strings.ReplaceAll(inYAML, "\n", "\r\n"),
		"python.jsonl": inJSONL, "PYTHON.NDJSON": strings.TrimSpace(inJSONL),
	} {
		path := write(t, name, text)
		s, err := Read(path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, task := range s.Tasks() {
			got = append(got, fmt.Sprintf("%s %s %q %d %v %v %v", task.ID, task.Domain, task.Prompt, task.MaxTokens, task.Grader, task.Right, task.Wrong))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		hashes[s.Hash()] = true
		version := s.Hash()[:12]
		if name == "mapping.yml" {
			version = "7"
		}
		if s.Name() != path || s.Version() != version {
			t.Errorf("%s is named %s, version %s; want %s, %s", name, s.Name(), s.Version(), path, version)
		}
	}
	if len(hashes) != 1 {
		t.Errorf("the same tasks have %d hashes", len(hashes))
	}
}

// TestReadMistakes holds what a user reads of each mistake, and where.
func TestReadMistakes(t *testing.T) {
	for name, row := range map[string]struct{ file, text, want string }{
		"empty":       {"s.yaml", "", "s.yaml: no tasks; each has an id, a prompt and a grader such as `expect: Paris`"},
		"empty lines": {"s.jsonl", "\n\n", "s.jsonl: no tasks; each has an id, a prompt and a grader such as `expect: Paris`"},
		"binary":      {"s.yaml", "\x00\x01", "s.yaml: not a text file in UTF-8"},
		"latin 1":     {"s.yaml", "- id: caf\xe9", "s.yaml: not a text file in UTF-8"},
		"no YAML":     {"s.yaml", "- id: a\n  prompt: [", "s.yaml:2: not YAML: sequence end token ']' not found"},
		"a text":      {"s.yaml", "hello", "s.yaml:1: neither a list of tasks nor a mapping with `tasks:`"},
		"two documents": {
			"s.yaml", "- {id: a, prompt: b, expect: c}\n---\n- {id: b, prompt: b, expect: c}",
			"s.yaml:3: a second document; keep one, without `---` in between",
		},
		"an unknown part": {
			"s.yaml", "version: 1\nquestions: []",
			"s.yaml:2: unknown key \"questions\"; a suite has version, domain and tasks",
		},
		"tasks that are no list": {"s.yaml", "tasks: {id: a}", "s.yaml:1: tasks is no list; begin each task with `- id:`"},
		"no grader": {
			"s.yaml", "- id: a\n  prompt: b\n",
			"s.yaml:1: task a: no grader: give exactly one of expect, one_of, regex, number, json and choice",
		},
		"two graders": {
			"s.yaml", "- id: a\n  prompt: b\n  expect: c\n  regex: d",
			"s.yaml:1: task a: expect and regex: give exactly one of expect, one_of, regex, number, json and choice",
		},
		"all at once": {"s.yaml", `
- prompt: b
  expect: c
- id: two
  promt: b
  expect: {a: b}
- id: two
  prompt: again
  expect: c
  max_tokens: -1
- 17
-
- id: three
  prompt: b
  regex: "("
- id: four
  prompt: b
  number: {value: 4, units: km}
- id: five
  prompt: b
  choice: {letter: C, options: {A: a, B: b}}
- id: six
  prompt: b
  expect: "4"
  right: The answer is five.
  wrong: [It is 4., "14"]
`, `s.yaml:2: no id; give each task one of its own
s.yaml:5: task two: unknown key "promt"; a task has choice, domain, expect, id, json, max_tokens, number, one_of, prompt, regex, right, wrong
s.yaml:6: task two: expect: not a text; put it in quotes
s.yaml:4: task two: no prompt
s.yaml:7: task two: the id is taken by the task at line 4; give each its own
s.yaml:7: task two: max_tokens is -1; leave it out for the default
s.yaml:11: not a task; one has an id, a prompt and a grader such as ` + "`expect: Paris`" + `
s.yaml:12: not a task; one has an id, a prompt and a grader such as ` + "`expect: Paris`" + `
s.yaml:13: task three: regex: the pattern "(" of an expected answer: error parsing regexp: missing closing ): ` + "`(`" + `
s.yaml:18: task four: number: unknown field "units"
s.yaml:19: task five: choice: the right choice C is none of the options: add it, or choose another
s.yaml:22: task six: its grader, expect "4", takes the right sample "The answer is five." for wrong
s.yaml:22: task six: its grader, expect "4", takes the wrong sample "It is 4." for right`},
		"lines of JSON": {
			"s.jsonl", `{"id": "a", "prompt": "b", "expect": "c"}
{"id": "b", "prompt": "b", "expect": "c",}
null
{"id": "c", "prompt": "b", "expekt": "c"}
{"id": "d", "prompt": "b", "expect": "c"} {}
`,
			`s.jsonl:2: not one JSON object: invalid character '}' looking for beginning of object key string
s.jsonl:3: not one JSON object: null
s.jsonl:4: task c: unknown key "expekt"; a task has choice, domain, expect, id, json, max_tokens, number, one_of, prompt, regex, right, wrong
s.jsonl:5: not one JSON object: something follows the object`,
		},
	} {
		path := write(t, row.file, row.text)
		_, err := Read(path)
		var mistakes Mistakes
		if !errors.As(err, &mistakes) {
			t.Errorf("%s: %v, want mistakes", name, err)
			continue
		}
		got := strings.ReplaceAll(err.Error(), path, row.file)
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that isn't there: %v", err)
	}
}

// FuzzRead reads anything as a suite: with an error or a usable suite, without
// a panic.
func FuzzRead(f *testing.F) {
	f.Add("- {id: a, prompt: b, expect: c}")
	f.Add(`{"id": "a", "prompt": "b", "number": {"value": 1}}`)
	f.Add("tasks:\n  - &x {id: a, prompt: *x}\n? [a]\n: b")
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func(string, []byte) (content, Mistakes){parseYAML, parseJSONL} {
			got, mistakes := parse("s", []byte(text))
			if len(mistakes) > 0 {
				continue
			}
			if _, err := New("s", "", got.tasks...); err != nil {
				t.Errorf("%q was read without a mistake, but makes no suite: %v", text, err)
			}
		}
	})
}

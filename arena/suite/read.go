package suite

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Mistake is a mistake in a file of tasks.
type Mistake struct {
	// File and Line are its place; Line counts from 1, and is 0 for the whole
	// file.
	File string
	Line int
	// Task is the ID of the task, "" if it has none or the mistake is in none.
	Task string
	// What describes the mistake and its remedy.
	What string
}

func (m Mistake) Error() string {
	var b strings.Builder
	b.WriteString(m.File)
	if m.Line > 0 {
		fmt.Fprintf(&b, ":%d", m.Line)
	}
	b.WriteString(": ")
	if m.Task != "" {
		fmt.Fprintf(&b, "task %s: ", m.Task)
	}
	b.WriteString(m.What)
	return b.String()
}

// Mistakes lists all mistakes in a file, in the order of its lines.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, mistake := range m {
		lines[i] = mistake.Error()
	}
	return strings.Join(lines, "\n")
}

// Read reads a suite from a YAML file, or from a JSONL file with one task per
// line (.jsonl, .ndjson). Its name is the path, its version the file's `version`,
// or else the beginning of its hash.
//
// A task has an id, a prompt, a domain (by default the file's) and one of
// expect, one_of, regex, number, json and choice: see package grade. Its sample
// answers, right and wrong, are graded, so that a wrong grader is found before
// any model is asked.
//
// The error is a [Mistakes] if the content is wrong.
func Read(path string) (*Suite, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the tasks: %w", err)
	}
	parse := parseYAML
	switch strings.ToLower(filepath.Ext(path)) {
	case ".jsonl", ".ndjson":
		parse = parseJSONL
	}
	content, mistakes := parse(path, text)
	if len(mistakes) > 0 {
		return nil, mistakes
	}
	s, err := New(path, content.version, content.tasks...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if s.version == "" {
		s.version = s.hash[:12]
	}
	return s, nil
}

// content is the content of a file.
type content struct {
	version string
	tasks   []Task
}

// reader collects the tasks and the mistakes of a file.
type reader struct {
	file     string
	domain   string
	content  content
	mistakes Mistakes
	// offset is the number of lines before the text that is parsed.
	offset int
	// lines holds the line of each ID.
	lines map[string]int
}

func (r *reader) mistake(line int, task, format string, args ...any) {
	r.mistakes = append(r.mistakes, Mistake{r.file, line, task, fmt.Sprintf(format, args...)})
}

// result returns what was read.
func (r *reader) result() (content, Mistakes) {
	if len(r.content.tasks) == 0 && len(r.mistakes) == 0 {
		r.mistake(0, "", "no tasks; each has an id, a prompt and a grader such as `expect: Paris`")
	}
	return r.content, r.mistakes
}

// text removes the byte order mark. ok is false if the file is not a text file.
func (r *reader) text(source []byte) ([]byte, bool) {
	if !utf8.Valid(source) || bytes.IndexByte(source, 0) >= 0 {
		r.mistake(0, "", "not a text file in UTF-8")
		return nil, false
	}
	return bytes.TrimPrefix(source, []byte("\ufeff")), true
}

// parseYAML parses a list of tasks, or a mapping with a version, a domain and a
// list named tasks.
func parseYAML(file string, source []byte) (content, Mistakes) {
	r := &reader{file: file, lines: map[string]int{}}
	source, ok := r.text(source)
	if !ok {
		return r.result()
	}
	parsed, err := parser.ParseBytes(source, 0)
	if err != nil {
		r.syntax(err)
		return r.result()
	}
	if len(parsed.Docs) > 1 {
		r.mistake(line(parsed.Docs[1].Body, 0), "", "a second document; keep one, without `---` in between")
		return r.result()
	}
	if len(parsed.Docs) == 0 || parsed.Docs[0].Body == nil {
		return r.result()
	}
	list := r.list(parsed.Docs[0].Body)
	for _, node := range list {
		r.task(node, line(node, 0))
	}
	return r.result()
}

// list returns the nodes of the tasks, and reads version and domain.
func (r *reader) list(body ast.Node) []ast.Node {
	switch n := body.(type) {
	case *ast.SequenceNode:
		return n.Values
	case *ast.MappingNode:
		var tasks []ast.Node
		for _, pair := range n.Values {
			key, at := keyOf(pair), line(pair.Key, 1)
			switch key {
			case "version", "domain":
				into := &r.content.version
				if key == "domain" {
					into = &r.domain
				}
				r.value(pair, into, "")
			case "tasks":
				sequence, ok := pair.Value.(*ast.SequenceNode)
				if !ok {
					r.mistake(at, "", "tasks is no list; begin each task with `- id:`")
					continue
				}
				tasks = sequence.Values
			default:
				r.mistake(at, "", "unknown key %q; a suite has version, domain and tasks", key)
			}
		}
		return tasks
	}
	r.mistake(line(body, 1), "", "neither a list of tasks nor a mapping with `tasks:`")
	return nil
}

// parseJSONL parses one task per line. Empty lines are skipped.
func parseJSONL(file string, source []byte) (content, Mistakes) {
	r := &reader{file: file, lines: map[string]int{}}
	source, ok := r.text(source)
	if !ok {
		return r.result()
	}
	at := 0
	for row := range bytes.Lines(source) {
		at++
		if len(bytes.TrimSpace(row)) == 0 {
			continue
		}
		canonical, err := canonicalJSON(row)
		var parsed *ast.File
		if err == nil {
			parsed, err = parser.ParseBytes(canonical, 0)
		}
		if err != nil || len(parsed.Docs) != 1 {
			r.mistake(at, "", "not one JSON object: %v", err)
			continue
		}
		r.offset = at - 1
		r.task(parsed.Docs[0].Body, at)
	}
	return r.result()
}

// canonicalJSON rewrites a JSON object so that it is valid YAML: without the
// escapes that YAML does not have.
func canonicalJSON(row []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(row))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return nil, err
	}
	if object == nil {
		return nil, errors.New("null")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(object)
	return out.Bytes(), err
}

// line returns a node's line, or otherwise if it has none.
func line(n ast.Node, otherwise int) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return otherwise
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		return line(m.Values[0].Key, otherwise) // its own token is the first colon
	}
	return n.GetToken().Position.Line
}

// syntax adds an error of the parser as a mistake, at its line if it has one.
func (r *reader) syntax(err error) {
	at, what := 1, err.Error()
	var e yaml.Error
	if errors.As(err, &e) {
		what = e.GetMessage()
		if token := e.GetToken(); token != nil && token.Position != nil {
			at = token.Position.Line
		}
	}
	r.mistake(at, "", "not YAML: %s", what)
}

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

// Mistake is something wrong with a file of tasks.
type Mistake struct {
	// File and Line say where; Line counts from 1, and is 0 for the whole file.
	File string
	Line int
	// Task is the ID of the task, "" where it has none or it is about none.
	Task string
	// What says what is wrong, and what to do.
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

// Mistakes are all that is wrong with a file, in the order of its lines.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, mistake := range m {
		lines[i] = mistake.Error()
	}
	return strings.Join(lines, "\n")
}

// Read reads a suite from a YAML file, or from a JSONL file of one task a line
// (.jsonl, .ndjson). Its name is the path, its version the file's `version`, or
// the beginning of its hash.
//
// A task has an id, a prompt, a domain ("" where the file has none either) and
// one of expect, one_of, regex, number, json and choice, which the graders of
// package scoring explain. Its sample answers, right and wrong, are graded, so
// that a grader that takes one for the other shows before any model is asked.
//
// The error is a [Mistakes] where something is wrong with the content.
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

// content is what a file holds.
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
	// offset is how many lines stand before the text that the parser was given.
	offset int
	// lines are where the IDs were seen.
	lines map[string]int
}

func (r *reader) mistake(line int, task, format string, args ...any) {
	r.mistakes = append(r.mistakes, Mistake{r.file, line, task, fmt.Sprintf(format, args...)})
}

// result is what was read.
func (r *reader) result() (content, Mistakes) {
	if len(r.content.tasks) == 0 && len(r.mistakes) == 0 {
		r.mistake(0, "", "no tasks; each has an id, a prompt and a grader such as `expect: Paris`")
	}
	return r.content, r.mistakes
}

// text checks that a file is one of text, and strips its byte order mark.
func (r *reader) text(source []byte) ([]byte, bool) {
	if !utf8.Valid(source) || bytes.IndexByte(source, 0) >= 0 {
		r.mistake(0, "", "not a text file in UTF-8")
		return nil, false
	}
	return bytes.TrimPrefix(source, []byte("\ufeff")), true
}

// parseYAML reads a list of tasks, or a mapping with a version, a domain and a
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

// list finds the tasks' nodes, and reads what stands beside them.
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

// parseJSONL reads a task a line. Empty lines are skipped.
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

// canonicalJSON writes an object so that it is YAML, too: without the escapes
// that YAML doesn't know.
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

// line returns a node's line, or another where the node has none.
func line(n ast.Node, otherwise int) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return otherwise
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		return line(m.Values[0].Key, otherwise) // its own token is the first colon
	}
	return n.GetToken().Position.Line
}

// syntax notes an error of the parser, at its own line where it has one.
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

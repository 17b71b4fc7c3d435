package filestore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/turbone/jarvis/history/internal/jsontext"
)

// document is the text of a history file and where things stand in it. Changes
// are edits of the text, so that all that isn't changed stays to the byte.
type document struct {
	text []byte
	// from is where the JSON starts: after a byte order mark, if there is one.
	from int
	// open and end are the braces of the document.
	open, end int
	// last is where the last member's value ends, 0 in an empty object.
	last int
	// runs are the rows, list the array's brackets; without a list there is no
	// such member, or null in the place of list.
	runs    []jsontext.Span
	list    jsontext.Span
	hasList bool
	// champion is the champion's value, null included.
	champion    jsontext.Span
	hasChampion bool
	// style is how the file is laid out.
	style style
	// absent says that there was no file; modified is when it was written.
	absent   bool
	modified time.Time
}

// style is a layout: what stands before a member of the document, and one level
// of indentation; both are empty in a file of one line.
type style struct {
	newline, indent string
}

// resultsKey is the member of a run that holds its tests.
const resultsKey = "results"

// emptyText is a history without runs.
const emptyText = "{\n  \"runs\": []\n}"

// syntaxError is a text that is no history, and where it stops being one.
type syntaxError struct {
	offset int
	// torn says that the text is no JSON: it may be half written.
	torn bool
	err  error
}

func (e *syntaxError) Error() string { return e.err.Error() }
func (e *syntaxError) Unwrap() error { return e.err }

var (
	errEmpty   = errors.New("the file is empty")
	errRunList = errors.New(`"runs" is no list`)
)

// parse finds the places in a text.
func parse(text []byte) (*document, error) {
	body := bytes.TrimPrefix(text, jsontext.ByteOrderMark)
	if len(bytes.Trim(body, " \t\r\n\x00")) == 0 {
		// Nothing, or the zeros of a file whose blocks never reached the disk.
		return nil, &syntaxError{torn: true, err: errEmpty}
	}
	if !json.Valid(body) {
		var whole json.RawMessage
		err := json.Unmarshal(body, &whole)
		offset := len(text)
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			offset = len(text) - len(body) + int(syntax.Offset)
		}
		return nil, &syntaxError{offset, true, err}
	}
	return places(text)
}

// places is parse for valid JSON.
func places(text []byte) (*document, error) {
	d := &document{text: text, from: len(text) - len(bytes.TrimPrefix(text, jsontext.ByteOrderMark))}
	if err := d.scan(); err != nil {
		return nil, err
	}
	d.style = d.layout()
	return d, nil
}

// scan finds the places in valid JSON.
func (d *document) scan() error {
	d.open = jsontext.Blank(d.text, d.from)
	if d.text[d.open] != '{' {
		return &syntaxError{offset: d.open, err: fmt.Errorf(`want an object with "runs", found %s`, jsontext.Brief(d.text[d.from:]))}
	}
	end, err := jsontext.EachMember(d.text, d.open, func(key string, value jsontext.Span) error {
		d.last = value.To
		switch key {
		case "runs":
			d.list, d.hasList, d.runs = value, true, nil
			switch d.text[value.From] {
			case '[':
				jsontext.EachElement(d.text, value.From, func(row jsontext.Span) { d.runs = append(d.runs, row) })
			case 'n':
			default:
				return &syntaxError{offset: value.From, err: errRunList}
			}
		case "champion":
			d.champion, d.hasChampion = value, true
		}
		return nil
	})
	if err != nil {
		var syntax *syntaxError
		if errors.As(err, &syntax) {
			return err
		}
		return &syntaxError{offset: end, err: err}
	}
	d.end = end - 1
	return nil
}

// layout reads the style off the white space before the first member.
func (d *document) layout() style {
	after := d.text[d.open+1 : d.end]
	space := string(after[:len(after)-len(bytes.TrimLeft(after, " \t\r\n"))])
	cut := strings.LastIndexByte(space, '\n')
	switch {
	case d.last == 0:
		return style{"\n", "  "}
	case cut < 0:
		return style{}
	case cut > 0 && space[cut-1] == '\r':
		return style{"\r\n", space[cut+1:]}
	}
	return style{"\n", space[cut+1:]}
}

// line is the start of a line at a depth.
func (s style) line(depth int) string {
	if s.newline == "" {
		return ""
	}
	return s.newline + strings.Repeat(s.indent, depth)
}

// format lays out a value at a depth.
func (s style) format(value json.RawMessage, depth int) ([]byte, error) {
	var out bytes.Buffer
	if s.newline == "" {
		err := json.Compact(&out, value)
		return out.Bytes(), err
	}
	if err := json.Indent(&out, value, strings.Repeat(s.indent, depth), s.indent); err != nil {
		return nil, err
	}
	return bytes.ReplaceAll(out.Bytes(), []byte("\n"), []byte(s.newline)), nil
}

// formatRun lays out a run as format does, its tests a line for each task: with
// a line for each figure a run would take hundreds.
func (s style) formatRun(run json.RawMessage) ([]byte, error) {
	const depth = 2
	members, err := jsontext.ParseObject(run)
	if err != nil || s.newline == "" || len(members) == 0 {
		return s.format(run, depth)
	}
	var out bytes.Buffer
	for i, m := range members {
		key, err := jsontext.Encode(m.Key)
		if err != nil {
			return nil, err
		}
		value, err := s.formatMember(m, depth+1)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(s.line(depth + 1))
		out.Write(key)
		out.WriteString(": ")
		out.Write(value)
	}
	return slices.Concat([]byte{'{'}, out.Bytes(), []byte(s.line(depth)), []byte{'}'}), nil
}

func (s style) formatMember(m jsontext.Member, depth int) ([]byte, error) {
	var tasks []json.RawMessage
	if m.Key != resultsKey || json.Unmarshal(m.Value, &tasks) != nil || len(tasks) == 0 {
		return s.format(m.Value, depth)
	}
	var out bytes.Buffer
	for i, task := range tasks {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(s.line(depth + 1))
		if err := json.Compact(&out, task); err != nil {
			return nil, err
		}
	}
	return slices.Concat([]byte{'['}, out.Bytes(), []byte(s.line(depth)), []byte{']'}), nil
}

// splice returns the text with a stretch replaced.
func (d *document) splice(at jsontext.Span, parts ...string) []byte {
	out := append([]byte(nil), d.text[:at.From]...)
	for _, part := range parts {
		out = append(out, part...)
	}
	return append(out, d.text[at.To:]...)
}

// withMember returns the text with another member at its end.
func (d *document) withMember(key string, value []byte) []byte {
	entry := `"` + key + `":`
	if d.style.newline != "" || d.last > 0 {
		entry += " "
	}
	entry += string(value)
	if d.last == 0 {
		return d.splice(jsontext.Span{From: d.open + 1, To: d.end}, d.style.line(1), entry, d.style.line(0))
	}
	separator := ","
	if d.style.newline == "" {
		separator = ", "
	}
	return d.splice(jsontext.Span{From: d.last, To: d.last}, separator, d.style.line(1), entry)
}

// withRun returns the text with another row at the end, or in the place of the
// row with this index.
func (d *document) withRun(run json.RawMessage, replace int) ([]byte, error) {
	row, err := d.style.formatRun(run)
	if err != nil {
		return nil, err
	}
	switch {
	case replace >= 0:
		return d.splice(d.runs[replace], string(row)), nil
	case len(d.runs) > 0:
		before := string(d.text[d.list.From+1 : d.runs[0].From])
		if d.style.newline == "" {
			before = " "
		}
		last := d.runs[len(d.runs)-1].To
		return d.splice(jsontext.Span{From: last, To: last}, ",", before, string(row)), nil
	}
	list := "[" + d.style.line(2) + string(row) + d.style.line(1) + "]"
	if d.hasList {
		return d.splice(d.list, list), nil
	}
	return d.withMember("runs", []byte(list)), nil
}

// withChampion returns the text with another champion.
func (d *document) withChampion(champion json.RawMessage) ([]byte, error) {
	value, err := d.style.format(champion, 1)
	if err != nil {
		return nil, err
	}
	if d.hasChampion {
		return d.splice(d.champion, string(value)), nil
	}
	return d.withMember("champion", value), nil
}

// withoutFirst returns the text without its oldest rows; at least one stays.
func (d *document) withoutFirst(rows int) []byte {
	return d.splice(jsontext.Span{From: d.runs[0].From, To: d.runs[rows].From})
}

// row is the text of one run.
func (d *document) row(index int) []byte {
	return d.text[d.runs[index].From:d.runs[index].To]
}

// find returns the row with this ID, the last of several, or -1.
func (d *document) find(id string) int {
	for i := len(d.runs) - 1; i >= 0; i-- {
		if plain(id) && !bytes.Contains(d.row(i), []byte(id)) {
			continue // quicker than to read it
		}
		if found, ok := d.runID(i); ok && found == id {
			return i
		}
	}
	return -1
}

// plain says that a text stands in JSON as it is, whoever wrote it.
func plain(text string) bool {
	for _, c := range []byte(text) {
		switch {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.':
		default:
			return false
		}
	}
	return text != ""
}

// runID returns the ID of one run, false where it has none or is no run.
func (d *document) runID(index int) (string, bool) {
	id := runID(d.row(index))
	return id, id != ""
}

// withRuns returns the text with some rows replaced, by index, and others added
// at the end, in one go: row by row, a long history would take minutes.
func (d *document) withRuns(replaced map[int]json.RawMessage, added []json.RawMessage) ([]byte, error) {
	if len(d.runs) == 0 {
		if len(added) == 0 {
			return d.text, nil
		}
		text, err := d.withRun(added[0], -1)
		if err != nil {
			return nil, err
		}
		first, err := parse(text)
		if err != nil {
			return nil, err
		}
		return first.withRuns(nil, added[1:])
	}
	var out bytes.Buffer
	at := 0
	for _, i := range slices.Sorted(maps.Keys(replaced)) {
		row, err := d.style.formatRun(replaced[i])
		if err != nil {
			return nil, err
		}
		out.Write(d.text[at:d.runs[i].From])
		out.Write(row)
		at = d.runs[i].To
	}
	last := d.runs[len(d.runs)-1].To
	out.Write(d.text[at:last])
	before := string(d.text[d.list.From+1 : d.runs[0].From])
	if d.style.newline == "" {
		before = " "
	}
	for _, run := range added {
		row, err := d.style.formatRun(run)
		if err != nil {
			return nil, err
		}
		out.WriteString("," + before)
		out.Write(row)
	}
	out.Write(d.text[last:])
	return out.Bytes(), nil
}

// mark names a list of rows; see [archivedFrom].
func (d *document) mark() string {
	sum := sha256.Sum256(d.text[d.list.From:d.list.To])
	return hex.EncodeToString(sum[:8])
}

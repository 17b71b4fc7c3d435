package filestore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/turbone/jarvis/history/internal/jsontext"
)

// Keys of a history file, and of its rows, that have a layout of their own.
const (
	runsKey     = "runs"
	championKey = "champion"
	resultsKey  = "results" // the single tests of a row
)

// emptyText is the text of a new history file.
const emptyText = "{\n  \"runs\": []\n}"

var errEmpty = errors.New("the file is empty")

// document is the text of a history file with the places of the rows and of the
// champion.
type document struct {
	*jsontext.Document
	// list is the array of rows, runs are its elements.
	list jsontext.Span
	runs []jsontext.Span
	// champion is the place of the champion's value, which may be null.
	champion    jsontext.Span
	hasChampion bool
	// absent is true if there is no file, modified is when it was last written.
	absent   bool
	modified time.Time
}

// parse parses the text of a history file. The error is a [*jsontext.Error].
func parse(text []byte) (*document, error) {
	if blank(text) {
		return nil, &jsontext.Error{Syntax: true, Err: errEmpty}
	}
	whole, err := jsontext.Parse(text)
	var wrong *jsontext.Error
	if errors.As(err, &wrong) && !wrong.Syntax {
		return nil, &jsontext.Error{Offset: wrong.Offset, Err: fmt.Errorf("want an object with %q, found %s", runsKey, jsontext.Excerpt(text[wrong.Offset:]))}
	}
	if err != nil {
		return nil, err
	}
	d := &document{Document: whole}
	var ok bool
	if d.list, d.runs, ok = d.Member(runsKey); ok && d.runs == nil && string(d.At(d.list)) != "null" {
		return nil, &jsontext.Error{Offset: d.list.From, Err: fmt.Errorf("%q is no list", runsKey)}
	}
	d.champion, _, d.hasChampion = d.Member(championKey)
	return d, nil
}

// blank reports whether a text is empty, or consists of zeros, as after a power
// cut.
func blank(text []byte) bool {
	return len(bytes.Trim(bytes.TrimPrefix(text, jsontext.ByteOrderMark), " \t\r\n\x00")) == 0
}

// formatRun lays out a run for the file, with a line for the tests of each task:
// with a line for each figure a run would take hundreds.
func (d *document) formatRun(run json.RawMessage) ([]byte, error) {
	const depth = 2
	members, err := jsontext.ParseObject(run)
	if err != nil || d.Style.OneLine() || len(members) == 0 {
		return d.Style.Format(run, depth)
	}
	for i, m := range members {
		if members[i].Value, err = d.formatMember(m, depth+1); err != nil {
			return nil, err
		}
	}
	return d.Style.FormatObject(members, depth)
}

// formatMember lays out a member of a run.
func (d *document) formatMember(m jsontext.Member, depth int) ([]byte, error) {
	var tasks []json.RawMessage
	if m.Key != resultsKey || json.Unmarshal(m.Value, &tasks) != nil || len(tasks) == 0 {
		return d.Style.Format(m.Value, depth)
	}
	lines := make([][]byte, len(tasks))
	for i, task := range tasks {
		var line bytes.Buffer
		if err := json.Compact(&line, task); err != nil {
			return nil, err
		}
		lines[i] = line.Bytes()
	}
	return d.Style.FormatArray(lines, depth), nil
}

// withRuns returns the text with some rows replaced, by index, and others added at
// the end.
func (d *document) withRuns(replaced map[int]json.RawMessage, added ...json.RawMessage) ([]byte, error) {
	format := map[int][]byte{}
	for i, run := range replaced {
		row, err := d.formatRun(run)
		if err != nil {
			return nil, err
		}
		format[i] = row
	}
	rows := make([][]byte, len(added))
	for i, run := range added {
		var err error
		if rows[i], err = d.formatRun(run); err != nil {
			return nil, err
		}
	}
	return d.SetElements(runsKey, format, rows)
}

// withRun returns the text with the row at an index replaced, or with another row
// at the end if the index is negative.
func (d *document) withRun(run json.RawMessage, index int) ([]byte, error) {
	if index >= 0 {
		return d.withRuns(map[int]json.RawMessage{index: run})
	}
	return d.withRuns(nil, run)
}

// withChampion returns the text with another champion.
func (d *document) withChampion(champion json.RawMessage) ([]byte, error) {
	return d.with(championKey, champion)
}

// with returns the text with a member of the history set.
func (d *document) with(key string, value json.RawMessage) ([]byte, error) {
	text, err := d.Style.Format(value, 1)
	if err != nil {
		return nil, err
	}
	return d.Set(key, text)
}

// withoutFirst returns the text without the first rows.
func (d *document) withoutFirst(runs int) []byte {
	deleted := map[int]bool{}
	for i := range runs {
		deleted[i] = true
	}
	return d.DeleteElements(runsKey, deleted)
}

// row returns the text of a row.
func (d *document) row(index int) json.RawMessage { return d.At(d.runs[index]) }

// find returns the index of the last row with this ID, or -1.
func (d *document) find(id string) int {
	for i := len(d.runs) - 1; i >= 0; i-- {
		if plain(id) && !bytes.Contains(d.row(i), []byte(id)) {
			continue // quicker than parsing it
		}
		if id != "" && runID(d.row(i)) == id {
			return i
		}
	}
	return -1
}

// plain reports whether every encoder of JSON writes a text without escapes.
func plain(text string) bool {
	return text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == ""
}

// mark returns a hash of the list of rows; see [archivedFrom].
func (d *document) mark() string {
	sum := sha256.Sum256(d.At(d.list))
	return hex.EncodeToString(sum[:8])
}

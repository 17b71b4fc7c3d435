package filestore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/turbone/jarvis/history/internal/jsontext"
)

// The members of a history file that this package knows.
const (
	runsKey     = "runs"
	championKey = "champion"
	// resultsKey is the member of a run that holds its tests.
	resultsKey = "results"
)

// emptyText is a history without runs.
const emptyText = "{\n  \"runs\": []\n}"

var errEmpty = errors.New("the file is empty")

// document is the text of a history file with the places of the runs and of the
// champion.
type document struct {
	*jsontext.Document
	// list is the array of runs, runs are its elements.
	list jsontext.Span
	runs []jsontext.Span
	// champion is the champion's value, null included.
	champion    jsontext.Span
	hasChampion bool
	// absent says that there was no file; modified is when it was written.
	absent   bool
	modified time.Time
}

// parse finds the places in a text. The error is a [*jsontext.Error].
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

// blank reports whether a file holds nothing, or the zeros of one whose blocks
// never reached the disk.
func blank(text []byte) bool {
	return len(bytes.Trim(bytes.TrimPrefix(text, jsontext.ByteOrderMark), " \t\r\n\x00")) == 0
}

// formatRun lays out a run for the file, its tests a line for each task: with a
// line for each figure a run would take hundreds.
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

// withRuns returns the text with some runs replaced, by index, and others added
// at the end.
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

// withRun returns the text with another run at the end, or in the place of the
// one with this index.
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

// withoutFirst returns the text without its oldest runs.
func (d *document) withoutFirst(runs int) []byte {
	deleted := map[int]bool{}
	for i := range runs {
		deleted[i] = true
	}
	return d.DeleteElements(runsKey, deleted)
}

// row is the text of one run.
func (d *document) row(index int) json.RawMessage { return d.At(d.runs[index]) }

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

// mark names a list of rows; see [archivedFrom].
func (d *document) mark() string {
	sum := sha256.Sum256(d.At(d.list))
	return hex.EncodeToString(sum[:8])
}

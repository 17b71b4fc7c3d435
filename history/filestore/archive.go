package filestore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/internal/jsontext"
)

// archivedFrom is a member that each archived row has in addition: a hash of
// the list that it left. When a crash comes between the archive and the history
// itself, the next change finds the same list and knows by it what has been
// archived already.
const archivedFrom = "archived_from"

// archive adds the first rows of after to the archive. When it returns without
// an error, they survive a crash there, and may be taken out of the history.
func (f *Store) archive(before, after *document, rows int) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("move old runs to %s: %w", f.ArchivePath(), err)
		}
	}()
	mark := before.mark()
	var lines [][]byte
	for i := range rows {
		line, err := archiveLine(after.row(i), mark)
		if err != nil {
			return err
		}
		lines = append(lines, line)
	}

	file, err := os.OpenFile(f.ArchivePath(), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	end, marked, err := tail(file, mark, 1<<20+2*len(after.Text))
	if err != nil {
		return err
	}
	// What a crash, or several, left there of this very list isn't added again.
	there := map[string]int{}
	for _, line := range marked {
		there[string(line)]++
	}
	lines = slices.DeleteFunc(lines, func(line []byte) bool {
		there[string(line)]--
		return there[string(line)] >= 0
	})
	if len(lines) == 0 {
		return nil
	}
	if err := file.Truncate(end.keep); err != nil {
		return err
	}
	text := append(bytes.Join(lines, []byte{'\n'}), '\n')
	if end.open {
		text = append([]byte{'\n'}, text...)
	}
	if _, err := file.WriteAt(text, end.keep); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(f.ArchivePath()))
}

// archiveLine is a row on one line, with its mark.
func archiveLine(row []byte, mark string) ([]byte, error) {
	var line bytes.Buffer
	if err := json.Compact(&line, row); err != nil {
		return nil, err
	}
	body, isObject := bytes.CutSuffix(line.Bytes(), []byte{'}'})
	if !isObject {
		return line.Bytes(), nil // not a run, but not lost either
	}
	member := `"` + archivedFrom + `":"` + mark + `"}`
	if len(body) > 1 {
		member = "," + member
	}
	return append(body, member...), nil
}

// ending is where an archive goes on.
type ending struct {
	// keep is how much of it stays: all but a line that a crash cut off, whose
	// row is still in the history.
	keep int64
	// open says that the last line lacks its end.
	open bool
}

// tail looks at the end of an archive: where it goes on, and which lines with
// this mark are its last.
func tail(file *os.File, mark string, most int) (ending, [][]byte, error) {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return ending{}, nil, err
	}
	start := max(0, size-int64(most))
	text := make([]byte, size-start)
	if _, err := file.ReadAt(text, start); err != nil && !errors.Is(err, io.EOF) {
		return ending{}, nil, err
	}
	end := ending{keep: size}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		last := bytes.LastIndexByte(text, '\n') + 1
		if end.open = json.Valid(text[last:]); !end.open {
			text = text[:last]
			end.keep = start + int64(last)
		}
	}
	suffix := []byte(`"` + archivedFrom + `":"` + mark + `"}`)
	lines := bytes.Split(bytes.TrimSuffix(text, []byte{'\n'}), []byte{'\n'})
	from := len(lines)
	for from > 0 && bytes.HasSuffix(lines[from-1], suffix) {
		from--
	}
	return end, lines[from:], nil
}

// Archived returns the runs that were moved to the archive, oldest first.
func (f *Store) Archived(ctx context.Context) ([]history.Run, error) {
	runs, _, err := f.archived(ctx, "")
	return runs, err
}

// archived returns the archived runs, and how many of the last have this mark.
func (f *Store) archived(ctx context.Context, mark string) (runs []history.Run, marked int, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, context.Cause(ctx)
	}
	text, err := os.ReadFile(f.ArchivePath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read archived runs: %w", err)
	}
	own := []byte(`"` + mark + `"`)
	offset := 0
	for line := range bytes.Lines(text) {
		at := offset
		offset += len(line)
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if offset == len(text) && text[len(text)-1] != '\n' && !json.Valid(line) {
			break // cut off by a crash, or being written: it is in the history still
		}
		run := history.Run{}
		written, err := jsontext.ParseObject(line)
		if err == nil {
			marked++
			if last := len(written) - 1; last < 0 || written[last].Key != archivedFrom {
				marked = 0
			} else {
				if !bytes.Equal(written[last].Value, own) {
					marked = 0
				}
				written = written[:last]
			}
			if line, err = jsontext.Merge(written, nil, nil); err == nil {
				err = run.UnmarshalJSON(line)
			}
		}
		if err != nil {
			return nil, 0, unreadable(f.ArchivePath(), text, at, err)
		}
		runs = append(runs, run)
	}
	return runs, marked, nil
}

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

// archivedFrom is the key of a member that is added to each archived row: a hash
// of the list that the row was removed from. If a crash comes between the archive
// and the history file, the next change finds the same list, and knows by the hash
// which rows are archived already.
const archivedFrom = "archived_from"

// archive appends the first rows of after to the archive. When it returns nil,
// they survive a crash there and may be removed from the history. before is the
// document in the file.
func (s *Store) archive(before, after *document, rows int) error {
	mark := before.mark()
	lines := make([][]byte, rows)
	for i := range lines {
		var err error
		if lines[i], err = archiveLine(after.row(i), mark); err != nil {
			return fmt.Errorf("move old runs to %s: %w", s.ArchivePath(), err)
		}
	}
	if err := appendArchive(s.ArchivePath(), lines, mark, 1<<20+2*len(after.Text)); err != nil {
		return fmt.Errorf("move old runs to %s: %w", s.ArchivePath(), err)
	}
	return nil
}

// appendArchive appends lines to an archive, except those that a crash left there
// with the same mark. It looks for these in the last bytes of the archive, at most
// this many.
func appendArchive(path string, lines [][]byte, mark string, most int) (err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	end, marked, err := tail(file, mark, most)
	if err != nil {
		return err
	}
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
	return syncFolder(filepath.Dir(path))
}

// archiveLine returns a row on one line, with its mark.
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

// ending is where an archive is continued.
type ending struct {
	// keep is the size that is kept: everything but a line that a crash cut off,
	// whose row is still in the history.
	keep int64
	// open is true if the last line lacks its newline.
	open bool
}

// tail returns the end of an archive and its last lines if they have this mark,
// from the last bytes, at most this many.
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

// Archived returns the runs in the archive, oldest first.
func (s *Store) Archived(ctx context.Context) ([]history.Run, error) {
	runs, _, err := s.archived(ctx, "")
	return runs, err
}

// archived returns the runs in the archive, and how many of the last have this
// mark.
func (s *Store) archived(ctx context.Context, mark string) (runs []history.Run, marked int, err error) {
	if ctx.Err() != nil {
		return nil, 0, context.Cause(ctx)
	}
	text, err := os.ReadFile(s.ArchivePath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read archived runs: %w", err)
	}
	offset := 0
	for line := range bytes.Lines(text) {
		at := offset
		offset += len(line)
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if offset == len(text) && text[len(text)-1] != '\n' && !json.Valid(line) {
			break // cut off by a crash, or being written: it is still in the history
		}
		run, from, err := readArchived(line)
		if err != nil {
			return nil, 0, unreadable(s.ArchivePath(), text, at, err)
		}
		runs = append(runs, run)
		if marked++; from != mark {
			marked = 0
		}
	}
	return runs, marked, nil
}

// readArchived parses a line of the archive. mark is "" for none.
func readArchived(line []byte) (run history.Run, mark string, err error) {
	members, err := jsontext.ParseObject(line)
	if err != nil {
		return history.Run{}, "", err
	}
	if last := len(members) - 1; last >= 0 && members[last].Key == archivedFrom {
		if json.Unmarshal(members[last].Value, &mark) != nil {
			mark = ""
		}
		if line, err = jsontext.Merge(members[:last], nil, nil); err != nil {
			return history.Run{}, "", err
		}
	}
	return run, mark, run.UnmarshalJSON(line)
}

package history

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// archivedFrom is a member that each archived row has in addition: a hash of
// the list that it left. When a crash comes between the archive and the history
// itself, the next change finds the same list and knows by it what has been
// archived already.
const archivedFrom = "archived_from"

// archive adds the first rows of after to the archive. When it returns without
// an error, they survive a crash there, and may be taken out of the history.
func (f *File) archive(before, after *document, rows int) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("move old runs to %s: %w", f.ArchivePath(), err)
		}
	}()
	sum := sha256.Sum256(before.text[before.list.from:before.list.to])
	mark := hex.EncodeToString(sum[:8])
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
	end, there, err := tail(file, mark, 1<<20+2*len(after.text))
	if err != nil {
		return err
	}
	if there >= rows {
		return nil
	}
	if err := file.Truncate(end.keep); err != nil {
		return err
	}
	text := append(bytes.Join(lines[there:], []byte{'\n'}), '\n')
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

// tail looks at the end of an archive: where it goes on, and how many rows with
// this mark are its last.
func tail(file *os.File, mark string, most int) (ending, int, error) {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return ending{}, 0, err
	}
	from := max(0, size-int64(most))
	text := make([]byte, size-from)
	if _, err := file.ReadAt(text, from); err != nil && !errors.Is(err, io.EOF) {
		return ending{}, 0, err
	}
	end := ending{keep: size}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		start := bytes.LastIndexByte(text, '\n') + 1
		if end.open = json.Valid(text[start:]); !end.open {
			text = text[:start]
			end.keep = from + int64(start)
		}
	}
	suffix := []byte(`"` + archivedFrom + `":"` + mark + `"}`)
	count := 0
	lines := bytes.Split(bytes.TrimSuffix(text, []byte{'\n'}), []byte{'\n'})
	for i := len(lines) - 1; i >= 0 && bytes.HasSuffix(lines[i], suffix); i-- {
		count++
	}
	return end, count, nil
}

// Archived returns the runs that were moved to the archive, oldest first.
func (f *File) Archived(ctx context.Context) ([]Run, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	text, err := os.ReadFile(f.ArchivePath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read archived runs: %w", err)
	}
	var runs []Run
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
		run := Run{}
		written, err := parseObject(line)
		if err == nil {
			if last := len(written) - 1; last >= 0 && written[last].key == archivedFrom {
				written = written[:last]
			}
			err = run.read(written)
		}
		if err != nil {
			return nil, unreadable(f.ArchivePath(), text, at, err)
		}
		runs = append(runs, run)
	}
	return runs, nil
}

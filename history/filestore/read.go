package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/turbone/jarvis/history/internal/jsontext"
)

const (
	// longestPatience is how long a read waits for a program that goes on writing
	// and never finishes.
	longestPatience = time.Minute
	// pollFirst and pollLast are the shortest and longest pause between two reads.
	pollFirst, pollLast = time.Millisecond, 25 * time.Millisecond
)

// read reads the file, repeatedly while it looks half written: until its text has
// not changed for patience, or longestPatience is over. A read with less than the
// store's patience doesn't wait longer for a file that changes.
func (s *Store) read(ctx context.Context, patience time.Duration) (*document, error) {
	begun := time.Now()
	w := writing{begun: begun, still: begun, quiet: patience, most: max(patience, longestPatience)}
	if patience < s.patience {
		w.most = patience
	}
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		text, modified, err := s.load()
		if errors.Is(err, fs.ErrNotExist) {
			return absent()
		}
		if err != nil {
			return nil, fmt.Errorf("read the history: %w", err)
		}
		over := w.over(text, time.Now())
		if over || complete(text) {
			d, err := parse(text)
			if err == nil {
				d.modified = modified
				return d, nil
			}
			var wrong *jsontext.Error
			if !errors.As(err, &wrong) {
				return nil, err
			}
			if over || !wrong.Syntax {
				return nil, unreadable(s.path, text, wrong.Offset, wrong.Err)
			}
		}
		if err := sleep(ctx, w.pause); err != nil {
			return nil, err
		}
	}
}

// absent returns the document of a history that has no file.
func absent() (*document, error) {
	d, err := parse([]byte(emptyText))
	if err != nil {
		return nil, err
	}
	d.absent = true
	return d, nil
}

// writing is the observation of a file that another program may be writing.
type writing struct {
	// begun is when the first text was read, still when the last one was.
	begun, still time.Time
	// quiet is for how long the text has to be unchanged, most for how long the
	// observation lasts at most.
	quiet, most time.Duration
	text        []byte
	// pause is the time until the next read.
	pause time.Duration
}

// over takes the text that was read at a time and reports whether the program
// counts as finished.
func (w *writing) over(text []byte, now time.Time) bool {
	if w.text == nil || !bytes.Equal(text, w.text) {
		w.text, w.still, w.pause = text, now, pollFirst
	} else {
		w.pause = min(2*w.pause, pollLast)
	}
	return now.Sub(w.still) >= w.quiet || now.Sub(w.begun) >= w.most
}

// load reads the file once.
func (s *Store) load() (text []byte, modified time.Time, err error) {
	file, err := os.Open(s.path)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer file.Close() // it is only read
	text, err = io.ReadAll(file)
	if err != nil {
		return nil, time.Time{}, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, time.Time{}, err
	}
	return text, info.ModTime(), nil
}

// complete reports whether a text may be complete: it ends like an object, or
// begins like something else.
func complete(text []byte) bool {
	text = bytes.TrimRight(text, " \t\r\n")
	return len(text) > 0 && text[len(text)-1] == '}' || len(bytes.TrimLeft(text, "\xef\xbb\xbf \t\r\n")) > 0 && !bytes.ContainsRune(text, '{')
}

// current returns the file with the changes that another program overwrote. They
// are also restored in the file, if it can be written.
func (s *Store) current(ctx context.Context) (*document, error) {
	d, err := s.read(ctx, s.patience)
	if err != nil {
		return nil, err
	}
	restored, err := s.restore(d)
	if err != nil || !restored.changed {
		return d, err
	}
	if err := s.change(ctx, edit{}); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return restored.document, nil // a reader may lack the permission to write
	}
	if d, err = s.read(ctx, s.patience); err != nil {
		return nil, err
	}
	restored, err = s.restore(d)
	return restored.document, err
}

// sleep waits for d. The error is the context's cause if it ends before.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

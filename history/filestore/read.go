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
	// longestPatience is how long somebody is waited for who never ends writing.
	longestPatience = time.Minute
	// pollFirst and pollLast are how soon a file is read again.
	pollFirst, pollLast = time.Millisecond, 25 * time.Millisecond
)

// read reads the file, again and again while it looks half written. Somebody
// who goes on writing is waited for longer than for a file that just lies there.
func (f *Store) read(ctx context.Context, patience time.Duration) (*document, error) {
	begun := time.Now()
	still, pause := begun, pollFirst
	var before []byte
	for {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		text, modified, err := f.load()
		if errors.Is(err, fs.ErrNotExist) {
			d, err := parse([]byte(emptyText))
			if err == nil {
				d.absent = true
			}
			return d, err
		}
		if err != nil {
			return nil, fmt.Errorf("read the history: %w", err)
		}
		now := time.Now()
		if !bytes.Equal(text, before) {
			still, pause = now, pollFirst
		}
		before = text
		last := now.Sub(still) >= patience || patience < f.patience && now.Sub(begun) >= patience || now.Sub(begun) >= max(patience, longestPatience)
		if last || whole(text) {
			d, err := parse(text)
			if err == nil {
				d.modified = modified
				return d, nil
			}
			var syntax *jsontext.Error
			if !errors.As(err, &syntax) {
				return nil, err
			}
			if last || !syntax.Syntax {
				return nil, unreadable(f.path, text, syntax.Offset, syntax.Err)
			}
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause):
		}
		pause = min(2*pause, pollLast)
	}
}

// load reads the file as it is.
func (f *Store) load() (text []byte, modified time.Time, err error) {
	file, err := os.Open(f.path)
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

// whole says that a text may be whole: it has its end.
func whole(text []byte) bool {
	text = bytes.TrimRight(text, " \t\r\n")
	return len(text) > 0 && text[len(text)-1] == '}' || len(bytes.TrimLeft(text, "\xef\xbb\xbf \t\r\n")) > 0 && !bytes.ContainsRune(text, '{')
}

// current is the file with what another program overwrote put back, in the file
// itself, too, if that can be done.
func (f *Store) current(ctx context.Context) (*document, error) {
	d, err := f.read(ctx, f.patience)
	if err != nil {
		return nil, err
	}
	back, err := f.restore(d)
	if err != nil || !back.changed {
		return d, err
	}
	// Who may only read reads it all the same.
	if err := f.change(ctx, edit{}); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return back.document, nil
	}
	if d, err = f.read(ctx, f.patience); err != nil {
		return nil, err
	}
	back, err = f.restore(d)
	return back.document, err
}

package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"modernc.org/sqlite"
	engine "modernc.org/sqlite/lib"

	"github.com/turbone/jarvis/history"
)

const (
	// DefaultPatience is how long a database that another program has locked is
	// waited for.
	DefaultPatience = 30 * time.Second

	// readers is how many queries run at once in one process.
	readers = 4
	// magic is how every SQLite file begins.
	magic = "SQLite format 3\x00"
)

// Store is a history in an SQL database. Make it with [Open].
type Store struct {
	path     string
	keep     int
	patience time.Duration
	// write is one connection: SQLite has one writer at a time, and waiting here
	// is fairer than there. read can't change anything.
	write, read *sql.DB
}

var _ history.Movable = (*Store)(nil)

// Option is a setting of [Open].
type Option func(*Store)

// Keep sets how many runs [Store.Runs] returns at most, the last ones. Older
// ones stay in the database, for [Store.Archived] and for queries. Below 1, the
// default, it returns all.
func Keep(runs int) Option { return func(s *Store) { s.keep = runs } }

// Patience sets how long a database that another program has locked is waited
// for, [DefaultPatience] if unset. Zero or less: not at all.
func Patience(limit time.Duration) Option { return func(s *Store) { s.patience = limit } }

// Open opens the history in a database; one that isn't there is made, with its
// folder. An older layout is brought up to date. A file that is no database, or
// another program's, is left as it is; the error then wraps
// [history.ErrUnreadable]. [Store.Close] has to be called.
func Open(ctx context.Context, path string, options ...Option) (*Store, error) {
	s := &Store{path: path, patience: DefaultPatience}
	for _, option := range options {
		option(s)
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if err := s.recognise(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make the history's folder: %w", err)
	}
	var err error
	if s.write, err = s.connect("&_txlock=immediate&_synchronous=FULL", 1); err != nil {
		return nil, err
	}
	if s.read, err = s.connect("&_query_only=1", readers); err != nil {
		return nil, errors.Join(err, s.write.Close())
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close ends the connections; what runs is waited for. The store can't be used
// afterwards.
func (s *Store) Close() error {
	if err := errors.Join(s.read.Close(), s.write.Close()); err != nil {
		return fmt.Errorf("close the history %s: %w", s.path, err)
	}
	return nil
}

// Path returns the database's path as it was given.
func (s *Store) Path() string { return s.path }

// recognise looks at the file before the engine does: a JSON history given by
// mistake is the likely case, and deserves an error of its own.
func (s *Store) recognise() error {
	file, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the history: %w", err)
	}
	start := make([]byte, len(magic))
	n, err := io.ReadFull(file, start)
	err = errors.Join(ignoreEnd(err), file.Close())
	if err != nil {
		return fmt.Errorf("open the history %s: %w", s.path, err)
	}
	start = start[:n]
	switch {
	case n == 0 || string(start) == magic:
		return nil
	case bytes.HasPrefix(bytes.Trim(start, " \t\r\n\xef\xbb\xbf"), []byte("{")):
		return s.unreadable(errors.New("it is a JSON file, no database: name it with the ending .json to use it as it is, or give the database another name and import the file"))
	}
	return s.unreadable(fmt.Errorf("it is no SQLite database, it starts with %q: give the history a file of its own", start))
}

func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

func (s *Store) connect(settings string, connections int) (*sql.DB, error) {
	path, err := filepath.Abs(s.path)
	if err != nil {
		return nil, fmt.Errorf("open the history %s: %w", s.path, err)
	}
	path = filepath.ToSlash(path)
	if runtime.GOOS == "windows" && !strings.HasPrefix(path, "/") {
		path = "/" + path // file:///C:/…
	}
	// A short wait inside the engine; the long one is in patiently.
	name := "file://" + (&url.URL{Path: path}).EscapedPath() + "?_busy_timeout=200" + settings
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, fmt.Errorf("open the history %s: %w", s.path, err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// prepare checks that the database is ours before anything is changed in it.
func (s *Store) prepare(ctx context.Context) error {
	err := s.patiently(ctx, func() error {
		l, err := look(ctx, s.write)
		if err == nil {
			if err := l.ours(len(schema)); err != nil {
				return s.unreadable(err)
			}
			// Readers and a writer don't wait for each other then.
			_, err = s.write.ExecContext(ctx, "PRAGMA journal_mode = WAL")
		}
		return err
	})
	if err == nil {
		err = s.change(ctx, func(tx *sql.Tx) error { return migrate(ctx, tx, schema) })
	}
	if err != nil {
		return fmt.Errorf("open the history: %w", err)
	}
	return nil
}

// change makes a change as a whole; it survives a crash when there is no error.
func (s *Store) change(ctx context.Context, change func(*sql.Tx) error) error {
	return s.patiently(ctx, func() (err error) {
		tx, err := s.write.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if err := change(tx); err != nil {
			return errors.Join(err, ignoreDone(tx.Rollback()))
		}
		return tx.Commit()
	})
}

// view reads at one moment.
func (s *Store) view(ctx context.Context, view func(queryer) error) error {
	return s.patiently(ctx, func() error {
		tx, err := s.read.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		return errors.Join(view(tx), ignoreDone(tx.Rollback()))
	})
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// patiently tries again while another program has the database locked, and says
// what an error of the engine means.
func (s *Store) patiently(ctx context.Context, try func() error) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 2*time.Millisecond, 50*time.Millisecond
	options := []backoff.RetryOption{backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(s.patience)}
	if s.patience <= 0 {
		options = append(options, backoff.WithMaxTries(1))
	}
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := try()
		if err != nil && !busy(err) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, options...)
	if permanent := (*backoff.PermanentError)(nil); errors.As(err, &permanent) {
		err = permanent.Err
	}
	switch code := primary(err); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case busy(err):
		return fmt.Errorf("%s is locked by another program for more than %v: end its transaction, or the program: %w", s.path, s.patience, err)
	case code == engine.SQLITE_CORRUPT || code == engine.SQLITE_NOTADB:
		return s.unreadable(fmt.Errorf("the database is damaged: put a copy back, save what can be read with: sqlite3 %s .recover, or move it away with its -wal and -shm files to start a new history: %w", s.path, err))
	}
	return fmt.Errorf("%s: %w", s.path, err)
}

// unreadable is an error about a database that is left as it is.
func (s *Store) unreadable(err error) error {
	return fmt.Errorf("%s: %w; it is left as it is: %w", s.path, history.ErrUnreadable, err)
}

func busy(err error) bool {
	code := primary(err)
	return code == engine.SQLITE_BUSY || code == engine.SQLITE_LOCKED
}

// primary is the engine's code without its details, 0 for another error.
func primary(err error) int {
	var failed *sqlite.Error
	if !errors.As(err, &failed) {
		return 0
	}
	return failed.Code() & 0xff
}

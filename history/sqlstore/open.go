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
	// KeepAll is the default of [Keep]: [Store.Runs] returns all runs.
	KeepAll = -1

	// DefaultPatience is the time for which a call waits for a database that another
	// program has locked.
	DefaultPatience = 30 * time.Second
	// NoPatience, for [Patience], doesn't wait.
	NoPatience time.Duration = -1

	// readers is the number of concurrent queries of one process.
	readers = 4
	// magic begins every SQLite file.
	magic = "SQLite format 3\x00"
)

// Store is a history in an SQLite database; see the package's comment. Open it with
// [Open].
type Store struct {
	path     string
	keep     int
	patience time.Duration
	// write is a single connection: SQLite has one writer at a time, and waiting for
	// a connection is fairer than waiting for a lock. read is read-only.
	write, read *sql.DB
}

var _ history.Movable = (*Store)(nil)

// Option configures a [Store].
type Option func(*Store)

// Keep sets the number of runs that [Store.Runs] returns: the last ones. Older runs
// stay in the database, for [Store.Archived] and for queries. 0, [KeepAll] or any
// negative number means all.
func Keep(runs int) Option { return func(s *Store) { s.keep = max(0, runs) } }

// Patience sets the time for which a call waits for a database that another program
// has locked. 0 means [DefaultPatience], [NoPatience] or any negative duration that
// it doesn't wait.
func Patience(limit time.Duration) Option {
	return func(s *Store) {
		if limit == 0 {
			limit = DefaultPatience
		}
		s.patience = max(0, limit)
	}
}

// Open opens the database at path. A missing one is created, with its folder; an
// older layout is migrated. A file that is no database, or belongs to another
// program, is left unchanged and the error wraps [history.ErrUnreadable]. The caller
// has to call [Store.Close].
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

// Close waits for running calls and closes the database.
func (s *Store) Close() error {
	if err := errors.Join(s.read.Close(), s.write.Close()); err != nil {
		return fmt.Errorf("close the history %s: %w", s.path, err)
	}
	return nil
}

// Path returns the path that the store was opened with.
func (s *Store) Path() string { return s.path }

// recognise checks the file before the engine opens it: a JSON history given by
// mistake is likely, and deserves an error of its own.
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

// ignoreEnd removes the error of a file that is shorter than what was read.
func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// connect opens the database with a number of connections.
func (s *Store) connect(settings string, connections int) (*sql.DB, error) {
	path, err := filepath.Abs(s.path)
	if err != nil {
		return nil, fmt.Errorf("open the history %s: %w", s.path, err)
	}
	path = filepath.ToSlash(path)
	if runtime.GOOS == "windows" && !strings.HasPrefix(path, "/") {
		path = "/" + path // file:///C:/…
	}
	// A short wait inside the engine; the long one is in retry.
	name := "file://" + (&url.URL{Path: path}).EscapedPath() + "?_busy_timeout=200" + settings
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, fmt.Errorf("open the history %s: %w", s.path, err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// prepare checks that the database belongs to this package before it changes
// anything, and creates or migrates the tables.
func (s *Store) prepare(ctx context.Context) error {
	err := s.retry(ctx, func() error {
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

// change runs a change in a transaction. When it returns nil, the change survives a
// crash.
func (s *Store) change(ctx context.Context, change func(*sql.Tx) error) error {
	return s.retry(ctx, func() (err error) {
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

// view runs queries in a transaction: they see the database at one moment.
func (s *Store) view(ctx context.Context, view func(queryer) error) error {
	return s.retry(ctx, func() error {
		tx, err := s.read.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		return errors.Join(view(tx), ignoreDone(tx.Rollback()))
	})
}

// ignoreDone removes the error of a transaction that ended by itself.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// retry calls try again while another program has the database locked, and explains
// errors of the engine.
func (s *Store) retry(ctx context.Context, try func() error) error {
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

// unreadable returns the error of a database that is left unchanged.
func (s *Store) unreadable(err error) error {
	return fmt.Errorf("%s: %w; it is left as it is: %w", s.path, history.ErrUnreadable, err)
}

// busy reports whether another program has the database locked.
func busy(err error) bool {
	code := primary(err)
	return code == engine.SQLITE_BUSY || code == engine.SQLITE_LOCKED
}

// primary returns the primary result code of SQLite, 0 for other errors.
func primary(err error) int {
	var failed *sqlite.Error
	if !errors.As(err, &failed) {
		return 0
	}
	return failed.Code() & 0xff
}

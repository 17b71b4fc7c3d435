package filestore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// lockPoll is how often a lock file that is locked is tried again.
const lockPoll = 5 * time.Millisecond

// lock acquires the history for one change: from the goroutines of this process,
// then from other processes by the lock file.
func (s *Store) lock(ctx context.Context) (unlock func() error, err error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() {
		if err != nil {
			<-s.turn
		}
	}()
	if err := os.MkdirAll(filepath.Dir(s.path), 0o755); err != nil {
		return nil, fmt.Errorf("make the history's folder: %w", err)
	}
	lock := flock.New(s.target()+".lock", flock.SetPermissions(0o644))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the history with %s: %w", lock.Path(), err), lock.Close())
	}
	return func() error {
		defer func() { <-s.turn }()
		if err := lock.Close(); err != nil { // which unlocks; the lock file stays
			return fmt.Errorf("unlock the history: %w", err)
		}
		return nil
	}, nil
}

// CheckWrite implements [history.WriteChecker]: the folder can be made, the lock can
// be acquired, and a file can be written beside the history.
func (s *Store) CheckWrite(ctx context.Context) (err error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	file, err := os.CreateTemp(filepath.Dir(s.target()), temporaryName(s.target()))
	if err != nil {
		return fmt.Errorf("write beside the history: %w", err)
	}
	_, err = file.WriteString("{}")
	return errors.Join(err, file.Close(), os.Remove(file.Name()))
}

package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// renameTries is how often a rename is tried on Windows, where a file cannot be
// replaced while another program has it open.
const renameTries = 20

// abandoned is the age after which a prepared text is removed: its writer was
// killed.
const abandoned = time.Minute

// prepared is a durable temporary file that only has to be renamed to replace its
// target. That takes next to no time, so the target can be checked just before.
type prepared struct {
	temporary, target string
}

// prepare writes a text durably to a temporary file beside its target.
func prepare(target string, text []byte, mode fs.FileMode) (p *prepared, err error) {
	file, err := os.CreateTemp(filepath.Dir(target), temporaryName(target))
	if err != nil {
		return nil, err
	}
	p = &prepared{file.Name(), target}
	_, err = file.Write(text)
	if err == nil {
		err = file.Chmod(mode)
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, errors.Join(err, p.discard())
	}
	return p, nil
}

// temporaryName returns the pattern of the names of temporary files.
func temporaryName(target string) string { return "." + filepath.Base(target) + ".*.tmp" }

// discard removes the temporary file.
func (p *prepared) discard() error { return os.Remove(p.temporary) }

// commit replaces the target, durably.
func (p *prepared) commit() error {
	tries := uint(1)
	if runtime.GOOS == "windows" {
		tries = renameTries
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 5*time.Millisecond, 200*time.Millisecond
	_, err := backoff.Retry(context.Background(), func() (struct{}, error) {
		return struct{}{}, os.Rename(p.temporary, p.target)
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(tries))
	if err != nil {
		return errors.Join(err, p.discard())
	}
	return syncFolder(filepath.Dir(p.target))
}

// clearAbandoned removes the temporary files of killed writers.
func clearAbandoned(target string) error {
	entries, err := os.ReadDir(filepath.Dir(target))
	if err != nil {
		return fmt.Errorf("look for what a killed writer left: %w", err)
	}
	for _, entry := range entries {
		// If the target's name has characters that mean something in a pattern, fewer
		// files match.
		if ours, err := filepath.Match(temporaryName(target), entry.Name()); err != nil || !ours {
			continue
		}
		info, err := entry.Info()
		if err == nil && time.Since(info.ModTime()) > abandoned {
			err = os.Remove(filepath.Join(filepath.Dir(target), entry.Name()))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clear away what a killed writer left: %w", err)
		}
	}
	return nil
}

// syncFolder makes renamed and new files in a folder survive a power cut.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil // which has no such call, and journals renames
	}
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync the history's folder: %w", err)
	}
	err = folder.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrInvalid) {
		err = nil // a network drive that has no such call either
	}
	return errors.Join(err, folder.Close())
}

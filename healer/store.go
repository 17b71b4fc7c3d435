package healer

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/moby/sys/atomicwriter"
)

// stateFile is the shape of the file that survives a restart.
type stateFile struct {
	Version int             `json:"version"`
	Nodes   map[string]kept `json:"nodes"`
}

const stateVersion = 1

// loadState reads the file; none is an empty state. A file that can't be read
// as one is set aside under another name, which the warning tells, so that
// nothing in it is overwritten.
func loadState(path string, now time.Time) (nodes map[string]kept, warning string, err error) {
	if path == "" {
		return nil, "", nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("state file: %w; correct healer.state or the file's permissions", err)
	}
	var f stateFile
	err = json.Unmarshal(b, &f)
	if err == nil && f.Version != stateVersion {
		err = fmt.Errorf("version %d, want %d", f.Version, stateVersion)
	}
	if err == nil {
		return f.Nodes, "", nil
	}
	aside := fmt.Sprintf("%s.unreadable-%s", path, now.UTC().Format("20060102T150405.000"))
	if moved := os.Rename(path, aside); moved != nil {
		return nil, "", fmt.Errorf("state file %s: %w, and it can't be set aside: %w", path, err, moved)
	}
	return nil, fmt.Sprintf("state file %s is unreadable (%v): set aside as %s; starting without a last known good model",
		path, err, filepath.Base(aside)), nil
}

// store writes the state file. Writes of many nodes at once become one.
type store struct {
	path string
	mu   sync.Mutex
	done uint64 // the version that is on disk
}

// save makes the disk as new as version, which was current before the call.
// snapshot returns the state and its version.
func (s *store) save(version uint64, snapshot func() (map[string]kept, uint64)) error {
	if s.path == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done >= version {
		return nil // somebody else's write held ours
	}
	list, current := snapshot()
	b, err := json.MarshalIndent(stateFile{stateVersion, list}, "", "  ")
	if err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	if err := atomicwriter.WriteFile(s.path, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("state file: %w; correct healer.state or the folder's permissions", err)
	}
	s.done = current
	return nil
}

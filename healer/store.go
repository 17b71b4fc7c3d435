package healer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"github.com/moby/sys/atomicwriter"
)

// document is the JSON of the state file.
type document struct {
	Version int                  `json:"version"`
	Nodes   map[string]persisted `json:"nodes"`
}

const stateVersion = 1

// writeLimit is how long a writer waits for another process that holds the lock.
// The lock is held only while the file is written.
const writeLimit = 10 * time.Second

// medium stores the state.
type medium interface {
	// lock keeps other writers away until unlock.
	lock(ctx context.Context) (unlock func() error, err error)
	// read returns the content; the error wraps [os.ErrNotExist] where there
	// is none.
	read() ([]byte, error)
	// write replaces the content, all or nothing.
	write(content []byte) error
	// stamp changes with the content; nil where there is none. It must be
	// cheap.
	stamp() stamp
	// setAside keeps an unreadable content under another name, which it
	// returns.
	setAside(now time.Time) (name string, err error)
}

// stamp identifies one content of a medium.
type stamp interface{ same(stamp) bool }

// file is a state file on disk.
type file struct{ path string }

func (f file) lock(ctx context.Context) (func() error, error) {
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	lock := flock.New(f.path+".write", flock.SetPermissions(0o600))
	ok, err := lock.TryLockContext(ctx, 10*time.Millisecond)
	if err == nil && ok {
		return lock.Close, nil
	}
	_ = lock.Close()
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("state file: another process has held %s for %s; end it", lock.Path(), writeLimit)
	}
	return nil, fmt.Errorf("state file: %w; check its path and the folder's permissions", err)
}

func (f file) read() ([]byte, error) { return os.ReadFile(f.path) }

func (f file) write(content []byte) error {
	if err := atomicwriter.WriteFile(f.path, content, 0o600); err != nil {
		return fmt.Errorf("state file: %w; check its path and the folder's permissions", err)
	}
	return nil
}

// fileStamp identifies the file, too: every write makes a new one, even within one
// tick of the file system's clock.
type fileStamp struct{ info os.FileInfo }

func (s fileStamp) same(o stamp) bool {
	other, ok := o.(fileStamp)
	return ok && s.info.ModTime().Equal(other.info.ModTime()) && s.info.Size() == other.info.Size() && os.SameFile(s.info, other.info)
}

func (f file) stamp() stamp {
	info, err := os.Stat(f.path)
	if err != nil {
		return nil
	}
	return fileStamp{info}
}

func (f file) setAside(now time.Time) (string, error) {
	aside := fmt.Sprintf("%s.unreadable-%s", f.path, now.UTC().Format("20060102T150405.000"))
	return filepath.Base(aside), os.Rename(f.path, aside)
}

// parseState decodes a state.
func parseState(content []byte) (map[string]persisted, error) {
	var d document
	if err := json.Unmarshal(content, &d); err != nil {
		return nil, err
	}
	if d.Version != stateVersion {
		return nil, fmt.Errorf("version %d, want %d", d.Version, stateVersion)
	}
	return d.Nodes, nil
}

func formatState(list map[string]persisted) ([]byte, error) {
	b, err := json.MarshalIndent(document{stateVersion, list}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("state file: %w", err)
	}
	return append(b, '\n'), nil
}

// store writes the state of a running healer to its medium, which other processes
// also write. A change that they made to a node's [common] part since this store
// last read it wins over the healer's own; the rest is written by the healer alone.
// Concurrent writes of several nodes are made as one.
type store struct {
	medium medium // nil keeps nothing
	// take is called with the nodes that other processes changed, while the
	// store's lock is held.
	take func(map[string]persisted)

	seen atomic.Value // of held: the stamp of what was last seen

	mu   sync.Mutex
	done uint64            // the version that is on the medium
	odd  bool              // what is there is unreadable, and that was told
	base map[string]string // the common parts that were last seen there
}

// held wraps a stamp, so that an [atomic.Value] can hold stamps of several types.
type held struct{ stamp stamp }

func (h held) same(s stamp) bool {
	return h.stamp == nil && s == nil || h.stamp != nil && s != nil && h.stamp.same(s)
}

// load reads the state at the start. A missing one is empty. An unreadable one is
// renamed, so that nothing in it is overwritten; the warning says so.
func (s *store) load(now time.Time) (nodes map[string]persisted, warning string, err error) {
	if s.medium == nil {
		return nil, "", nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen.Store(held{s.medium.stamp()})
	content, err := s.medium.read()
	if errors.Is(err, os.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("state file: %w; check its path and permissions", err)
	}
	nodes, err = parseState(content)
	if err != nil {
		warning, err = s.unreadable(err, now)
		if err != nil {
			return nil, "", err
		}
		return nil, warning + "; starting without a last known good model", nil
	}
	s.base = commons(nodes)
	return nodes, "", nil
}

func (s *store) unreadable(why error, now time.Time) (warning string, err error) {
	aside, err := s.medium.setAside(now)
	if err != nil {
		return "", fmt.Errorf("the state file is unreadable (%w), and it can't be set aside: %w", why, err)
	}
	return fmt.Sprintf("the state file is unreadable (%v): set aside as %s", why, aside), nil
}

// refresh passes on what other processes changed since the last read. If nothing
// was written, it only compares the stamp.
func (s *store) refresh() error {
	if s.medium == nil {
		return nil
	}
	if seen, ok := s.seen.Load().(held); ok && seen.same(s.medium.stamp()) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.medium.stamp() // before the content, so that no later change is missed
	if seen, ok := s.seen.Load().(held); ok && seen.same(now) {
		return nil // it was this store's own write
	}
	s.seen.Store(held{now})
	content, err := s.medium.read()
	if errors.Is(err, os.ErrNotExist) {
		return nil // the next write makes it again
	}
	if err != nil {
		return fmt.Errorf("state file: %w; check its permissions", err)
	}
	theirs, err := parseState(content)
	if err != nil && s.odd {
		return nil
	}
	s.odd = err != nil
	if err != nil {
		return fmt.Errorf("the state file was changed, and is unreadable now: %w; going on with what was read before", err)
	}
	s.accept(theirs)
	return nil
}

// accept passes on the changes in a state that was read.
func (s *store) accept(theirs map[string]persisted) {
	now := commons(theirs)
	changed := map[string]persisted{}
	for name, text := range now {
		if s.base[name] != text {
			changed[name] = theirs[name]
		}
	}
	for name := range s.base {
		if _, ok := now[name]; !ok {
			changed[name] = theirs[name]
		}
	}
	s.base = now
	if len(changed) > 0 && s.take != nil {
		s.take(changed)
	}
}

// save writes the state, unless the medium has that version or a later one.
// snapshot returns the state of all nodes and its version. The warning is about an
// unreadable content that was set aside.
func (s *store) save(version uint64, snapshot func() (map[string]persisted, uint64)) (warning string, err error) {
	if s.medium == nil {
		return "", nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done >= version {
		return "", nil // somebody else's write held ours
	}
	unlock, err := s.medium.lock(context.Background())
	if err != nil {
		return "", err
	}
	defer func() {
		if e := unlock(); e != nil && err == nil {
			err = fmt.Errorf("state file: unlock: %w", e)
		}
	}()
	theirs := map[string]persisted{}
	content, err := s.medium.read()
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return "", fmt.Errorf("state file: %w; check its permissions", err)
	default:
		if theirs, err = parseState(content); err != nil {
			if warning, err = s.unreadable(err, time.Now()); err != nil {
				return "", err
			}
			theirs = map[string]persisted{}
		} else {
			s.accept(theirs)
		}
	}
	list, current := snapshot()
	written := make(map[string]persisted, len(list))
	for name, k := range theirs {
		if _, mine := list[name]; !mine {
			written[name] = k // of a node that this healer doesn't watch
		}
	}
	for name, k := range list {
		if !k.empty() {
			written[name] = k
		}
	}
	if content, err = formatState(written); err != nil {
		return warning, err
	}
	if err := s.medium.write(content); err != nil {
		return warning, err
	}
	s.seen.Store(held{s.medium.stamp()})
	s.odd = false
	s.base = commons(written)
	s.done = current
	return warning, nil
}

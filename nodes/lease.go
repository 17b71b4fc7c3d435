package nodes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// Leases keep two parties (two healers, a healer and a tournament) from
// working on one node at once.
type Leases interface {
	// Acquire takes the node's lease without waiting. Where somebody else has
	// it, the error wraps [Leased] and names the holder.
	Acquire(ctx context.Context, node string, holder Holder) (Lease, error)
	// Holder returns who has the node's lease; ok is false where nobody has.
	Holder(ctx context.Context, node string) (h Holder, ok bool, err error)
}

// HeldLeases are [Leases] that can tell at once of all that are held.
type HeldLeases interface {
	Leases
	// Held returns the holders by node. It reaches no other machine, and costs
	// by the leases that are held, not by the nodes there are.
	Held(ctx context.Context) (map[string]Holder, error)
}

// Lease is held until released, or until the holder's process ends.
type Lease interface {
	// Release gives it back. Releasing twice is no error.
	Release() error
}

// Holder says who has a lease and why.
type Holder struct {
	Name  string    `json:"name"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
	Why   string    `json:"why,omitempty"`
}

// DirLeases are leases as locked files in a folder, one for each node, shared
// by all processes of the machine that name the same folder. The operating
// system drops the lock with the process, so that a holder killed at any
// moment holds nothing. Safe for concurrent use.
type DirLeases struct{ dir string }

// NewDirLeases makes the folder where it is missing.
func NewDirLeases(dir string) (*DirLeases, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("leases: make folder: %w", err)
	}
	return &DirLeases{dir}, nil
}

func (d *DirLeases) path(node string) string {
	return filepath.Join(d.dir, url.QueryEscape(node)+".lease")
}

// Acquire implements [Leases].
func (d *DirLeases) Acquire(ctx context.Context, node string, holder Holder) (Lease, error) {
	lock := flock.New(d.path(node))
	// Somebody asking for the holder locks for a moment too: try again briefly.
	ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	ok, err := lock.TryLockContext(ctx, 10*time.Millisecond)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("%s: lease %s: %w", node, lock.Path(), err)
	}
	if !ok {
		_ = lock.Close()
		return nil, &Error{Node: node, Action: "lease", Fault: Leased, Detail: "held by " + d.read(node).Name}
	}
	b, err := json.Marshal(holder)
	if err == nil {
		// Beside the lock, not in it: Windows lets nobody read a locked file.
		err = os.WriteFile(d.path(node)+aboutEnding, b, 0o644)
	}
	if err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("%s: lease: %w", node, err)
	}
	return &fileLease{lock: lock, about: d.path(node) + aboutEnding}, nil
}

// aboutEnding ends the name of the file in which a holder tells of itself. It
// lies beside the locked one for as long as the lease is held, and after that
// only where the holder was killed.
const aboutEnding = ".json"

// Held implements [HeldLeases].
func (d *DirLeases) Held(ctx context.Context) (map[string]Holder, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, fmt.Errorf("leases: %w; the folder must stay while leases are used", err)
	}
	held := map[string]Holder{}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".lease"+aboutEnding)
		if !ok {
			continue
		}
		node, err := url.QueryUnescape(name)
		if err != nil {
			continue // not a lease's
		}
		h, ok, err := d.Holder(ctx, node)
		if err != nil {
			return nil, err
		}
		if ok {
			held[node] = h
		}
	}
	return held, nil
}

// Holder implements [Leases].
func (d *DirLeases) Holder(_ context.Context, node string) (Holder, bool, error) {
	if _, err := os.Stat(d.path(node)); errors.Is(err, os.ErrNotExist) {
		return Holder{}, false, nil
	}
	lock := flock.New(d.path(node))
	free, err := lock.TryRLock()
	if err != nil {
		return Holder{}, false, fmt.Errorf("%s: lease %s: %w", node, lock.Path(), err)
	}
	if free {
		return Holder{}, false, lock.Close()
	}
	_ = lock.Close()
	return d.read(node), true, nil
}

// read returns what the holder wrote about itself, as far as it is readable.
func (d *DirLeases) read(node string) Holder {
	h := Holder{Name: "another process"}
	if b, err := os.ReadFile(d.path(node) + aboutEnding); err == nil {
		if json.Unmarshal(b, &h) != nil || h.Name == "" {
			h.Name = "another process"
		}
	}
	return h
}

type fileLease struct {
	once  sync.Once
	lock  *flock.Flock
	about string
	err   error
}

func (l *fileLease) Release() error {
	l.once.Do(func() {
		_ = os.Remove(l.about) // one that stays is as harmless as that of a killed holder
		l.err = l.lock.Close()
	})
	return l.err
}

// MemoryLeases are leases inside one process. The zero value is ready. Safe
// for concurrent use.
type MemoryLeases struct {
	mu   sync.Mutex
	held map[string]*memoryLease
}

// Acquire implements [Leases].
func (m *MemoryLeases) Acquire(_ context.Context, node string, holder Holder) (Lease, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l, ok := m.held[node]; ok {
		return nil, &Error{Node: node, Action: "lease", Fault: Leased, Detail: "held by " + l.holder.Name}
	}
	if m.held == nil {
		m.held = map[string]*memoryLease{}
	}
	l := &memoryLease{leases: m, node: node, holder: holder}
	m.held[node] = l
	return l, nil
}

// Holder implements [Leases].
func (m *MemoryLeases) Holder(_ context.Context, node string) (Holder, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l, ok := m.held[node]; ok {
		return l.holder, true, nil
	}
	return Holder{}, false, nil
}

// Held implements [HeldLeases].
func (m *MemoryLeases) Held(context.Context) (map[string]Holder, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.held) == 0 {
		return nil, nil
	}
	held := make(map[string]Holder, len(m.held))
	for node, l := range m.held {
		held[node] = l.holder
	}
	return held, nil
}

type memoryLease struct {
	leases *MemoryLeases
	node   string
	holder Holder
}

func (l *memoryLease) Release() error {
	l.leases.mu.Lock()
	defer l.leases.mu.Unlock()
	if l.leases.held[l.node] == l {
		delete(l.leases.held, l.node)
	}
	return nil
}

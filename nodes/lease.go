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

// Leases keep two parties, such as two healers or a healer and a tournament,
// from working on one node at the same time.
type Leases interface {
	// Acquire acquires the lease of a node without waiting. If another party
	// holds it, the error wraps [Leased] and names the holder.
	Acquire(ctx context.Context, node string, holder Holder) (Lease, error)
	// Holder returns the holder of a node's lease. ok is false if nobody holds
	// it.
	Holder(ctx context.Context, node string) (h Holder, ok bool, err error)
}

// HeldLeases are [Leases] that list all leases that are held.
type HeldLeases interface {
	Leases
	// Held returns the holders by node. It asks no other machine, and its cost
	// grows with the leases held, not with the number of nodes.
	Held(ctx context.Context) (map[string]Holder, error)
}

// Lease is held until it is released or the holder's process ends.
type Lease interface {
	// Release releases the lease. Releasing it twice is no error.
	Release() error
}

// Holder is the holder of a lease.
type Holder struct {
	// Name is the holder's name, PID its process.
	Name string `json:"name"`
	PID  int    `json:"pid"`
	// Since is when it acquired the lease.
	Since time.Time `json:"since"`
	// Why is the purpose, for people.
	Why string `json:"why,omitempty"`
}

// String returns the name and the purpose.
func (h Holder) String() string {
	if h.Why == "" {
		return h.Name
	}
	return fmt.Sprintf("%s (%s)", h.Name, h.Why)
}

// DirLeases are leases as locked files in a folder, one for each node. All
// processes of a machine that use the same folder share them. The operating
// system releases a lock with its process, so that a process that was killed
// holds no lease. It is safe for concurrent use.
type DirLeases struct{ dir string }

// NewDirLeases returns the leases of a folder, which it makes if it is missing.
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
	// A call of Holder locks the file for a moment, too: try again briefly.
	limited, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	ok, err := lock.TryLockContext(limited, 10*time.Millisecond)
	if err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)) {
		return nil, fmt.Errorf("%s: lease %s: %w", node, lock.Path(), err)
	}
	if !ok {
		_ = lock.Close()
		return nil, &Error{Node: node, Action: "lease", Fault: Leased, Detail: "held by " + d.read(node).Name}
	}
	b, err := json.Marshal(holder)
	if err == nil {
		// Beside the lock, not in it: on Windows a locked file can't be read.
		err = os.WriteFile(d.path(node)+aboutEnding, b, 0o644)
	}
	if err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("%s: lease: %w", node, err)
	}
	return &fileLease{lock: lock, about: d.path(node) + aboutEnding}, nil
}

// aboutEnding is the ending of the file that names the holder. The file is
// beside the locked one while the lease is held. It remains if the holder is
// killed.
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

// read returns the holder as its file names it, or "another process" if the file
// can't be read.
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

// MemoryLeases are leases within one process. The zero value is ready to use. It
// is safe for concurrent use.
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

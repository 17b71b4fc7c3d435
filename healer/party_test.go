package healer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/route"
)

// inMemory is a medium that holds what a file would.
type inMemory struct {
	writer sync.Mutex

	mu      sync.Mutex
	content []byte
	writes  int
}

type memoryStamp int

func (s memoryStamp) same(o stamp) bool { return s == o }

func (m *inMemory) lock(context.Context) (func() error, error) {
	m.writer.Lock()
	return func() error { m.writer.Unlock(); return nil }, nil
}

func (m *inMemory) read() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.writes == 0 {
		return nil, os.ErrNotExist
	}
	return m.content, nil
}

func (m *inMemory) write(content []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.content, m.writes = content, m.writes+1
	return nil
}

func (m *inMemory) stamp() stamp {
	m.mu.Lock()
	defer m.mu.Unlock()
	return memoryStamp(m.writes)
}

func (m *inMemory) setAside(time.Time) (string, error) { return "", os.ErrInvalid }

// party holds tournaments on a node, as another process does: it takes the
// lease, notes what must come back, and unloads and loads what it likes. It is
// killed at a random moment, or ends with the champion restored, or promotes
// the candidate, which then gets real requests.
type party struct {
	server *simServer
	node   *nodes.Node
	leases nodes.Leases
	state  *StateFile
	route  *route.Table
	random uint64

	promoted string    // what it promoted last
	at       time.Time // and when
	failing  bool      // its real requests fail
	failed   int       // how many did
}

const simThird = "third"

func (p *party) play(ctx context.Context) {
	random := rand.New(rand.NewPCG(p.random, 0))
	p.server.mu.Lock()
	p.server.files = append(p.server.files, nodes.File{Name: simThird, Size: 1 << 30, Digest: "d-" + simThird})
	p.server.mu.Unlock()
	for range random.IntN(3) {
		if !pause(ctx, time.Duration(random.IntN(8*60_000))*time.Millisecond) {
			return
		}
		lease, err := p.leases.Acquire(ctx, p.node.Name, nodes.Holder{Name: "jarvis-arena", Why: "tournament"})
		if err != nil {
			continue // the healer is at work there, or somebody else
		}
		p.tournament(ctx, random)
		p.server.mu.Lock()
		p.server.leased = false
		p.server.mu.Unlock()
		_ = lease.Release()
		if p.failing {
			p.requests(ctx)
		}
	}
}

// tournament returns at once where the party is killed.
func (p *party) tournament(ctx context.Context, random *rand.Rand) {
	killed := random.IntN(9) // after so many steps; the last ones are the end
	champion, _, err := p.state.Serving(ctx, p.node)
	if err != nil || p.state.Remember(ctx, p.node, &champion) != nil || killed == 0 {
		return
	}
	if !pause(ctx, pollEvery+100*time.Millisecond) { // by now the healer keeps off
		return
	}
	p.server.mu.Lock()
	p.server.leased = true
	p.server.mu.Unlock()
	if killed == 1 {
		return
	}
	candidates := slices.DeleteFunc([]string{simModel, simOther, simThird}, func(m string) bool { return m == champion.Name })
	candidate := nodes.Model{Name: candidates[random.IntN(len(candidates))]}
	if !p.swap(ctx, killed == 2, candidate.Name) || killed == 3 {
		return
	}
	if !pause(ctx, time.Duration(random.IntN(90))*time.Second) || killed == 4 {
		return
	}
	if random.IntN(2) == 0 {
		if p.swap(ctx, killed == 5, champion.Name) && killed != 6 {
			_ = p.state.Remember(ctx, p.node, nil)
		}
		return
	}
	if p.state.Promote(ctx, p.node, nodes.Promotion{Model: candidate, Previous: champion, FirstToken: time.Second, ErrorRate: 0.01}) == nil {
		p.promoted, p.at, p.failing, p.failed = candidate.Name, time.Now(), random.IntN(2) == 0, 0
	}
}

// swap unloads what is there and, where it isn't killed before, loads a model.
func (p *party) swap(ctx context.Context, killed bool, model string) bool {
	if p.server.has(simDown, simHostDown) {
		return false
	}
	p.server.drop()
	if killed || !pause(ctx, p.server.loadTime) || p.server.has(simDown, simHostDown) {
		return false
	}
	p.server.drop(model)
	return true
}

// requests are real ones, of which all fail.
func (p *party) requests(ctx context.Context) {
	for range 10 {
		if !pause(ctx, 20*time.Second) {
			return
		}
		if p.route.Serves(p.node.Name) {
			r := p.route.Begin(p.node.Name)
			r.Fail(nodes.ServerFailed, "500")
			r.Done()
			p.failed++
		}
	}
}

// undone finds a node that does not serve what it is meant to, a promotion that
// was undone by other means than a rollback, and one that outlived its failing.
func (p *party) undone(n NodeStatus, events []Event) (wrong []string) {
	meant, _, err := p.state.Serving(context.Background(), p.node)
	if err != nil || n.Wanted != meant.Name {
		wrong = append(wrong, fmt.Sprintf("%s wants %s, and is meant to serve %s (%v)", n.Name, n.Wanted, meant.Name, err))
	}
	if len(n.Loaded) == 0 || n.Loaded[0] != n.Wanted {
		wrong = append(wrong, fmt.Sprintf("%s has %q loaded, not %s", n.Name, n.Loaded, n.Wanted))
	}
	rolledBack := slices.ContainsFunc(events, func(e Event) bool {
		return e.Node == n.Name && e.Type == EventRollback && e.Time.After(p.at)
	})
	if p.promoted != "" && n.Wanted != p.promoted && !rolledBack {
		wrong = append(wrong, fmt.Sprintf("%s wants %s: the promotion of %s was undone", n.Name, n.Wanted, p.promoted))
	}
	if p.failed >= leastErrors && !rolledBack {
		wrong = append(wrong, fmt.Sprintf("%s: %d answers of %s failed, and it was not rolled back", n.Name, p.failed, p.promoted))
	}
	list, err := p.state.load(context.Background())
	if err != nil || list[n.Name].Restore != nil {
		wrong = append(wrong, fmt.Sprintf("%s: still to be restored: %v, %v", n.Name, list[n.Name].Restore, err))
	}
	return wrong
}

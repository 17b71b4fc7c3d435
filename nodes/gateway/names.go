package gateway

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/route"
)

// names are the nodes whose models' names, aliases included, come from the server's
// list. Safe for concurrent use.
type names struct {
	nodes []knownNode

	mu    sync.Mutex
	asked time.Time // when lists were last asked for
}

type knownNode struct {
	node   *nodes.Node
	knower nodes.NameKnower
}

// Before the first probe of the healer, a list is waited for so long, and asked for
// again after a failure.
const (
	namesLimit = time.Second
	namesRetry = 5 * time.Second
)

func (s *names) add(n *nodes.Node) {
	if k, ok := n.Backend.(nodes.NameKnower); ok {
		s.nodes = append(s.nodes, knownNode{n, k})
	}
}

// revision returns a number that changes with the names.
func (s *names) revision() (sum uint64) {
	for _, n := range s.nodes {
		sum += n.knower.NamesRevision()
	}
	return sum
}

// learn reads the lists of the serving nodes that were not read yet.
func (s *names) learn(ctx context.Context, table *route.Table) {
	var missing []knownNode
	for _, n := range s.nodes {
		if n.knower.NamesRevision() == 0 && table.Serves(n.node.Name) {
			missing = append(missing, n)
		}
	}
	if len(missing) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.asked) < namesRetry {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, namesLimit)
	defer cancel()
	var all sync.WaitGroup
	for _, n := range missing {
		all.Go(func() { _, _ = n.node.Probe(ctx) }) // a failure is the healer's to tell
	}
	all.Wait()
	s.asked = time.Now()
}

// ownModels returns the names that the node may be asked for, nil for any.
func (u *upstream) ownModels() []string {
	if k, ok := u.node.Backend.(nodes.NameKnower); ok {
		return k.OwnModels()
	}
	return nil
}

// servedName returns the name of the model that answers a request for a model: of
// an alias, what it stands for.
func (u *upstream) servedName(model string) string {
	if k, ok := u.node.Backend.(nodes.NameKnower); ok {
		return k.Canonical(model)
	}
	return model
}

// ownListTTL is how old the list of a server's models may be for a request that no
// other model may answer: to restart a server with another model takes longer.
const ownListTTL = time.Second

// stillServes reports whether a node has a model that it may be asked for. The list
// is read again if it is old, since the healer's probes may be a minute apart.
func (u *upstream) stillServes(ctx context.Context, model string) bool {
	if u.ownModels() == nil {
		return true
	}
	u.mu.Lock()
	old := time.Since(u.listed) > ownListTTL
	if old {
		u.listed = time.Now()
	}
	u.mu.Unlock()
	if old {
		ctx, cancel := context.WithTimeout(ctx, namesLimit)
		defer cancel()
		_, _ = u.node.Probe(ctx) // if it fails, so does the request
	}
	return slices.Contains(u.ownModels(), u.servedName(model))
}

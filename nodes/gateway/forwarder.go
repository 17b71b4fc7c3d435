package gateway

import (
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/turbone/jarvis/nodes/internal/wire"
	"github.com/turbone/jarvis/nodes/route"
)

// forwarder is the common part of a [Transport] and a [Gateway]: the upstreams
// and what is remembered between requests. Safe for concurrent use.
type forwarder struct {
	table          *route.Table
	options        Options
	upstreams      []*upstream // by place in the table; nil where a backend is no upstream
	transport      *http.Transport
	plans          planCache
	missingAPIs    atomic.Uint64 // how often a node turned out to lack an API
	names          names
	conversations  conversations
	seed           maphash.Seed
	byConversation bool      // the policy needs conversations
	frameBuffers   sync.Pool // of *[]byte of frameBufferSize
	buffers        bufferPool

	listMu   sync.Mutex
	models   modelList
	modelsAt time.Time
}

// newForwarder returns an error if no node can be an upstream, or if a role
// names an unknown node.
func newForwarder(t *route.Table, o Options) (*forwarder, error) {
	o = o.withDefaults()
	f := &forwarder{table: t, options: o, transport: wire.NewTransport(), seed: maphash.MakeSeed()}
	_, f.byConversation = o.Policy.(route.ConversationPolicy)
	f.frameBuffers.New = func() any {
		buf := make([]byte, frameBufferSize)
		return &buf
	}
	usable := 0
	for _, n := range t.Nodes() {
		u := newUpstream(n, f.transport)
		if u != nil {
			usable++
			f.names.add(n)
		}
		f.upstreams = append(f.upstreams, u)
	}
	if usable == 0 && len(f.upstreams) > 0 {
		return nil, errors.New("gateway: no node takes requests: none of their backends is a nodes.Upstream")
	}
	for role, by := range o.Roles {
		for node := range by {
			if !t.Has(node) {
				return nil, fmt.Errorf("gateway: role %q names an unknown node %q", role, node)
			}
		}
	}
	return f, nil
}

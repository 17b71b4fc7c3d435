package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/registry"
)

// upstream is a node as the target of requests.
type upstream struct {
	node          *nodes.Node
	endpoint      nodes.Endpoint
	transport     http.RoundTripper
	urls          map[string]*url.URL // by the API's path
	authorization string              // the header Authorization, empty for none

	mu      sync.Mutex
	missing map[string]time.Time // APIs that it turned out to lack, and when
	lacks   atomic.Bool          // missing has entries
	listed  time.Time            // when its list was read for a strict request
	refused map[form]time.Time   // forms of a continuation that it refused, and when
}

// form is how a node was asked to continue an answer.
type form struct{ model, path string }

// newUpstream returns nil for a backend that is no nodes.Upstream.
func newUpstream(n *nodes.Node, own http.RoundTripper) *upstream {
	backend, ok := n.Backend.(nodes.Upstream)
	if !ok {
		return nil
	}
	u := &upstream{node: n, endpoint: backend.Endpoint(), urls: map[string]*url.URL{}, missing: map[string]time.Time{}, refused: map[form]time.Time{}}
	if u.transport = u.endpoint.Transport; u.transport == nil {
		u.transport = own
	}
	for _, path := range u.endpoint.APIs {
		to := *u.endpoint.URL
		to.Path, to.RawPath = strings.TrimSuffix(to.Path, "/")+path, ""
		u.urls[path] = &to
	}
	if !u.endpoint.Key.Empty() {
		u.authorization = "Bearer " + u.endpoint.Key.Reveal()
	}
	return u
}

// markRefused records that a model of the node refused to continue an answer, which
// depends on the model's template.
func (u *upstream) markRefused(model, path string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now()
	for f, at := range u.refused {
		if now.Sub(at) > missingAPITTL {
			delete(u.refused, f)
		}
	}
	u.refused[form{model, path}] = now
}

// refuses reports whether a model refused to continue an answer of late.
func (u *upstream) refuses(model, path string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	at, known := u.refused[form{model, path}]
	return known && time.Since(at) <= missingAPITTL
}

// continues returns how a model of the node can continue an answer to a client of
// an API, and which fields the request needs for that.
func (u *upstream) continues(a *registry.API, model string, without ...string) (c protocol.Codec, fields map[string]any, ok bool) {
	if _, ok := a.Codec.(protocol.Resumer); ok {
		return a.Codec, nil, u.offers(a.Path) && !u.refuses(model, a.Path) && !slices.Contains(without, a.Path)
	}
	if _, ok := a.Codec.(protocol.ClientCodec); !ok {
		return nil, nil, false
	}
	codecs := registry.ServerCodecs()
	if own, ok := a.Codec.(protocol.ServerCodec); ok {
		codecs = append([]protocol.ServerCodec{own}, codecs...)
	}
	for _, c := range codecs {
		if u.offers(c.Path()) && !u.refuses(model, c.Path()) && !slices.Contains(without, c.Path()) {
			if fields, ok := u.endpoint.Continues(c.Path()); ok {
				return c, fields, true
			}
		}
	}
	return nil, nil, false
}

// asksOn returns how a model that refused to continue an answer is asked to go on
// by a closing turn of the user, once.
func (u *upstream) asksOn(a *registry.API, model string, without ...string) (protocol.Codec, bool) {
	c, path, ok := u.codec(a, without...)
	if _, server := c.(protocol.ServerCodec); !ok || !server {
		return nil, false
	}
	if _, client := a.Codec.(protocol.ClientCodec); !client {
		return nil, false
	}
	return c, u.refuses(model, path) && !u.refuses(model, path+turnForm)
}

// turnForm is added to the path of a continuation by a closing turn.
const turnForm = " by a closing turn"

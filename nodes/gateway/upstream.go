package gateway

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/registry"
)

// end is a node as the route sends requests to it.
type upstream struct {
	node          *nodes.Node
	endpoint      nodes.Endpoint
	transport     http.RoundTripper
	urls          map[string]*url.URL // by API
	authorization string              // Authorization, empty for none

	mu      sync.Mutex
	missing map[string]time.Time // APIs that its version doesn't have, and when that was seen
}

// forgetLack is after which time a node is asked again for an API that it did
// not have: it may have been updated.
const missingAPITTL = 10 * time.Minute

// newEnd returns nil for a backend that takes no requests.
func newUpstream(n *nodes.Node, own http.RoundTripper) *upstream {
	u, ok := n.Backend.(nodes.Upstream)
	if !ok {
		return nil
	}
	e := &upstream{node: n, endpoint: u.Endpoint(), urls: map[string]*url.URL{}, missing: map[string]time.Time{}}
	if e.transport = e.endpoint.Transport; e.transport == nil {
		e.transport = own
	}
	for _, path := range e.endpoint.APIs {
		to := *e.endpoint.URL
		to.Path, to.RawPath = strings.TrimSuffix(to.Path, "/")+path, ""
		e.urls[path] = &to
	}
	if !e.endpoint.Key.Empty() {
		e.authorization = "Bearer " + e.endpoint.Key.Reveal()
	}
	return e
}

// newTransport carries the requests to nodes: connections are kept for the
// next request, as many as there are clients, and given up before the five
// seconds after which some servers close theirs under a request.
func newNodeTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 2 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if tcp, ok := c.(*net.TCPConn); ok && err == nil {
				return nodeConn{tcp}, nil
			}
			return c, err
		},
		MaxIdleConnsPerHost:    1024,
		IdleConnTimeout:        4 * time.Second,
		TLSHandshakeTimeout:    5 * time.Second,
		MaxResponseHeaderBytes: 1 << 20,
		DisableCompression:     true, // a compressed answer can't be read on the way
		ReadBufferSize:         32 << 10,
	}
}

// has reports whether the node has an API.
func (e *upstream) offers(path string) bool {
	if e.urls[path] == nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.missing) == 0 {
		return true
	}
	seen, lacks := e.missing[path]
	return !lacks || time.Since(seen) > missingAPITTL
}

// lack notes that the node's version has no such API, and reports whether that
// is news.
func (e *upstream) markMissing(path string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	seen, known := e.missing[path]
	e.missing[path] = time.Now()
	return !known || time.Since(seen) > missingAPITTL
}

// codec returns how the node is asked for what a client asked of an API: by the
// same one, or by one that the request can be translated to. The codec is nil if
// the API has none.
func (e *upstream) codec(a *registry.API) (c protocol.Codec, path string, ok bool) {
	if e.offers(a.Path) {
		return a.Codec, a.Path, true
	}
	if _, ok := a.Codec.(protocol.ClientCodec); !ok {
		return nil, "", false
	}
	for _, c := range registry.ServerCodecs() {
		if e.offers(c.Path()) {
			return c, c.Path(), true
		}
	}
	return nil, "", false
}

// continues returns how the node can continue an answer to a client of an API,
// and which fields the request needs for that.
func (e *upstream) continues(a *registry.API) (c protocol.Codec, fields map[string]any, ok bool) {
	if _, ok := a.Codec.(protocol.Resumer); ok {
		return a.Codec, nil, e.offers(a.Path)
	}
	if _, ok := a.Codec.(protocol.ClientCodec); !ok {
		return nil, nil, false
	}
	codecs := registry.ServerCodecs()
	if own, ok := a.Codec.(protocol.ServerCodec); ok {
		codecs = append([]protocol.ServerCodec{own}, codecs...)
	}
	for _, c := range codecs {
		if e.offers(c.Path()) {
			if fields, ok := e.endpoint.Continues(c.Path()); ok {
				return c, fields, true
			}
		}
	}
	return nil, nil, false
}

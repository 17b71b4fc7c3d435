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

// upstream is a node as the target of requests.
type upstream struct {
	node          *nodes.Node
	endpoint      nodes.Endpoint
	transport     http.RoundTripper
	urls          map[string]*url.URL // by the API's path
	authorization string              // the header Authorization, empty for none

	mu      sync.Mutex
	missing map[string]time.Time // APIs that it turned out to lack, and when
}

// missingAPITTL is the time after which an API that a node lacked is tried again:
// the server may have been updated.
const missingAPITTL = 10 * time.Minute

// newUpstream returns nil for a backend that is no nodes.Upstream.
func newUpstream(n *nodes.Node, own http.RoundTripper) *upstream {
	backend, ok := n.Backend.(nodes.Upstream)
	if !ok {
		return nil
	}
	u := &upstream{node: n, endpoint: backend.Endpoint(), urls: map[string]*url.URL{}, missing: map[string]time.Time{}}
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

// newNodeTransport returns the transport for requests to nodes. It keeps as many
// idle connections as there are clients, but only for 4 s: some servers close
// theirs after 5 s, even if a request is on its way.
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
		DisableCompression:     true, // streams are read on the way
		ReadBufferSize:         32 << 10,
	}
}

// offers reports whether the node has the API with a path.
func (u *upstream) offers(path string) bool {
	if u.urls[path] == nil {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.missing) == 0 {
		return true
	}
	seen, lacks := u.missing[path]
	return !lacks || time.Since(seen) > missingAPITTL
}

// markMissing records that the server lacks an API, and reports whether that is
// new.
func (u *upstream) markMissing(path string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	seen, known := u.missing[path]
	u.missing[path] = time.Now()
	return !known || time.Since(seen) > missingAPITTL
}

// codec returns how the node is asked for what a client asked of an API: by the
// same one, or by one that the request can be translated to. The codec is nil if
// the API has none.
func (u *upstream) codec(a *registry.API) (c protocol.Codec, path string, ok bool) {
	if u.offers(a.Path) {
		return a.Codec, a.Path, true
	}
	if _, ok := a.Codec.(protocol.ClientCodec); !ok {
		return nil, "", false
	}
	for _, c := range registry.ServerCodecs() {
		if u.offers(c.Path()) {
			return c, c.Path(), true
		}
	}
	return nil, "", false
}

// continues returns how the node can continue an answer to a client of an API,
// and which fields the request needs for that.
func (u *upstream) continues(a *registry.API) (c protocol.Codec, fields map[string]any, ok bool) {
	if _, ok := a.Codec.(protocol.Resumer); ok {
		return a.Codec, nil, u.offers(a.Path)
	}
	if _, ok := a.Codec.(protocol.ClientCodec); !ok {
		return nil, nil, false
	}
	codecs := registry.ServerCodecs()
	if own, ok := a.Codec.(protocol.ServerCodec); ok {
		codecs = append([]protocol.ServerCodec{own}, codecs...)
	}
	for _, c := range codecs {
		if u.offers(c.Path()) {
			if fields, ok := u.endpoint.Continues(c.Path()); ok {
				return c, fields, true
			}
		}
	}
	return nil, nil, false
}

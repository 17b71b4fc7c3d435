package gateway

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/registry"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// missingAPITTL is the time after which an API that a node lacked is tried again,
// where no check of the node passes before: the server may have been updated.
const missingAPITTL = 10 * time.Minute

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
	u.lacks.Store(true)
	return !known || time.Since(seen) > missingAPITTL
}

// forgetMissing forgets which APIs the server lacked before a time, and reports
// whether there were any.
func (u *upstream) forgetMissing(before time.Time) bool {
	if !u.lacks.Load() {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	forgot := false
	for path, seen := range u.missing {
		if seen.Before(before) {
			delete(u.missing, path)
			forgot = true
		}
	}
	u.lacks.Store(len(u.missing) > 0)
	return forgot
}

// forgetAPIs forgets which APIs nodes lacked whose check has passed since.
func (f *forwarder) forgetAPIs() {
	for _, u := range f.upstreams {
		if u != nil && u.lacks.Load() && u.forgetMissing(f.table.PassedAt(u.node.Name)) {
			f.missingAPIs.Add(1)
		}
	}
}

// codec returns how the node is asked for what a client asked of an API: by the
// same one, or by one that the request can be translated to. The codec is nil if
// the API has none. The APIs with the paths of without are not used.
func (u *upstream) codec(a *registry.API, without ...string) (c protocol.Codec, path string, ok bool) {
	if u.offers(a.Path) && !slices.Contains(without, a.Path) {
		return a.Codec, a.Path, true
	}
	if _, ok := a.Codec.(protocol.ClientCodec); !ok {
		return nil, "", false
	}
	for _, c := range registry.ServerCodecs() {
		if u.offers(c.Path()) && !slices.Contains(without, c.Path()) {
			return c, c.Path(), true
		}
	}
	return nil, "", false
}

// missingAPI reports whether an error says that the server doesn't have the API,
// and whether it does so in words of the engine's own. A proxy in front of a node
// that restarts answers 404 as well.
func missingAPI(status int, body []byte) (missing, own bool) {
	if bytes.Contains(body, []byte("Unexpected endpoint or method")) { // LM Studio
		return true, true
	}
	switch status {
	case http.StatusMethodNotAllowed:
		return true, false
	case http.StatusNotFound:
	default:
		return false, false
	}
	said := strings.ToLower(strings.TrimSpace(wire.ErrorText(body)))
	switch {
	case bytes.Contains(bytes.ToLower(body), []byte("model")):
		return false, false
	case said == "file not found": // llama-server
		return true, true
	case said == "not found" || said == "" || body[0] != '{': // a router's, or a proxy's
		return true, false
	}
	return strings.Contains(said, "route") || strings.Contains(said, "endpoint") || strings.Contains(said, "url"), true
}

// noteMissing has the exchange go on without an API that a node seems to lack.
// What the engine said itself is remembered at once, else what a second witness
// confirms: the same node answers by another API, or lacks this one after its own
// check has passed.
func (c *exchange) noteMissing(place int, f *failure) {
	if f.ownWords || c.trail[place].checked {
		c.rememberMissing(place, f.path)
	}
	if c.without == nil {
		c.without = make([][]string, len(c.trail))
	}
	c.without[place] = append(c.without[place], f.path)
}

// mayTranslate reports whether a node that lacks an API may still answer by
// translation.
func (c *exchange) mayTranslate(place int, lacks string) bool {
	without := append([]string{lacks}, c.avoided(place)...)
	if c.continuation != nil {
		_, _, ok := c.forwarder.upstreams[place].continues(c.API, c.plan.Models[place], without...)
		return ok
	}
	_, _, ok := c.forwarder.upstreams[place].codec(c.API, without...)
	return ok
}

// rememberMissing remembers that a node lacks an API.
func (c *exchange) rememberMissing(place int, path string) {
	if c.forwarder.upstreams[place].markMissing(path) {
		c.forwarder.missingAPIs.Add(1)
		c.replan()
	}
}

// confirmMissing remembers what a node lacks that has answered by another API.
func (c *exchange) confirmMissing(place int) {
	if c.without == nil {
		return
	}
	for _, path := range c.without[place] {
		c.rememberMissing(place, path)
	}
}

// codec returns how the exchange asks the node at a place.
func (c *exchange) codec(place int) (protocol.Codec, string, bool) {
	return c.forwarder.upstreams[place].codec(c.API, c.avoided(place)...)
}

// avoided returns the paths of the APIs that the node at a place seems to lack.
func (c *exchange) avoided(place int) []string {
	if c.without == nil {
		return nil
	}
	return c.without[place]
}

package metrics

import "sync"

// cache maps labels to metrics, because the lookup in a vector is slow. The zero
// value with make set is ready. Safe for concurrent use.
type cache[K comparable, V any] struct {
	make func(K) V

	mu    sync.RWMutex
	known map[K]V
}

func (c *cache[K, V]) get(key K) V {
	c.mu.RLock()
	v, ok := c.known[key]
	c.mu.RUnlock()
	if ok {
		return v
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.known[key]; ok {
		return v
	}
	if c.known == nil {
		c.known = map[K]V{}
	}
	v = c.make(key)
	c.known[key] = v
	return v
}

// names is a bounded set of names. The zero value is ready. Safe for concurrent
// use.
type names struct {
	mu   sync.RWMutex
	seen map[string]struct{}
}

// maxName is the greatest length in bytes of a name in the set.
const maxName = 256

// bounded adds a name to the set and returns it, or [Other] if the set is full or
// the name too long.
func (n *names) bounded(name string) string {
	switch {
	case name == "":
		return ""
	case len(name) > maxName:
		return Other
	}
	n.mu.RLock()
	_, ok := n.seen[name]
	full := len(n.seen) >= maxNames
	n.mu.RUnlock()
	switch {
	case ok:
		return name
	case full:
		return Other
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.seen[name]; !ok {
		if len(n.seen) >= maxNames {
			return Other
		}
		if n.seen == nil {
			n.seen = map[string]struct{}{}
		}
		n.seen[name] = struct{}{}
	}
	return name
}

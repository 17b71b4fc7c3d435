package metrics

import "sync"

// cache keeps what is slow to look up by its labels. The zero value with make
// is ready. Safe for concurrent use.
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

// names bounds how many different names there are. Safe for concurrent use.
type names struct {
	mu   sync.RWMutex
	seen map[string]struct{}
}

// longestName is the longest name that is kept, in bytes.
const longestName = 256

// bounded returns the name, or [Other] where there are too many.
func (n *names) bounded(name string) string {
	switch {
	case name == "":
		return ""
	case len(name) > longestName:
		return Other
	}
	n.mu.RLock()
	_, ok := n.seen[name]
	full := len(n.seen) >= mostNames
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
		if len(n.seen) >= mostNames {
			return Other
		}
		if n.seen == nil {
			n.seen = map[string]struct{}{}
		}
		n.seen[name] = struct{}{}
	}
	return name
}

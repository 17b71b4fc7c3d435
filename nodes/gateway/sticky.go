package gateway

import "sync"

// mostConversations is how many conversations are remembered at least, and
// twice that at most.
const mostConversations = 16 << 10

// conversations remembers which node had a conversation last. The zero value
// is ready. What was not asked for in a long time is forgotten.
type conversations struct {
	mu          sync.Mutex
	fresh, aged map[uint64]int
}

// get returns the place of a conversation's node. ok is false for a new one.
func (c *conversations) get(id uint64) (place int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if place, ok = c.fresh[id]; ok {
		return place, true
	}
	place, ok = c.aged[id]
	return place, ok
}

func (c *conversations) set(id uint64, at int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fresh == nil || len(c.fresh) >= mostConversations {
		c.fresh, c.aged = make(map[uint64]int), c.fresh
	}
	c.fresh[id] = at
}

package gateway

import "sync"

// mostConversations is how many conversations are remembered at least, and
// twice that at most.
const maxConversations = 16 << 10

// conversations remembers which node had a conversation last. The zero value
// is ready. What was not asked for in a long time is forgotten.
type conversations struct {
	mu            sync.Mutex
	recent, older map[uint64]int
}

// get returns the place of a conversation's node. ok is false for a new one.
func (c *conversations) get(id uint64) (place int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if place, ok = c.recent[id]; ok {
		return place, true
	}
	place, ok = c.older[id]
	return place, ok
}

func (c *conversations) set(id uint64, at int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.recent == nil || len(c.recent) >= maxConversations {
		c.recent, c.older = make(map[uint64]int), c.recent
	}
	c.recent[id] = at
}

package gateway

import "sync"

// maxConversations is the size of each generation of conversations: at least
// so many are remembered, and at most twice as many.
const maxConversations = 16 << 10

// conversations maps each recent conversation to the place of the node that had
// its last request. When the recent generation is full it replaces the older
// one. The zero value is ready. Safe for concurrent use.
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

func (c *conversations) set(id uint64, place int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.recent == nil || len(c.recent) >= maxConversations {
		c.recent, c.older = make(map[uint64]int), c.recent
	}
	c.recent[id] = place
}

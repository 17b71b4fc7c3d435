package route

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

// get returns the place of a conversation's node, -1 where it is new.
func (c *conversations) get(id uint64) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.fresh[id]; ok {
		return at
	}
	if at, ok := c.aged[id]; ok {
		return at
	}
	return -1
}

func (c *conversations) set(id uint64, at int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fresh == nil || len(c.fresh) >= mostConversations {
		c.fresh, c.aged = make(map[uint64]int), c.fresh
	}
	c.fresh[id] = at
}

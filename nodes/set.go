package nodes

import (
	"fmt"
	"iter"
	"slices"
)

// Set is the ordered set of a cluster's nodes. It is immutable and safe for
// concurrent use.
type Set struct {
	nodes []*Node
	index map[string]int
}

// NewSet returns a set of nodes in the order given. It is an error if two nodes
// have the same name.
func NewSet(list ...*Node) (*Set, error) {
	s := &Set{nodes: slices.Clone(list), index: make(map[string]int, len(list))}
	for i, n := range list {
		if j, dup := s.index[n.Name]; dup {
			return nil, fmt.Errorf("nodes %d and %d are both named %q: names must be unique", j+1, i+1, n.Name)
		}
		s.index[n.Name] = i
	}
	return s, nil
}

// Len returns the number of nodes.
func (s *Set) Len() int { return len(s.nodes) }

// At returns the node at index i. It panics if i is out of range.
func (s *Set) At(i int) *Node { return s.nodes[i] }

// Get returns the node with that name, or nil.
func (s *Set) Get(name string) *Node {
	if i, ok := s.index[name]; ok {
		return s.nodes[i]
	}
	return nil
}

// Index returns the index of the node with that name.
func (s *Set) Index(name string) (int, bool) {
	i, ok := s.index[name]
	return i, ok
}

// All returns an iterator over indexes and nodes, in order.
func (s *Set) All() iter.Seq2[int, *Node] { return slices.All(s.nodes) }

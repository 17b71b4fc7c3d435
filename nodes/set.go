package nodes

import (
	"fmt"
	"iter"
	"slices"
)

// Set is the ordered set of a cluster's nodes. It does not change once made,
// and is safe for concurrent use.
type Set struct {
	nodes []*Node
	index map[string]int
}

// NewSet makes a set in the order given. Two nodes of one name are an error.
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

// At returns the node at i, in order.
func (s *Set) At(i int) *Node { return s.nodes[i] }

// Get returns the node of that name, nil where there is none.
func (s *Set) Get(name string) *Node {
	if i, ok := s.index[name]; ok {
		return s.nodes[i]
	}
	return nil
}

// Index returns the place of the node of that name.
func (s *Set) Index(name string) (int, bool) {
	i, ok := s.index[name]
	return i, ok
}

// All ranges over the nodes in order.
func (s *Set) All() iter.Seq2[int, *Node] { return slices.All(s.nodes) }

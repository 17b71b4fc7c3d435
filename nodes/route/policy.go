package route

import (
	"fmt"
	"strings"
)

// Policy selects the node for a request among the nodes that can take it.
//
// Select is called with at least one candidate, all equally suited and with
// room for the request, in the table's order. It returns the index of one of
// them; an index out of range stands for the first. It is called while the
// table is locked: it must not block, call the table or keep the slice.
type Policy interface {
	Select(candidates []Candidate) int
}

// ConversationPolicy is a [Policy] that needs [Candidate.Previous]. A gateway
// tells conversations apart only for such a policy, because that costs time.
type ConversationPolicy interface {
	Policy
	// ByConversation is a marker; it is never called.
	ByConversation()
}

// Candidate is a node as a [Policy] sees it.
type Candidate struct {
	// Node is the node's name.
	Node string
	// InFlight is the number of requests in flight on it.
	InFlight int
	// Warming: the node is in its slow start, and its share of new
	// conversations is used up. Others should be preferred.
	Warming bool
	// Previous: the conversation's last request went to it.
	Previous bool
}

// Fallback is the policy by which the first node in order takes all requests
// that it has room for.
type Fallback struct{}

// Select implements [Policy].
func (Fallback) Select(candidates []Candidate) int {
	for i, c := range candidates {
		if !c.Warming {
			return i
		}
	}
	return 0
}

// String returns "fallback".
func (Fallback) String() string { return "fallback" }

// LeastBusy is the policy by which the node with the fewest requests in flight
// takes the request, and the first of equals.
type LeastBusy struct{}

// Select implements [Policy].
func (LeastBusy) Select(candidates []Candidate) int {
	best := 0
	for i, c := range candidates {
		b := candidates[best]
		if c.Warming != b.Warming {
			if b.Warming {
				best = i
			}
		} else if c.InFlight < b.InFlight {
			best = i
		}
	}
	return best
}

// String returns "least-busy".
func (LeastBusy) String() string { return "least-busy" }

// Sticky is the policy by which a conversation stays on its node, which has it
// in its cache. A new conversation goes to the node of [LeastBusy].
type Sticky struct{}

// Select implements [Policy].
func (Sticky) Select(candidates []Candidate) int {
	for i, c := range candidates {
		if c.Previous {
			return i
		}
	}
	return LeastBusy{}.Select(candidates)
}

// ByConversation implements [ConversationPolicy].
func (Sticky) ByConversation() {}

// String returns "sticky".
func (Sticky) String() string { return "sticky" }

// PolicyNames returns the names that [PolicyByName] knows.
func PolicyNames() []string { return []string{"fallback", "least-busy", "sticky"} }

// PolicyByName returns a policy of this package by its name. The error lists
// the names.
func PolicyByName(name string) (Policy, error) {
	switch name {
	case "fallback":
		return Fallback{}, nil
	case "least-busy":
		return LeastBusy{}, nil
	case "sticky":
		return Sticky{}, nil
	}
	return nil, fmt.Errorf("route: unknown policy %q, want one of: %s", name, strings.Join(PolicyNames(), ", "))
}

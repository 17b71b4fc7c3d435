package route

import (
	"fmt"
	"strings"
	"testing"
)

// index is a policy that returns itself.
type index int

func (i index) Select([]Candidate) int { return int(i) }

// TestOwnPolicy: a policy selects among the best candidates alone, and an index
// that is none stands for the first.
func TestOwnPolicy(t *testing.T) {
	list := []candidate{at(out), at(), at(ejected), at(full), at(), at(another)}
	for i, want := range map[index]int{0: 1, 1: 4, 2: 1, -1: 1} {
		if got, why := choose(i, list, 0, &selection{}); got != want || why != chosen {
			t.Errorf("index %d: node %d (%s), want %d", i, got, why, want)
		}
	}
	var seen []Candidate
	choose(policyFunc(func(c []Candidate) int { seen = append(seen, c...); return 0 }), []candidate{
		{node: "M1", fit: Exact, serves: true, inFlight: 3, share: 0.5, previous: true}, {node: "M2", fit: Exact, serves: true, share: 0.6},
	}, 0.5, &selection{})
	want := []Candidate{{Node: "M1", InFlight: 3, Warming: true, Previous: true}, {Node: "M2"}}
	if len(seen) != 2 || seen[0] != want[0] || seen[1] != want[1] {
		t.Errorf("candidates %+v, want %+v", seen, want)
	}
}

type policyFunc func([]Candidate) int

func (f policyFunc) Select(c []Candidate) int { return f(c) }

func TestPolicyByName(t *testing.T) {
	for _, name := range PolicyNames() {
		if p, err := PolicyByName(name); err != nil || fmt.Sprint(p) != name {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	if p, err := PolicyByName("random"); p != nil || err == nil || !strings.Contains(err.Error(), "fallback, least-busy, sticky") {
		t.Errorf("%v, %v", p, err)
	}
}

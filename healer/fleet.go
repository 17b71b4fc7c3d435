package healer

import (
	"fmt"
	"time"
)

// fleet is the state of all nodes, and the rules between them: how many are
// under repair, who serves. It is as free of clock, network and lock as decide
// is; a step costs the same however many nodes there are.
type fleet struct {
	policy    Policy
	nodes     []nodeState
	order     []int     // of the nodes, by who takes the traffic first
	rank      []int     // a node's place in order
	serving   int       // rank of who takes the traffic; len(order) where none does
	count     int       // nodes that serve
	repairs   int       // nodes under repair
	undecided int       // nodes that may serve in a moment
	downSince time.Time // zero while some node serves, and until all were tried
}

func newFleet(p Policy, list []nodeState, order []int) *fleet {
	f := &fleet{policy: p, nodes: list, order: order, rank: make([]int, len(list)), serving: len(order), undecided: len(list)}
	for rank, i := range order {
		f.rank[i] = rank
	}
	return f
}

// step takes what was seen on node i, and returns what to do there next.
func (f *fleet) step(i int, s seen) (op, []Event) {
	before := f.nodes[i]
	others := f.count
	if before.serves() {
		others--
	}
	after, next, events := decide(f.policy, before, view{
		nodes:  len(f.nodes),
		others: others,
		slot:   f.repairs < f.policy.repairsAtOnce(len(f.nodes)),
	}, s)
	next.revision = after.revision
	f.nodes[i] = after
	f.count += one(after.serves()) - one(before.serves())
	f.repairs += one(after.state.UnderRepair()) - one(before.state.UnderRepair())
	f.undecided += one(after.undecided()) - one(before.undecided())
	switch {
	case after.serves() != before.serves():
		events = append(events, f.reroute(i, s.at)...)
	case f.undecided == 0 && before.undecided() && f.count == 0 && f.downSince.IsZero():
		events = append(events, f.nobody(s.at)) // from the start
	}
	return next, events
}

// nobody begins a time in which no node serves.
func (f *fleet) nobody(at time.Time) Event {
	f.downSince = at
	return Event{Time: at, Type: EventCritical, Text: "no node serves"}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// reroute finds who takes the traffic after node i came or went, and tells a
// change.
func (f *fleet) reroute(i int, at time.Time) []Event {
	was := f.serving
	if f.nodes[i].serves() {
		f.serving = min(f.serving, f.rank[i])
	} else if f.serving == f.rank[i] {
		for f.serving < len(f.order) && !f.nodes[f.order[f.serving]].serves() {
			f.serving++
		}
	}
	if f.serving == was {
		return nil
	}
	now := f.servingName()
	event := Event{Time: at, Node: now, Type: EventFailover}
	switch {
	case now == "":
		return []Event{f.nobody(at)}
	case was == len(f.order) && f.downSince.IsZero():
		event.Text = "takes the traffic"
	case was == len(f.order):
		took := at.Sub(f.downSince)
		f.downSince = time.Time{}
		event.Type, event.Node, event.Took = EventRecovered, "", took
		event.Text = fmt.Sprintf("service is back after %s: %s takes the traffic", brief(took), now)
	default:
		event.Text = "takes the traffic from " + f.nodes[f.order[was]].name
	}
	return []Event{event}
}

// servingName is the node that takes the traffic, "" where none does.
func (f *fleet) servingName() string {
	if f.serving >= len(f.order) {
		return ""
	}
	return f.nodes[f.order[f.serving]].name
}

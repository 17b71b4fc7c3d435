package healer

import (
	"fmt"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// take takes over what another process changed of what is kept of the node.
func (n *nodeState) take(k kept, at time.Time) []Event {
	before, note := n.goal(), n.kept.Restore
	n.kept.Override, n.kept.Trial, n.kept.Restore = k.Override, k.Trial, k.Restore
	n.revision++
	events := n.dropOld(at)
	now := n.goal()
	changed := !before.Equal(now)
	noted := n.kept.Restore != nil && (note == nil || !note.Noted.Equal(n.kept.Restore.Noted))
	if changed || noted {
		n.unasked = true
	}
	if changed {
		n.worse.history = "" // that was another model
	}
	return append(events, n.tellPromotion(at)...)
}

// dropOld drops an override of what the config no longer asks for: a config
// edited later wins.
func (n *nodeState) dropOld(at time.Time) []Event {
	o := n.kept.Override
	if o == nil {
		n.kept.Trial = nil
		return nil
	}
	replaces := o.Replaces
	replaces.Name = n.canonical(replaces.Name)
	if replaces.Equal(n.wanted) {
		return nil
	}
	n.kept.Override, n.kept.Trial = nil, nil
	if o.Why != OverridePromoted || o.Told {
		return nil
	}
	return []Event{{Time: at, Node: n.name, Type: EventDegraded, Text: fmt.Sprintf(
		"[PROMOTION] %s won in place of %s, and the config asks for %s: the config wins",
		o.Name, nameOr(o.Replaces, "whatever was loaded"), nameOr(n.wanted, "whatever is loaded"))}}
}

// tellPromotion tells of a promotion, once.
func (n *nodeState) tellPromotion(at time.Time) []Event {
	o := n.kept.Override
	if o == nil || o.Why != OverridePromoted || o.Told {
		return nil
	}
	told := *o // what is kept is shared with copies of the state
	told.Told = true
	n.kept.Override = &told
	text := "[PROMOTION] " + o.Name + " won its tournament, and is what this node serves from now on"
	if o.Previous != nil {
		text = fmt.Sprintf("[PROMOTION] %s won its tournament, and serves in place of %s", o.Name, o.Previous.Name)
	}
	if t := n.kept.Trial; t != nil {
		text += fmt.Sprintf("; its first %d answers are watched", t.Watch)
	}
	return []Event{{Time: at, Node: n.name, Type: EventPromoted, Text: text}}
}

func nameOr(m nodes.Model, text string) string {
	if m.Name != "" {
		return m.Name
	}
	return text
}

// outdated begins anew: while an op was under way, another process changed
// what the node is to serve.
func (d *decision) outdated() op {
	n := &d.n
	n.checked = d.s.at
	n.busySince = time.Time{}
	switch {
	case n.state == Offline || n.state == Misconfigured:
	case n.serves():
		n.incident = incident{check: opProbe, began: d.s.began}
	default:
		n.state, n.incident = Unknown, incident{}
	}
	return op{kind: opProbe, at: d.s.at}
}

// chosen notes that the model that another process chose gave an answer while
// nobody held the lease.
func (d *decision) chosen() {
	d.n.unasked = false
	if d.n.loaded(d.n.snapshot) != nil {
		d.n.kept.Restore = nil
	}
}

// isOutdated reports whether what was seen was looked for before another
// process changed what the node is to serve.
func (n *nodeState) isOutdated(s seen) bool {
	return s.revision != n.revision && op{kind: s.kind}.aims()
}

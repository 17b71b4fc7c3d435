package healer

import (
	"maps"
	"slices"
	"time"
)

// takeOver applies what is kept of nodes: all of it at the start, and later what
// another process changed of it.
func (f *fleet) takeOver(in input, out *ready) {
	for _, i := range slices.Sorted(maps.Keys(in.kept)) {
		n := f.nodes[i]
		var events []Event
		saved := in.kept[i]
		if in.kind == inStart {
			n.kept = saved
			events = append(n.dropOld(in.at), n.tellPromotion(in.at)...)
		} else {
			events = n.takeOver(saved, in.at)
			saved = f.nodes[i].kept
			saved.Override, saved.Trial, saved.Restore = in.kept[i].Override, in.kept[i].Trial, in.kept[i].Restore
		}
		if t := n.kept.Trial; t != nil && t.Usual == 0 && len(t.Answers) == 0 {
			trial := *t // what is kept is shared with copies of the state
			trial.Usual = in.usual[i]
			n.kept.Trial = &trial
		}
		if !f.once {
			out.events = append(out.events, events...)
		}
		f.set(i, n, saved, in, out)
	}
}

// takeOver replaces the part of what is kept that another process changed.
func (n *nodeState) takeOver(k persisted, at time.Time) []Event {
	before, note := n.goal(), n.kept.Restore
	n.kept.Override, n.kept.Trial, n.kept.Restore = k.Override, k.Trial, k.Restore
	n.takeover.revision++
	events := n.dropOld(at)
	now := n.goal()
	noted := n.kept.Restore != nil && (note == nil || !note.Noted.Equal(n.kept.Restore.Noted))
	if !before.Equal(now) || noted {
		n.takeover.unasked = true
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
	return []Event{{
		Time: at, Node: n.name, Type: EventDegraded, Rule: RuleConfigWins,
		Model: o.Name, From: o.Replaces.Name, To: n.wanted.Name,
	}}
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
	e := Event{Time: at, Node: n.name, Type: EventPromoted, Rule: RulePromoted, Model: o.Name, To: o.Name}
	if o.Previous != nil {
		e.From = o.Previous.Name
	}
	if t := n.kept.Trial; t != nil {
		e.Count = t.Watch
	}
	return []Event{e}
}

// outdated begins again: another process changed what the node is to serve while
// an operation was under way.
func (d *decision) outdated() op {
	n := &d.n
	n.last.checked = d.in.at
	n.busySince = time.Time{}
	switch {
	case n.state == Offline || n.state == Misconfigured:
	case n.serves():
		n.incident = incident{check: opProbe, began: d.in.began}
	default:
		n.state, n.incident = Unknown, incident{}
	}
	return op{kind: opProbe, at: d.in.at}
}

// chosen notes that the model that another process chose gave an answer while
// nobody held the lease.
func (d *decision) chosen() {
	d.n.takeover.unasked = false
	if d.n.loaded(d.n.snapshot) != nil {
		d.n.kept.Restore = nil
	}
}

// isOutdated reports whether what was seen was looked for before another
// process changed what the node is to serve.
func (n *nodeState) isOutdated(in input) bool {
	return in.revision != n.takeover.revision && op{kind: in.kind}.aims()
}

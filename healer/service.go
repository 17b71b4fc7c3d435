package healer

import (
	"time"

	"github.com/turbone/jarvis/nodes"
)

// inService keeps, or takes, a node whose checks passed in the route.
func (d *decision) inService() op {
	n, at := &d.n, d.in.at
	was, before := n.state, n.incident
	took := at.Sub(before.began)
	n.incident = incident{}
	n.busySince = time.Time{}
	d.serve()
	d.judge()
	switch {
	case was == Unknown && n.asleep() && n.takeover.unasked:
		d.tell(EventHealthy, RuleAsleep, Event{Model: d.serving()})
	case was == Unknown:
		d.tell(EventHealthy, RuleFirstAnswer, Event{Model: d.serving()})
	case was == Offline || was == Misconfigured:
		d.tell(EventHealed, RuleReturned, Event{Cause: before.cause, Took: took, Model: d.serving()})
	case was == Suspect:
		d.tell(EventRecovered, RuleRecovered, Event{Cause: before.cause, Took: took})
	}
	d.settle()
	return d.nextProbe()
}

// serve puts the node into service. Another model, or another file of it, begins
// its own time there, also where the node did not leave the route for it.
func (d *decision) serve() {
	n := &d.n
	m, ok := n.inService()
	if !n.served || ok && (m.Name != n.standing.name || m.Digest != n.standing.digest) {
		n.healthySince = d.in.at
	}
	n.served = true
	if ok {
		n.standing = standing{m.Name, m.Digest}
	}
}

// serving returns the name of the model in service, "" where none is known.
func (d *decision) serving() string {
	if m, ok := d.n.inService(); ok {
		return m.Name
	}
	return d.n.goal().Name
}

// judge makes the node Healthy or Degraded, and tells a change.
func (d *decision) judge() {
	n := &d.n
	n.degradations.held, n.degradations.gone, n.degradations.settings = nil, nil, nil
	if e := n.otherSettings(n.loaded(n.snapshot)); e != nil {
		n.degradations.settings = &Degradation{Kind: DegradedSettings, Model: e.Model, Evidence: e}
	}
	if m, ok := n.inService(); ok && n.snapshot.OnDisk != nil && !n.snapshot.LoadedUnknown {
		if _, there := n.file(n.snapshot, m.Name); !there {
			n.degradations.gone = &Degradation{Kind: DegradedGone, Model: m.Name}
		}
	}
	was := n.state
	list := n.degradations.list()
	if len(list) == 0 {
		n.state = Healthy
		if was == Degraded {
			d.tell(EventRecovered, RuleNotDegraded, Event{})
		}
		return
	}
	n.state = Degraded
	if was != Degraded {
		d.tell(EventDegraded, RuleDegraded, Event{Degradations: list})
	}
}

// settle makes the model in service the last known good, once it has been in
// service for long enough, and forgets the repairs before.
func (d *decision) settle() {
	n := &d.n
	if n.state != Healthy || n.takeover.unasked || d.in.at.Sub(n.healthySince) < d.p.Settle {
		return
	}
	m, ok := n.inService()
	if !ok {
		return
	}
	if n.kept.LastKnownGood == nil || !n.kept.LastKnownGood.Equal(m) || n.kept.LastKnownGood.Digest != m.Digest {
		n.kept.LastKnownGood = &m
		n.kept.VRAMShare = 0
	}
	n.kept.VRAMShare = max(n.kept.VRAMShare, share(n.loaded(n.snapshot)))
	n.kept.Attempts, n.kept.NextRepair = 0, time.Time{}
}

// placementLost is the finding that less of the model is on the GPU than was. It
// is told once, and not repaired again while it stays so. The node answers, so
// that it waits in service while repairs are paused.
func (d *decision) placementLost(inst *nodes.Instance) finding {
	n := &d.n
	if !n.lessOnGPU() {
		n.degradations.placement = nil
		return finding{}
	}
	if n.degradations.placement != nil || n.kept.Paused != nil {
		return finding{}
	}
	return finding{CausePlacement, Evidence{
		Asked: string(opProbe), Found: FoundLessOnGPU, Model: inst.Model, Share: share(inst), ShareBefore: n.kept.VRAMShare,
	}}
}

// lessOnGPU reports whether less of the model in service is on the GPU than when
// it was last known good.
func (n *nodeState) lessOnGPU() bool {
	m, ok := n.inService()
	inst, good := n.loaded(n.snapshot), n.kept.LastKnownGood
	return ok && inst.Size > 0 && good != nil && good.Equal(m) && share(inst) < n.kept.VRAMShare-lostShare
}

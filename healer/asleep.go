package healer

// mayRest reports whether a model that sleeps is left asleep: no failed answer has
// to be followed up.
func (d *decision) mayRest() bool {
	n := &d.n
	switch n.state {
	case Unknown, Misconfigured, Healthy, Degraded:
		return n.degradations.held == nil
	case Suspect:
		return n.incident.check == opProbe || n.incident.check == opTrim
	}
	return false
}

// rest takes or keeps a node in service whose model sleeps, and asks it nothing: the
// first real request wakes it. What it was not asked yet is asked then.
func (d *decision) rest() op {
	if !d.n.served {
		d.n.takeover.unasked = true
	}
	return d.inService()
}

// asleep reports whether the node's model sleeps, as of the latest probe.
func (n *nodeState) asleep() bool {
	inst := n.loaded(n.snapshot)
	return inst != nil && inst.Sleeping
}

package healer

// rung is a kind of repair.
type rung int

const (
	load    rung = iota // load the model; leave it alone if it is loaded
	reload              // unload it, then load it
	restart             // restart the server, then load
)

// ladder returns the repairs that can help against a cause on this node, mildest
// first. It is empty if none is possible.
func ladder(n *nodeState, c Cause) []rung {
	var all []rung
	switch c {
	case CauseServerDown, CauseServerHung:
		all = []rung{restart}
	case CauseModelMissing, CauseDrift:
		all = []rung{load, reload, restart}
	case CauseWedged, CauseErroring, CauseUnloadStuck, CausePlacement:
		all = []rung{reload, restart}
	case CauseBadModel:
		all = []rung{reload}
		if !n.canLoad || n.snapshot.ReadOnly {
			all = []rung{restart} // it loads the model again
		}
	}
	var can []rung
	for _, r := range all {
		switch {
		case r == restart && (!n.canRestart || n.lacksFile(c)):
		case r != restart && (!n.canLoad || n.snapshot.ReadOnly || n.target().Name == ""):
		default:
			can = append(can, r)
		}
	}
	return can
}

// lacksFile reports whether a cause is that the model's file is not on the node's
// disk, where a new process would not find it either.
func (n *nodeState) lacksFile(c Cause) bool {
	if c != CauseModelMissing && c != CauseDrift || !n.canLoad || n.snapshot.ReadOnly || n.snapshot.OnDisk == nil || n.target().Name == "" {
		return false
	}
	_, there := n.file(n.snapshot, n.target().Name)
	return !there
}

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
	}
	var can []rung
	for _, r := range all {
		switch {
		case r == restart && !n.canRestart:
		case r != restart && (!n.canLoad || n.snapshot.ReadOnly || n.target().Name == ""):
		default:
			can = append(can, r)
		}
	}
	return can
}

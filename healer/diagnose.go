package healer

import (
	"time"

	"github.com/turbone/jarvis/nodes"
)

// stoppingLimit is how long an instance may be listed after its expiry, while the
// engine waits for requests under way. After that it hangs.
const stoppingLimit = 30 * time.Second

// lostShare is the share of a model by which its part on the GPU may fall without a
// finding. Engines round by layers.
const lostShare = 0.05

// diagnose returns what a check's result means.
func diagnose(p Policy, n *nodeState, in input) finding {
	if in.fault != "" {
		return ofFault(in)
	}
	switch in.kind {
	case opProbe:
		return ofSnapshot(n, in)
	case opQuestions:
		if float64(in.right) < p.Threshold*float64(in.graded) {
			return finding{CauseBadModel, Evidence{Asked: string(in.kind), Found: FoundWrongAnswers, Right: in.right, Graded: in.graded}}
		}
	}
	return finding{}
}

// failure returns the evidence of an operation that ended in a fault.
func (in input) failure() Evidence {
	return Evidence{Asked: string(in.kind), Found: FoundFault, Fault: in.fault, Detail: in.detail}
}

// ofFault returns the diagnosis of a check that failed.
func ofFault(in input) finding {
	e := in.failure()
	switch in.fault {
	case nodes.Asleep:
		return finding{} // the next request wakes it
	case nodes.Unauthorized, nodes.WrongEngine:
		return finding{CauseMisconfigured, e}
	case nodes.Busy:
		return finding{CauseBusy, e}
	case nodes.Refused, nodes.Unreachable:
		return finding{CauseServerDown, e}
	case nodes.NotLoaded, nodes.ModelNotFound:
		return finding{CauseModelMissing, e}
	case nodes.WrongModel:
		return finding{CauseDrift, e}
	case nodes.TimedOut:
		switch {
		case in.tokens:
			e.Found = FoundOtherAnswers
			return finding{CauseBusy, e}
		case in.kind == opProbe:
			e.Found = FoundSilent
			return finding{CauseServerHung, e}
		}
		e.Found = FoundNoAnswer
		return finding{CauseWedged, e}
	}
	return finding{CauseErroring, e}
}

// ofSnapshot returns the diagnosis of a probe that got its answer. The cases are
// in the order of their urgency, and stand together for that order to be seen.
func ofSnapshot(n *nodeState, in input) finding {
	snap, goal := in.snapshot, n.goal()
	inst := n.loaded(snap)
	found := func(c Cause, f Found, model string) finding {
		return finding{c, Evidence{Asked: string(in.kind), Found: f, Model: model}}
	}
	switch {
	case inst != nil && inst.Stopping && !inst.Expires.IsZero() && in.at.Sub(inst.Expires) > stoppingLimit:
		f := found(CauseUnloadStuck, FoundStopping, inst.Model)
		f.evidence.Lasted = in.at.Sub(inst.Expires)
		return f
	case inst != nil && inst.Stopping:
		return found(CauseBusy, FoundUnloading, inst.Model)
	case inst != nil && inst.Loading:
		return found(CauseBusy, FoundLoading, inst.Model)
	case inst != nil:
		// Settings left behind by a lease's holder are no other client's doing.
		if e := n.otherSettings(inst); e != nil && n.kept.Restore != nil && n.canLoad && !snap.ReadOnly {
			return finding{CauseDrift, *e}
		}
		return finding{}
	case n.onDemand:
		return finding{}
	case len(snap.Loaded) == 0 && goal.Name == "":
		return found(CauseModelMissing, FoundNothingConfigured, "")
	case len(snap.Loaded) == 0:
		return found(CauseModelMissing, FoundNotLoaded, goal.Name)
	}
	for _, other := range snap.Loaded {
		if other.Loading {
			return found(CauseBusy, FoundLoading, other.Model)
		}
	}
	f := found(CauseDrift, FoundOtherLoaded, goal.Name)
	if snap.LoadedUnknown {
		f = found(CauseModelMissing, FoundNotOffered, goal.Name)
	}
	for _, other := range snap.Loaded {
		f.evidence.Loaded = append(f.evidence.Loaded, other.Model)
	}
	return f
}

// share returns the share of an instance that is on the GPU, 0 if unknown.
func share(i *nodes.Instance) float64 {
	if i == nil || i.Size <= 0 {
		return 0
	}
	return float64(i.VRAM) / float64(i.Size)
}

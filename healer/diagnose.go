package healer

import (
	"fmt"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// cause is what is wrong with a node.
type cause string

const (
	fine          cause = ""
	serverDown    cause = "server down"
	serverHung    cause = "server hung"
	modelMissing  cause = "model missing"
	drift         cause = "drift"
	wedged        cause = "wedged"
	erroring      cause = "erroring"
	badModel      cause = "bad model"
	unloadStuck   cause = "unload stuck"
	placement     cause = "on the CPU"
	lostTrial     cause = "lost its trial"
	misconfigured cause = "misconfigured"
	busy          cause = "busy"
)

// stillAnswers reports whether clients get some answer from a node with this
// fault, so that its repair would take something away.
func (c cause) stillAnswers() bool {
	return c == drift || c == badModel || c == placement || c == lostTrial
}

// stoppingLimit is how long an instance may be listed after its expiry. An
// engine waits for requests under way; longer than this, it hangs.
const stoppingLimit = 30 * time.Second

// lostShare is how much less of a model may be on the GPU than when it was
// last known good. Engines round by layers.
const lostShare = 0.05

// finding is a diagnosis with its reason in words.
type finding struct {
	cause cause
	text  string
}

// diagnose says what a check's result means.
func diagnose(p Policy, n *nodeState, s seen) finding {
	if s.fault != "" {
		return ofFault(s)
	}
	switch s.kind {
	case opProbe:
		return ofSnapshot(n, s)
	case opQuestions:
		if float64(s.right) < p.Threshold*float64(s.asked) {
			return finding{badModel, fmt.Sprintf("%d of %d answers right", s.right, s.asked)}
		}
	}
	return finding{}
}

// ofFault is the diagnosis of a check that failed.
func ofFault(s seen) finding {
	text := string(s.fault)
	if s.detail != "" {
		text = s.detail
	}
	switch s.fault {
	case nodes.Unauthorized, nodes.WrongEngine:
		return finding{misconfigured, text}
	case nodes.Busy:
		return finding{busy, text}
	case nodes.Refused, nodes.Unreachable:
		return finding{serverDown, text}
	case nodes.NotLoaded, nodes.ModelNotFound:
		return finding{modelMissing, text}
	case nodes.WrongModel:
		return finding{drift, text}
	case nodes.TimedOut:
		switch {
		case s.tokens:
			return finding{busy, "no answer in time, but requests are being answered"}
		case s.kind == opProbe:
			return finding{serverHung, "accepts connections, answers nothing"}
		}
		return finding{wedged, "lists are answered, questions are not: " + text}
	}
	return finding{erroring, text}
}

// ofSnapshot is the diagnosis of a probe that got its answer.
func ofSnapshot(n *nodeState, s seen) finding {
	snap, goal := s.snapshot, n.goal()
	inst := n.loaded(snap)
	switch {
	case inst != nil && inst.Stopping && !inst.Expires.IsZero() && s.at.Sub(inst.Expires) > stoppingLimit:
		return finding{unloadStuck, fmt.Sprintf("%s has been stopping for %s", inst.Model, s.at.Sub(inst.Expires).Round(time.Second))}
	case inst != nil && inst.Stopping:
		return finding{busy, inst.Model + " is being unloaded"}
	case inst != nil && inst.Loading:
		return finding{busy, inst.Model + " is being loaded"}
	case inst != nil && n.kept.Restore != nil && n.canLoad && !snap.ReadOnly && n.otherSettings(inst) != "":
		// Not another client's doing, but left behind by who had the lease.
		return finding{drift, n.otherSettings(inst)}
	case inst != nil:
		return finding{}
	case n.onDemand:
		return finding{}
	case len(snap.Loaded) == 0 && goal.Name == "":
		return finding{modelMissing, "no model is loaded, and none is configured"}
	case len(snap.Loaded) == 0:
		return finding{modelMissing, goal.Name + " is not loaded"}
	}
	for _, other := range snap.Loaded {
		if other.Loading {
			return finding{busy, other.Model + " is being loaded"}
		}
	}
	if snap.LoadedUnknown {
		return finding{modelMissing, fmt.Sprintf("%s is not among the models offered (%s)", goal.Name, names(snap.Loaded))}
	}
	return finding{drift, fmt.Sprintf("%s is loaded instead of %s", names(snap.Loaded), goal.Name)}
}

func names(list []nodes.Instance) string {
	var out []string
	for _, i := range list {
		if len(out) == 3 {
			out = append(out, "…")
			break
		}
		out = append(out, i.Model)
	}
	return strings.Join(out, ", ")
}

// share is how much of an instance is on the GPU, 0 where unknown.
func share(i *nodes.Instance) float64 {
	if i == nil || i.Size <= 0 {
		return 0
	}
	return float64(i.VRAM) / float64(i.Size)
}

package healer

import (
	"time"
)

// Judgement is a regression of a node that the history shows.
type Judgement struct {
	// Node is the node that got worse; "" means the first node, in the order of
	// the fallback, that is to serve Model.
	Node string
	// Model is the model that was measured. The judgement is ignored while the
	// node is to serve another one; "" means any model.
	Model string
	// Alarm identifies the alarm: the run's ID, or its time. Each alarm is told
	// once, however often it is judged, and across restarts.
	Alarm string
	// Reason says what got worse: "score 9.2 → 7.8 (-15%): quality; code, math".
	Reason string
	// Suspected is true if a single run shows it, and a second one has to confirm
	// it. The node is not degraded for that, and no event is made.
	Suspected bool
}

// Rerun is a measurement that an alarm may ask for.
type Rerun string

// The reruns.
const (
	// RerunConfirm is a second run, to confirm a suspicion.
	RerunConfirm Rerun = "confirm"
	// RerunTournament is a quick tournament of the last known good model
	// against the one that got worse.
	RerunTournament Rerun = "tournament"
)

// OnRegression is what is done about an alarm beside telling it.
type OnRegression string

// The settings; the zero value is OnRegressionAlert.
const (
	// OnRegressionAlert is nothing more.
	OnRegressionAlert OnRegression = "alert"
	// OnRegressionConfirm asks for the run that confirms a suspicion.
	OnRegressionConfirm OnRegression = "confirm"
	// OnRegressionTournament asks for that run, and for a tournament once the
	// regression is confirmed.
	OnRegressionTournament OnRegression = "tournament"
)

// rerun returns the measurement that a judgement asks for, "" for none.
func (o OnRegression) rerun(j Judgement) Rerun {
	switch {
	case j.Suspected && (o == OnRegressionConfirm || o == OnRegressionTournament):
		return RerunConfirm
	case !j.Suspected && o == OnRegressionTournament:
		return RerunTournament
	}
	return ""
}

// rerun is what an alarm asks for, until it is begun.
type rerun struct {
	kind   Rerun
	alarm  string
	reason string
}

// Judge replaces the set of regressions known to the healer. The list must be
// complete: a node in it is marked degraded and keeps serving, every other node's
// mark is cleared. Each Alarm is reported once.
func (h *Watchdog) Judge(list []Judgement) {
	h.apply(input{kind: inJudgements, at: time.Now(), judgements: list})
}

// applyJudgements sets each node's regression mark from the latest judgements. It
// runs again when a node changes its model, because a judgement holds for the
// model it names.
func (f *fleet) applyJudgements(at time.Time, out *ready) {
	f.stale = false
	named := f.judged(f.judgements)
	for i := range f.nodes {
		n := f.nodes[i]
		j, worse := named[i]
		before := n.degradations.regression
		n.degradations.regression, n.rerun = nil, rerun{}
		if worse {
			if kind := f.onRegression.rerun(j); kind != "" && n.kept.Asked != string(kind)+" "+j.Alarm {
				n.rerun = rerun{kind, j.Alarm, j.Reason}
			}
		}
		confirmed := worse && !j.Suspected
		if confirmed {
			n.degradations.regression = &Degradation{Kind: DegradedRegression, Model: j.Model, Detail: j.Reason}
		}
		changed := confirmed != (before != nil) || confirmed && before.Detail != j.Reason
		if changed && (n.state == Healthy || n.state == Degraded) {
			n.lookNow(at)
		}
		if confirmed && n.kept.Alarm != j.Alarm {
			n.kept.Alarm = j.Alarm
			out.events = append(out.events, Event{
				Time: at, Node: n.name, Type: EventRegression, Rule: RuleRegression, Model: j.Model, Detail: j.Reason,
			})
		}
		f.replan(i, n, input{kind: inJudgements, at: at}, out)
	}
}

// judged returns the judgement of each node, by place. Of a suspicion and a
// confirmed regression of one node the latter counts.
func (f *fleet) judged(list []Judgement) map[int]Judgement {
	named := map[int]Judgement{}
	for _, j := range list {
		for _, i := range f.order {
			n := &f.nodes[i]
			if j.Node != "" && j.Node != n.name || j.Node == "" && j.Model == "" || j.Model != "" && !n.isToServe(j.Model) {
				continue
			}
			if before, ok := named[i]; !ok || before.Suspected {
				named[i] = j
			}
			break
		}
	}
	return named
}

// isToServe reports whether a model is what the node is to serve, or serves
// where none is named.
func (n *nodeState) isToServe(model string) bool {
	if goal := n.goal().Name; goal != "" {
		return n.same(goal, model)
	}
	m, ok := n.inService()
	return ok && n.same(m.Name, model)
}

// startRerun begins the first rerun that may begin now. It takes its node out of
// service for a while, so none begins while another node is under repair, or
// while no other serves.
func (f *fleet) startRerun(at time.Time, out *ready) {
	if f.reruns == 0 || !f.canRerun || f.rerunning || f.repairs > 0 || f.count < 2 && len(f.nodes) > 1 {
		return
	}
	for i := range f.nodes {
		n := f.nodes[i]
		r := n.rerun
		if r.kind == "" || !n.serves() || n.kept.Paused != nil {
			continue
		}
		n.rerun = rerun{}
		n.kept.Asked = string(r.kind) + " " + r.alarm
		rule := RuleConfirmRun
		if r.kind == RerunTournament {
			rule = RuleTournament
		}
		out.events = append(out.events, Event{Time: at, Node: n.name, Type: EventRepair, Rule: rule, Detail: r.reason})
		out.rerun = &planRerun{i, r.kind}
		f.rerunning = true
		f.set(i, n, f.nodes[i].kept, input{kind: inJudgements, at: at}, out)
		return
	}
}

package healer

import (
	"time"

	"github.com/turbone/jarvis/nodes"
)

// view is what a node's decision needs to know of the others.
type view struct {
	nodes  int  // in the cluster
	others int  // other nodes that serve
	slot   bool // one more node may be under repair
	once   bool // look at the node once, and change nothing
}

// decided is what an input of one node leads to.
type decided struct {
	after   nodeState
	events  []Event
	replans bool // after.next replaces the operation that was under way or waited
	checked bool // the check that somebody waits for is done
}

// decide applies an input of one node.
func decide(p Policy, n nodeState, v view, in input) decided {
	d := decision{p: p, n: n, v: v, in: in}
	d.endPause()
	next := d.next()
	if pause := d.n.kept.Paused; pause != nil && !pause.Until.IsZero() && next.kind == opProbe && next.at.After(pause.Until) {
		next.at = pause.Until // a repair that waits for it begins then
	}
	if !d.same {
		next.revision = d.n.takeover.revision
	}
	d.n.next = next
	checked := in.kind == inCheck && !d.n.check // it can't be begun
	if d.n.check && in.kind.isResult() && (!next.checks() || next.at.After(in.at)) {
		d.n.check, checked = false, true
	}
	return decided{d.n, d.events, !d.same, checked}
}

// decision is one call of decide.
type decision struct {
	p      Policy
	n      nodeState
	v      view
	in     input
	events []Event
	same   bool // the operation that is under way or waits is left alone
}

// leave leaves the operation alone that is under way or waits for its time.
func (d *decision) leave() op {
	d.same = true
	return d.n.next
}

// tell adds an event of the node: its type and rule, and the facts of e.
func (d *decision) tell(t EventType, r Rule, e Event) {
	e.Time, e.Node, e.Type, e.Rule = d.in.at, d.n.name, t, r
	d.events = append(d.events, e)
}

// about returns the facts of a finding, for an event.
func (f finding) about() Event {
	e := f.evidence
	return Event{Cause: f.cause, Evidence: &e}
}

// about returns the facts of an incident, for an event.
func (i incident) about() Event { return finding{i.cause, i.evidence}.about() }

func (d *decision) next() op {
	n := &d.n
	switch {
	case d.v.once:
		return d.lookOnce()
	case d.in.holder != "" && d.in.kind == opLease && n.state.UnderRepair():
		return d.leave() // the lease is the repair's own
	case d.in.holder != "":
		return d.handsOff()
	case n.isOutdated(d.in):
		return d.outdated()
	}
	switch d.in.kind {
	case inCheck:
		return d.beginCheck()
	case inAnswers:
		return d.addAnswers()
	case inRequest:
		return d.requestFailed()
	}
	d.note()
	switch n.state {
	case Maintenance:
		n.state = Unknown
		d.tell(EventMaintenance, RuleLeaseFree, Event{})
		return op{kind: opProbe, at: d.in.at}
	case Draining:
		return d.drained()
	case Repairing, RollingBack:
		return d.repaired()
	case Verifying:
		return d.verified()
	}
	return d.checked()
}

// endPause ends a pause whose time is over.
func (d *decision) endPause() {
	if p := d.n.kept.Paused; p != nil && p.ended(d.in.at) {
		d.n.kept.Paused = nil
		d.events = append(d.events, pauseEvent(d.n.name, nil, d.in.at))
	}
}

// beginCheck begins the check that somebody asked for. A repair is not
// disturbed, and a suspect is not asked sooner than the check that confirms its
// fault may come.
func (d *decision) beginCheck() op {
	n, at := &d.n, d.in.at
	if n.state.UnderRepair() || n.next.kind == opDrain {
		return d.leave()
	}
	n.check = true
	switch n.state {
	case Maintenance:
		return op{kind: opLease, at: at}
	case Suspect:
		if confirm := n.last.checked.Add(d.p.RetryAfter); confirm.After(at) {
			at = confirm
		}
	}
	return op{kind: opProbe, at: at}
}

// note keeps what was seen, and when.
func (d *decision) note() {
	n, in := &d.n, d.in
	n.last.checked = in.at
	if in.kind == opProbe {
		n.last.probed = in.began
		if in.fault == "" {
			n.snapshot = in.snapshot
			d.dropOverride()
		}
	}
	if in.tokens {
		n.last.answered = in.at
	}
	n.lastError = ""
	if in.fault != "" && in.fault != nodes.Asleep {
		n.lastError = firstText(in.detail, string(in.fault))
	}
}

// dropOverride gives a rejected model another chance when its file changed.
func (d *decision) dropOverride() {
	o := d.n.kept.Override
	if o == nil || o.Rejected == nil || o.Rejected.Digest == "" {
		return
	}
	if f, ok := d.n.file(d.in.snapshot, o.Rejected.Name); ok && f.Digest != "" && f.Digest != o.Rejected.Digest {
		d.n.kept.Override = nil
	}
}

// handsOff leaves the node to the holder of its lease.
func (d *decision) handsOff() op {
	n := &d.n
	n.holder = d.in.holder
	if n.state != Maintenance {
		n.state = Maintenance
		n.served = false
		n.incident = incident{}
		d.tell(EventMaintenance, RuleLeased, Event{Detail: d.in.holder})
	}
	return op{kind: opLease, at: d.in.at.Add(d.p.RetryAfter)}
}

// lookOnce takes the result of a single check, which confirms nothing and
// repairs nothing.
func (d *decision) lookOnce() op {
	n, in := &d.n, d.in
	d.note()
	f := diagnose(d.p, n, in)
	switch {
	case in.holder != "":
		n.state, n.holder = Maintenance, in.holder
	case f.cause == CauseMisconfigured:
		n.state = Misconfigured
	case f.cause != "" && f.cause != CauseBusy:
		n.state = Offline
		n.lastError = firstText(n.lastError, string(f.cause)+": "+f.evidence.String())
	default:
		n.state, n.served = Healthy, true
		if f.cause == "" {
			n.last.passed = in.at
		}
	}
	if in.kind == opProbe && n.state == Healthy && n.loaded(n.snapshot) != nil {
		return d.ask(opCanary)
	}
	return op{}
}

// checked goes on after a check of a node that is not under repair.
func (d *decision) checked() op {
	n, in := &d.n, d.in
	f := diagnose(d.p, n, in)
	if f.cause == CauseBusy {
		if d.isBusy(f) {
			return op{kind: opProbe, at: in.at.Add(d.pause())}
		}
		last := f.evidence
		f = finding{CauseWedged, Evidence{Asked: last.Asked, Found: FoundBusyTooLong, Lasted: in.at.Sub(n.busySince), Of: &last}}
	}
	if f.cause != "" {
		return d.failed(f)
	}
	n.last.passed = in.at
	if next, ok := d.watchTrial(); ok {
		return next
	}
	if in.fault == nodes.Asleep { // since the probe
		return d.rest()
	}
	switch in.kind {
	case opProbe:
		return d.probePassed()
	case opTrim:
		return op{kind: opProbe, at: in.at.Add(d.p.RetryAfter)}
	case opCanary:
		n.last.answered = in.at
		d.chosen()
	case opQuestions:
		n.last.answered, n.last.questioned = in.at, in.at
		d.chosen()
		m, _ := n.inService()
		n.asked = m.Digest
	}
	return d.inService()
}

// requestFailed makes a node suspect that failed a real request, and has it
// checked at once. One that answered by an error is checked alone. Where requests go on failing on a node whose checks pass,
// it is the requests: one suspicion in two pauses is enough.
func (d *decision) requestFailed() op {
	n, at := &d.n, d.in.at
	if n.state != Healthy && n.state != Degraded || n.next.kind != opProbe {
		return d.leave() // it is being looked at anyway
	}
	n.lastError = firstText(d.in.detail, string(d.in.fault))
	if next, ok := d.watchTrial(); ok {
		return next
	}
	if n.degradations.held != nil || at.Sub(n.last.accused) < 2*d.p.RetryAfter {
		return d.nextProbe()
	}
	n.last.accused = at
	if d.in.answered { // it may be the request: the node's own check tells
		n.check = true
		return op{kind: opProbe, at: at}
	}
	n.incident = incident{
		cause: CauseErroring, began: d.in.began, check: opCanary,
		evidence: Evidence{Asked: string(inRequest), Found: FoundRequestFailed, Fault: d.in.fault, Detail: d.in.detail},
	}
	n.state = Suspect
	d.tell(EventSuspect, RuleRequestFailed, n.incident.about())
	return op{kind: opProbe, at: at}
}

// isBusy reports whether the node may go on being busy.
func (d *decision) isBusy(f finding) bool {
	n := &d.n
	if n.busySince.IsZero() {
		d.tell(EventBusy, RuleBusy, f.about())
	}
	if n.busySince.IsZero() || d.in.tokens {
		n.busySince = d.in.at
	}
	return d.in.at.Sub(n.busySince) <= d.p.BusyLimit
}

// probePassed chooses the operation that follows a good probe.
func (d *decision) probePassed() op {
	n, in := &d.n, d.in
	inst := n.loaded(in.snapshot)
	if n.asleep() && d.mayRest() {
		return d.rest()
	}
	if check, ok := d.pendingCheck(inst == nil); ok {
		return d.ask(check)
	}
	if copies := n.copies(in.snapshot); copies > 1 && n.canLoad && !in.snapshot.ReadOnly && !in.tokens && n.kept.Paused == nil {
		m, _ := n.inService()
		d.tell(EventRepair, RuleTrim, Event{Model: m.Name, Count: copies})
		return op{kind: opTrim, at: in.at, model: n.goal()}
	}
	if f := d.placementLost(inst); f.cause != "" {
		return d.failed(f)
	}
	if check, ok := d.dueCheck(inst == nil); ok {
		return d.ask(check)
	}
	return d.inService()
}

// pendingCheck returns the check that a node has to pass before it serves or
// serves on, if there is one. An idle node has nothing loaded, as one may that
// loads on demand.
func (d *decision) pendingCheck(idle bool) (check kind, ok bool) {
	n := &d.n
	m, _ := n.inService()
	failed := n.incident.check
	switch {
	case !n.served && idle:
		return opCanary, true
	case !n.served, n.takeover.unasked && !idle:
		return opQuestions, true // nothing comes into service unasked
	case idle && n.state == Suspect:
		return opCanary, true
	case (n.state == Suspect || n.degradations.held != nil) && failed != opProbe && failed != opTrim:
		return failed, true // what failed is asked again
	case m.Digest != n.asked && n.asked != "" && m.Digest != "":
		return opQuestions, true // another file under the same name
	}
	return "", false
}

// dueCheck returns the check whose time has come, if there is one.
func (d *decision) dueCheck(idle bool) (check kind, ok bool) {
	n, at := &d.n, d.in.at
	switch {
	// First, since they are a canary, too: one that is due at every probe must not
	// keep them from being asked.
	case !idle && d.p.QuestionsEvery > 0 && at.Sub(n.last.questioned) >= d.p.QuestionsEvery:
		return opQuestions, true
	case at.Sub(n.last.answered) >= d.p.CanaryEvery, n.check && !idle:
		return opCanary, true
	}
	return "", false
}

// ask is a check by chat, of the goal or, where none is configured, of what is
// loaded.
func (d *decision) ask(k kind) op {
	m, ok := d.n.inService()
	if !ok {
		m = d.n.goal()
	}
	return op{kind: k, at: d.in.at, model: m, wake: !d.mayRest()}
}

// nextProbe is an interval after the start of the one before, or at once where that
// is over.
func (d *decision) nextProbe() op {
	return op{kind: opProbe, at: d.n.last.probed.Add(d.p.Interval)}
}

// pause is the time until the next check, after one whose answer may ask for more.
func (d *decision) pause() time.Duration {
	return min(max(d.in.retryAfter, d.p.RetryAfter), d.p.Interval)
}

// failed goes on after a check that failed, on a node that is not under repair.
func (d *decision) failed(f finding) op {
	n, at := &d.n, d.in.at
	switch n.state {
	case Unknown, Healthy, Degraded:
		if n.degradations.held != nil && n.incident.cause == f.cause {
			return d.confirmed(f) // known since the last round
		}
		n.incident = incident{cause: f.cause, evidence: f.evidence, began: d.in.began, check: d.in.kind}
		n.state = Suspect
		d.tell(EventSuspect, RuleCheckFailed, f.about())
		return op{kind: opProbe, at: at.Add(d.pause())}
	case Suspect:
		return d.confirmed(f)
	}
	// Offline or Misconfigured.
	n.incident.is(f)
	if f.cause == CauseMisconfigured {
		return d.wrongConfig()
	}
	return d.tryRepair()
}

// confirmed goes on after the second failed check in a row.
func (d *decision) confirmed(f finding) op {
	n, at := &d.n, d.in.at
	n.incident.is(f)
	n.incident.check = d.in.kind
	if f.cause == CauseDrift && d.p.AdoptDrift {
		if op, ok := d.adopt(); ok {
			return op
		}
	}
	if n.served && f.cause.stillAnswers() && d.v.others == 0 && d.v.nodes > 1 {
		return d.hold(f)
	}
	n.degradations.held = nil
	n.incident.served = n.served
	n.served = false
	if f.cause == CauseBadModel {
		n.incident.failed = 1
	}
	if f.cause == CauseMisconfigured {
		return d.wrongConfig()
	}
	n.state = Draining
	d.tell(EventDraining, RuleConfirmed, f.about())
	return op{kind: opDrain, at: at, until: at.Add(d.p.Grace)}
}

// adopt makes what is loaded in place of the goal the model that is wanted.
func (d *decision) adopt() (op, bool) {
	n := &d.n
	if len(n.snapshot.Loaded) == 0 || n.snapshot.LoadedUnknown || n.loaded(n.snapshot) != nil {
		return op{}, false
	}
	inst := n.snapshot.Loaded[0]
	n.kept.Override = &Override{
		Model: nodes.Model{Name: inst.Model, Digest: inst.Digest}, Why: OverrideAdopted, Replaces: n.wanted,
	}
	n.incident.check = opQuestions
	d.tell(EventRepair, RuleAdopted, Event{Cause: CauseDrift, Model: inst.Model, From: n.wanted.Name, To: inst.Model})
	return d.ask(opQuestions), true
}

// hold keeps a node that still answers in the route, because no other does.
func (d *decision) hold(f finding) op {
	n := &d.n
	n.state = Degraded
	if n.degradations.held == nil {
		e := f.about()
		n.degradations.held = &Degradation{Kind: DegradedHeld, Cause: f.cause, Evidence: e.Evidence}
		d.tell(EventCritical, RuleHeld, e)
	}
	return d.nextProbe()
}

// wrongConfig leaves a node alone that no repair can help.
func (d *decision) wrongConfig() op {
	n := &d.n
	if n.state.UnderRepair() {
		n.kept.NextRepair = d.in.at.Add(d.p.backoff(n.kept.Attempts))
	}
	if n.state != Misconfigured {
		n.state = Misconfigured
		d.tell(EventMisconfigured, RuleMisconfigured, n.incident.about())
	}
	return d.nextProbe()
}

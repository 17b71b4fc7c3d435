package healer

import (
	"fmt"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// opKind is something that the shell can do to a node.
type opKind string

const (
	opLease     opKind = "lease"     // see whether somebody holds the node's lease
	opProbe     opKind = "probe"     // ask what is loaded
	opCanary    opKind = "canary"    // ask for one token
	opQuestions opKind = "questions" // ask the mini-benchmark
	opTraffic   opKind = "traffic"   // nothing is done: a real request failed
	opAsked     opKind = "asked"     // nothing is done: a check was asked for
	opTrim      opKind = "trim"      // unload second instances
	opDrain     opKind = "drain"     // wait for requests under way
	opEnsure    opKind = "ensure"    // make a model the only one loaded
	opRestart   opKind = "restart"   // run the restart command
)

// op is the next thing to do to a node, one at a time.
type op struct {
	kind   opKind
	at     time.Time // not before
	model  nodes.Model
	reload bool
	until  time.Time // of a drain

	revision int // of what is kept of the node, when it was decided
}

// changes reports whether the op changes the node, and so needs its lease.
func (o op) changes() bool { return o.kind == opEnsure || o.kind == opRestart || o.kind == opTrim }

// aims reports whether the op is about the model that the node was to serve
// when it was decided. What a probe saw is judged by what it is to serve now.
func (o op) aims() bool {
	return o.kind != opProbe && o.kind != opLease && o.kind != opTraffic && o.kind != opAsked
}

// seen is what an op brought.
type seen struct {
	kind      opKind
	began, at time.Time
	snapshot  nodes.Snapshot

	fault      nodes.Fault // "" where it succeeded
	detail     string
	retryAfter time.Duration

	right, asked int    // of questions
	output       string // of a restart
	holder       string // somebody else holds the lease; the op was not done
	tokens       bool   // tokens of real requests came since the last check
	revision     int    // that the op was decided at
}

// view is what a node's decision needs to know of the others.
type view struct {
	nodes  int  // in the cluster
	others int  // other nodes that serve
	slot   bool // one more node may be under repair
}

// decide returns the node's next state and op, and what there is to tell.
func decide(p Policy, n nodeState, v view, s seen) (nodeState, op, []Event) {
	d := decision{p: p, n: n, v: v, s: s}
	d.n.checkAsked = n.checkAsked || s.kind == opAsked
	d.endPause()
	next := d.next()
	if p := d.n.kept.Paused; p != nil && !p.Until.IsZero() && next.kind == opProbe && next.at.After(p.Until) {
		next.at = p.Until // a repair that waits for it begins then
	}
	if (s.kind != opAsked || s.holder != "") && (!next.looks() || next.at.After(s.at)) {
		d.n.checkAsked = false // that was it
	}
	return d.n, next, d.events
}

type decision struct {
	p      Policy
	n      nodeState
	v      view
	s      seen
	events []Event
}

func (d *decision) tell(t EventType, format string, args ...any) {
	d.events = append(d.events, Event{Time: d.s.at, Node: d.n.name, Type: t, Text: fmt.Sprintf(format, args...)})
}

func (d *decision) next() op {
	if d.s.holder != "" {
		return d.handsOff()
	}
	if d.n.isOutdated(d.s) {
		return d.outdated()
	}
	if d.s.kind == opAsked {
		return d.checkNow()
	}
	d.note()
	switch d.n.state {
	case Maintenance:
		d.n.state = Unknown
		d.tell(EventMaintenance, "lease is free again")
		return op{kind: opProbe, at: d.s.at}
	case Draining:
		return d.drained()
	case Repairing, RollingBack:
		return d.repaired()
	case Verifying:
		return d.verified()
	}
	return d.check()
}

// endPause ends a pause whose time is over.
func (d *decision) endPause() {
	if p := d.n.kept.Paused; p != nil && p.ended(d.s.at) {
		d.n.kept.Paused = nil
		d.events = append(d.events, pauseEvent(d.n.name, nil, d.s.at))
	}
}

// checkNow begins the check that somebody asked for.
func (d *decision) checkNow() op {
	next := op{kind: opProbe, at: d.s.at}
	switch d.n.state {
	case Maintenance:
		next.kind = opLease
	case Suspect: // not sooner than the check that confirms a fault may come
		if at := d.n.checked.Add(d.p.RetryAfter); at.After(next.at) {
			next.at = at
		}
	}
	return next
}

// looks reports whether the op is a step of a check.
func (o op) looks() bool {
	return o.kind == opLease || o.kind == opProbe || o.kind == opCanary || o.kind == opQuestions || o.kind == opTrim
}

// note writes down when what was seen.
func (d *decision) note() {
	n, s := &d.n, d.s
	n.checked = s.at
	if s.kind == opProbe {
		n.probed = s.began
		if s.fault == "" {
			n.snapshot = s.snapshot
			d.dropOverride()
		}
	}
	if s.tokens {
		n.answered = s.at
	}
	n.lastError = ""
	if s.fault != "" {
		n.lastError = s.detail
		if n.lastError == "" {
			n.lastError = string(s.fault)
		}
	}
}

// dropOverride gives a rejected model another chance when its file changed.
func (d *decision) dropOverride() {
	o := d.n.kept.Override
	if o == nil || o.Rejected == nil || o.Rejected.Digest == "" {
		return
	}
	if f, ok := d.n.file(d.s.snapshot, o.Rejected.Name); ok && f.Digest != "" && f.Digest != o.Rejected.Digest {
		d.n.kept.Override = nil
	}
}

// handsOff leaves the node to whoever holds its lease.
func (d *decision) handsOff() op {
	if d.n.state != Maintenance {
		d.n.state = Maintenance
		d.n.served = false
		d.n.healthy = time.Time{}
		d.n.incident = incident{}
		d.tell(EventMaintenance, "leased by %s: hands off", d.s.holder)
	}
	return op{kind: opLease, at: d.s.at.Add(d.p.RetryAfter)}
}

// check goes on after a check of a node that is not under repair.
func (d *decision) check() op {
	if d.s.kind == opTraffic {
		return d.requestFailed()
	}
	f := diagnose(d.p, &d.n, d.s)
	if f.cause == busy {
		if d.isBusy(f) {
			wait := min(max(d.s.retryAfter, d.p.RetryAfter), d.p.Interval)
			return op{kind: opProbe, at: d.s.at.Add(wait)}
		}
		f = finding{wedged, fmt.Sprintf("busy for %s without a token: %s", d.s.at.Sub(d.n.busySince).Round(time.Second), f.text)}
	}
	if f.cause != fine {
		return d.failed(f)
	}
	d.n.passed = d.s.at
	if next, ok := d.watchTrial(); ok {
		return next
	}
	switch d.s.kind {
	case opProbe:
		return d.probePassed()
	case opTrim:
		return op{kind: opProbe, at: d.s.at.Add(d.p.RetryAfter)}
	case opCanary:
		d.n.answered = d.s.at
		d.chosen()
	case opQuestions:
		d.n.answered, d.n.questioned = d.s.at, d.s.at
		d.chosen()
		m, _ := d.n.inService()
		d.n.asked = m.Digest
	}
	return d.inService()
}

// requestFailed makes a node suspect that failed a real request, and has it
// checked at once. Where requests go on failing on a node whose checks pass,
// it is the requests: one suspicion in two pauses is enough.
func (d *decision) requestFailed() op {
	n, at := &d.n, d.s.at
	n.checked = n.passed // nothing was checked
	if next, ok := d.watchTrial(); ok {
		return next
	}
	if n.worse.held != "" || at.Sub(n.accused) < 2*d.p.RetryAfter {
		return d.nextProbe()
	}
	n.accused = at
	text := string(d.s.fault)
	if d.s.detail != "" {
		text += ": " + d.s.detail
	}
	n.incident = incident{cause: erroring, text: text, began: d.s.began, check: opCanary}
	n.state = Suspect
	d.tell(EventSuspect, "suspect: a request failed: %s", text)
	return op{kind: opProbe, at: at}
}

// isBusy reports whether the node may go on being busy.
func (d *decision) isBusy(f finding) bool {
	if d.n.busySince.IsZero() {
		d.tell(EventBusy, "busy: %s", f.text)
	}
	if d.n.busySince.IsZero() || d.s.tokens {
		d.n.busySince = d.s.at
	}
	return d.s.at.Sub(d.n.busySince) <= d.p.BusyLimit
}

// probePassed chooses the check that follows a good probe.
func (d *decision) probePassed() op {
	n, s := &d.n, d.s
	inst := n.loaded(s.snapshot)
	idle := inst == nil // on demand, and nothing loaded
	m, _ := n.inService()
	switch {
	case !n.served && idle:
		return d.ask(opCanary)
	case !n.served, n.unasked && !idle:
		return d.ask(opQuestions) // nothing comes into service unasked
	case idle && n.state == Suspect:
		return d.ask(opCanary)
	case (n.state == Suspect || n.worse.held != "") && n.incident.check != opProbe && n.incident.check != opTrim:
		return d.ask(n.incident.check) // what failed is asked again
	case m.Digest != n.asked && n.asked != "" && m.Digest != "":
		return d.ask(opQuestions) // another file under the same name
	case n.copies(s.snapshot) > 1 && n.canLoad && !s.snapshot.ReadOnly && !s.tokens && n.kept.Paused == nil:
		d.tell(EventRepair, "%d instances of %s: unloading the extra ones", n.copies(s.snapshot), m.Name)
		return op{kind: opTrim, at: s.at, model: n.goal()}
	}
	if f := d.placementLost(inst); f.cause != fine {
		return d.failed(f)
	}
	switch {
	case s.at.Sub(n.answered) >= d.p.CanaryEvery, n.checkAsked && !idle:
		return d.ask(opCanary)
	case !idle && d.p.QuestionsEvery > 0 && s.at.Sub(n.questioned) >= d.p.QuestionsEvery:
		return d.ask(opQuestions)
	}
	return d.inService()
}

// ask is a check by chat, of the goal or, where none is configured, of what is
// loaded.
func (d *decision) ask(kind opKind) op {
	m, ok := d.n.inService()
	if !ok {
		m = d.n.goal()
	}
	return op{kind: kind, at: d.s.at, model: m}
}

// placementLost says that less of the model is on the GPU than was. It is told
// once, and not repaired again while it stays so.
func (d *decision) placementLost(inst *nodes.Instance) finding {
	n := &d.n
	now := share(inst)
	if inst == nil || n.kept.VRAMShare == 0 || inst.Size == 0 || now >= n.kept.VRAMShare-lostShare {
		n.worse.placement = ""
		return finding{}
	}
	if n.worse.placement != "" || n.kept.Paused != nil { // it answers, and its repair has to wait
		return finding{}
	}
	return finding{placement, fmt.Sprintf("%.0f %% of %s on the GPU, %.0f %% when last known good", 100*now, inst.Model, 100*n.kept.VRAMShare)}
}

// inService keeps, or takes, a node whose checks passed in the route.
func (d *decision) inService() op {
	n, at := &d.n, d.s.at
	was := n.state
	took := at.Sub(n.incident.began)
	told := n.incident.told
	n.incident = incident{}
	n.busySince = time.Time{}
	if !n.served {
		n.served, n.healthy = true, at
	}
	d.judge()
	switch {
	case was == Unknown:
		d.tell(EventHealthy, "healthy: %s answers", d.serving())
	case was == Suspect && told || was == Offline || was == Misconfigured:
		d.end(EventHealed, took, "healed after %s: came back by itself, %s answers", brief(took), d.serving())
	case was == Suspect:
		d.end(EventRecovered, took, "recovered after %s without a repair", brief(took))
	}
	d.settle()
	return d.nextProbe()
}

// serving names the model in service.
func (d *decision) serving() string {
	if m, ok := d.n.inService(); ok {
		return m.Name
	}
	if g := d.n.goal(); g.Name != "" {
		return g.Name
	}
	return "the server"
}

// end tells the end of an incident.
func (d *decision) end(t EventType, took time.Duration, format string, args ...any) {
	d.tell(t, format, args...)
	d.events[len(d.events)-1].Took = took
}

// judge sets Healthy or Degraded, and tells a change.
func (d *decision) judge() {
	n := &d.n
	n.worse.held, n.worse.gone = "", ""
	n.worse.settings = n.otherSettings(n.loaded(n.snapshot))
	if m, ok := n.inService(); ok && n.snapshot.OnDisk != nil && !n.snapshot.LoadedUnknown {
		if _, there := n.file(n.snapshot, m.Name); !there {
			n.worse.gone = m.Name + " is gone from the disk: it serves from memory, and can't be loaded again"
		}
	}
	was := n.state
	text := n.worse.text()
	if text == "" {
		n.state = Healthy
		if was == Degraded {
			d.tell(EventRecovered, "no longer degraded")
		}
		return
	}
	n.state = Degraded
	if was != Degraded {
		d.tell(EventDegraded, "degraded: %s", text)
	}
}

// settle makes the model in service the last known good, once it has been in
// service for long enough.
func (d *decision) settle() {
	n := &d.n
	if n.state != Healthy || n.healthy.IsZero() || d.s.at.Sub(n.healthy) < d.p.Settle {
		return
	}
	m, ok := n.inService()
	if !ok {
		return
	}
	if n.kept.LastKnownGood == nil || !n.kept.LastKnownGood.Equal(m) || n.kept.LastKnownGood.Digest != m.Digest {
		m.Settings = m.Settings.Clone()
		n.kept.LastKnownGood = &m
		n.kept.VRAMShare = 0
	}
	n.kept.VRAMShare = max(n.kept.VRAMShare, share(n.loaded(n.snapshot)))
	n.kept.Attempts, n.kept.NextRepair = 0, time.Time{}
}

// nextProbe is an interval after the start of the one before.
func (d *decision) nextProbe() op {
	at := d.n.probed.Add(d.p.Interval)
	if at.Before(d.s.at) {
		at = d.s.at
	}
	return op{kind: opProbe, at: at}
}

// failed goes on after a check that failed, on a node that is not under repair.
func (d *decision) failed(f finding) op {
	n, at := &d.n, d.s.at
	switch n.state {
	case Unknown, Healthy, Degraded:
		if n.worse.held != "" && n.incident.cause == f.cause {
			return d.confirmed(f) // known since the last round
		}
		n.incident = incident{cause: f.cause, text: f.text, began: d.s.began, check: d.s.kind}
		n.state = Suspect
		d.tell(EventSuspect, "suspect: %s: %s", f.cause, f.text)
		return op{kind: opProbe, at: at.Add(d.p.RetryAfter)}
	case Suspect:
		return d.confirmed(f)
	}
	// Offline or Misconfigured.
	if n.incident.began.IsZero() {
		n.incident.began = d.s.began
	}
	n.incident.is(f)
	n.incident.check = d.s.kind
	if f.cause == misconfigured {
		return d.wrongConfig()
	}
	return d.tryRepair()
}

// confirmed goes on after the second failed check in a row.
func (d *decision) confirmed(f finding) op {
	n, at := &d.n, d.s.at
	n.incident.is(f)
	n.incident.check = d.s.kind
	if f.cause == drift && d.p.AdoptDrift {
		if op, ok := d.adopt(); ok {
			return op
		}
	}
	if n.served && f.cause.stillAnswers() && d.v.others == 0 && d.v.nodes > 1 {
		return d.hold(f)
	}
	n.worse.held = ""
	n.incident.served = n.served
	n.served, n.healthy = false, time.Time{}
	if f.cause == badModel {
		n.incident.failed = 1
	}
	if f.cause == misconfigured {
		return d.wrongConfig()
	}
	n.state = Draining
	d.tell(EventDraining, "out of the route: %s: %s", f.cause, f.text)
	return op{kind: opDrain, at: at, until: at.Add(d.p.Grace)}
}

// adopt takes what is loaded for what is wanted.
func (d *decision) adopt() (op, bool) {
	n := &d.n
	if len(n.snapshot.Loaded) == 0 || n.snapshot.LoadedUnknown {
		return op{}, false
	}
	inst := n.snapshot.Loaded[0]
	n.kept.Override = &Override{
		Model: nodes.Model{Name: inst.Model, Digest: inst.Digest}, Why: OverrideAdopted, Replaces: n.wanted,
	}
	n.incident.check = opQuestions
	d.tell(EventRepair, "adopting %s, which somebody loaded in place of %s", inst.Model, n.wanted.Name)
	return d.ask(opQuestions), true
}

// hold keeps a node that still answers in the route, because no other does.
func (d *decision) hold(f finding) op {
	n := &d.n
	n.state = Degraded
	if n.worse.held == "" {
		n.worse.held = fmt.Sprintf("%s: %s; it is repaired as soon as another node serves", f.cause, f.text)
		d.tell(EventCritical, "%s: %s; not repaired, because no other node serves", f.cause, f.text)
	}
	return d.nextProbe()
}

func (d *decision) wrongConfig() op {
	if d.n.state.UnderRepair() {
		d.n.kept.NextRepair = d.s.at.Add(d.p.backoff(d.n.kept.Attempts))
	}
	if d.n.state != Misconfigured {
		d.n.state = Misconfigured
		d.tell(EventMisconfigured, "misconfigured: %s", d.n.incident.text)
	}
	return d.nextProbe()
}

// brief rounds a duration for people.
func brief(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

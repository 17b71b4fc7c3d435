package healer

import (
	"fmt"
	"time"

	"github.com/turbone/jarvis/internal/duration"
	"github.com/turbone/jarvis/nodes"
)

// awaitPoll is the pause between two probes of a server that restarts.
const awaitPoll = time.Second

// drained goes on when the requests under way are done, and while the repair
// waits for its turn.
func (d *decision) drained() op {
	n := &d.n
	if d.in.kind != opProbe {
		return d.tryRepair()
	}
	f := diagnose(d.p, n, d.in)
	switch f.cause {
	case CauseBusy:
		if d.isBusy(f) {
			return op{kind: opProbe, at: d.in.at.Add(d.p.RetryAfter)}
		}
	case CauseMisconfigured:
		n.incident.is(f)
		return d.wrongConfig()
	case "":
		if n.incident.check == opProbe && d.v.slot && n.kept.Paused == nil { // what had failed passes now
			return d.verify()
		}
	default:
		n.incident.is(f)
	}
	return d.tryRepair()
}

// tryRepair starts a repair, or says when to look again.
func (d *decision) tryRepair() op {
	n, at := &d.n, d.in.at
	switch {
	case n.state == Draining && n.incident.served && n.incident.cause.stillAnswers() && d.v.others == 0 && d.v.nodes > 1:
		d.serve() // the others went meanwhile
		return d.hold(finding{n.incident.cause, n.incident.evidence})
	case n.kept.Paused != nil:
		n.incident.paused = true
		return d.giveUp(RuleRepairsPaused, nil)
	case len(ladder(n, n.incident.cause)) == 0:
		target, ok := n.rollbackTarget()
		switch {
		case !ok || n.incident.cause != CauseLostTrial: // the model itself must be the fault
			return d.giveUp(RuleNoRemedy, nil)
		case !d.v.slot || at.Before(n.kept.NextRepair):
			return d.waitForTurn()
		}
		return d.rollback(target)
	case !d.v.slot || at.Before(n.kept.NextRepair):
		return d.waitForTurn()
	}
	if n.state == Offline && !n.incident.paused { // one more try, without telling the story again
		n.incident.again = true
	}
	n.incident.paused = false
	n.incident.previous = nil
	if n.incident.cause == CauseDrift && len(n.snapshot.Loaded) > 0 && !n.snapshot.LoadedUnknown {
		inst := n.snapshot.Loaded[0]
		n.incident.previous = &nodes.Model{Name: inst.Model, Digest: inst.Digest}
	}
	return d.attempt(at)
}

func (d *decision) waitForTurn() op {
	wait := d.p.RetryAfter
	if d.n.state == Offline {
		wait = d.p.Interval
	}
	at := d.in.at.Add(wait)
	if turn := d.n.kept.NextRepair; turn.After(d.in.at) && turn.Before(at) {
		at = turn
	}
	return op{kind: opProbe, at: at}
}

// attempt is the next rung of the ladder.
func (d *decision) attempt(at time.Time) op {
	n := &d.n
	rungs := ladder(n, n.incident.cause)
	r := rungs[n.incident.step%len(rungs)]
	n.incident.step++
	n.incident.attempts++
	n.incident.target = n.target()
	n.kept.Attempts++
	n.state = Repairing
	target := n.incident.target
	e := n.incident.about()
	e.Attempt, e.Model = n.incident.attempts, target.Name
	switch r {
	case restart:
		d.tell(EventRepair, RuleRestart, e)
		return op{kind: opRestart, at: at}
	case reload:
		d.tell(EventRepair, RuleReload, e)
	default:
		d.tell(EventRepair, RuleLoad, e)
	}
	return op{kind: opEnsure, at: at, model: target, reload: r == reload}
}

// repaired goes on after one step of a repair or rollback.
func (d *decision) repaired() op {
	n, in := &d.n, d.in
	switch in.kind {
	case opRestart:
		if in.fault != "" {
			return d.attemptFailed(in.failure())
		}
		if in.output != "" {
			d.tell(EventRepair, RuleRestartEnded, Event{Cause: n.incident.cause, Attempt: n.incident.attempts, Detail: in.output})
		}
		n.incident.await = in.at.Add(d.p.RestartWait)
		return op{kind: opProbe, at: in.at}
	case opProbe: // is the restarted server there?
		switch f := diagnose(d.p, n, in); {
		case f.cause == CauseMisconfigured:
			n.incident.is(f)
			return d.wrongConfig()
		case in.fault != "" && in.at.Before(n.incident.await),
			in.fault == nodes.Busy && in.at.Before(n.incident.await.Add(d.p.BusyLimit)): // it is there, and loads its model
			return op{kind: opProbe, at: in.at.Add(awaitPoll)}
		case in.fault != "":
			e := in.failure()
			e.Detail = fmt.Sprintf("no answer %s after the restart", duration.Text(d.p.RestartWait))
			return d.attemptFailed(e)
		case n.canLoad && !n.snapshot.ReadOnly && n.incident.target.Name != "":
			return op{kind: opEnsure, at: in.at, model: n.incident.target}
		}
		return d.verify()
	case opEnsure:
		if in.fault != "" {
			return d.attemptFailed(in.failure())
		}
		n.snapshot = in.snapshot
		return d.verify()
	}
	return d.verify()
}

func (d *decision) verify() op {
	d.n.state = Verifying
	m := d.n.goal()
	if d.n.incident.target.Name != "" {
		m = d.n.incident.target
	}
	return op{kind: opQuestions, at: d.in.at, model: m, wake: true}
}

// attemptFailed goes on after a repair that ended in an error.
func (d *decision) attemptFailed(e Evidence) op {
	n := &d.n
	d.tell(EventRepair, RuleRepairFailed, Event{Cause: n.incident.cause, Attempt: n.incident.attempts, Model: n.incident.target.Name, Repair: &e})
	n.kept.NextRepair = d.in.at.Add(d.p.backoff(n.kept.Attempts))
	if n.state == RollingBack {
		return d.giveUp(RuleRollbackFailed, &e)
	}
	switch e.Fault {
	case nodes.Unauthorized, nodes.WrongEngine:
		n.incident.is(finding{CauseMisconfigured, e})
		return d.wrongConfig()
	case nodes.ModelNotFound, nodes.TooLarge, nodes.ReadOnly:
		return d.rollbackOrGiveUp(RuleFutile, &e) // trying again can't help
	case nodes.Refused, nodes.Unreachable, nodes.TimedOut:
		n.incident.evidence = e
	}
	return d.nextAttempt(e.Fault)
}

// nextAttempt climbs the ladder, or ends it.
func (d *decision) nextAttempt(f nodes.Fault) op {
	n := &d.n
	rungs := ladder(n, n.incident.cause)
	step := n.incident.step
	if f == nodes.OutOfMemory || f == nodes.UnloadStuck { // loading again can't help, a new process may
		for step < len(rungs) && rungs[step] != restart {
			step++
		}
	}
	if !d.maySpend(step) {
		if f == nodes.Refused || f == nodes.Unreachable {
			return d.giveUp(RuleExhausted, nil) // nothing can be loaded on a server that is down
		}
		return d.rollbackOrGiveUp(RuleExhausted, nil)
	}
	n.incident.step = step
	return d.attempt(n.kept.NextRepair)
}

// maySpend reports whether the incident may have one more repair, from a step of
// the ladder on. A node that was given up on gets one at a time.
func (d *decision) maySpend(step int) bool {
	i := &d.n.incident
	return !i.again && step < len(ladder(&d.n, i.cause)) && i.attempts < d.p.MaxAttempts
}

// verified goes on after the questions that follow a repair.
func (d *decision) verified() op {
	n, in := &d.n, d.in
	f := diagnose(d.p, n, in)
	if f.cause == CauseBusy {
		if n.incident.busy.IsZero() {
			n.incident.busy = in.at
		}
		if in.at.Sub(n.incident.busy) <= d.p.BusyLimit {
			o := d.verify()
			o.at = in.at.Add(d.pause())
			return o
		}
	}
	n.incident.busy = time.Time{}
	if f.cause == "" {
		if n.incident.cause == CausePlacement && n.lessOnGPU() && d.maySpend(n.incident.step) {
			n.kept.NextRepair = in.at.Add(d.p.backoff(n.kept.Attempts))
			return d.nextAttempt("") // it answers, and no better than before
		}
		return d.healed()
	}
	n.incident.failed++
	e := f.about()
	e.Attempt, e.Model = n.incident.attempts, n.incident.target.Name
	d.tell(EventRepair, RuleVerifyFailed, e)
	n.kept.NextRepair = in.at.Add(d.p.backoff(n.kept.Attempts))
	switch {
	case f.cause == CauseMisconfigured:
		n.incident.is(f)
		return d.wrongConfig()
	case n.incident.back != nil:
		return d.giveUp(RuleGoodIsBad, nil)
	case n.incident.failed >= 2:
		if target, ok := n.rollbackTarget(); ok {
			return d.rollback(target)
		}
	}
	if f.cause != n.incident.cause && len(ladder(n, f.cause)) > 0 {
		n.incident.is(f) // another fault than the one repaired
	}
	if n.incident.cause == CauseBadModel && n.incident.failed >= 2 {
		return d.giveUp(RuleNoWayBack, nil)
	}
	return d.nextAttempt("")
}

// healed ends an incident that a repair ended.
func (d *decision) healed() op {
	n, in := &d.n, d.in
	n.last.answered, n.last.questioned, n.last.passed = in.at, in.at, in.at
	d.chosen()
	took := in.at.Sub(n.incident.began)
	i := n.incident
	switch {
	case i.back != nil && n.kept.Override != nil && n.kept.Override.Why == OverridePromoted:
		n.undoPromotion(*i.back)
	case i.back != nil:
		rejected := i.rejected
		n.kept.Override = &Override{Model: *i.back, Why: OverrideRolledBack, Replaces: n.wanted, Rejected: &rejected}
	}
	n.incident = incident{}
	n.busySince = time.Time{}
	d.serve()
	n.kept.NextRepair = in.at.Add(d.p.backoff(n.kept.Attempts))
	m, _ := n.inService()
	n.asked = m.Digest
	if i.cause == CausePlacement && n.lessOnGPU() {
		n.degradations.placement = &Degradation{Kind: DegradedPlacement, Model: m.Name, Evidence: &Evidence{
			Asked: string(opProbe), Found: FoundLessOnGPU, Model: m.Name, Share: share(n.loaded(n.snapshot)), ShareBefore: n.kept.VRAMShare,
		}}
	}
	d.tell(EventVerified, RuleVerified, Event{Cause: i.cause, Model: m.Name, Evidence: &Evidence{
		Asked: string(in.kind), Right: in.right, Graded: in.graded,
	}})
	end := Event{Cause: i.cause, Model: m.Name, Attempt: i.attempts, Took: took}
	switch {
	case i.back != nil:
		end.From, end.To = i.rejected.Name, i.back.Name
		d.tell(EventHealed, RuleHealedByBack, end)
	case i.attempts == 0:
		d.tell(EventRecovered, RuleRecovered, end)
	default:
		d.tell(EventHealed, RuleHealed, end)
	}
	d.judge()
	return d.nextProbe()
}

// rollbackOrGiveUp ends repairs that do not help. Why is the rule of giving up.
func (d *decision) rollbackOrGiveUp(why Rule, repair *Evidence) op {
	if target, ok := d.n.rollbackTarget(); ok {
		return d.rollback(target)
	}
	return d.giveUp(why, repair)
}

// rollback restores the last known good model.
func (d *decision) rollback(target nodes.Model) op {
	n := &d.n
	rejected := n.incident.target
	if f, ok := n.file(n.snapshot, rejected.Name); ok {
		rejected.Digest = f.Digest
	}
	n.incident.rejected, n.incident.back = rejected, &target
	n.incident.target = target
	n.kept.Attempts++
	n.state = RollingBack
	e := n.incident.about()
	e.From, e.To, e.Model = rejected.Name, target.Name, target.Name
	if n.incident.cause == CauseLostTrial {
		d.tell(EventRollback, RuleTrialRollback, e)
	} else {
		d.tell(EventRollback, RuleRollback, e)
	}
	return op{kind: opEnsure, at: d.in.at, model: target, reload: true}
}

// giveUp leaves the node alone for now. It is still probed, tried again with
// growing pauses, and taken back when it answers. Repair is the error that ended
// the last repair, nil where the rule is about another.
func (d *decision) giveUp(why Rule, repair *Evidence) op {
	n := &d.n
	n.state = Offline
	e := n.incident.about()
	e.Rule, e.Repair, e.Attempt = why, repair, n.incident.attempts
	if n.lastError == "" { // the last look may have been one that found nothing wrong
		n.lastError = firstText(n.incident.evidence.String(), e.whyOffline())
	}
	n.incident.back = nil
	n.incident.failed = 0
	n.kept.NextRepair = d.in.at.Add(d.p.backoff(n.kept.Attempts))
	if !n.incident.told {
		n.incident.told = true
		d.tell(EventOffline, why, e)
	}
	return d.nextProbe()
}

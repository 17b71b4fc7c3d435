package healer

import (
	"fmt"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// awaitPoll is how often a restarted server is asked whether it is there.
const awaitPoll = time.Second

// drained goes on when the requests under way are done, and while the repair
// waits for its turn.
func (d *decision) drained() op {
	n := &d.n
	if d.s.kind != opProbe {
		return d.tryRepair()
	}
	f := diagnose(d.p, n, d.s)
	switch f.cause {
	case busy:
		if d.isBusy(f) {
			return op{kind: opProbe, at: d.s.at.Add(d.p.RetryAfter)}
		}
	case misconfigured:
		n.incident.is(f)
		return d.wrongConfig()
	case fine:
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
	n, at := &d.n, d.s.at
	switch {
	case n.state == Draining && n.incident.served && n.incident.cause.stillAnswers() && d.v.others == 0 && d.v.nodes > 1:
		n.served, n.healthy = true, at // the others went meanwhile
		return d.hold(finding{n.incident.cause, n.incident.text})
	case n.kept.Paused != nil:
		n.incident.paused = true
		return d.giveUp("repairs are paused")
	case len(ladder(n, n.incident.cause)) == 0:
		if target, ok := d.wayBack(); ok {
			if !d.v.slot || at.Before(n.kept.NextRepair) {
				return d.waitForTurn()
			}
			return d.rollback(target)
		}
		return d.giveUp("nothing can be done about it from here")
	case !d.v.slot || at.Before(n.kept.NextRepair):
		return d.waitForTurn()
	}
	if n.state == Offline && !n.incident.paused { // one more try, without telling the story again
		n.incident.attempts = max(0, d.p.MaxAttempts-1)
		n.incident.failed = 0
	}
	n.incident.paused = false
	n.incident.previous = nil
	if n.incident.cause == drift && len(n.snapshot.Loaded) > 0 && !n.snapshot.LoadedUnknown {
		inst := n.snapshot.Loaded[0]
		n.incident.previous = &nodes.Model{Name: inst.Model, Digest: inst.Digest}
	}
	return d.attempt(at)
}

// wayBack is a rollback where the ladder is empty: only for a model that is
// itself the trouble, and not for a server that is down.
func (d *decision) wayBack() (nodes.Model, bool) {
	if d.n.incident.cause != badModel && d.n.incident.cause != lostTrial {
		return nodes.Model{}, false
	}
	d.n.incident.target = d.n.goal()
	return d.n.rollbackTarget()
}

func (d *decision) waitForTurn() op {
	wait := d.p.RetryAfter
	if d.n.state == Offline {
		wait = d.p.Interval
	}
	at := d.s.at.Add(wait)
	if turn := d.n.kept.NextRepair; turn.After(d.s.at) && turn.Before(at) {
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
	n.incident.target = n.goal()
	n.kept.Attempts++
	n.state = Repairing
	target := n.incident.target
	switch r {
	case restart:
		d.tell(EventRepair, "%s: restarting the server", n.incident.cause)
		return op{kind: opRestart, at: at}
	case reload:
		d.tell(EventRepair, "%s: unloading and loading %s", n.incident.cause, target.Name)
	default:
		d.tell(EventRepair, "%s: loading %s", n.incident.cause, target.Name)
	}
	return op{kind: opEnsure, at: at, model: target, reload: r == reload}
}

// repaired goes on after one step of a repair or rollback.
func (d *decision) repaired() op {
	n, s := &d.n, d.s
	switch s.kind {
	case opRestart:
		if s.fault != "" {
			return d.attemptFailed(s.fault, s.detail)
		}
		if s.output != "" {
			d.tell(EventRepair, "restart command ended: %s", s.output)
		}
		n.incident.await = s.at.Add(d.p.RestartWait)
		return op{kind: opProbe, at: s.at}
	case opProbe: // is the restarted server there?
		switch f := diagnose(d.p, n, s); {
		case f.cause == misconfigured:
			n.incident.is(f)
			return d.wrongConfig()
		case s.fault != "" && s.at.Before(n.incident.await),
			s.fault == nodes.Busy && s.at.Before(n.incident.await.Add(d.p.BusyLimit)): // it is there, and loads its model
			return op{kind: opProbe, at: s.at.Add(awaitPoll)}
		case s.fault != "":
			return d.attemptFailed(s.fault, fmt.Sprintf("no answer %s after the restart", brief(d.p.RestartWait)))
		case n.canLoad && !n.snapshot.ReadOnly && n.incident.target.Name != "":
			return op{kind: opEnsure, at: s.at, model: n.incident.target}
		}
		return d.verify()
	case opEnsure:
		if s.fault != "" {
			return d.attemptFailed(s.fault, s.detail)
		}
		n.snapshot = s.snapshot
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
	return op{kind: opQuestions, at: d.s.at, model: m}
}

// attemptFailed goes on after a repair that ended in an error.
func (d *decision) attemptFailed(f nodes.Fault, detail string) op {
	n := &d.n
	d.tell(EventRepair, "repair failed: %s", firstText(detail, string(f)))
	n.kept.NextRepair = d.s.at.Add(d.p.backoff(n.kept.Attempts))
	if n.state == RollingBack {
		return d.giveUp("the rollback failed too")
	}
	switch f {
	case nodes.Unauthorized, nodes.WrongEngine:
		n.incident.is(finding{misconfigured, detail})
		return d.wrongConfig()
	case nodes.ModelNotFound, nodes.TooLarge, nodes.ReadOnly:
		return d.rollbackOrGiveUp(firstText(detail, string(f))) // trying again can't help
	case nodes.Refused, nodes.Unreachable, nodes.TimedOut:
		n.incident.text = firstText(detail, string(f))
	}
	return d.nextAttempt(f)
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
	if step >= len(rungs) || n.incident.attempts >= d.p.MaxAttempts {
		if f == nodes.Refused || f == nodes.Unreachable {
			return d.giveUp("no repair helped") // nothing can be loaded on a server that is down
		}
		return d.rollbackOrGiveUp("no repair helped")
	}
	n.incident.step = step
	return d.attempt(n.kept.NextRepair)
}

// verified goes on after the questions that follow a repair.
func (d *decision) verified() op {
	n, s := &d.n, d.s
	f := diagnose(d.p, n, s)
	if f.cause == busy {
		if n.incident.busy.IsZero() {
			n.incident.busy = s.at
		}
		if s.at.Sub(n.incident.busy) <= d.p.BusyLimit {
			o := d.verify()
			o.at = s.at.Add(min(max(s.retryAfter, d.p.RetryAfter), d.p.Interval))
			return o
		}
	}
	n.incident.busy = time.Time{}
	if f.cause == fine {
		if n.incident.cause == placement && d.lessOnGPU() && n.incident.step < len(ladder(n, placement)) && n.incident.attempts < d.p.MaxAttempts {
			n.kept.NextRepair = s.at.Add(d.p.backoff(n.kept.Attempts))
			return d.nextAttempt("") // it answers, and no better than before
		}
		return d.healed()
	}
	n.incident.failed++
	d.tell(EventRepair, "verification failed: %s", firstText(f.text, string(f.cause)))
	n.kept.NextRepair = s.at.Add(d.p.backoff(n.kept.Attempts))
	switch {
	case f.cause == misconfigured:
		n.incident.is(f)
		return d.wrongConfig()
	case n.incident.back != nil:
		return d.giveUp("the last known good model does not answer right either")
	case n.incident.failed >= 2:
		if target, ok := n.rollbackTarget(); ok {
			return d.rollback(target)
		}
	}
	if f.cause != n.incident.cause && len(ladder(n, f.cause)) > 0 {
		n.incident.is(f) // another fault than the one repaired
	}
	if n.incident.cause == badModel && n.incident.failed >= 2 {
		return d.giveUp("it answers wrong, and there is no other model to go back to")
	}
	return d.nextAttempt("")
}

// healed ends an incident that a repair ended.
func (d *decision) healed() op {
	n, s := &d.n, d.s
	n.answered, n.questioned, n.passed = s.at, s.at, s.at
	d.chosen()
	took := s.at.Sub(n.incident.began)
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
	n.served, n.healthy = true, s.at
	n.kept.NextRepair = s.at.Add(d.p.backoff(n.kept.Attempts))
	m, _ := n.inService()
	n.asked = m.Digest
	if i.cause == placement && d.lessOnGPU() {
		n.worse.placement = fmt.Sprintf("only %.0f %% of %s is on the GPU", 100*share(n.loaded(n.snapshot)), m.Name)
	}
	if s.asked == 0 {
		d.tell(EventVerified, "verified: it answers, too slowly for the answers to be graded")
	} else {
		d.tell(EventVerified, "verified: %d of %d answers right", s.right, s.asked)
	}
	switch {
	case i.back != nil:
		d.end(EventHealed, took, "healed after %s by going back to %s", brief(took), i.back.Name)
	case i.attempts == 0:
		d.end(EventRecovered, took, "recovered after %s without a repair", brief(took))
	default:
		d.end(EventHealed, took, "healed after %s: %s", brief(took), i.cause)
	}
	d.judge()
	return d.nextProbe()
}

func (d *decision) lessOnGPU() bool {
	return share(d.n.loaded(d.n.snapshot)) < d.n.kept.VRAMShare-lostShare
}

func (d *decision) rollbackOrGiveUp(why string) op {
	if target, ok := d.n.rollbackTarget(); ok {
		return d.rollback(target)
	}
	return d.giveUp(why)
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
	if n.incident.cause == lostTrial {
		d.tell(EventRollback, "[PROMOTION] %s is worse than in its tournament: %s: rolling back to %s", rejected.Name, n.incident.text, target.Name)
	} else {
		d.tell(EventRollback, "rolling back from %s to %s", rejected.Name, target.Name)
	}
	return op{kind: opEnsure, at: d.s.at, model: target, reload: true}
}

// giveUp leaves the node alone for now. It is still probed, tried again with
// growing pauses, and taken back when it answers.
func (d *decision) giveUp(why string) op {
	n := &d.n
	n.state = Offline
	if n.lastError == "" { // the last look may have been one that found nothing wrong
		n.lastError = firstText(n.incident.text, why)
	}
	n.incident.back = nil
	n.incident.failed = 0
	n.kept.NextRepair = d.s.at.Add(d.p.backoff(n.kept.Attempts))
	if !n.incident.told {
		n.incident.told = true
		d.tell(EventOffline, "offline: %s: %s; %s", n.incident.cause, n.incident.text, why)
	}
	return d.nextProbe()
}

func firstText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

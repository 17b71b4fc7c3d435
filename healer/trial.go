package healer

import (
	"slices"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/route"
	"github.com/turbone/jarvis/scoring"
)

// Trial holds the first real answers of a promoted model, to compare them with its
// tournament.
type Trial struct {
	// Since is the time of the promotion. Requests that began earlier do not
	// count.
	Since time.Time `json:"since"`
	// FirstToken and ErrorRate are those of the tournament, see
	// [nodes.Promotion].
	FirstToken time.Duration `json:"first_token_ns,omitempty"`
	ErrorRate  float64       `json:"error_rate,omitempty"`
	// Usual is the median time to the first token of the real answers before the
	// promotion; 0 if there were too few. Real questions may be longer than those
	// of the tournament, whatever the model.
	Usual time.Duration `json:"usual_first_token_ns,omitempty"`
	// Watch is the number of answers to be watched. Answers are those that came
	// so far.
	Watch   int      `json:"watch"`
	Answers []Answer `json:"answers,omitempty"`
}

// Answer is a real answer of a model on trial.
type Answer struct {
	// FirstToken is the time to the first token; 0 means that none came.
	FirstToken time.Duration `json:"first_token_ns,omitempty"`
	// Failed is true if the node failed to answer.
	Failed bool `json:"failed,omitempty"`
}

// with returns the trial with further outcomes.
func (t Trial) with(outcomes []route.Outcome) Trial {
	t.Answers = slices.Clip(t.Answers) // the copies of a state share it
	for _, o := range outcomes {
		if len(t.Answers) < t.Watch && !o.Began.Before(t.Since) {
			t.Answers = append(t.Answers, Answer{o.FirstToken, o.Failed})
		}
	}
	return t
}

// The figures of the trial.
const (
	// leastErrors is the least number of failed answers that can lose a trial.
	leastErrors = 3
	// usualErrors is the lowest error rate assumed as normal, even if the
	// tournament saw none.
	usualErrors = 0.02
	// leastTimed is the least number of times to the first token for a verdict.
	leastTimed = 10
	// slower is the factor over the expected time to the first token above which
	// an answer is late. An answer within fastEnough is never late.
	slower     = 2
	fastEnough = 250 * time.Millisecond
	// surely is the significance level of each test.
	surely = 0.01
)

type trialVerdict int

const (
	onTrial trialVerdict = iota
	trialPassed
	trialLost
)

// verdict judges the answers so far, with the figures as evidence. Lost: so many
// failed, or so many waited for more than twice as long as measured, as happens in
// less than one of a hundred cases where the error rate is what was measured, or
// the median at most twice what was measured (one-sided binomial tests). With a
// look after each of 20 answers that makes at most about two in a hundred, in the
// worst case; by simulation.
func (t *Trial) verdict() (trialVerdict, Evidence) {
	figures := TrialEvidence{Answers: len(t.Answers), ErrorRate: t.ErrorRate, Usual: max(t.FirstToken, t.Usual)}
	limit := max(slower*figures.Usual, fastEnough)
	var waits []time.Duration
	late := 0
	for _, a := range t.Answers {
		figures.Failed += one(a.Failed)
		if a.FirstToken > 0 {
			waits = append(waits, a.FirstToken)
			late += one(a.FirstToken > limit)
		}
	}
	figures.FirstToken = scoring.MedianDuration(waits)
	e := Evidence{Asked: string(inAnswers), Trial: &figures}
	switch {
	case figures.Failed >= leastErrors && scoring.AtLeast(figures.Failed, len(t.Answers), max(t.ErrorRate, usualErrors)) < surely:
		e.Found = FoundErrorsInTrial
		return trialLost, e
	case t.FirstToken > 0 && len(waits) >= leastTimed && scoring.AtLeast(late, len(waits), 0.5) < surely:
		e.Found = FoundSlowInTrial
		return trialLost, e
	case len(t.Answers) < t.Watch:
		return onTrial, Evidence{}
	}
	e.Found = FoundTrialPassed
	return trialPassed, e
}

// usual returns the median time to the first token of the answers before a time; 0
// if there were too few.
func usual(outcomes []route.Outcome, before time.Time) time.Duration {
	var waits []time.Duration
	for _, o := range outcomes {
		if o.FirstToken > 0 && !o.Failed && o.Began.Before(before) {
			waits = append(waits, o.FirstToken)
		}
	}
	if len(waits) < leastTimed {
		return 0
	}
	return scoring.MedianDuration(waits)
}

// addAnswers adds the outcomes of real requests to the trial, and has the node
// looked at where that decides it.
func (d *decision) addAnswers() op {
	n := &d.n
	if n.kept.Trial == nil {
		return d.leave()
	}
	t := n.kept.Trial.with(d.in.outcomes)
	if len(t.Answers) == len(n.kept.Trial.Answers) {
		return d.leave()
	}
	n.kept.Trial = &t
	v, _ := t.verdict()
	waits := n.next.kind == opProbe && n.next.at.After(d.in.at)
	if v == onTrial || !waits || n.state != Healthy && n.state != Degraded {
		return d.leave()
	}
	return op{kind: opProbe, at: d.in.at}
}

// watchTrial ends a trial that is decided. A model that lost it leaves the route
// as soon as it may, and the one before it comes back; ok is true if it leaves.
func (d *decision) watchTrial() (next op, ok bool) {
	n, at := &d.n, d.in.at
	if n.kept.Trial == nil || n.kept.Override == nil {
		return op{}, false
	}
	verdict, figures := n.kept.Trial.verdict()
	promoted := n.kept.Override.Model
	told := Event{Model: promoted.Name, Evidence: &figures}
	switch verdict {
	case onTrial:
		return op{}, false
	case trialPassed:
		n.kept.Trial = nil
		d.tell(EventVerified, RuleTrialPassed, told)
		return op{}, false
	}
	before := *n
	before.incident.target = promoted
	if _, can := before.rollbackTarget(); !can {
		n.kept.Trial = nil
		told.Cause = CauseLostTrial
		d.tell(EventDegraded, RuleTrialNoWayBack, told)
		return op{}, false
	}
	if !n.serves() || !d.v.slot || at.Before(n.kept.NextRepair) || n.kept.Paused != nil {
		return op{}, false // it serves until its turn comes
	}
	n.incident = incident{began: at, target: promoted}
	d.in.kind = opQuestions // it is answers that failed
	return d.confirmed(finding{CauseLostTrial, figures}), true
}

// undoPromotion makes back the model that the node is meant to serve, in place of
// the promoted one.
func (n *nodeState) undoPromotion(back nodes.Model) {
	promoted := n.kept.Override.Model
	n.kept.Undone = n.kept.Override.Run
	n.kept.Trial, n.kept.Override = nil, nil
	if n.wanted.Name != "" && !(n.same(back.Name, n.wanted.Name) && len(back.Settings.Diff(n.wanted.Settings)) == 0) {
		n.kept.Override = &Override{Model: back, Why: OverrideRolledBack, Replaces: n.wanted}
	}
	if good := n.kept.LastKnownGood; good != nil && good.Equal(promoted) {
		n.kept.LastKnownGood, n.kept.VRAMShare = &back, 0
	}
}

package healer

import (
	"reflect"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/route"
)

// kind names an operation and its result, or another input of a step.
type kind string

// The operations. Each is also the kind of the input that has its result.
const (
	opLease     kind = "lease"     // ask whether somebody holds the node's lease
	opProbe     kind = "probe"     // ask what is loaded
	opCanary    kind = "canary"    // ask for one token
	opQuestions kind = "questions" // ask the mini-benchmark
	opTrim      kind = "trim"      // unload second instances
	opDrain     kind = "drain"     // wait for requests under way
	opEnsure    kind = "ensure"    // make a model the only one loaded
	opRestart   kind = "restart"   // run the restart command
)

// The inputs that are no result of an operation. Those of one node come between
// two of its operations, those of the whole cluster at any time.
const (
	inStart      kind = "start"      // the state that was kept, before anything else
	inRequest    kind = "request"    // a real request failed
	inAnswers    kind = "answers"    // outcomes of real requests, for a trial
	inCheck      kind = "check"      // somebody asks for a check
	inJudgements kind = "judgements" // the history's, all of them
	inRerunEnd   kind = "rerun end"  // the rerun that was begun has ended
	inState      kind = "state"      // what another process changed of what is kept
	inPause      kind = "pause"      // repairs are to be paused
	inResume     kind = "resume"     // or no longer
)

// isResult reports whether an input is the result of an operation.
func (k kind) isResult() bool {
	switch k {
	case opLease, opProbe, opCanary, opQuestions, opTrim, opDrain, opEnsure, opRestart:
		return true
	}
	return false
}

// op is the next operation on a node. Each node has one at a time.
type op struct {
	kind   kind
	at     time.Time // not before
	model  nodes.Model
	reload bool
	wake   bool      // ask a model that sleeps, too
	until  time.Time // of a drain

	revision int // of the takeovers, when it was decided
}

// changes reports whether the op changes the node, and so needs its lease.
func (o op) changes() bool { return o.kind == opEnsure || o.kind == opRestart || o.kind == opTrim }

// aims reports whether the op is about the model that the node was to serve
// when it was decided. What a probe saw is judged by what it is to serve now.
func (o op) aims() bool {
	return o.changes() || o.kind == opCanary || o.kind == opQuestions || o.kind == opDrain
}

// checks reports whether the op is a part of a check.
func (o op) checks() bool {
	return o.kind == opLease || o.kind == opProbe || o.kind == opCanary || o.kind == opQuestions || o.kind == opTrim
}

// allNodes is the place of every node.
const allNodes = -1

// input is one thing that happened. Which fields are set depends on the kind.
type input struct {
	kind kind
	node int // its place
	at   time.Time

	// The result of an operation.
	began      time.Time
	snapshot   nodes.Snapshot
	fault      nodes.Fault // "" where it succeeded
	detail     string      // the words of the error; of a rerun, too
	answered   bool        // of a request: the node answered it, by an error
	retryAfter time.Duration
	right      int // of the questions that could be graded
	graded     int
	output     string // of a restart
	holder     string // somebody else holds the lease; the op was not done
	tokens     bool   // tokens of real requests came since the last check
	revision   int    // that the op was decided at

	outcomes   []route.Outcome
	judgements []Judgement
	rerun      Rerun
	kept       map[int]persisted     // by place
	usual      map[int]time.Duration // the median time to the first token before a promotion
	pause      *Pause
}

// ready is what a step asks the shell for. If save is true, what is kept is
// saved before anything of ops and rerun is begun.
type ready struct {
	save    bool
	events  []Event
	routing []routing
	ops     []planned // each replaces the operation that the node waits for
	rerun   *planRerun
	checked []int // the nodes whose check, which somebody asked for, is done
}

// planned is the next operation on a node.
type planned struct {
	node int
	op   op
}

// planRerun is a rerun to begin. There is one at a time.
type planRerun struct {
	node int
	kind Rerun
}

// routing is what the route is to know of a node.
type routing struct {
	node     string
	serves   bool
	model    string // "" leaves what it knew
	sleeps   bool   // its engine puts an idle model to sleep
	answered bool   // a question was
}

// fleet is the state of all nodes and the rules between them: how many are under
// repair, which node takes the traffic. It has no clock, no network and no lock:
// everything that happens is an input to step, and nothing else changes it. A
// step of one node costs the same however many nodes there are.
type fleet struct {
	policy       Policy
	once         bool // look at each node once, and change nothing
	onRegression OnRegression
	canRerun     bool

	nodes      []nodeState
	order      []int       // of the nodes, by who takes the traffic first
	rank       []int       // a node's place in order
	judgements []Judgement // the history's latest, nil before its first

	serving   int       // rank of the node that takes the traffic; len(order) where none does
	count     int       // nodes that serve
	repairs   int       // nodes under repair
	undecided int       // nodes that may serve in a moment
	reruns    int       // nodes that wait for a rerun
	rerunning bool      // one is under way
	downSince time.Time // when the latest outage of all nodes began; zero before the first
	stale     bool      // what a node is to serve changed since the judgements were applied
}

func newFleet(p Policy, list []nodeState, order []int) *fleet {
	f := &fleet{policy: p, nodes: list, order: order, rank: make([]int, len(list)), serving: len(order), undecided: len(list)}
	for rank, i := range order {
		f.rank[i] = rank
	}
	return f
}

// step applies one input, and returns what is to be done for it.
func (f *fleet) step(in input) ready {
	var out ready
	switch in.kind {
	case inStart, inState:
		f.takeOver(in, &out)
	case inPause, inResume:
		f.setPause(in, &out)
	case inJudgements:
		f.judgements, f.stale = append([]Judgement{}, in.judgements...), true
	case inRerunEnd:
		f.rerunning = false
		if in.detail != "" {
			out.events = append(out.events, Event{
				Time: in.at, Node: f.nodes[in.node].name, Type: EventDegraded, Detail: string(in.rerun) + ": " + in.detail, Rule: RuleRerunFailed,
			})
		}
	default:
		f.decide(in, &out)
	}
	if f.stale && f.judgements != nil {
		f.applyJudgements(in.at, &out)
	}
	f.startRerun(in.at, &out)
	return out
}

// decide applies an input of one node.
func (f *fleet) decide(in input, out *ready) {
	before := f.nodes[in.node]
	others := f.count
	if before.serves() {
		others--
	}
	v := view{nodes: len(f.nodes), others: others, slot: f.repairs < f.policy.repairsAtOnce(len(f.nodes)), once: f.once}
	d := decide(f.policy, before, v, in)
	if !f.once {
		out.events = append(out.events, d.events...)
	}
	f.set(in.node, d.after, before.kept, in, out)
	if d.replans {
		out.ops = append(out.ops, planned{in.node, d.after.next})
	}
	if d.checked {
		out.checked = append(out.checked, in.node)
	}
}

// set replaces the state of a node, and keeps what follows from it: the counts,
// who takes the traffic, what is to be saved and routed. Kept is what of it is
// saved already.
func (f *fleet) set(i int, after nodeState, kept persisted, in input, out *ready) {
	before := f.nodes[i]
	f.nodes[i] = after
	f.count += one(after.serves()) - one(before.serves())
	f.repairs += one(after.state.UnderRepair()) - one(before.state.UnderRepair())
	f.undecided += one(after.undecided()) - one(before.undecided())
	f.reruns += one(after.rerun.kind != "") - one(before.rerun.kind != "")
	if before.goal().Name != after.goal().Name || serviceName(&before) != serviceName(&after) {
		f.stale = true
	}
	if !reflect.DeepEqual(kept, after.kept) {
		out.save = true
	}
	switch {
	case after.serves() != before.serves():
		events := f.reroute(i, in.at)
		if !f.once {
			out.events = append(out.events, events...)
		}
	case f.undecided == 0 && before.undecided() && f.count == 0 && f.downSince.IsZero() && !f.once:
		out.events = append(out.events, f.nobody(in.at)) // from the start
	}
	f.route(i, in, out)
}

// serviceName returns the name of the model in service, "" for none.
func serviceName(n *nodeState) string {
	m, _ := n.inService()
	return m.Name
}

// route tells the route what changed on a node.
func (f *fleet) route(i int, in input, out *ready) {
	n := &f.nodes[i]
	now := told{n.serves(), n.told.model, n.told.sleeps || n.asleep()}
	if name := serviceName(n); name != "" {
		now.model = name
	}
	answered := in.fault == "" && in.holder == "" && (in.kind == opCanary || in.kind == opQuestions)
	if now == n.told && !answered {
		return
	}
	n.told = now
	out.routing = append(out.routing, routing{n.name, now.serves, now.model, now.sleeps, answered})
}

// nobody begins a time in which no node serves.
func (f *fleet) nobody(at time.Time) Event {
	f.downSince = at
	return Event{Time: at, Type: EventCritical, Rule: RuleNoneServes}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// reroute finds the node that takes the traffic after node i came or went, and
// returns the event of a change.
func (f *fleet) reroute(i int, at time.Time) []Event {
	was := f.serving
	if f.nodes[i].serves() {
		f.serving = min(f.serving, f.rank[i])
	} else if f.serving == f.rank[i] {
		for f.serving < len(f.order) && !f.nodes[f.order[f.serving]].serves() {
			f.serving++
		}
	}
	if f.serving == was {
		return nil
	}
	now := f.servingName()
	event := Event{Time: at, Node: now, Type: EventFailover, Rule: RuleFailover, To: now}
	switch {
	case now == "":
		return []Event{f.nobody(at)}
	case was == len(f.order) && f.downSince.IsZero():
		event.Rule = RuleFirstServing
	case was == len(f.order):
		event.Type, event.Node, event.Rule, event.Took = EventRecovered, "", RuleServiceBack, at.Sub(f.downSince)
	default:
		event.From = f.nodes[f.order[was]].name
	}
	return []Event{event}
}

// servingName returns the node that takes the traffic, "" where none does.
func (f *fleet) servingName() string {
	if f.serving >= len(f.order) {
		return ""
	}
	return f.nodes[f.order[f.serving]].name
}

// setPause begins or ends the pause of a node or of all.
func (f *fleet) setPause(in input, out *ready) {
	changed := false
	for i := range f.nodes {
		n := f.nodes[i]
		if in.node != allNodes && in.node != i {
			continue
		}
		var pause *Pause
		if in.kind == inPause {
			pause = &Pause{Until: in.pause.Until, Why: in.pause.Why}
		}
		if pause.same(n.kept.Paused) {
			continue
		}
		changed = true
		n.kept.Paused = pause
		if n.state == Offline && n.incident.paused && n.kept.Paused == nil {
			n.lookNow(in.at)
		}
		f.replan(i, n, in, out)
	}
	if !changed {
		return
	}
	name := ""
	if in.node != allNodes {
		name = f.nodes[in.node].name
	}
	out.events = append(out.events, pauseEvent(name, in.pause, in.at))
}

// pauseEvent tells that a pause began or, with nil, ended.
func pauseEvent(node string, p *Pause, at time.Time) Event {
	if p == nil {
		return Event{Time: at, Node: node, Type: EventResumed, Rule: RuleResumed}
	}
	return Event{Time: at, Node: node, Type: EventPaused, Rule: RulePaused, Until: p.Until, Detail: p.Why}
}

// replan sets the state of a node, and plans its operation where that changed.
func (f *fleet) replan(i int, after nodeState, in input, out *ready) {
	before := f.nodes[i]
	f.set(i, after, before.kept, in, out)
	if !after.next.at.Equal(before.next.at) {
		out.ops = append(out.ops, planned{i, after.next})
	}
}

// lookNow moves a probe that waits for its time to now.
func (n *nodeState) lookNow(at time.Time) {
	if n.next.kind == opProbe && n.next.at.After(at) {
		n.next.at = at
	}
}

package route

import (
	"context"
	"errors"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// ErrEvicted is the cause with which [Table.Evict] ends a request.
var ErrEvicted = errors.New("the node is being taken out of service")

// Request is one request in flight on a node. Call [Request.Done] when it is
// over. Use it from one goroutine at a time.
type Request struct {
	table   *Table
	state   *nodeState // nil for a node that the table doesn't have
	place   int
	outcome Outcome
	last    time.Time // of its tokens
	done    bool
	cancel  context.CancelCauseFunc

	onSilent func()
	repeated bool     // a failure is not recorded: the client's request failed here before
	examined bool     // it was reported
	doubted  bool     // its outcome is open until Blame or Acquit
	failure  Failure  // of a doubted request
	before   ejection // of the node, before the doubt
	during   ejection // and by it
}

// Failure is a request that failed by its node's fault.
type Failure struct {
	Node  string
	Fault nodes.Fault
	// Detail is the server's own words, bounded and without secrets.
	Detail string
	// Begun: the client had received a part of the response.
	Begun bool
	// Answered: the node answered, by an error. The request may be the reason,
	// so that the failure alone is no evidence against the node.
	Answered bool
}

// Outcome is the result of one request to a node.
type Outcome struct {
	// Began is the time at which it was sent.
	Began time.Time
	// FirstToken is the time to its first token, 0 where none came.
	FirstToken time.Duration
	// Failed: it failed by the node's fault.
	Failed bool
}

// Begin registers a request to a node, without a limit and without a choice.
// For a node that the table doesn't have, the request counts nowhere.
func (t *Table) Begin(node string) *Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i, ok := t.index[node]; ok {
		return t.begin(i)
	}
	return &Request{done: true}
}

func (t *Table) begin(place int) *Request {
	s := &t.states[place]
	r := &Request{table: t, state: s, place: place, outcome: Outcome{Began: time.Now()}}
	s.inFlight[r] = struct{}{}
	return r
}

// Place returns the node's index in [Table.Nodes].
func (r *Request) Place() int { return r.place }

// OnEvict sets the function that [Table.Evict] ends the request with.
func (r *Request) OnEvict(cancel context.CancelCauseFunc) {
	if r.done {
		return
	}
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	r.cancel = cancel
}

// OnSilent sets a function that is called when the node turns out to be silent
// to another request, while this one waits for its first token. It must not
// block.
func (r *Request) OnSilent(f func()) {
	if r.done {
		return
	}
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	r.onSilent = f
}

// Token records a token of the node's response. It ends the node's ejection.
func (r *Request) Token() {
	if r.done {
		return
	}
	now := time.Now()
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	if r.outcome.FirstToken == 0 {
		r.outcome.FirstToken = max(now.Sub(r.outcome.Began), 1)
	} else {
		r.state.latencies[TokenGap].add(now.Sub(r.last), 0)
	}
	r.last = now
	r.state.lastToken = now
	r.state.ejection = r.state.ejection.over()
}

// Fail records that the request failed by the node's fault: the node was not
// reachable, returned a server error or broke off. It ejects the node and calls
// the function of [Table.OnFailure]. A client that went away, and a request
// that no node can answer, are no failures of the node. Call it before Done.
func (r *Request) Fail(fault nodes.Fault, detail string) {
	r.outcome.Failed = true
	r.Suspect(fault, detail)
}

// Suspect ejects the node as [Request.Fail] does, for a request that goes on:
// its outcome is still open.
func (r *Request) Suspect(fault nodes.Fault, detail string) {
	if r.done {
		return
	}
	r.table.mu.Lock()
	r.state.ejection = r.state.ejection.eject(time.Now())
	report := r.table.onFailure
	f := Failure{Node: r.state.node.Name, Fault: fault, Detail: detail, Begun: r.outcome.FirstToken > 0}
	var silent []func()
	if fault == nodes.TimedOut {
		for other := range r.state.inFlight {
			if other != r && other.onSilent != nil && other.outcome.FirstToken == 0 {
				silent = append(silent, other.onSilent)
			}
		}
	}
	r.table.mu.Unlock()
	for _, f := range silent {
		f()
	}
	if report != nil {
		report(f)
	}
}

// Repeated says that the client's request failed on this node before. Then a
// further failure is no outcome of its own.
func (r *Request) Repeated() { r.repeated = true }

// Doubt ejects the node as [Request.Fail] does, for a request that the node
// answered by an error. Nothing is recorded or reported until [Request.Blame];
// [Request.Acquit] undoes it. Call it before Done.
func (r *Request) Doubt(fault nodes.Fault, detail string) {
	if r.done {
		return
	}
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	r.doubted = true
	r.failure = Failure{Node: r.state.node.Name, Fault: fault, Detail: detail, Begun: r.outcome.FirstToken > 0, Answered: true}
	r.before = r.state.ejection
	r.state.ejection = r.state.ejection.eject(time.Now())
	r.during = r.state.ejection
}

// Blame records a doubted request as failed by the node's fault, because another
// node answered it, and reports it to the function of [Table.OnFailure].
func (r *Request) Blame() {
	if !r.doubted {
		return
	}
	r.table.mu.Lock()
	r.doubted = false
	if !r.repeated {
		r.outcome.Failed = true
		r.state.record(r.outcome)
	}
	r.table.mu.Unlock()
	r.examine()
}

// Acquit ends the doubt without an outcome: the request itself was the reason.
func (r *Request) Acquit() {
	if !r.doubted {
		return
	}
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	r.doubted = false
	if r.state.ejection == r.during {
		r.state.ejection = r.before
	}
}

// Examine reports a doubted request to the function of [Table.OnFailure], so that
// the node is checked. The outcome stays open.
func (r *Request) Examine() {
	if r.doubted {
		r.examine()
	}
}

// examine reports the request once, and not if an earlier failure of it was.
func (r *Request) examine() {
	r.table.mu.Lock()
	report := r.table.onFailure
	if r.examined || r.repeated {
		report = nil
	}
	r.examined = true
	r.table.mu.Unlock()
	if report != nil {
		report(r.failure)
	}
}

// MarkFailed records the outcome of a suspected request as a failure, without
// a second ejection.
func (r *Request) MarkFailed() { r.outcome.Failed = true }

// Busy records that the node asked for a pause of that length, however long: no
// request goes to it meanwhile, for 1 s at least. It is no failure, and neither a
// token nor a passed check ends the pause.
func (r *Request) Busy(pause time.Duration) {
	if r.done {
		return
	}
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	until := time.Now().Add(max(pause, baseEjection))
	if until.After(r.state.ejection.busyUntil) {
		r.state.ejection.busyUntil = until
	}
}

// Measured adds a latency of the node: how long op took for a request of size
// bytes.
func (r *Request) Measured(op Operation, took time.Duration, size int) {
	if r.state == nil {
		return
	}
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	r.state.latencies[op].add(took, size)
}

// awake is how long after a token a model is sure not to sleep.
const awake = time.Second

// Measured is [Request.Measured] for a request that is not the table's own.
func (t *Table) Measured(node string, op Operation, took time.Duration, size int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.state(node); s != nil {
		s.latencies[op].add(took, size)
	}
}

// Limit returns how long op may take on this node for a request of size bytes,
// by the node's recent latencies. A node whose model may sleep gets the limit of
// one that was never measured.
func (r *Request) Limit(op Operation, size int) time.Duration {
	if r.state == nil {
		return op.limits().unknown
	}
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	limit := r.state.latencies[op].limit(size, op.limits())
	if r.state.sleeps && time.Since(r.state.lastToken) > awake {
		limit = max(limit, op.limits().unknown)
	}
	return limit
}

// Done ends the request. Further calls do nothing.
func (r *Request) Done() {
	if r.done {
		return
	}
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	r.done = true
	s := r.state
	delete(s.inFlight, r)
	if len(s.inFlight) == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
	if !r.doubted && (r.outcome.Failed && !r.repeated || r.outcome.FirstToken > 0) {
		s.record(r.outcome)
	}
	r.table.dispatch()
}

// keptOutcomes is the number of outcomes kept for each node.
const keptOutcomes = 64

func (s *nodeState) record(o Outcome) {
	if len(s.outcomes) == keptOutcomes {
		copy(s.outcomes, s.outcomes[1:])
		s.outcomes = s.outcomes[:keptOutcomes-1]
	}
	s.outcomes = append(s.outcomes, o)
	s.ended++
}

package healer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/route"
	"github.com/turbone/jarvis/scoring/grade"
)

// busyPoll is the pause between two questions of a drain for the requests of other
// clients.
const busyPoll = 250 * time.Millisecond

// answerTokens is the token limit of an answer to the mini-benchmark. It has room
// for the thinking of a reasoning model.
const answerTokens = 1024

// worker does the operations on one node. It belongs to one goroutine.
type worker struct {
	healer *Watchdog
	index  int
	node   *nodes.Node
	lease  nodes.Lease
}

// do runs op and returns its result. ok is false if ctx ended it; a repair
// ignores ctx and always runs to its end.
func (w *worker) do(ctx context.Context, o op, repairing bool) (s input, ok bool) {
	s = input{kind: o.kind, node: w.index, began: time.Now(), revision: o.revision}
	work := ctx
	if repairing {
		work = context.WithoutCancel(ctx)
	}
	last := w.lastChecked()
	limited, holder := work, func() string { return "" }
	if !repairing && !o.changes() {
		limited, holder = w.healer.interruptible(work, w.index)
	}
	err := panics.Try(func() { w.carryOut(limited, o, &s) }).AsError()
	if name := holder(); name != "" { // what it saw is somebody else's work
		return input{kind: o.kind, node: w.index, began: s.began, at: time.Now(), holder: name, revision: o.revision}, work.Err() == nil
	}
	if err != nil { // one node's bad luck must not end the daemon
		s.fault, s.detail = nodes.Protocol, err.Error()
	}
	s.at = time.Now()
	if token := w.healer.route.LastToken(w.node.Name); token.After(s.began) || s.fault == "" && token.After(last) {
		s.tokens = true
	}
	return s, work.Err() == nil
}

// revision is how often other processes changed what is kept of the node.
func (w *worker) revision() int {
	w.healer.mu.Lock()
	defer w.healer.mu.Unlock()
	return w.healer.fleet.nodes[w.index].takeover.revision
}

func (w *worker) lastChecked() time.Time {
	w.healer.mu.Lock()
	defer w.healer.mu.Unlock()
	return w.healer.fleet.nodes[w.index].last.checked
}

func (w *worker) carryOut(ctx context.Context, o op, s *input) {
	if holder, leased := w.leased(ctx, o.changes()); leased {
		s.holder = holder
		return
	}
	if o.changes() {
		w.healer.refresh() // what the last holder wrote
	}
	if o.aims() && o.revision != w.revision() {
		return // meant for what the node no longer is to serve
	}
	var err error
	switch o.kind {
	case opLease:
	case opProbe:
		s.snapshot, err = w.node.Probe(ctx)
	case opCanary:
		err = w.canary(ctx, o)
	case opQuestions:
		err = w.questions(ctx, o, s)
	case opDrain:
		w.drain(ctx, o.until)
	case opTrim:
		_, err = w.node.TrimExtras(ctx, o.model)
		w.release()
	case opRestart:
		s.output, err = w.node.Restarter.Restart(ctx)
	case opEnsure:
		if _, err = w.node.Ensure(ctx, o.model, nodes.EnsureOptions{Reload: o.reload}); err == nil {
			s.snapshot, err = w.node.Probe(ctx)
		}
	}
	if err != nil {
		s.fault, s.detail, s.retryAfter = faultOf(err), detailOf(err), nodes.RetryAfter(err)
	}
}

// leased returns the holder of the node's lease, if that is another program. With
// take the lease is acquired.
func (w *worker) leased(ctx context.Context, take bool) (holder string, leased bool) {
	if w.lease != nil {
		return "", false
	}
	if !take {
		return w.healer.leaseHolder(ctx, w.index)
	}
	w.healer.holds(w.index, true)
	lease, err := w.healer.leases.Acquire(ctx, w.node.Name, nodes.Holder{
		Name: ownName, PID: os.Getpid(), Since: time.Now(), Why: "repair",
	})
	if err == nil {
		w.lease = lease
		return "", false
	}
	w.healer.holds(w.index, false)
	if h, held, _ := w.healer.leases.Holder(ctx, w.node.Name); held {
		return h.String(), true
	}
	return err.Error(), true
}

// release gives the lease back, if it is held.
func (w *worker) release() {
	if w.lease == nil {
		return
	}
	if err := w.lease.Release(); err != nil {
		w.healer.warn(RuleLeaseWarning, w.node.Name, "lease: "+err.Error())
	}
	w.lease = nil
	w.healer.holds(w.index, false)
}

// canary asks for one token.
func (w *worker) canary(ctx context.Context, o op) error {
	timeout := w.healer.config.Policy.CanaryTimeout
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := w.ask(ctx, o, "Reply with OK.", 1, nil)
	return err
}

// questions asks the mini-benchmark. An error ends it: a node that answers
// two of three and hangs on the third is not well. A question that was still
// being thought about when its tokens or its time ran out is not graded: it
// shows that the node works, and nothing about its answer.
func (w *worker) questions(ctx context.Context, o op, s *input) error {
	p := w.healer.config.Policy
	for _, q := range p.Questions {
		limited, cancel := context.WithTimeout(ctx, p.QuestionTimeout)
		pieces := 0
		reply, err := w.ask(limited, o, q.Prompt, answerTokens, func(string) { pieces++ })
		outOfTime := limited.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case err != nil && outOfTime && pieces > 0:
			continue
		case err != nil:
			return err
		case reply.Text == "" && reply.Finish == "length":
			continue
		}
		s.graded++
		if q.right(reply.Text) {
			s.right++
		}
	}
	return nil
}

func (w *worker) ask(ctx context.Context, o op, prompt string, tokens int, onToken func(string)) (nodes.ChatReply, error) {
	cold, seed := 0.0, 1
	limit := w.healer.config.Policy.CanaryTimeout
	reply, err := w.node.Ask(ctx, nodes.ChatRequest{
		Model:         o.model.Name,
		Messages:      []nodes.Message{{Role: nodes.RoleUser, Text: prompt}},
		MaxTokens:     tokens,
		Temperature:   &cold,
		Seed:          &seed,
		Stream:        true,
		FirstToken:    limit,
		BetweenTokens: limit,
		OnlyLoaded:    !w.node.OnDemand,
		Wake:          o.wake,
		Settings:      o.model.Settings,
		NoThinking:    true,
		OnToken:       onToken,
	})
	if err == nil && reply.FirstToken > 0 { // so that the route knows what is usual before the first request
		w.healer.route.Measured(w.node.Name, route.FirstToken, reply.FirstToken, len(prompt))
	}
	return reply, err
}

// drain waits for the requests under way, those of other clients where the
// engine tells of them.
func (w *worker) drain(ctx context.Context, until time.Time) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	select {
	case <-w.healer.route.Idle(w.node.Name):
	case <-ctx.Done():
		w.healer.route.Evict(w.node.Name) // the others take over
		return
	}
	reporter, ok := w.node.Backend.(nodes.BusyReporter)
	if !ok {
		return
	}
	for {
		ask, stop := context.WithTimeout(ctx, w.node.ProbeTimeout)
		count, err := reporter.InFlight(ask)
		stop()
		if err != nil || count == 0 || !pause(ctx, busyPoll) {
			return // a node that can't tell is not waited for
		}
	}
}

// right reports whether an answer is right.
func (q Question) right(answer string) bool {
	g, err := grade.Expect(q.Expect)
	return err == nil && g.Grade(q.Prompt, answer)
}

// faultOf returns the fault of an error. An error without one is a deadline that
// passed, or a broken protocol.
func faultOf(err error) nodes.Fault {
	switch f := nodes.FaultOf(err); {
	case f != "":
		return f
	case errors.Is(err, context.DeadlineExceeded):
		return nodes.TimedOut
	}
	return nodes.Protocol
}

// detailOf returns the words of an error without the node's name, which every event
// has.
func detailOf(err error) string {
	var e *nodes.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	text := string(e.Fault)
	switch {
	case e.Detail != "":
		text = fmt.Sprintf("%s: %s", e.Fault, e.Detail)
	case e.Err != nil && e.Fault != nodes.Refused && e.Fault != nodes.TimedOut: // these say it all
		text = fmt.Sprintf("%s: %v", e.Fault, e.Err)
	}
	if e.Remedy != "" {
		text += "; " + e.Remedy
	}
	return text
}

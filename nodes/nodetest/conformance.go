package nodetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/turbone/jarvis/nodes"
)

const (
	// prompt is the time within which a call must return after its context or a
	// deadline ended. A busy machine needs far less.
	prompt = 15 * time.Second
	// short is a deadline that passes.
	short = 150 * time.Millisecond
	// long is a deadline that does not pass.
	long = 2 * time.Minute
)

// unknown is a model that no server has.
const unknown = "jarvis-no-such-model"

// Subject is a backend under test, with its server.
type Subject struct {
	// Backend is the backend under test.
	Backend nodes.Backend
	// Node is the node's name in the backend's errors.
	Node string
	// Key is the backend's key, which must not be in its errors.
	Key nodes.Secret
	// Model is on the server's disk, and is the only model in its memory.
	Model string
	// Other is on the server's disk and not in its memory. If it is empty, the
	// tests that need it are left out.
	Other string
	// Faulty switches faults of the server on. If it is nil, as for a real
	// server, the tests that need it are left out.
	Faulty Faulty
	// Faults are the faults that Faulty has, except for those in Without. Nil
	// means all.
	Faults, Without []Fault
}

func (s Subject) knows(f Fault) bool {
	return (s.Faults == nil || slices.Contains(s.Faults, f)) && !slices.Contains(s.Without, f)
}

// Faulty is a server with faults that can be switched on. All fakes of this
// package implement it. [Run] also uses the methods CallsTo and AddInstance of
// [Server] if it has them.
type Faulty interface {
	// BreakWith switches a fault on.
	BreakWith(Fault, Detail)
	// Mend switches faults off, or all of them if none is named.
	Mend(...Fault)
}

// Run is the conformance test of [nodes.Backend], and of the other interfaces of
// package nodes that a backend implements. It calls open for each subtest. open
// returns a new server and its backend. It may return the same server each time if
// there is only one, such as a real one, which then serves Model again after each
// subtest.
//
// Run checks these properties:
//
//   - A probe lists the models and changes nothing.
//   - A streamed answer has the same text as one that is not streamed.
//   - A call whose context ends returns at once and leaves no goroutine.
//   - OnlyLoaded loads no model.
//   - [nodes.Node.Ensure] leaves exactly one instance, and never none.
//   - Each fault of the server becomes its [nodes.Fault], bounded in time and
//     size.
//   - Every error names its node, and none contains the key.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	c := conformance{open: open, leaked: &atomic.Bool{}}
	first := open(t)
	snapshot, err := first.Backend.Probe(within(t, long))
	if err != nil {
		t.Fatalf("the first probe of a healthy server: %v", err)
	}
	_, c.loads = first.Backend.(nodes.Loader)
	c.loads = c.loads && !snapshot.ReadOnly
	c.listed = !snapshot.LoadedUnknown

	t.Run("probe", c.probe)
	t.Run("probe changes nothing", c.probeChangesNothing)
	t.Run("chat", c.chat)
	t.Run("context that ended before the call", c.endedContext)
	if c.listed {
		t.Run("only loaded", c.onlyLoaded)
		t.Run("only loaded asks no unknown model", c.onlyLoadedUnknown)
		if first.Other != "" {
			t.Run("only loaded loads nothing", c.onlyLoadedLoadsNothing)
		}
	}
	if _, ok := first.Backend.(nodes.BusyReporter); ok {
		t.Run("idle server", c.idle)
	}
	if c.loads {
		c.runLoads(t, first)
	}
	if first.Faulty != nil {
		c.runFaults(t, first)
	}
}

// conformance is one run.
type conformance struct {
	open   func(*testing.T) Subject
	leaked *atomic.Bool
	loads  bool // the server loads and unloads
	listed bool // the server tells what is loaded
}

// subject is a Subject within a subtest.
type subject struct {
	Subject
	node   *nodes.Node
	leaked *atomic.Bool // see noLeak
}

func (c conformance) subject(t *testing.T) subject {
	t.Helper()
	s := c.open(t)
	node, err := nodes.New(nodes.Node{
		Name: s.Node, Backend: s.Backend, Wanted: nodes.Model{Name: s.Model},
		ProbeTimeout: long, LoadTimeout: long, UnloadTimeout: long,
	})
	if err != nil {
		t.Fatal(err)
	}
	return subject{s, node, c.leaked}
}

// within returns a context for calls that are meant to end by themselves.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func (s subject) question(model string, stream bool) nodes.ChatRequest {
	zero, seed := 0.0, 1
	return nodes.ChatRequest{
		Model:       model,
		Messages:    []nodes.Message{{Role: nodes.RoleUser, Text: "What is 2+2? Reply with the number only."}},
		Temperature: &zero, Seed: &seed, Stream: stream,
		FirstToken: long, BetweenTokens: long,
	}
}

func (s subject) snapshot(t *testing.T) nodes.Snapshot {
	t.Helper()
	snapshot, err := s.node.Probe(within(t, long))
	if err != nil {
		t.Fatalf("probe: %v", err)
	}
	return snapshot
}

// loaded returns the canonical names of what is in memory.
func (s subject) loaded(t *testing.T) []string {
	t.Helper()
	names := []string{}
	for _, inst := range s.snapshot(t).Loaded {
		names = append(names, inst.Model)
	}
	return names
}

// wantLoaded fails the test unless exactly these models are in memory.
func (s subject) wantLoaded(t *testing.T, models ...string) {
	t.Helper()
	for i, m := range models {
		models[i] = s.node.Canonical(m)
	}
	if got := s.loaded(t); !slices.Equal(got, models) {
		t.Errorf("loaded: %q, want %q", got, models)
	}
}

// callsTo returns what the server was asked, as far as it tells.
func (s subject) callsTo(routes Route) []Call {
	if f, ok := s.Faulty.(interface{ CallsTo(Route) []Call }); ok {
		return f.CallsTo(routes)
	}
	return nil
}

// answers fails the test unless the model answers.
func (s subject) answers(t *testing.T, model string) {
	t.Helper()
	if _, err := s.node.Ask(within(t, long), s.question(model, true)); err != nil {
		t.Errorf("%s does not answer: %v", model, err)
	}
}

// wantFault fails the test unless err wraps one of the faults and is fit to be
// shown: it names the node, and the key is not in it.
func (s subject) wantFault(t *testing.T, what string, err error, want ...nodes.Fault) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error, want %q", what, want)
		return
	}
	if got := nodes.FaultOf(err); !slices.Contains(want, got) {
		t.Errorf("%s: fault %q, want %q: %v", what, got, want, err)
	}
	s.fit(t, what, err)
}

func (s subject) fit(t *testing.T, what string, err error) {
	t.Helper()
	text := fmt.Sprintf("%v %+v %#v", err, err, err)
	if !strings.Contains(err.Error(), s.Node) {
		t.Errorf("%s: the error does not name its node %q: %v", what, s.Node, err)
	}
	if !s.Key.Empty() && strings.Contains(text, s.Key.Reveal()) {
		t.Errorf("%s: the key is in the error's text", what)
	}
}

// promptly fails the test if call takes longer than prompt beyond allowed, or
// leaves a goroutine.
func (s subject) promptly(t *testing.T, what string, allowed time.Duration, call func() error) error {
	t.Helper()
	var err error
	began := time.Now()
	var took time.Duration
	noLeak(t, s.leaked, func() {
		err = call()
		took = time.Since(began)
	})
	if took > allowed+prompt {
		t.Errorf("%s: returned after %s, allowed was %s", what, took, allowed)
	}
	return err
}

func (c conformance) probe(t *testing.T) {
	s := c.subject(t)
	snapshot := s.snapshot(t)
	if snapshot.Latency <= 0 {
		t.Error("the snapshot has no latency")
	}
	if c.listed {
		s.wantLoaded(t, s.Model)
		if id := snapshot.Loaded[0].ID; id == "" {
			t.Error("the loaded instance has no id")
		}
	} else if !slices.ContainsFunc(snapshot.Loaded, func(i nodes.Instance) bool { return s.node.Same(i.Model, s.Model) }) {
		t.Errorf("%q is not among what is offered: %+v", s.Model, snapshot.Loaded)
	}
	for _, name := range []string{s.Model, s.Other} {
		if name != "" && snapshot.OnDisk != nil &&
			!slices.ContainsFunc(snapshot.OnDisk, func(f nodes.File) bool { return f.Name == s.node.Canonical(name) }) {
			t.Errorf("%q is not among the files: %+v", name, snapshot.OnDisk)
		}
	}
}

func (c conformance) probeChangesNothing(t *testing.T) {
	s := c.subject(t)
	before := s.loaded(t)
	for range 3 {
		s.snapshot(t)
	}
	if after := s.loaded(t); !slices.Equal(before, after) {
		t.Errorf("loaded before: %q, after: %q", before, after)
	}
	if calls := s.callsTo(Chats | Loads | Unloads); len(calls) > 0 {
		t.Errorf("a probe asked for more than lists: %s %s", calls[0].Method, calls[0].Path)
	}
}

func (c conformance) chat(t *testing.T) {
	s := c.subject(t)
	var texts []string
	for _, stream := range []bool{true, false} {
		req := s.question(s.Model, stream)
		var pieces strings.Builder
		req.OnToken = func(piece string) { pieces.WriteString(piece) }
		reply, err := s.node.Ask(within(t, long), req)
		if err != nil {
			t.Fatalf("stream %t: %v", stream, err)
		}
		if reply.Tokens <= 0 || reply.FirstToken <= 0 || reply.Duration < reply.FirstToken {
			t.Errorf("stream %t: %d tokens, the first after %s of %s", stream, reply.Tokens, reply.FirstToken, reply.Duration)
		}
		if !strings.Contains(pieces.String(), strings.TrimSpace(reply.Text)) {
			t.Errorf("stream %t: the pieces %q don't hold the answer %q", stream, pieces.String(), reply.Text)
		}
		texts = append(texts, reply.Text)
	}
	if texts[0] != texts[1] {
		t.Errorf("as a stream %q, as a whole %q", texts[0], texts[1])
	}
}

func (c conformance) endedContext(t *testing.T) {
	s := c.subject(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for what, call := range map[string]func() error{
		"probe": func() error { _, err := s.Backend.Probe(ctx); return err },
		"chat":  func() error { _, err := s.Backend.Chat(ctx, s.question(s.Model, true)); return err },
	} {
		if err := s.promptly(t, what, 0, call); !errors.Is(err, context.Canceled) || nodes.FaultOf(err) != "" {
			t.Errorf("%s: got %v, want the cancellation and no fault", what, err)
		} else {
			s.fit(t, what, err)
		}
	}
}

func (c conformance) onlyLoaded(t *testing.T) {
	s := c.subject(t)
	req := s.question(s.Model, true)
	req.OnlyLoaded = true
	if _, err := s.node.Ask(within(t, long), req); err != nil {
		t.Errorf("the loaded model: %v", err)
	}
	s.wantLoaded(t, s.Model)
}

func (c conformance) onlyLoadedUnknown(t *testing.T) {
	s := c.subject(t)
	req := s.question(unknown, true)
	req.OnlyLoaded = true
	_, err := s.node.Ask(within(t, long), req)
	s.wantFault(t, "a model that nobody has", err, nodes.NotLoaded, nodes.ModelNotFound)
	s.wantLoaded(t, s.Model)
}

func (c conformance) onlyLoadedLoadsNothing(t *testing.T) {
	s := c.subject(t)
	req := s.question(s.Other, true)
	req.OnlyLoaded = true
	_, err := s.node.Ask(within(t, long), req)
	s.wantFault(t, "a model that is not in memory", err, nodes.NotLoaded)
	s.wantLoaded(t, s.Model)
	if calls := s.callsTo(Loads | Chats); len(calls) > 0 {
		t.Errorf("the server was asked to %s %s", calls[0].Method, calls[0].Path)
	}
}

func (c conformance) idle(t *testing.T) {
	s := c.subject(t)
	n, err := s.Backend.(nodes.BusyReporter).InFlight(within(t, long))
	if err != nil || n != 0 {
		t.Errorf("got %d requests under way, %v; want none", n, err)
	}
}

package nodetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// runFaults checks how each fault of the server comes out.
func (c conformance) runFaults(t *testing.T, first Subject) {
	for _, test := range c.faultTests() {
		if !first.knows(test.fault) {
			continue
		}
		t.Run(string(test.fault), func(t *testing.T) {
			s := c.subject(t)
			if c.loads {
				defer s.restore(t)
			} else {
				defer s.Faulty.Mend()
			}
			s.Faulty.BreakWith(test.fault, test.detail)
			test.check(t, s)
		})
	}
	if first.knows(Hang) {
		t.Run("cancelled under way", c.canceledUnderWay)
	}
}

type faultTest struct {
	fault  Fault
	detail Detail
	check  func(*testing.T, subject)
}

// words is what a server is told to say.
const words = "the cat ate the cable"

func (c conformance) faultTests() []faultTest {
	list := []faultTest{
		{Down, Detail{}, both(nodes.Refused)},
		{Hang, Detail{}, both(nodes.TimedOut)},
		{Drip, Detail{}, both(nodes.TimedOut)},
		{Status500, Detail{Text: words}, both(nodes.ServerFailed)},
		{NotJSON, Detail{}, both(nodes.Protocol, nodes.WrongEngine)},
		{Huge, Detail{}, both(nodes.Protocol, nodes.WrongEngine)},
		{RedirectLoop, Detail{}, both(nodes.Protocol, nodes.WrongEngine)},
		{Unauthorized, Detail{}, both(nodes.Unauthorized)},
		{TooManyRequests, Detail{Delay: 7 * time.Second}, busy},
		{CutOff, Detail{}, both(nodes.CutOff)},
		{Slow, Detail{Delay: 50 * time.Millisecond}, slow},
		{HangMidAnswer, Detail{}, hangMidAnswer},
		{Wedged, Detail{}, wedged},
		{ErrorFrame, Detail{Text: words}, errorFrame},
		{EmptyStream, Detail{}, asked(nodes.Empty)},
		{NoEndMark, Detail{}, asked(nodes.CutOff)},
		{AnotherModelAnswers, Detail{}, asked(nodes.WrongModel)},
		{WrongAnswers, Detail{}, wrongAnswers},
	}
	if c.loads {
		list = append(list,
			faultTest{Crashed, Detail{}, crashed},
			faultTest{LoadFails, Detail{}, loadFails(nodes.LoadFailed)},
			faultTest{MemoryNotFreed, Detail{}, loadFails(nodes.OutOfMemory, nodes.LoadFailed)},
			faultTest{LoadHangs, Detail{}, loadHangs},
			faultTest{UnloadOnlyAcknowledged, Detail{}, unloadStuck},
		)
	}
	return list
}

// both wants a fault from probes and chats alike. Time-outs are waited for
// shortly; every other fault must come by itself.
func both(want ...nodes.Fault) func(*testing.T, subject) {
	return func(t *testing.T, s subject) {
		wait := long
		if slices.Contains(want, nodes.TimedOut) {
			wait = short
		}
		together(
			func() {
				err := s.promptly(t, "probe", wait, func() error {
					_, err := s.Backend.Probe(within(t, wait))
					return err
				})
				s.wantFault(t, "probe", err, want...)
			},
			func() { s.noFirstToken(t, true, wait, want...) },
			func() { s.noFirstToken(t, false, wait, want...) },
		)
	}
}

// noFirstToken wants a fault from a question whose first token is waited for
// that long.
func (s subject) noFirstToken(t *testing.T, stream bool, wait time.Duration, want ...nodes.Fault) {
	t.Helper()
	err := s.promptly(t, "chat", wait, func() error {
		req := s.question(s.Model, stream)
		req.FirstToken = wait
		_, err := s.Backend.Chat(within(t, 2*long), req)
		return err
	})
	s.wantFault(t, "chat", err, want...)
}

// together makes calls at once, so that their waits cost the time of one.
func together(calls ...func()) {
	var all sync.WaitGroup
	for _, call := range calls {
		all.Go(call)
	}
	all.Wait()
}

// asked wants a fault from a question as [nodes.Node.Ask] asks it.
func asked(want nodes.Fault) func(*testing.T, subject) {
	return func(t *testing.T, s subject) {
		_, err := s.node.Ask(within(t, long), s.question(s.Model, true))
		s.wantFault(t, "chat", err, want)
	}
}

func busy(t *testing.T, s subject) {
	both(nodes.Busy)(t, s)
	_, err := s.Backend.Probe(within(t, long))
	if got := nodes.RetryAfter(err); got != 7*time.Second {
		t.Errorf("retry after %s, want 7s", got)
	}
}

func slow(t *testing.T, s subject) {
	s.snapshot(t)
	s.answers(t, s.Model)
}

func hangMidAnswer(t *testing.T, s subject) {
	s.snapshot(t)
	err := s.promptly(t, "chat", short, func() error {
		req := s.question(s.Model, true)
		req.BetweenTokens = short
		_, err := s.Backend.Chat(within(t, long), req)
		return err
	})
	s.wantFault(t, "chat", err, nodes.TimedOut)
}

func wedged(t *testing.T, s subject) {
	s.snapshot(t)
	together(
		func() { s.noFirstToken(t, true, short, nodes.TimedOut) },
		func() { s.noFirstToken(t, false, short, nodes.TimedOut) },
	)
}

func errorFrame(t *testing.T, s subject) {
	_, err := s.node.Ask(within(t, long), s.question(s.Model, true))
	s.wantFault(t, "chat", err, nodes.ServerFailed, nodes.Crashed, nodes.BadRequest)
	if err != nil && !strings.Contains(err.Error(), words) {
		t.Errorf("the server's words %q are lost: %v", words, err)
	}
}

func wrongAnswers(t *testing.T, s subject) {
	reply, err := s.node.Ask(within(t, long), s.question(s.Model, true))
	if err != nil || strings.Contains(reply.Text, "4") {
		t.Errorf("got %q, %v; want a wrong answer, which is no error", reply.Text, err)
	}
}

func crashed(t *testing.T, s subject) {
	_, err := s.Backend.Chat(within(t, long), s.question(s.Model, true))
	s.wantFault(t, "chat", err, nodes.Crashed)
	if _, err := s.node.Ensure(within(t, long), nodes.Model{Name: s.Model}, nodes.EnsureOptions{Reload: true}); err != nil {
		t.Fatalf("reload: %v", err)
	}
	s.wantLoaded(t, s.Model)
	s.answers(t, s.Model)
}

// loadFails wants a fault of a load after an unload, which is the order that
// Ensure keeps, and the server working again once the fault is gone.
func loadFails(want ...nodes.Fault) func(*testing.T, subject) {
	return func(t *testing.T, s subject) {
		_, err := s.node.Ensure(within(t, long), nodes.Model{Name: s.Model}, nodes.EnsureOptions{Reload: true})
		s.wantFault(t, "reload", err, want...)
		s.wantLoaded(t)
		s.Faulty.Mend()
		if _, err := s.node.Ensure(within(t, long), nodes.Model{Name: s.Model}, nodes.EnsureOptions{}); err != nil {
			t.Fatalf("load after the fault: %v", err)
		}
		s.wantLoaded(t, s.Model)
	}
}

func loadHangs(t *testing.T, s subject) {
	s.node.LoadTimeout = short
	err := s.promptly(t, "reload", short, func() error {
		_, err := s.node.Ensure(within(t, long), nodes.Model{Name: s.Model}, nodes.EnsureOptions{Reload: true})
		return err
	})
	s.wantFault(t, "reload", err, nodes.TimedOut)
	s.node.LoadTimeout = long
}

func unloadStuck(t *testing.T, s subject) {
	// Within the time-out the model must be seen once more, which takes a slow
	// machine longer.
	var err error
	for limit := short; limit < long && !errors.Is(err, nodes.UnloadStuck); limit *= 4 {
		s.node.UnloadTimeout = limit
		err = s.promptly(t, "reload", limit, func() error {
			_, err := s.node.Ensure(within(t, long), nodes.Model{Name: s.Model}, nodes.EnsureOptions{Reload: true})
			return err
		})
	}
	s.wantFault(t, "reload", err, nodes.UnloadStuck)
	s.node.UnloadTimeout = long
	s.wantLoaded(t, s.Model)
}

func (c conformance) canceledUnderWay(t *testing.T) {
	s := c.subject(t)
	s.Faulty.BreakWith(Hang, Detail{})
	defer s.Faulty.Mend()
	var calls []func()
	for what, call := range map[string]func(context.Context) error{
		"probe":  func(ctx context.Context) error { _, err := s.Backend.Probe(ctx); return err },
		"stream": func(ctx context.Context) error { _, err := s.Backend.Chat(ctx, s.question(s.Model, true)); return err },
		"chat":   func(ctx context.Context) error { _, err := s.Backend.Chat(ctx, s.question(s.Model, false)); return err },
	} {
		calls = append(calls, func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			defer time.AfterFunc(short, cancel).Stop()
			err := s.promptly(t, what, short, func() error { return call(ctx) })
			if !errors.Is(err, context.Canceled) || nodes.FaultOf(err) != "" {
				t.Errorf("%s: got %v, want the cancellation and no fault", what, err)
			} else {
				s.fit(t, what, err)
			}
		})
	}
	together(calls...)
}

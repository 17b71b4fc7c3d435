package healertest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/turbone/jarvis/healer"
)

// patience bounds the wait for what must happen. No test waits that long.
const patience = time.Minute

// Run tests a [healer.Healer] against its contract. Start makes one of a cluster
// of at least two nodes that answer. Run is called by the test where it needs
// that; what start itself starts, it ends by t.Cleanup.
func Run(t *testing.T, start func(t *testing.T) healer.Healer) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, healer.Healer)
	}{
		{"Run ends with its context", testRun},
		{"Status", testStatus},
		{"Check", testCheck},
		{"Pause and Resume", testPause},
		{"unknown nodes", testUnknown},
		{"Events", testEvents},
		{"concurrent use", testConcurrent},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, start(t)) })
	}
}

// running runs h until the end of the test.
func running(t *testing.T, h healer.Healer) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run goes on after its context has ended")
		}
	})
}

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func testRun(t *testing.T, h healer.Healer) { running(t, h) }

func testStatus(t *testing.T, h healer.Healer) {
	ctx := limited(t)
	s := status(ctx, t, h)
	if s.Started.IsZero() || len(s.Nodes) < 2 || s.Events == nil {
		t.Fatalf("an incomplete status, want at least two nodes: %+v", s)
	}
	seen := map[string]bool{}
	for _, n := range s.Nodes {
		if n.Name == "" || n.State == "" || n.Loaded == nil || seen[n.Name] {
			t.Errorf("an incomplete node: %+v", n)
		}
		seen[n.Name] = true
	}
	if s.Serving != "" && !seen[s.Serving] {
		t.Errorf("%q serves, which is not among the nodes", s.Serving)
	}
}

func status(ctx context.Context, t *testing.T, h healer.Healer) healer.Status {
	t.Helper()
	s, err := h.Status(ctx)
	if err != nil {
		t.Fatalf("Status: %v", err)
	}
	return s
}

func testCheck(t *testing.T, h healer.Healer) {
	ctx := limited(t)
	running(t, h)
	name := status(ctx, t, h).Nodes[0].Name
	var n healer.NodeStatus
	for {
		var err error
		n, err = h.Check(ctx, name)
		if err == nil {
			break
		}
		if !errors.Is(err, healer.ErrNotRunning) { // Run may not have begun yet
			t.Fatalf("Check: %v", err)
		}
		time.Sleep(time.Millisecond)
	}
	if n.Name != name || n.State == healer.Unknown || n.LastCheck.IsZero() {
		t.Errorf("a check of %s returned %+v", name, n)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := h.Check(ended, name); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Check with a context that has ended: %v", err)
	}
}

func testPause(t *testing.T, h healer.Healer) {
	ctx := limited(t)
	all := status(ctx, t, h).Nodes
	first, second := all[0].Name, all[1].Name
	until := time.Now().Add(time.Hour).Round(time.Second)
	paused := func() map[string]*healer.Pause {
		list := map[string]*healer.Pause{}
		for _, n := range status(ctx, t, h).Nodes {
			if n.Paused != nil {
				list[n.Name] = n.Paused
			}
		}
		return list
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(h.Resume(ctx, first)) // nothing to end is no error
	must(h.Pause(ctx, healer.Pause{Node: first, Until: until, Why: "rack work"}))
	if p := paused(); len(p) != 1 || p[first] == nil || p[first].Why != "rack work" || !p[first].Until.Equal(until) {
		t.Errorf("paused %s: %v", first, p)
	}
	must(h.Pause(ctx, healer.Pause{Node: first, Why: "longer"}))
	if p := paused(); len(p) != 1 || p[first] == nil || p[first].Why != "longer" || !p[first].Until.IsZero() {
		t.Errorf("paused %s once more: %v", first, p)
	}
	must(h.Pause(ctx, healer.Pause{Why: "all"}))
	if p := paused(); len(p) != len(all) || p[first].Why != "all" {
		t.Errorf("paused all: %v", p)
	}
	must(h.Resume(ctx, second))
	if p := paused(); len(p) != len(all)-1 || p[second] != nil {
		t.Errorf("resumed %s: %v", second, p)
	}
	must(h.Resume(ctx, ""))
	if p := paused(); len(p) != 0 {
		t.Errorf("resumed all: %v", p)
	}
}

func testUnknown(t *testing.T, h healer.Healer) {
	ctx := limited(t)
	const nobody = "no such node"
	_, checked := h.Check(ctx, nobody)
	for what, err := range map[string]error{
		"Check": checked, "Pause": h.Pause(ctx, healer.Pause{Node: nobody}), "Resume": h.Resume(ctx, nobody),
	} {
		if !errors.Is(err, healer.ErrUnknownNode) {
			t.Errorf("%s of a node that is none: %v", what, err)
		}
	}
}

func testEvents(t *testing.T, h healer.Healer) {
	ctx := limited(t)
	name := status(ctx, t, h).Nodes[0].Name
	// next returns the first event of a type after a position.
	next := func(after uint64, kind healer.EventType) healer.Event {
		t.Helper()
		last := after
		for e, err := range h.Events(ctx, after) {
			if err != nil {
				t.Fatalf("Events: %v", err)
			}
			if e.ID <= last {
				t.Fatalf("event %d comes after %d", e.ID, last)
			}
			last = e.ID
			if e.Type == kind && e.Node == name {
				if e.Time.IsZero() {
					t.Errorf("an event without a time: %+v", e)
				}
				return e
			}
		}
		t.Fatalf("no event %q of %s", kind, name)
		return healer.Event{}
	}
	pause := func() {
		t.Helper()
		if err := errors.Join(h.Pause(ctx, healer.Pause{Node: name}), h.Resume(ctx, name)); err != nil {
			t.Fatal(err)
		}
	}
	pause()
	paused := next(0, healer.EventPaused)
	resumed := next(paused.ID, healer.EventResumed)
	if again := next(paused.ID-1, healer.EventPaused); again.ID != paused.ID || !again.Time.Equal(paused.Time) {
		t.Errorf("a second reader got %+v, want %+v", again, paused)
	}
	// One that waits is woken.
	got := make(chan healer.Event)
	read, cancel := context.WithCancel(ctx)
	go func() {
		defer close(got)
		for e, err := range h.Events(read, resumed.ID) {
			if err != nil {
				if read.Err() == nil {
					t.Errorf("Events: %v", err)
				}
				return
			}
			select {
			case got <- e:
			case <-read.Done():
			}
		}
	}()
	pause()
	if e, ok := <-got; !ok || e.ID <= resumed.ID {
		t.Errorf("a reader that waits got %+v", e)
	}
	cancel()
	for range got { // until the sequence ends
	}
}

func testConcurrent(t *testing.T, h healer.Healer) {
	ctx := limited(t)
	running(t, h)
	var users sync.WaitGroup
	for _, n := range status(ctx, t, h).Nodes {
		users.Go(func() {
			for range 3 {
				_, checked := h.Check(ctx, n.Name)
				if errors.Is(checked, healer.ErrNotRunning) {
					checked = nil // Run may not have begun yet
				}
				_, told := h.Status(ctx)
				err := errors.Join(checked, told, h.Pause(ctx, healer.Pause{Node: n.Name}), h.Resume(ctx, n.Name))
				for _, failed := range h.Events(ctx, 0) {
					err = errors.Join(err, failed)
					break
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	users.Wait()
}

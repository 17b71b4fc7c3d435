package healertest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/healer/healertest"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/lmstudio"
	"github.com/turbone/jarvis/nodes/nodetest"
)

func TestFake(t *testing.T) {
	healertest.Run(t, func(*testing.T) healer.Healer { return healertest.New("M1", "M2", "M3") })
}

// TestWatchdog is the conformance test of [healer.Watchdog].
func TestWatchdog(t *testing.T) {
	healertest.Run(t, func(t *testing.T) healer.Healer {
		var list []*nodes.Node
		for _, name := range []string{"M1", "M2"} {
			server := nodetest.NewLMStudio(t, nodetest.Options{})
			backend, err := lmstudio.New(nodes.Connection{Node: name, URL: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			node, err := nodes.New(nodes.Node{Name: name, Engine: "lmstudio", Backend: backend})
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, node)
		}
		set, err := nodes.NewSet(list...)
		if err != nil {
			t.Fatal(err)
		}
		h, err := healer.New(healer.Config{Nodes: set})
		if err != nil {
			t.Fatal(err)
		}
		return h
	})
}

// TestScripted: a program under test is told what the test says, and what it
// asks for is recorded.
func TestScripted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := healertest.New("M1")
		h.SetNode(healer.NodeStatus{Name: "M2", State: healer.Offline})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.Run(ctx) }()
		var got []string
		read := make(chan error, 1)
		go func() {
			for e, err := range h.Events(ctx, 0) {
				if err != nil {
					read <- err
					return
				}
				got = append(got, e.String())
			}
		}()
		synctest.Wait()
		h.Emit(healer.Event{Node: "M2", Type: healer.EventOffline, Detail: "offline"})
		n, err := h.Check(ctx, "M2")
		if err != nil || n.State != healer.Offline || !h.Running() {
			t.Errorf("checked %+v, %v, running: %v", n, err, h.Running())
		}
		if err := errors.Join(h.Pause(ctx, healer.Pause{Node: "M1", Why: "x"}), h.Resume(ctx, "")); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		failure := errors.New("gone")
		h.Fail(failure)
		if err := <-read; err != failure {
			t.Errorf("Events: %v", err)
		}
		if err := <-ended; err != failure {
			t.Errorf("Run: %v", err)
		}
		if _, err := h.Status(ctx); err != failure {
			t.Errorf("Status: %v", err)
		}
		cancel()
		if len(got) != 3 || got[0] != "M2: offline" {
			t.Errorf("events %q", got)
		}
		if diff := cmp.Diff([]any{[]string{"M2"}, []healer.Pause{{Node: "M1", Why: "x"}}, []string{""}}, []any{h.Checked(), h.Pauses(), h.Resumed()}); diff != "" {
			t.Errorf("asked for (-want +got):\n%s", diff)
		}
	})
}

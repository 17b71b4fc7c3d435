package arenatest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/arena/arenatest"
	"github.com/turbone/jarvis/nodes"
)

func node() *nodes.Node { return &nodes.Node{Name: "M1", Wanted: nodes.Model{Name: "old"}} }

func TestFake(t *testing.T) {
	arenatest.Test(t, func(*testing.T) arenatest.Subject {
		return arenatest.Subject{Arena: &arenatest.Fake{}, Node: node(), Models: [2]string{"a", "b"}}
	})
}

// TestScript promotes a candidate, and records what was asked for.
func TestScript(t *testing.T) {
	f := &arenatest.Fake{Decide: func(r arena.Request) (arena.Result, error) {
		return arena.Result{Verdict: arena.VerdictPromoted, TestsUsed: 20}, nil
	}}
	r, err := f.Hold(t.Context(), arena.Request{Node: node(), Contest: arena.Challenge{Name: "new"}, Rule: arena.Strict})
	if err != nil || r.Verdict != arena.VerdictPromoted || r.Loaded != "new" || r.Champion.Model != "old" {
		t.Errorf("%+v, %v", r, err)
	}
	calls := f.Calls()
	if len(calls) != 1 || calls[0].Method != arenatest.Hold || calls[0].Request.Rule != arena.Strict {
		t.Errorf("recorded %+v", calls)
	}
}

// TestWait ends a tournament that waits, and resumes it.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := make(chan struct{})
		f := &arenatest.Fake{Wait: never}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := f.Hold(ctx, arena.Request{Node: node(), Contest: arena.Challenge{Name: "new"}})
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, arena.ErrInterrupted) {
			t.Errorf("%v, want ErrInterrupted", err)
		}
		close(never)
		if r, err := f.Resume(t.Context(), node(), ""); err != nil || r.Final.Candidate.Model != "new" {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

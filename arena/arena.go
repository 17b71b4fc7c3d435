// Package arena finds the model that a node should serve, by tournament.
//
// A candidate is loaded in the champion's place, and both answer the same tasks
// in one session: first the champion, which is loaded already, then the
// candidate, and the champion once more before a promotion. The tests are judged
// at fixed moments (see [scoring.Plan]), so that a clear case ends early and an
// equal model is seldom promoted.
//
//	a, err := arena.New(arena.Config{History: store, Suite: tasks, Journal: "sessions"})
//	result, err := a.Hold(ctx, arena.Request{Node: node, Contest: arena.Challenge{Name: "qwen3:14b"}})
//
// An [Organizer] guarantees three things:
//   - It holds the node's lease from before the first change until after the
//     last.
//   - A tournament without a promotion leaves the node with the model that it
//     served before, loaded and verified. If the process dies, [Arena].Recover of
//     the next one does that, or the healer once the lease is free.
//   - Each test is in a journal before the next one is asked, so that an
//     interrupted tournament can be resumed.
//
// What to do next is computed from the content of the journal alone (next.go).
// The rest of the package does it.
package arena

import (
	"context"
	"errors"

	"github.com/turbone/jarvis/nodes"
)

// Arena holds tournaments. [New] returns one that holds them on the nodes;
// arenatest.Fake is a fake for tests.
//
// Its methods are safe for concurrent use. Hold, HoldAll and Resume block until
// the tournament has ended, and several nodes may have one at the same time.
// When they return, the node serves the model that it served before, or the
// promoted candidate; the error says so if that could not be reached.
type Arena interface {
	// Hold holds a tournament of one candidate, or a [SelfTest].
	//
	// The error wraps [ErrInvalidRequest] for a request that fails
	// [Request.Validate] or has a [Field], [ErrHistory] if the outcome could not
	// be recorded, [ErrInterrupted] if ctx ended, and [ErrCutShort] if the server
	// did not come back. A candidate that does not load is no error: the verdict
	// is [VerdictFailed].
	Hold(ctx context.Context, r Request) (Result, error)
	// HoldAll holds a tournament of a [Field] of candidates: they are asked
	// tasks in rounds, the better half of them goes on each time, and the best
	// one is compared with the champion on other tasks. Its errors are Hold's.
	HoldAll(ctx context.Context, r Request) (Ranking, error)
	// Resume continues a tournament on node that was interrupted: the one of
	// this session, or, if session is "", the latest. It keeps the rule and the
	// budget that it began with. The ranking of a tournament of one candidate
	// has a Final and no Table.
	//
	// The error wraps [ErrNothingToResume] if there is no such session, and
	// [ErrChanged] if its results are no longer comparable with new ones.
	Resume(ctx context.Context, node *nodes.Node, session string) (Ranking, error)
	// Estimate returns the cost of a tournament and the smallest gap that it
	// can detect. It loads nothing, takes no lease and asks no model.
	Estimate(ctx context.Context, r Request) (Estimate, error)
	// Recover ends what a killed process left behind on the nodes of set: a
	// node without its champion gets it back, and a promotion that was made is
	// recorded. It returns the sessions that can be resumed or could not be
	// ended, and with their Ended those that it ended. Nodes that are leased are
	// left alone.
	//
	// Only nodes with a session are asked, and a node that does not answer is
	// not waited for: its session has an Err and stays. The error is that of
	// the journal's folder.
	Recover(ctx context.Context, set *nodes.Set) ([]Unfinished, error)
}

// ErrInterrupted is wrapped by the error of a tournament whose context ended.
// The node serves what it served before, and the session can be resumed.
var ErrInterrupted = errors.New("interrupted")

// ErrHistory is wrapped by the error of a tournament whose outcome could not be
// recorded. It is returned before anything is done.
var ErrHistory = errors.New("the history can't be written")

// ErrCutShort is wrapped by the error of a tournament that could not go on because
// its server did not come back, the champion stopped answering again and again, or
// the journal could not be written. The session can be resumed.
var ErrCutShort = errors.New("cut short")

// ErrNothingToResume is wrapped by the error of [Arena].Resume if no tournament on
// the node was interrupted.
var ErrNothingToResume = errors.New("nothing to resume")

// ErrChanged is wrapped by the error of [Arena].Resume if the tasks, the
// champion or the candidate are not those of the interrupted tournament.
var ErrChanged = errors.New("changed since the tournament was interrupted")

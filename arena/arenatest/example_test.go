package arenatest_test

import (
	"context"
	"fmt"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/arena/arenatest"
	"github.com/turbone/jarvis/nodes"
)

// tryTonight is a program of one's own that embeds an arena: it tries a model if
// that takes no longer than an hour.
func tryTonight(ctx context.Context, a arena.Arena, node *nodes.Node, model string) (string, error) {
	r := arena.Request{Node: node, Contest: arena.Challenge{Name: model}, Rule: arena.Strict}
	e, err := a.Estimate(ctx, r)
	if err != nil {
		return "", err
	}
	if e.Most.Hours() > 1 {
		r.Budget = arena.Quick
	}
	result, err := a.Hold(ctx, r)
	return result.Loaded, err
}

func ExampleFake() {
	fake := &arenatest.Fake{Decide: func(r arena.Request) (arena.Result, error) {
		return arena.Result{Verdict: arena.VerdictPromoted, TestsUsed: 20}, nil
	}}
	node := &nodes.Node{Name: "M1", Wanted: nodes.Model{Name: "qwen3:8b"}}
	loaded, err := tryTonight(context.Background(), fake, node, "qwen3:14b")
	fmt.Println(loaded, err)
	for _, call := range fake.Calls() {
		fmt.Println(call.Method, call.Request.Contest.(arena.Challenge).Name, call.Request.Rule)
	}
	// Output:
	// qwen3:14b <nil>
	// Estimate qwen3:14b strict
	// Hold qwen3:14b strict
}

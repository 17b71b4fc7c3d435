package ollama_test

import (
	"context"
	"testing"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/ollama"
)

// long is a time that no test gets near to on a healthy machine.
const long = 2 * time.Minute

// start returns a fake with two models, of which the first is loaded, and a
// backend for it.
func start(t *testing.T, o nodetest.Options) (*nodetest.Ollama, *ollama.Backend) {
	t.Helper()
	if o.Models == nil {
		o.Models = []nodetest.Model{{Name: "good"}, {Name: "other"}}
	}
	fake := nodetest.NewOllama(t, o)
	return fake, backend(t, fake.URL)
}

func backend(t *testing.T, url string) *ollama.Backend {
	t.Helper()
	b, err := ollama.New(nodes.Connection{Node: "OL1", URL: url})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func node(t *testing.T, b nodes.Backend, wanted string) *nodes.Node {
	t.Helper()
	n, err := nodes.New(nodes.Node{Name: "OL1", Engine: "ollama", Backend: b, Wanted: nodes.Model{Name: wanted}, LoadTimeout: long})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// canary is the question that a watchdog asks a loaded model.
func canary(model string) nodes.ChatRequest {
	return nodes.ChatRequest{
		Model: model, Messages: []nodes.Message{{Role: nodes.RoleUser, Text: "Reply with OK"}},
		Stream: true, OnlyLoaded: true, NoThinking: true, FirstToken: long, BetweenTokens: long,
	}
}

// wantFault fails the test unless err wraps the fault.
func wantFault(t *testing.T, what string, err error, want nodes.Fault) {
	t.Helper()
	if got := nodes.FaultOf(err); got != want {
		t.Errorf("%s: fault %q, want %q: %v", what, got, want, err)
	}
}

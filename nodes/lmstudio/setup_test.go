package lmstudio_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/lmstudio"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// The models of these tests: two that answer, and one that thinks first.
const (
	good    = "lab/Good-7B"
	other   = "lab/other-7b"
	thinker = "lab/thinker-7b"
	index   = "text-embedding-index"
)

func models() []nodetest.Model {
	return []nodetest.Model{
		{Name: good, Size: 4 << 30},
		{Name: other},
		{Name: thinker, Thinking: "let me see"},
		{Name: index},
	}
}

// embeddings marks the models that are no chat models.
func embeddings(s *nodetest.LMStudioSettings) { s.Embeddings = []string{index} }

// start starts a fake with the test's models, and a backend of it.
func start(t *testing.T, o nodetest.Options, change ...func(*nodetest.LMStudioSettings)) (*nodetest.LMStudio, *lmstudio.Backend) {
	t.Helper()
	if o.Models == nil {
		o.Models = models()
	}
	fake := nodetest.NewLMStudio(t, o)
	for _, f := range append([]func(*nodetest.LMStudioSettings){embeddings}, change...) {
		fake.Configure(f)
	}
	return fake, connect(t, fake.URL, o.Key)
}

func connect(t *testing.T, url, key string) *lmstudio.Backend {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	b, err := lmstudio.New(nodes.Connection{Node: "M1", URL: url, Key: nodes.NewSecret(key), Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func node(t *testing.T, b nodes.Backend, wanted string) *nodes.Node {
	t.Helper()
	n, err := nodes.New(nodes.Node{Name: "M1", Engine: "lmstudio", Backend: b, Wanted: nodes.Model{Name: wanted}})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// ask is a question with a known answer, and deadlines that only a hang passes.
func ask(model string) nodes.ChatRequest {
	return nodes.ChatRequest{
		Model:      model,
		Messages:   []nodes.Message{{Role: nodes.RoleUser, Text: "What is the capital of Italy?"}},
		Stream:     true,
		FirstToken: time.Minute, BetweenTokens: time.Minute,
	}
}

// hurried is a question to a server that hangs: its deadline is short, since it
// passes in any case.
func hurried(model string) nodes.ChatRequest {
	q := ask(model)
	q.FirstToken = 60 * time.Millisecond
	return q
}

const answer = "The capital is Rome."

func wantFault(t *testing.T, err error, want nodes.Fault) {
	t.Helper()
	if got := nodes.FaultOf(err); got != want {
		t.Errorf("got %q of %v, want %q", got, err, want)
	}
}

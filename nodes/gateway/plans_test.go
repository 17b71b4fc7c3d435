package gateway

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/registry"
	"github.com/turbone/jarvis/nodes/ollama"
	"github.com/turbone/jarvis/nodes/openai"
	"github.com/turbone/jarvis/nodes/route"
)

// ollamaNode is a node that nobody asks.
func ollamaNode(t *testing.T, name, model string) *nodes.Node {
	t.Helper()
	backend, err := ollama.New(nodes.Connection{Node: name, URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	return &nodes.Node{Name: name, Engine: "ollama", Backend: backend, Wanted: nodes.Model{Name: model}}
}

func openAINode(t *testing.T, name, model string) *nodes.Node {
	t.Helper()
	backend, err := openai.New(nodes.Connection{Node: name, URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	return &nodes.Node{Name: name, Engine: "openai", Backend: backend, Wanted: nodes.Model{Name: model}}
}

// TestPlans: embeddings of another model are worth nothing, an API that a node
// lacks is translated or goes elsewhere, and a plan follows what the nodes
// serve.
func TestPlans(t *testing.T) {
	table := route.New(ollamaNode(t, "M1", "good"), openAINode(t, "M2", "other"))
	f, err := newForwarder(table, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path, model string
		want        []route.Fit
	}{
		{"/v1/chat/completions", "good", []route.Fit{route.Exact, route.StandIn}},
		{"/v1/messages", "good", []route.Fit{route.Exact, route.StandIn}},     // by translation
		{"/api/chat", "other", []route.Fit{route.StandIn, route.Exact}},       // by translation
		{"/v1/embeddings", "good", []route.Fit{route.Exact, route.Unfit}},     // strict
		{"/v1/embeddings", route.Auto, []route.Fit{route.Exact, route.Exact}}, // whatever it is, it was asked for
		{"/api/embed", "good", []route.Fit{route.Exact, route.Unfit}},         // M2 lacks it
		{"/api/embed", route.Auto, []route.Fit{route.Exact, route.Unfit}},
		{"/api/show", route.Auto, []route.Fit{route.Exact, route.Unfit}},
		{"/api/generate", "good", []route.Fit{route.Exact, route.StandIn}}, // by translation
		{"/v1/completions", "good", []route.Fit{route.Exact, route.StandIn}},
	} {
		t.Run(tt.path+" "+tt.model, func(t *testing.T) {
			for range 2 { // the second comes from memory
				if got := f.plan(&request{API: registry.Lookup(tt.path), model: tt.model}); !cmp.Equal(tt.want, got.Fits) {
					t.Errorf("%v, want %v", got.Fits, tt.want)
				}
			}
		})
	}

	question := &request{API: registry.Lookup("/v1/chat/completions"), model: "other"}
	f.plan(question)
	table.SetModel("M1", "Other")
	if got := f.plan(question); !cmp.Equal([]route.Fit{route.Exact, route.Exact}, got.Fits) {
		t.Errorf("after M1 serves it too: %v", got.Fits)
	}
	f.upstreams[1].markMissing("/v1/embeddings")
	f.missingAPIs.Add(1)
	if got := f.plan(&request{API: registry.Lookup("/v1/embeddings"), model: route.Auto}); !cmp.Equal([]route.Fit{route.Exact, route.Unfit}, got.Fits) {
		t.Errorf("after M2 was seen to lack it: %v", got.Fits)
	}
	for i := range 2 * maxPlans {
		f.plan(&request{API: registry.Lookup("/v1/chat/completions"), model: string(rune('a' + i))})
	}
	if n := len(f.plans.plans); n > maxPlans {
		t.Errorf("%d plans are remembered", n)
	}
}

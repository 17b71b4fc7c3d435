package route

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/ollama"
	"github.com/turbone/jarvis/nodes/openai"
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

func TestPlanFor(t *testing.T) {
	m1, m2, m3 := ollamaNode(t, "M1", "good"), ollamaNode(t, "M2", "other"), openAINode(t, "M3", "Third")
	cluster := []served{
		{node: m1, model: "good:latest", wanted: "good:latest", asked: true},
		{node: m2, model: "other:latest", wanted: "other:latest", asked: true},
		{node: m3, model: "Third", wanted: "Third", asked: true},
	}
	mute := []served{cluster[0], {node: m2, model: "other:latest", wanted: "other:latest"}, cluster[2]}
	swapped := []served{{node: m1, model: "spare:latest", wanted: "good:latest", asked: true}, cluster[1], {node: m3, asked: true}}
	roles := map[string]map[string]string{
		"writer": {"M1": "good", "M3": "Third-long"},
		"other":  {"M3": "Third"},
	}
	for _, tt := range []struct {
		name   string
		model  string
		list   []served
		strict bool
		want   plan
	}{
		{"auto is what each serves", Auto, cluster, true, plan{[]fit{exact, exact, exact}, []string{"good:latest", "other:latest", "Third"}}},
		{"no name is auto", "", cluster, false, plan{[]fit{exact, exact, exact}, []string{"good:latest", "other:latest", "Third"}}},
		{"a role is for the nodes it names", "writer", cluster, false, plan{[]fit{exact, unfit, exact}, []string{"good", "writer", "Third-long"}}},
		{"a role goes before a model of that name", "other", cluster, false, plan{[]fit{unfit, unfit, exact}, []string{"other", "other", "Third"}}},
		{"a node's model, and what stands in for it", "good:latest", cluster, false, plan{[]fit{exact, standIn, standIn}, []string{"good:latest", "other:latest", "Third"}}},
		{"strict: nothing stands in", "good:latest", cluster, true, plan{[]fit{exact, unfit, unfit}, []string{"good:latest", "good:latest", "good:latest"}}},
		{"Ollama's short name", "good", cluster, true, plan{[]fit{exact, unfit, unfit}, []string{"good", "good", "good"}}},
		{"Ollama's names don't differ by case", "GOOD:Latest", cluster, true, plan{[]fit{exact, unfit, unfit}, []string{"GOOD:Latest", "GOOD:Latest", "GOOD:Latest"}}},
		{"another tag is another model", "good:7b", cluster, true, plan{[]fit{exact, exact, exact}, []string{"good:7b", "good:7b", "good:7b"}}},
		{"the others' names do differ by case", "third", cluster, true, plan{[]fit{exact, exact, exact}, []string{"third", "third", "third"}}},
		{"a name that nobody serves is asked of all: it may be on a disk", "unheard-of", cluster, true, plan{[]fit{exact, exact, exact}, []string{"unheard-of", "unheard-of", "unheard-of"}}},
		{"who can't be asked by the API is out", "other", mute, true, plan{[]fit{unfit, unfit, unfit}, []string{"other", "other", "other"}}},
		{"and others stand in", "other:latest", mute, false, plan{[]fit{standIn, unfit, standIn}, []string{"good:latest", "other:latest", "Third"}}},
		{"a model that its node is meant to serve and doesn't", "good", swapped, false, plan{[]fit{standIn, standIn, unfit}, []string{"spare:latest", "other:latest", "good"}}},
		{"and nobody does, strictly", "good", swapped, true, plan{[]fit{unfit, unfit, unfit}, []string{"good", "good", "good"}}},
		{"what it serves instead", "spare", swapped, true, plan{[]fit{exact, unfit, unfit}, []string{"spare", "spare", "spare"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			roles := roles
			if tt.model != "writer" && tt.name != "a role goes before a model of that name" {
				roles = nil
			}
			got := planFor(tt.model, tt.list, roles, tt.strict)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(plan{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestPlans: embeddings of another model are worth nothing, an API that a node
// lacks is translated or goes elsewhere, and a plan follows what the nodes
// serve.
func TestPlans(t *testing.T) {
	table := New(ollamaNode(t, "M1", "good"), openAINode(t, "M2", "other"))
	f, err := newForwarder(table, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path, model string
		want        []fit
	}{
		{"/v1/chat/completions", "good", []fit{exact, standIn}},
		{"/v1/messages", "good", []fit{exact, standIn}}, // by translation
		{"/api/chat", "other", []fit{standIn, exact}},   // by translation
		{"/v1/embeddings", "good", []fit{exact, unfit}}, // strict
		{"/v1/embeddings", Auto, []fit{exact, exact}},   // whatever it is, it was asked for
		{"/api/embed", "good", []fit{exact, unfit}},     // M2 lacks it
		{"/api/embed", Auto, []fit{exact, unfit}},
		{"/api/show", Auto, []fit{exact, unfit}},
		{"/api/generate", "good", []fit{exact, standIn}}, // by translation
		{"/v1/completions", "good", []fit{exact, standIn}},
	} {
		t.Run(tt.path+" "+tt.model, func(t *testing.T) {
			for range 2 { // the second comes from memory
				if got := f.plan(&ask{api: apis[tt.path], model: tt.model}); !cmp.Equal(tt.want, got.fits) {
					t.Errorf("%v, want %v", got.fits, tt.want)
				}
			}
		})
	}

	question := &ask{api: apis["/v1/chat/completions"], model: "other"}
	f.plan(question)
	table.SetModel("M1", "Other")
	if got := f.plan(question); !cmp.Equal([]fit{exact, exact}, got.fits) {
		t.Errorf("after M1 serves it too: %v", got.fits)
	}
	f.ends[1].lack("/v1/embeddings")
	f.forget()
	if got := f.plan(&ask{api: apis["/v1/embeddings"], model: Auto}); !cmp.Equal([]fit{exact, unfit}, got.fits) {
		t.Errorf("after M2 was seen to lack it: %v", got.fits)
	}
	for i := range 2 * mostPlans {
		f.plan(&ask{api: apis["/v1/chat/completions"], model: string(rune('a' + i))})
	}
	if n := len(f.plans.known); n > mostPlans {
		t.Errorf("%d plans are remembered", n)
	}
}

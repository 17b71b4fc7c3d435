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
	cluster := []Served{
		{Node: m1, Model: "good:latest", Wanted: "good:latest", Askable: true},
		{Node: m2, Model: "other:latest", Wanted: "other:latest", Askable: true},
		{Node: m3, Model: "Third", Wanted: "Third", Askable: true},
	}
	mute := []Served{cluster[0], {Node: m2, Model: "other:latest", Wanted: "other:latest"}, cluster[2]}
	swapped := []Served{{Node: m1, Model: "spare:latest", Wanted: "good:latest", Askable: true}, cluster[1], {Node: m3, Askable: true}}
	only := []Served{cluster[0], {Node: m3, Model: "Third", Wanted: "Third", Askable: true, Only: []string{"Third"}}}
	drifted := []Served{cluster[0], {Node: m3, Model: "Planned", Wanted: "Planned", Askable: true, Only: []string{"Third"}}}
	empty := []Served{cluster[0], {Node: m3, Model: "Third", Wanted: "Third", Askable: true, Only: []string{}}}
	roles := map[string]map[string]string{
		"writer": {"M1": "good", "M3": "Third-long"},
		"other":  {"M3": "Third"},
	}
	for _, tt := range []struct {
		name   string
		model  string
		list   []Served
		strict bool
		want   Plan
	}{
		{"auto is what each serves", Auto, cluster, true, Plan{[]Fit{Exact, Exact, Exact}, []string{"good:latest", "other:latest", "Third"}}},
		{"no name is auto", "", cluster, false, Plan{[]Fit{Exact, Exact, Exact}, []string{"good:latest", "other:latest", "Third"}}},
		{"a role is for the nodes it names", "writer", cluster, false, Plan{[]Fit{Exact, Unfit, Exact}, []string{"good", "writer", "Third-long"}}},
		{"a role goes before a model of that name", "other", cluster, false, Plan{[]Fit{Unfit, Unfit, Exact}, []string{"other", "other", "Third"}}},
		{"a node's model, and what stands in for it", "good:latest", cluster, false, Plan{[]Fit{Exact, StandIn, StandIn}, []string{"good:latest", "other:latest", "Third"}}},
		{"strict: nothing stands in", "good:latest", cluster, true, Plan{[]Fit{Exact, Unfit, Unfit}, []string{"good:latest", "good:latest", "good:latest"}}},
		{"Ollama's short name", "good", cluster, true, Plan{[]Fit{Exact, Unfit, Unfit}, []string{"good", "good", "good"}}},
		{"Ollama's names don't differ by case", "GOOD:Latest", cluster, true, Plan{[]Fit{Exact, Unfit, Unfit}, []string{"GOOD:Latest", "GOOD:Latest", "GOOD:Latest"}}},
		{"another tag is another model", "good:7b", cluster, true, Plan{[]Fit{Exact, Exact, Exact}, []string{"good:7b", "good:7b", "good:7b"}}},
		{"the others' names do differ by case", "third", cluster, true, Plan{[]Fit{Exact, Exact, Exact}, []string{"third", "third", "third"}}},
		{"a name that nobody serves is asked of all: it may be on a disk", "unheard-of", cluster, true, Plan{[]Fit{Exact, Exact, Exact}, []string{"unheard-of", "unheard-of", "unheard-of"}}},
		{"who can't be asked by the API is out", "other", mute, true, Plan{[]Fit{Unfit, Unfit, Unfit}, []string{"other", "other", "other"}}},
		{"and others stand in", "other:latest", mute, false, Plan{[]Fit{StandIn, Unfit, StandIn}, []string{"good:latest", "other:latest", "Third"}}},
		{"a model that its node is meant to serve and doesn't", "good", swapped, false, Plan{[]Fit{StandIn, StandIn, Unfit}, []string{"spare:latest", "other:latest", "good"}}},
		{"and nobody does, strictly", "good", swapped, true, Plan{[]Fit{Unfit, Unfit, Unfit}, []string{"good", "good", "good"}}},
		{"what it serves instead", "spare", swapped, true, Plan{[]Fit{Exact, Unfit, Unfit}, []string{"spare", "spare", "spare"}}},
		{"of a name that nobody serves, who would answer with another model is not asked", "unheard-of", only, false, Plan{[]Fit{Exact, Unfit}, []string{"unheard-of", "unheard-of"}}},
		{"its own name", "Third", only, true, Plan{[]Fit{Unfit, Exact}, []string{"Third", "Third"}}},
		{"it stands in with its own model", "good", only, false, Plan{[]Fit{Exact, StandIn}, []string{"good", "Third"}}},
		{"it was to serve another model: auto is what it has", Auto, drifted, true, Plan{[]Fit{Exact, Exact}, []string{"good:latest", "Third"}}},
		{"that other model is not its", "Planned", drifted, true, Plan{[]Fit{Unfit, Unfit}, []string{"Planned", "Planned"}}},
		{"what it has is known by its list", "Third", drifted, false, Plan{[]Fit{StandIn, Exact}, []string{"good:latest", "Third"}}},
		{"it has no model", Auto, empty, true, Plan{[]Fit{Exact, Unfit}, []string{"good:latest", Auto}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			roles := roles
			if tt.model != "writer" && tt.name != "a role goes before a model of that name" {
				roles = nil
			}
			got := PlanFor(tt.model, tt.list, roles, tt.strict)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

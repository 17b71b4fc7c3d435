package engines_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/engines"
)

func TestAll(t *testing.T) {
	type row struct {
		Name string
		Port int
	}
	var got []row
	for _, e := range engines.All() {
		got = append(got, row{e.Name, e.DefaultPort})
	}
	want := []row{{"lmstudio", 1234}, {"ollama", 11434}, {"llamacpp", 8080}, {"openai", 0}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i, name := range engines.Names() {
		if name != want[i].Name {
			t.Errorf("name %d is %q, want %q", i, name, want[i].Name)
		}
	}
}

func TestLookup(t *testing.T) {
	for _, name := range engines.Names() {
		e, ok := engines.Lookup(name)
		if !ok || e.Name != name {
			t.Errorf("%s: got %q, %v", name, e.Name, ok)
		}
		if keys := e.LoadKeys(); !slices.IsSorted(keys) {
			t.Errorf("%s: keys %v are not sorted", name, keys)
		}
		b, err := e.New(nodes.Connection{Node: "N1", URL: "http://127.0.0.1:1"})
		if err != nil || b == nil {
			t.Errorf("%s: %v, %v", name, b, err)
		}
		b, err = e.New(nodes.Connection{Node: "N1", URL: "nonsense"})
		if err == nil || b != nil {
			t.Errorf("%s: a nonsensical address gave %v, %v", name, b, err)
		}
		_, loads := nodes.Backend(mustNew(t, e)).(nodes.Loader)
		if !loads && len(e.LoadKeys()) > 0 {
			t.Errorf("%s: load settings without a load", name)
		}
	}
	for _, name := range []string{"", "LMStudio", "vllm"} {
		if e, ok := engines.Lookup(name); ok {
			t.Errorf("%q is %q", name, e.Name)
		}
	}
}

func mustNew(t *testing.T, e engines.Engine) nodes.Backend {
	t.Helper()
	b, err := e.New(nodes.Connection{Node: "N1", URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

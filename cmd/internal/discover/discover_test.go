package discover

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// TestAddresses: where engines are looked for.
func TestAddresses(t *testing.T) {
	usual := []string{"http://127.0.0.1:1234", "http://127.0.0.1:11434", "http://127.0.0.1:8080"}
	for _, c := range []struct {
		name, lookAt, ollama string
		want                 []string
	}{
		{"usually", "", "", usual},
		{"told", " box:1 , http://b:2/,", "", []string{"http://box:1", "http://b:2"}},
		{"Ollama on another port", "", "127.0.0.1:9999", append(usual[:3:3], "http://127.0.0.1:9999")},
		{"Ollama on all addresses", "", "0.0.0.0", usual},
		{"Ollama by name", "", "http://localhost:11434", usual},
		{"Ollama elsewhere", "", "gpu-box", append(usual[:3:3], "http://gpu-box:11434")},
		{"Ollama nonsense", "", "http://[", usual},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Addresses(func(name string) string {
				return map[string]string{Variable: c.lookAt, "OLLAMA_HOST": c.ollama}[name]
			})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("want(-) got(+):\n%s", diff)
			}
		})
	}
}

// TestLook: engines are told apart, named, and left as they are; what is no
// engine, hangs or isn't there is left out.
func TestLook(t *testing.T) {
	first := nodetest.NewLMStudio(t, nodetest.Options{Models: []nodetest.Model{{Name: "qwen"}, {Name: "devstral"}}})
	second := nodetest.NewLMStudio(t, nodetest.Options{Loaded: []string{}})
	ollama := nodetest.NewOllama(t, nodetest.Options{Models: []nodetest.Model{{Name: "llama3:8b"}}})
	locked := nodetest.NewLMStudio(t, nodetest.Options{Key: "sk-secret"})
	page := nodetest.NewOllama(t, nodetest.Options{})
	page.Break(nodetest.NotJSON)
	got := Look(t.Context(), []string{first.URL, "http://127.0.0.1:1", page.URL, ollama.URL, second.URL, locked.URL})
	want := []Found{
		{Name: "lmstudio", URL: first.URL, Engine: "lmstudio", Loaded: []string{"qwen"}, OnDisk: []string{"qwen", "devstral"}},
		{Name: "ollama", URL: ollama.URL, Engine: "ollama", Loaded: []string{"llama3:8b"}, OnDisk: []string{"llama3:8b"}},
		{Name: "lmstudio-2", URL: second.URL, Engine: "lmstudio", OnDisk: []string{"good"}},
	}
	if len(got) != 4 || !got[3].NeedsKey {
		t.Fatalf("want four, the last one asking for a key, got %+v", got)
	}
	for i := range got {
		got[i].Version = ""
	}
	if diff := cmp.Diff(want, got[:3]); diff != "" {
		t.Errorf("want(-) got(+):\n%s", diff)
	}
	for _, s := range []*nodetest.Server{first.Server, second.Server, ollama.Server} {
		if calls := s.CallsTo(nodetest.Loads | nodetest.Unloads | nodetest.Chats); len(calls) > 0 {
			t.Errorf("it was asked for more than lists: %+v", calls)
		}
	}
	if c := Config(got, "/d"); len(c.Nodes) != 3 || c.Nodes[2].Name != "lmstudio-2" || c.Nodes[0].Model.Name != "" {
		t.Errorf("watched: %+v", c.Nodes)
	}
}

// TestYAML: whatever a server calls its models, the file that is written reads
// back as the same.
func TestYAML(t *testing.T) {
	for i, model := range []string{
		"qwen/qwen3-30b-a3b-2507", "llama3:8b", "good:latest", "hf.co/user/Repo-GGUF:Q4_K_M", "7b", "true", "No", "null", "- x", "a: b",
		"a #b", "it's", `say "hi"`, "ends:", "modèle", "模型", "{x}", "[x]", "*x", "&x", "!x", "%x", "@x", "`x`", "a\\b", "1.5", "${HOME}", "~",
	} {
		t.Run(fmt.Sprint(i, model), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), config.FileName)
			found := []Found{
				{Name: "ollama", URL: "http://127.0.0.1:11434", Engine: "ollama", OnDisk: []string{model, "other\nmodel: x"}},
				{Name: "openai", URL: "http://127.0.0.1:8000", Engine: "openai", Loaded: []string{model}},
				{Name: "lmstudio", URL: "http://127.0.0.1:1234", Engine: "lmstudio"},
			}
			if err := os.WriteFile(path, YAML(found), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := config.Load(path)
			if err != nil {
				t.Fatalf("%v\n%s", err, YAML(found))
			}
			if len(c.Nodes) != 3 || c.Nodes[0].Model.Name != model || c.Nodes[1].Model.Name != model {
				t.Errorf("read back: %+v", c.Nodes)
			}
		})
	}
}

// TestModelInUse: what is loaded comes before what sleeps, and that before the first
// on disk.
func TestModelInUse(t *testing.T) {
	all := []nodetest.Model{{Name: "a"}, {Name: "b"}, {Name: "c"}}
	fake := nodetest.NewLlamaCPPRouter(t, nodetest.Options{Models: all, Loaded: []string{"b"}})
	fake.Sleep()
	inUse := func() string {
		got := Look(t.Context(), []string{fake.URL})
		if len(got) != 1 {
			t.Fatalf("found %+v", got)
		}
		return got[0].Model()
	}
	if got := inUse(); got != "b" {
		t.Errorf("asleep: got %q", got)
	}
	fake.AddInstance("c")
	if got := inUse(); got != "c" {
		t.Errorf("one loaded, one asleep: got %q", got)
	}
}

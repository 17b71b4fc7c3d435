package checkup

import (
	"os"
	"strings"
	"testing"

	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// TestRun: what is wrong is told apart from what the healer does by itself, and
// nothing is changed. (The lines of the file are shown in the command's own
// scripts.)
func TestRun(t *testing.T) {
	model := func(names ...string) (list []nodetest.Model) {
		for _, n := range names {
			list = append(list, nodetest.Model{Name: n})
		}
		return list
	}
	lm := func(o nodetest.Options) *nodetest.Server { return nodetest.NewLMStudio(t, o).Server }
	for _, c := range []struct {
		name   string
		server *nodetest.Server
		node   config.Node
		wrong  bool
		key    string
		want   string
	}{
		{"as wanted", lm(nodetest.Options{}), config.Node{Engine: "lmstudio", Model: nodes.Model{Name: "good"}}, false, "", "good loaded"},
		{"whatever is loaded", lm(nodetest.Options{}), config.Node{Engine: "lmstudio"}, false, "", "good loaded"},
		{"not loaded", lm(nodetest.Options{Loaded: []string{}}), config.Node{Engine: "lmstudio", Model: nodes.Model{Name: "good"}}, false, "", "on disk and not loaded; the healer loads it"},
		{
			"other settings", nodetest.NewOllama(t, nodetest.Options{}).Server,
			config.Node{Engine: "ollama", Model: nodes.Model{Name: "good", Settings: nodes.Settings{"num_ctx": 1}}}, false, "", "loaded with other settings: num_ctx",
		},
		{"not on disk", lm(nodetest.Options{Models: model("a", "b")}), config.Node{Engine: "lmstudio", Model: nodes.Model{Name: "good"}}, true, "model", "there are a, b"},
		{"too large", lm(nodetest.Options{}), config.Node{Engine: "lmstudio", Model: nodes.Model{Name: "good"}, Memory: 1 << 20}, true, "memory", "takes 1.0 GiB"},
		{"not offered", nodetest.NewOpenAI(t, nodetest.Options{Models: model("a")}).Server, config.Node{Engine: "openai", Model: nodes.Model{Name: "good"}}, true, "model", "it offers a"},
		{"wrong key", lm(nodetest.Options{Key: "sk-right"}), config.Node{Engine: "lmstudio", Key: nodes.NewSecret("sk-wrong"), Model: nodes.Model{Name: "good"}}, true, "api_key", "unauthorized"},
		{"another engine", nodetest.NewOllama(t, nodetest.Options{}).Server, config.Node{Engine: "lmstudio", Model: nodes.Model{Name: "good"}}, true, "engine", "engine: ollama"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config.Default(t.TempDir())
			c.node.Name, c.node.URL = "M1", c.server.URL
			cfg.Nodes = []config.Node{c.node}
			set, err := cfg.Build()
			if err != nil {
				t.Fatal(err)
			}
			list := Run(t.Context(), cfg, set)
			if len(list) == 0 {
				t.Fatal("nothing found at all")
			}
			last := list[len(list)-1]
			if last.Wrong != c.wrong || last.Key != c.key || !strings.Contains(last.String(), c.want) || strings.Contains(last.String(), "sk-") {
				t.Errorf("found %+v, want %v, key %q, …%s", last, c.wrong, c.key, c.want)
			}
			if calls := c.server.CallsTo(nodetest.Loads | nodetest.Unloads | nodetest.Chats); len(calls) > 0 {
				t.Errorf("it was asked for more than lists: %+v", calls)
			}
		})
	}
}

// TestOutlook: what a healer would do is told with regard to what the state file
// keeps. (The command's own scripts show promotions, leases and sessions.)
func TestOutlook(t *testing.T) {
	wanted := nodes.Model{Name: "good", Settings: nodes.Settings{"num_ctx": 1}}
	for _, c := range []struct {
		name   string
		loaded []string
		model  nodes.Model
		adopt  bool
		state  string // of M1
		want   string
	}{
		{"not loaded", []string{}, wanted, false, `{}`, "good is on disk and not loaded; the healer loads it"},
		{"paused", []string{}, wanted, false, `{"paused": {}}`, "good is on disk and not loaded; the healer loads it when repairs are resumed"},
		{"another one, which is adopted", []string{"other"}, wanted, true, `{}`, "good is on disk and not loaded; the healer adopts other"},
		{"known good where none is configured", []string{}, nodes.Model{}, false, `{"last_known_good": {"model": "other"}}`, "other is on disk and not loaded; the healer loads it"},
		{"other settings", []string{"good"}, wanted, false, `{}`, "loaded with other settings: num_ctx; the healer says so, and does not load it again"},
		{"other settings, left by a tournament", []string{"good"}, wanted, false, `{"restore": {"model": "good"}}`, "loaded with other settings: num_ctx; the healer loads it again"},
		{
			"other settings, left by a tournament, and paused", []string{"good"}, wanted, false, `{"restore": {"model": "good"}, "paused": {}}`,
			"loaded with other settings: num_ctx; the healer loads it again when repairs are resumed",
		},
		{"adopted where none is configured", []string{"good"}, nodes.Model{}, false, `{"override": {"model": "good", "why": "adopted", "replaces": {"model": ""}}}`, "good is wanted: adopted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := nodetest.NewOllama(t, nodetest.Options{Models: []nodetest.Model{{Name: "good"}, {Name: "other"}}, Loaded: c.loaded})
			cfg := config.Default(t.TempDir())
			cfg.Healer.Policy.AdoptDrift = c.adopt
			cfg.Nodes = []config.Node{{Name: "M1", Engine: "ollama", URL: server.URL, Model: c.model}}
			set, err := cfg.Build()
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(cfg.Healer.State, []byte(`{"version": 1, "nodes": {"M1": `+c.state+`}}`), 0o600); err != nil {
				t.Fatal(err)
			}
			list := Run(t.Context(), cfg, set)
			if last := list[len(list)-1]; last.Wrong || !strings.HasPrefix(strings.ReplaceAll(last.Text, ":latest", ""), c.want) {
				t.Errorf("found %+v, want %s", list, c.want)
			}
		})
	}
}

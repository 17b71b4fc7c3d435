package config

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
)

// TestBuild: the nodes are as the config says, and their key goes where they
// talk to, not where they print.
func TestBuild(t *testing.T) {
	c, err := parse(filepath.Join(t.TempDir(), FileName), []byte(`nodes:
  - {name: M1, engine: lmstudio, url: "http://10.5.0.2:1234", api_key: "${KEY}", model: Qwen, load: {context_length: 8192},
     memory: 24GiB, load_timeout: 10m, restart: [true-program, x], restart_timeout: 1m}
  - {name: OL1, engine: ollama, url: "http://10.5.0.5:11434", model: good, on_demand: true}
`), environment)
	if err != nil {
		t.Fatal(err)
	}
	set, err := c.Build()
	if err != nil {
		t.Fatal(err)
	}
	m, o := set.Get("M1"), set.Get("OL1")
	want := nodes.Model{Name: "Qwen", Settings: nodes.Settings{"context_length": 8192}}
	if diff := cmp.Diff(want, m.Wanted); diff != "" {
		t.Errorf("wanted: want(-) got(+):\n%s", diff)
	}
	if m.Engine != "lmstudio" || m.Memory != 24<<30 || m.LoadTimeout != 10*time.Minute || m.ProbeTimeout != 5*time.Second {
		t.Errorf("M1: %+v", m)
	}
	if r, ok := m.Restarter.(nodes.Command); !ok || len(r.Args) != 2 || r.Timeout != time.Minute || r.Node != "M1" {
		t.Errorf("M1's restart: %+v", m.Restarter)
	}
	if !o.OnDemand || o.Restarter != nil || o.ProbeTimeout != 3*time.Second || !o.CanLoad() {
		t.Errorf("OL1: %+v", o)
	}
}

// FuzzParse: no file makes the reader panic, or print what stands behind a
// secret's key.
func FuzzParse(f *testing.F) {
	f.Add(whole)
	f.Add("nodes: [{api_key: sk-fuzz-secret, url: 'http://u:sk-fuzz-secret@h'}]")
	f.Add("a: &a [*a]\n<<: *a\n? b\n: - c\n!!x y: |\n  z")
	f.Add("nodes:\n\t- {x: \"\\u00e9}\n---\n...")
	f.Fuzz(func(t *testing.T, source string) {
		c, err := parse("jarvis.yaml", []byte(source), environment)
		if (c == nil) == (err == nil) {
			t.Fatalf("%v, %v", c, err)
		}
		if err != nil && strings.Contains(err.Error(), "sk-environment") {
			t.Errorf("a variable's content is printed: %v", err)
		}
	})
}

// FuzzKeys: no file of keys makes the reader panic, or print what may be a key.
func FuzzKeys(f *testing.F) {
	f.Add("- {name: alice, key: '${KEY}', at_once: 4, per_minute: 60}\n- name: bob\n  key: sk-fuzz-secret-0123\n")
	f.Add("sk-fuzz-secret: [*sk-fuzz-secret, &sk-fuzz-secret {key: sk-fuzz-secret}]")
	f.Add("- sk-fuzz-secret-0123: alice\n- {at_once: sk-fuzz-secret}\n- key: |\n    sk-fuzz-secret\n   x")
	f.Fuzz(func(t *testing.T, source string) {
		r := &reader{file: "keys.yaml", env: environment, sample: sampleKeys, quiet: true}
		if root, ok := r.parse([]byte(source)); ok {
			if keys := r.clients(root); len(keys) == 0 && len(r.mistakes) == 0 {
				t.Error("a file without a key was taken")
			}
		}
		if err := r.mistakes.sorted("").Error(); strings.Contains(err, "sk-") {
			t.Errorf("a key is printed: %s", err)
		}
	})
}

package hub

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/engines"
	"github.com/turbone/jarvis/nodes/nodetest"
)

func nodeOf(t *testing.T, engine, url string, memory int64) *nodes.Node {
	t.Helper()
	e, ok := engines.Lookup(engine)
	if !ok {
		t.Fatalf("no engine %q", engine)
	}
	backend, err := e.New(nodes.Connection{Node: "M1", URL: url})
	if err != nil {
		t.Fatal(err)
	}
	node, err := nodes.New(nodes.Node{Name: "M1", Engine: engine, Backend: backend, Memory: memory})
	if err != nil {
		t.Fatal(err)
	}
	return node
}

func chosen(quantization string, size int64) Model {
	return Model{
		Repository: "lab/new-7b-GGUF", File: File{Quantization: quantization, Paths: []string{"new-7b-" + quantization + ".gguf"}, Size: size},
		Needs: size + buffers,
	}
}

func TestPullOnOllama(t *testing.T) {
	const name = "hf.co/lab/new-7b-GGUF:Q4_K_M"
	fake := nodetest.NewOllama(t, nodetest.Options{Models: []nodetest.Model{{Name: "good:latest"}}})
	fake.Configure(func(s *nodetest.OllamaSettings) { s.Registry = []nodetest.Model{{Name: name}} })
	node := nodeOf(t, "ollama", fake.URL, 16*giB)
	var told []nodes.Progress
	pulled, err := Pull(t.Context(), node, chosen("Q4_K_M", giB), PullOptions{FreeDisk: 2 * giB, Progress: func(p nodes.Progress) { told = append(told, p) }})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Pulled{Asked: name, Name: name}, pulled); diff != "" {
		t.Errorf("pulled (-want +got):\n%s", diff)
	}
	if len(told) < 4 || told[len(told)-1].Status != "success" {
		t.Errorf("progress %+v", told)
	}
	if pulled, err = Pull(t.Context(), node, chosen("Q4_K_M", giB), PullOptions{}); err != nil || !pulled.Already {
		t.Errorf("the second time: %+v, %v", pulled, err)
	}
}

func TestPullOnLMStudio(t *testing.T) {
	fake := nodetest.NewLMStudio(t, nodetest.Options{})
	node := nodeOf(t, "lmstudio", fake.URL, 0)
	pulled, err := Pull(t.Context(), node, chosen("Q6_K", giB), PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// LM Studio has its own names for what it downloaded.
	want := Pulled{Asked: "https://huggingface.co/lab/new-7b-GGUF@Q6_K", Name: "lab/new-7b-gguf"}
	if diff := cmp.Diff(want, pulled); diff != "" {
		t.Errorf("pulled (-want +got):\n%s", diff)
	}
}

func TestPullOnLlamaCPP(t *testing.T) {
	const name = "lab/new-7b-GGUF:Q8_0"
	fake := nodetest.NewLlamaCPPRouter(t, nodetest.Options{})
	pulled, err := Pull(t.Context(), nodeOf(t, "llamacpp", fake.URL, 0), chosen("Q8_0", giB), PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Pulled{Asked: name, Name: name}, pulled); diff != "" {
		t.Errorf("pulled (-want +got):\n%s", diff)
	}
}

// What is known to fail is refused before anything is asked of the node.
func TestPullIsRefusedBefore(t *testing.T) {
	fake := nodetest.NewOllama(t, nodetest.Options{})
	split := chosen("Q8_0", giB)
	split.File.Paths = []string{"a", "b"}
	for _, test := range []struct {
		name    string
		engine  string
		model   Model
		options PullOptions
		want    nodes.Fault
		says    string
	}{
		{"too little memory", "ollama", chosen("Q8_0", 40*giB), PullOptions{}, nodes.TooLarge, "would take about 40.5 GiB, the node has 16.0 GiB"},
		{"too little disk", "ollama", chosen("Q8_0", 8*giB), PullOptions{FreeDisk: giB}, nodes.BadRequest, "the disk has 1.0 GiB left"},
		{"split, for Ollama", "ollama", split, PullOptions{}, nodes.ReadOnly, "comes in 2 files"},
		{"an engine without downloads", "openai", chosen("Q8_0", giB), PullOptions{}, nodes.ReadOnly, "by hand"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := len(fake.Calls())
			_, err := Pull(t.Context(), nodeOf(t, test.engine, fake.URL, 16*giB), test.model, test.options)
			if nodes.FaultOf(err) != test.want || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want %q that says %q", err, test.want, test.says)
			}
			if asked := len(fake.Calls()) - before; asked != 0 {
				t.Errorf("%d calls were made", asked)
			}
		})
	}
}

func TestPullThatFails(t *testing.T) {
	fake := nodetest.NewOllama(t, nodetest.Options{})
	gated := chosen("Q4_K_M", giB)
	gated.Gated = "manual"
	_, err := Pull(t.Context(), nodeOf(t, "ollama", fake.URL, 0), gated, PullOptions{})
	if err == nil || !strings.Contains(err.Error(), "accept its terms") {
		t.Errorf("a gated one: %v", err)
	}
	fake.Configure(func(s *nodetest.OllamaSettings) {
		s.Registry, s.PullStops = []nodetest.Model{{Name: "hf.co/lab/new-7b-GGUF:Q4_K_M"}}, true
	})
	if _, err := Pull(t.Context(), nodeOf(t, "ollama", fake.URL, 0), chosen("Q4_K_M", giB), PullOptions{}); nodes.FaultOf(err) != nodes.CutOff {
		t.Errorf("a download that ends in the middle: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Pull(ctx, nodeOf(t, "ollama", fake.URL, 0), chosen("Q4_K_M", giB), PullOptions{}); err == nil {
		t.Error("a cancelled pull has no error")
	}
}

func TestPullByTheEnginesOwnName(t *testing.T) {
	fake := nodetest.NewOllama(t, nodetest.Options{})
	fake.Configure(func(s *nodetest.OllamaSettings) { s.Registry = []nodetest.Model{{Name: "llama3.2:3b"}} })
	pulled, err := PullName(t.Context(), nodeOf(t, "ollama", fake.URL, 0), "llama3.2:3b", PullOptions{})
	if err != nil || pulled.Name != "llama3.2:3b" {
		t.Errorf("%+v, %v", pulled, err)
	}
}

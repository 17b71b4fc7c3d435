package gateway_test

import (
	"os"
	"testing"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/llamacpp"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/nodetest/realllamacpp"
	"github.com/turbone/jarvis/nodes/nodetest/realollama"
	"github.com/turbone/jarvis/nodes/nodetest/tinygguf"
)

// realLlama starts a real llama-server that can tell the story.
func realLlama(t *testing.T, name string, router bool, args ...string) (*realllamacpp.Server, *nodes.Node) {
	t.Helper()
	options := realllamacpp.Options{Model: realollama.Storyteller(), Name: "teller", Args: args}
	if router {
		options = realllamacpp.Options{Router: true, Models: map[string]tinygguf.Spec{"teller": realollama.Storyteller()}, Args: args}
	}
	s := realllamacpp.Start(t, options)
	if router {
		s.LoadBehindBack("teller")
	}
	return s, llamaServerNode(t, name, s.URL)
}

func llamaServerNode(t *testing.T, name, url string) *nodes.Node {
	t.Helper()
	backend, err := llamacpp.New(nodes.Connection{Node: name, URL: url})
	if err != nil {
		t.Fatal(err)
	}
	return node(t, nodes.Node{Name: name, Engine: "llamacpp", Backend: backend, Wanted: nodes.Model{Name: "teller"}})
}

// fakeTeller is a fake llama-server that can tell the story.
func fakeTeller(t *testing.T, name string, router bool) *nodes.Node {
	t.Helper()
	o := nodetest.Options{Models: []nodetest.Model{{Name: "teller", Knowledge: map[string]string{"tell a story": realollama.Story()}}}}
	if router {
		return llamaServerNode(t, name, nodetest.NewLlamaCPPRouter(t, o).URL)
	}
	return llamaServerNode(t, name, nodetest.NewLlamaCPP(t, o).URL)
}

// TestRealLlamaStreamsAreCarriedOn breaks a real llama-server in the middle of its
// sentence. Another real one, of the same and of the other kind, with and without
// --no-prefill-assistant, a real Ollama and a fake carry it on.
func TestRealLlamaStreamsAreCarriedOn(t *testing.T) {
	ways := []struct {
		name   string
		router bool
		broken func(*realllamacpp.Server)
	}{
		{"SIGKILL of a router", true, (*realllamacpp.Server).Kill},
		{"SIGSTOP of a router", true, (*realllamacpp.Server).Stop},
		{"SIGKILL of its process", true, func(s *realllamacpp.Server) { s.KillChild("teller") }},
		{"SIGSTOP of its process", true, func(s *realllamacpp.Server) { s.StopChild("teller") }},
		{"SIGTERM of its process", true, func(s *realllamacpp.Server) { s.TerminateChild("teller") }},
		{"SIGKILL of a server", false, (*realllamacpp.Server).Kill},
		{"SIGSTOP of a server", false, (*realllamacpp.Server).Stop},
		{"SIGTERM of a server", false, (*realllamacpp.Server).Terminate},
	}
	type second struct {
		name  string
		start func(*testing.T) *nodes.Node
	}
	real := func(router bool, args ...string) func(*testing.T) *nodes.Node {
		return func(t *testing.T) *nodes.Node {
			_, n := realLlama(t, "M2", router, args...)
			return n
		}
	}
	seconds := []second{
		{"router", real(true)}, {"single", real(false)}, {"no prefill", real(false, "--no-prefill-assistant")},
		{"fake router", func(t *testing.T) *nodes.Node { return fakeTeller(t, "M2", true) }},
		{"fake", func(t *testing.T) *nodes.Node { return fakeTeller(t, "M2", false) }},
		{"Ollama", func(t *testing.T) *nodes.Node {
			_, n := realNode(t, "M2")
			return n
		}},
	}
	names := []string{"go-openai", "ollama", "curl"}
	for i, way := range ways {
		for j, to := range seconds {
			if os.Getenv("JARVIS_FULL") != "1" && (i+j)%2 == 1 {
				continue // half of the 48 pairs
			}
			teller := names[(i+j/2)%len(names)]
			t.Run(way.name+" to "+to.name+" for "+teller, func(t *testing.T) {
				t.Parallel()
				first, m1 := realLlama(t, "M1", way.router)
				m2 := to.start(t)
				var observed seen
				_, address := startGateway(t, serving(m1, m2), gateway.Options{Between: 3 * time.Second, Observer: &observed})
				heard := 0
				text, err := tellers[teller](t.Context(), address, func() {
					if heard++; heard == 20 {
						way.broken(first)
					}
				})
				if err != nil || text != realollama.Story() {
					t.Fatalf("%v, heard %q", err, text)
				}
				if o := observed.wait(t, 1); len(o) != 1 || o[0].Resumed == 0 || o[0].Node != "M2" {
					t.Errorf("observed %+v, want one stream that M2 carried on", o)
				}
			})
		}
	}
}

package ollama_test

import (
	"testing"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/nodetest/realollama"
	"github.com/turbone/jarvis/nodes/ollama"
)

func TestConformance(t *testing.T) {
	for _, test := range []struct{ name, version, runner string }{
		{"up to 0.24", "0.17.4", ""},
		{"from 0.30", "0.32.15", ""},
		{"MLX", "0.32.15", "mlx runner"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			nodetest.Run(t, func(t *testing.T) nodetest.Subject {
				key := nodes.NewSecret("sk-not-to-be-shown")
				fake := nodetest.NewOllama(t, nodetest.Options{
					Models: []nodetest.Model{{Name: "good"}, {Name: "other:8b"}}, Key: key.Reveal(), Version: test.version,
				})
				fake.Configure(func(s *nodetest.OllamaSettings) { s.Runner = test.runner })
				b, err := ollama.New(nodes.Connection{Node: "OL1", URL: fake.URL, Key: key})
				if err != nil {
					t.Fatal(err)
				}
				return nodetest.Subject{Backend: b, Node: "OL1", Key: key, Model: "good", Other: "other:8b", Faulty: fake}
			})
		})
	}
}

func TestConformanceOfTheRealServer(t *testing.T) {
	t.Parallel()
	s := realollama.Start(t, realollama.Options{Models: []realollama.Model{
		{Name: "good", Spec: realollama.Right()},
		{Name: "other:8b", Spec: realollama.Right()},
	}})
	s.LoadBehindBack("good", nil, -1)
	nodetest.Run(t, func(t *testing.T) nodetest.Subject {
		return nodetest.Subject{Backend: backend(t, s.URL), Node: "OL1", Model: "good", Other: "other:8b"}
	})
}

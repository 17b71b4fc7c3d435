package llamacpp_test

import (
	"testing"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/llamacpp"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/nodetest/realllamacpp"
	"github.com/turbone/jarvis/nodes/nodetest/realollama"
	"github.com/turbone/jarvis/nodes/nodetest/tinygguf"
)

func TestConformanceOfTheRealServer(t *testing.T) {
	t.Parallel()
	key := nodes.NewSecret("sk-not-to-be-shown")
	subject := func(t *testing.T, s *realllamacpp.Server, other string) nodetest.Subject {
		b, err := llamacpp.New(nodes.Connection{Node: "LC1", URL: s.URL, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		return nodetest.Subject{Backend: b, Node: "LC1", Key: key, Model: "good", Other: other}
	}
	t.Run("router", func(t *testing.T) {
		s := realllamacpp.Start(t, realllamacpp.Options{Router: true, Args: []string{"--api-key", key.Reveal()}, Models: map[string]tinygguf.Spec{
			"good": realollama.Right(), "other": realollama.Right(),
		}})
		s.Key = key.Reveal()
		s.LoadBehindBack("good")
		nodetest.Run(t, func(t *testing.T) nodetest.Subject { return subject(t, s, "other") })
	})
	t.Run("one model", func(t *testing.T) {
		s := realllamacpp.Start(t, realllamacpp.Options{Model: realollama.Right(), Name: "good,better", Args: []string{"--api-key", key.Reveal()}})
		nodetest.Run(t, func(t *testing.T) nodetest.Subject { return subject(t, s, "") })
	})
}

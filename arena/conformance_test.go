package arena_test

import (
	"testing"

	"github.com/turbone/jarvis/arena/arenatest"
)

func TestConformance(t *testing.T) {
	arenatest.Test(t, func(t *testing.T) arenatest.Subject {
		s := onOllama(t, model("old", 0.7), model("a", 0.95), model("b", 0.2))
		return arenatest.Subject{Arena: s.arena(), Node: s.node, Models: [2]string{"a", "b"}}
	})
}

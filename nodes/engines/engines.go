// Package engines is the registry of the engines that Jarvis speaks to, by the
// names that a configuration gives them, and detects which of them answers at
// an address. A new engine is a package of its own beside this one and two lines
// in this file: one in [All], one among the recognizers.
package engines

import (
	"context"
	"net/http"
	"slices"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/identify"
	"github.com/turbone/jarvis/nodes/internal/wire"
	"github.com/turbone/jarvis/nodes/llamacpp"
	"github.com/turbone/jarvis/nodes/lmstudio"
	"github.com/turbone/jarvis/nodes/ollama"
	"github.com/turbone/jarvis/nodes/openai"
)

// NewTransport returns a transport made for servers on a local network, for
// all nodes of a program to share: at a thousand nodes that saves three
// quarters of the memory. Safe for concurrent use.
func NewTransport() *http.Transport { return wire.NewTransport() }

// Engine is one kind of server.
type Engine struct {
	// Name is what a config calls it.
	Name string
	// DefaultPort is where it listens unless told otherwise, 0 where engines
	// of this kind have no port in common.
	DefaultPort int
	// LoadKeys returns the names of the load settings that it takes, sorted;
	// none where it takes none.
	LoadKeys func() []string
	// New returns a backend for one server. It asks the server nothing.
	New func(nodes.Connection) (nodes.Backend, error)
}

// All returns the engines, in the order in which they are shown. The slice is
// the caller's.
func All() []Engine {
	return []Engine{
		{"lmstudio", 1234, lmstudio.LoadKeys, opened(lmstudio.New)},
		{"ollama", 11434, ollama.LoadKeys, opened(ollama.New)},
		{"llamacpp", 8080, llamacpp.LoadKeys, opened(llamacpp.New)},
		{"openai", 0, openai.LoadKeys, opened(openai.New)},
	}
}

// recognizer tells whether a server is one of an engine's.
type recognizer struct {
	name     string
	identify func(context.Context, *identify.Server) (identify.Match, bool)
}

// recognizers returns the engines' recognizers in the order to ask them in:
// those first whose servers answer the questions of others as well.
func recognizers() []recognizer {
	return []recognizer{
		{"lmstudio", lmstudio.Identify},
		{"openai", openai.IdentifySwap},
		{"ollama", ollama.Identify},
		{"llamacpp", llamacpp.Identify},
		{"openai", openai.Identify},
	}
}

// opened turns an engine's constructor into one that returns the interface,
// which is nil where there is an error.
func opened[B nodes.Backend](open func(nodes.Connection) (B, error)) func(nodes.Connection) (nodes.Backend, error) {
	return func(c nodes.Connection) (nodes.Backend, error) {
		b, err := open(c)
		if err != nil {
			return nil, err
		}
		return b, nil
	}
}

// Names returns the engines' names, in the order of [All].
func Names() []string {
	var names []string
	for _, e := range All() {
		names = append(names, e.Name)
	}
	return names
}

// Lookup returns the engine of that name.
func Lookup(name string) (Engine, bool) {
	all := All()
	i := slices.IndexFunc(all, func(e Engine) bool { return e.Name == name })
	if i < 0 {
		return Engine{}, false
	}
	return all[i], true
}

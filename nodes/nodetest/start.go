package nodetest

import (
	"fmt"
	"slices"
)

// Engine is a kind of server that [Start] starts.
type Engine string

// The engines, by the names that a configuration of nodes gives them, and
// llama-server as a router of several models, which is the same engine.
const (
	EngineOllama         Engine = "ollama" // also the zero value
	EngineLMStudio       Engine = "lmstudio"
	EngineLlamaCPP       Engine = "llamacpp"
	EngineLlamaCPPRouter Engine = "llamacpp-router"
	EngineOpenAI         Engine = "openai"
)

// Options say how a fake starts.
type Options struct {
	// Engine is what the server speaks. [Start] alone reads it; the functions
	// that start a particular engine don't.
	Engine Engine
	// Models are on its disk; nil means one, "good".
	Models []Model
	// Loaded names the models in memory at the start; nil means the first of
	// Models, an empty slice none.
	Loaded []string
	// Key, where not empty, is asked for as Authorization: Bearer.
	Key string
	// Addr to listen on; empty means a free port on loopback.
	Addr string
	// Version the server tells.
	Version string
	// Forget keeps no calls, for tests that make very many.
	Forget bool
}

// Start starts a fake of the engine that o names and returns when it listens.
// The caller closes it. An error is an engine that there is no fake of, a loaded
// model that is not among the models, or an address that can't be listened on.
//
// Tests use [NewOllama] and its like, which end the fake with the test; the
// switches of one engine are set on what [StartOllama] and its like return.
func Start(o Options) (*Server, error) {
	switch o.Engine {
	case EngineOllama, "":
		return server(StartOllama(o))
	case EngineLMStudio:
		return server(StartLMStudio(o))
	case EngineLlamaCPP:
		return server(StartLlamaCPP(o))
	case EngineLlamaCPPRouter:
		return server(StartLlamaCPPRouter(o))
	case EngineOpenAI:
		return server(StartOpenAI(o))
	}
	return nil, fmt.Errorf("nodetest: no fake of engine %q", o.Engine)
}

// fake is one engine's fake.
type fake interface {
	dialect
	// base returns what all fakes have in common.
	base() *Server
}

func (s *Server) base() *Server { return s }

// server returns what a fake has in common with the others.
func server[F fake](f F, err error) (*Server, error) {
	if err != nil {
		return nil, err
	}
	return f.base(), nil
}

// start fills in the defaults of o and starts the fake's server.
func start[F fake](f F, o Options) (F, error) {
	if err := f.base().start(f, o); err != nil {
		var none F
		return none, err
	}
	return f, nil
}

func (s *Server) start(d dialect, o Options) error {
	if o.Models == nil {
		o.Models = []Model{{Name: "good"}}
	}
	if o.Loaded == nil && len(o.Models) > 0 {
		o.Loaded = []string{o.Models[0].Name}
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	s.dialect, s.options = d, o
	s.faults, s.changed, s.models = map[Fault]*fault{}, make(chan struct{}), slices.Clone(o.Models)
	if missing := s.bringUp(o.Loaded); missing != "" {
		return fmt.Errorf("nodetest: loaded model %q is not among the models", missing)
	}
	s.addr = o.Addr
	if err := s.listen(); err != nil {
		return fmt.Errorf("nodetest: %w", err)
	}
	s.URL = "http://" + s.addr
	return nil
}

// TB is what the fakes need of [testing.TB].
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// owned starts a fake that ends with the test.
func owned[F fake](t TB, start func(Options) (F, error), o Options) F {
	t.Helper()
	f, err := start(o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(f.base().Close)
	return f
}

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

// Options are the options of a fake.
type Options struct {
	// Engine is the server's engine. Only [Start] reads it.
	Engine Engine
	// Models are the models on its disk. Nil means one, "good".
	Models []Model
	// Loaded names the models in memory at the start. Nil means the first of
	// Models, and an empty slice none.
	Loaded []string
	// Key is the bearer token that every request needs, unless it is empty.
	Key string
	// Addr is the address to listen on. "" means a free port on loopback.
	Addr string
	// Network is the network to listen on. Nil means the system's.
	Network *Network
	// Version is the version that the server tells. "" means a current one.
	Version string
	// Forget records no calls, for tests with very many.
	Forget bool
}

// Start starts a fake of the engine o.Engine, and returns when it listens. The
// caller closes it. It is an error if there is no such engine, if a loaded model
// is not among the models, or if the address can't be listened on.
//
// In tests, [NewOllama] and the like end the fake with the test. [StartOllama] and
// the like return the type that has the switches of one engine.
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

// fake is the fake of one engine.
type fake interface {
	dialect
	// base returns the part that all fakes have in common.
	base() *Server
}

func (s *Server) base() *Server { return s }

// server returns the base of a fake.
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

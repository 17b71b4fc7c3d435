package engines_test

import (
	"testing"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/engines"
)

// TestProbeOfEveryOtherServer: no backend takes another engine's server for
// its own. Only the OpenAI protocol is spoken by most of them.
func TestProbeOfEveryOtherServer(t *testing.T) {
	for name, test := range fakes() {
		if test.engine == "" && !test.locked {
			continue // nobody's; TestDetect has it
		}
		t.Run(name, func(t *testing.T) {
			url := test.start(t)
			for _, e := range engines.All() {
				if e.Name == test.engine || e.Name == "openai" {
					continue // its own package's tests
				}
				b, err := e.New(engines.Config{Node: "N1", URL: url, Key: nodes.NewSecret(secret)})
				if err != nil {
					t.Fatal(err)
				}
				_, err = b.Probe(t.Context())
				if want, ok := foreign(e.Name, name); ok && nodes.FaultOf(err) != want {
					t.Errorf("%s's probe: got %v, want %q", e.Name, err, want)
				} else if nodes.FaultOf(err) == "" {
					t.Errorf("%s's probe: got %v, want a fault", e.Name, err)
				}
			}
		})
	}
}

// foreign is what a foreign probe says, where more is held of it than that it
// fails: llama.cpp's takes a missing route for a refusal.
func foreign(engine, server string) (nodes.Fault, bool) {
	switch {
	case engine == "llamacpp":
		return "", false
	case server == "llama-server, still loading":
		return nodes.Busy, true // it says so to everybody
	}
	return nodes.WrongEngine, true
}

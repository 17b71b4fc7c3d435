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
				b, err := e.New(nodes.Connection{Node: "N1", URL: url, Key: nodes.NewSecret(secret)})
				if err != nil {
					t.Fatal(err)
				}
				_, err = b.Probe(t.Context())
				if want := foreign(name); nodes.FaultOf(err) != want {
					t.Errorf("%s's probe: got %v, want %q", e.Name, err, want)
				}
			}
		})
	}
}

// foreign is what the probe of another engine says.
func foreign(server string) nodes.Fault {
	if server == "llama-server, still loading" {
		return nodes.Busy // it says so to everybody
	}
	return nodes.WrongEngine
}

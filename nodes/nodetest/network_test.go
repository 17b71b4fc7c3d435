package nodetest_test

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/ollama"
)

// TestNetwork: a server that is down on a network in memory is refused as by the
// system, an address is taken once, and Close ends the connections.
func TestNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network nodetest.Network
		server := nodetest.NewOllama(t, nodetest.Options{Network: &network})
		backend, err := ollama.New(nodes.Connection{Node: "M1", URL: server.URL, Transport: network.Transport()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := backend.Probe(t.Context()); err != nil {
			t.Errorf("up: %v", err)
		}
		if _, err := network.Listen(server.URL[len("http://"):]); err == nil {
			t.Error("two listen on one address")
		}
		server.Break(nodetest.Down)
		if _, err := backend.Probe(t.Context()); nodes.FaultOf(err) != nodes.Refused {
			t.Errorf("down: %v", err)
		}
		server.Mend(nodetest.Down)
		resp, err := (&http.Client{Transport: network.Transport()}).Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		network.Close()
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	})
}

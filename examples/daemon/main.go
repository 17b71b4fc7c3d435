// Command daemon embeds all that jarvis-heal runs: two Ollama servers are
// watched and repaired, clients reach whichever serves at one address, and the
// status API tells the state.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/healer/daemon"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/ollama"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	set, err := servers(map[string]string{"OL1": "http://10.5.0.5:11434", "OL2": "http://10.5.0.6:11434"})
	if err != nil {
		log.Fatal(err)
	}
	if err := serve(ctx, daemon.Config{
		Healer:  healer.Config{Nodes: set, StateFile: "state.json"},
		Log:     daemon.Log{Path: "healer.log"},
		Status:  daemon.Status{Listen: "127.0.0.1:7070"},
		Gateway: daemon.Gateway{Listen: "127.0.0.1:7071"},
		History: daemon.History{Path: "history.json"},
	}, nil); err != nil {
		log.Fatal(err)
	}
}

// servers makes a set of nodes of the URLs of Ollama servers, by name.
func servers(urls map[string]string) (*nodes.Set, error) {
	var list []*nodes.Node
	for name, url := range urls {
		backend, err := ollama.New(nodes.Connection{Node: name, URL: url})
		if err != nil {
			return nil, err
		}
		node, err := nodes.New(nodes.Node{Name: name, Engine: "ollama", Backend: backend})
		if err != nil {
			return nil, err
		}
		list = append(list, node)
	}
	return nodes.NewSet(list...)
}

// serve runs a daemon until ctx ends. Ready, if it is not nil, is called with
// the address of the gateway when clients are answered there.
func serve(ctx context.Context, c daemon.Config, ready func(gateway string)) error {
	d, err := daemon.New(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	fmt.Printf("clients at http://%s, status at http://%s/api/v1/status\n", d.GatewayAddress(), d.StatusAddress())
	if ready != nil {
		ready(d.GatewayAddress())
	}
	return d.Run(ctx)
}

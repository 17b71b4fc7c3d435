// Command heal embeds the healer: two Ollama servers are watched and repaired,
// and what happens is printed. See jarvis-heal for all that can be set.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/ollama"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	urls := os.Args[1:]
	if len(urls) == 0 {
		urls = []string{"http://127.0.0.1:11434"}
	}
	if err := heal(ctx, urls, healer.SinkFunc(func(e healer.Event) { fmt.Println(e) })); err != nil {
		log.Fatal(err)
	}
}

// heal watches servers until ctx ends. This is all that it takes.
func heal(ctx context.Context, urls []string, events healer.Sink) error {
	var list []*nodes.Node
	for _, url := range urls {
		backend, err := ollama.New(nodes.Connection{Node: url, URL: url})
		if err != nil {
			return err
		}
		node, err := nodes.New(nodes.Node{Name: url, Engine: "ollama", Backend: backend})
		if err != nil {
			return err
		}
		list = append(list, node)
	}
	set, err := nodes.NewSet(list...)
	if err != nil {
		return err
	}
	h, err := healer.New(healer.Config{Nodes: set, Sinks: []healer.Sink{events}})
	if err != nil {
		return err
	}
	return h.Run(ctx)
}

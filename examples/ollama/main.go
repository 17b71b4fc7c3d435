// Command ollama is a program on Ollama's own client library made resilient by
// one line: its client sends through the cluster in place of one server.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/signal"

	"github.com/ollama/ollama/api"
	"github.com/sourcegraph/conc"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/ollama"
	"github.com/turbone/jarvis/nodes/route"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) < 3 {
		log.Fatal("usage: ollama QUESTION URL... (of Ollama servers, such as http://127.0.0.1:11434)")
	}
	h, err := watch(os.Args[2:])
	if err != nil {
		log.Fatal(err)
	}
	running, end := context.WithCancel(ctx)
	var background conc.WaitGroup
	background.Go(func() { err = h.Run(running) })
	asked := ask(ctx, h.Route(), os.Args[1], os.Stdout)
	end()
	background.Wait()
	if err := errors.Join(asked, err); err != nil {
		log.Fatal(err)
	}
}

// ask asks a question and writes the answer as it comes.
func ask(ctx context.Context, cluster *route.Table, question string, out io.Writer) error {
	transport, err := gateway.NewTransport(cluster, gateway.Options{})
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	client := api.NewClient(&url.URL{Scheme: "http", Host: "cluster"}, &http.Client{Transport: transport}) // the one line
	err = client.Chat(ctx, &api.ChatRequest{
		Model:    route.Auto, // whatever the node serves
		Messages: []api.Message{{Role: "user", Content: question}},
	}, func(r api.ChatResponse) error {
		_, err := io.WriteString(out, r.Message.Content)
		return err
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out)
	return err
}

// watch makes a healer for servers.
func watch(urls []string) (*healer.Watchdog, error) {
	var list []*nodes.Node
	for _, url := range urls {
		backend, err := ollama.New(nodes.Connection{Node: url, URL: url})
		if err != nil {
			return nil, err
		}
		node, err := nodes.New(nodes.Node{Name: url, Engine: "ollama", Backend: backend})
		if err != nil {
			return nil, err
		}
		list = append(list, node)
	}
	set, err := nodes.NewSet(list...)
	if err != nil {
		return nil, err
	}
	return healer.New(healer.Config{Nodes: set})
}

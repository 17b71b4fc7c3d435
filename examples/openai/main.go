// Command openai is a program on go-openai made resilient by one line: its
// client sends through the cluster in place of one server. What the program
// asks goes to the first node that serves; a node that fails costs it nothing,
// and is repaired meanwhile.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"

	"github.com/sashabaranov/go-openai"
	"github.com/sourcegraph/conc"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/llamacpp"
	"github.com/turbone/jarvis/nodes/route"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) < 3 {
		log.Fatal("usage: openai QUESTION URL... (of llama.cpp servers, such as http://127.0.0.1:8080)")
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
	config := openai.DefaultConfig("")
	config.HTTPClient = &http.Client{Transport: transport} // the one line
	stream, err := openai.NewClientWithConfig(config).CreateChatCompletionStream(ctx, openai.ChatCompletionRequest{
		Model:    route.Auto, // whatever the node serves
		Messages: []openai.ChatCompletionMessage{{Role: openai.ChatMessageRoleUser, Content: question}},
	})
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		piece, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			_, err = fmt.Fprintf(out, "\n(begun by %s)\n", stream.Header().Get(gateway.HeaderNode))
			return err
		}
		if err != nil {
			return err
		}
		for _, choice := range piece.Choices {
			if _, err := io.WriteString(out, choice.Delta.Content); err != nil {
				return err
			}
		}
	}
}

// watch makes a healer for servers.
func watch(urls []string) (*healer.Watchdog, error) {
	var list []*nodes.Node
	for _, url := range urls {
		backend, err := llamacpp.New(nodes.Connection{Node: url, URL: strings.TrimSuffix(url, "/")})
		if err != nil {
			return nil, err
		}
		node, err := nodes.New(nodes.Node{Name: url, Engine: "llamacpp", Backend: backend})
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

package nodetest_test

import (
	"context"
	"fmt"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/ollama"
)

// A fake needs no test: a demo or a program that tries things out starts one,
// breaks it while it runs, and closes it.
func ExampleStart() {
	fake, err := nodetest.Start(nodetest.Options{
		Engine: nodetest.EngineOllama,
		Models: []nodetest.Model{{Name: "llama3:8b"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fake.Close()

	backend, err := ollama.New(nodes.Connection{Node: "OL1", URL: fake.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	ask := nodes.ChatRequest{
		Model:    "llama3:8b",
		Messages: []nodes.Message{{Role: nodes.RoleUser, Text: "What is 2 + 2?"}},
	}
	reply, err := backend.Chat(context.Background(), ask)
	fmt.Println(reply.Text, err)

	fake.Break(nodetest.Unauthorized)
	_, err = backend.Chat(context.Background(), ask)
	fmt.Println(nodes.FaultOf(err))

	// Output:
	// 4 <nil>
	// unauthorized
}

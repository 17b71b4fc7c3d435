package nodes_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/ollama"
)

// server is a fake in place of a server on the network.
func server() *nodetest.Server {
	s, err := nodetest.Start(nodetest.Options{Models: []nodetest.Model{{Name: "llama3:8b"}, {Name: "qwen3:14b", Size: 9 << 30}}})
	if err != nil {
		panic(err) // no port on loopback
	}
	return s
}

// A node keeps one model in memory, whatever was loaded before.
func ExampleNode_Ensure() {
	s := server()
	defer s.Close()
	backend, err := ollama.New(nodes.Connection{Node: "OL1", URL: s.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	node, err := nodes.New(nodes.Node{Name: "OL1", Engine: "ollama", Backend: backend, Memory: 24 << 30})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("before:", s.Loaded())
	instance, err := node.Ensure(context.Background(), nodes.Model{Name: "qwen3:14b"}, nodes.EnsureOptions{})
	fmt.Println("loaded:", instance.Model, err)
	fmt.Println("after:", s.Loaded())

	// Output:
	// before: [llama3:8b]
	// loaded: qwen3:14b <nil>
	// after: [qwen3:14b]
}

// Callers branch on the fault that an error wraps.
func ExampleFault() {
	s := server()
	defer s.Close()
	backend, err := ollama.New(nodes.Connection{Node: "OL1", URL: s.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = backend.Chat(context.Background(), nodes.ChatRequest{
		Model: "qwen3:14b", OnlyLoaded: true, Messages: []nodes.Message{{Role: nodes.RoleUser, Text: "Hello!"}},
	})
	if errors.Is(err, nodes.NotLoaded) {
		fmt.Println(err)
	}

	// Output:
	// OL1: chat: model not loaded: qwen3:14b is on disk and not loaded
}

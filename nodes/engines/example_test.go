package engines_test

import (
	"context"
	"fmt"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/engines"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// An address is enough to make a backend: the server tells its engine.
func ExampleDetect() {
	fake, err := nodetest.Start(nodetest.Options{Engine: nodetest.EngineLMStudio})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fake.Close()
	ctx := context.Background()
	name, version, err := engines.Detect(ctx, fake.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(name, version)
	engine, _ := engines.Lookup(name)
	backend, err := engine.New(nodes.Connection{Node: "M1", URL: fake.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	snapshot, err := backend.Probe(ctx)
	fmt.Println(len(snapshot.Loaded), "loaded", err)

	// Output:
	// lmstudio 0.4+
	// 1 loaded <nil>
}

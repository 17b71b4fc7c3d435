package main

import (
	"maps"
	"os"

	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/arena/suite/suitetest"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// The models of the Ollama server. The candidate knows more.
const (
	champion  = "steady:8b"
	candidate = "bright:8b"
)

// fakes are the servers of this example, and a folder for its files.
type fakes struct {
	ollama, house *nodetest.Server
	dir           string
}

// startServers starts the servers. The caller closes them.
func startServers(tasks *suite.Suite) (*fakes, error) {
	model := func(name string, share float64) nodetest.Model {
		known := nodetest.Knowledge() // what the healer asks
		maps.Copy(known, suitetest.Knowing(tasks, share))
		return nodetest.Model{Name: name, Knowledge: known}
	}
	dir, err := os.MkdirTemp("", "embed-*")
	if err != nil {
		return nil, err
	}
	f := &fakes{dir: dir}
	f.ollama, err = nodetest.Start(nodetest.Options{
		Engine: nodetest.EngineOllama, Models: []nodetest.Model{model(champion, 0.5), model(candidate, 0.95)},
	})
	if err == nil {
		f.house, err = nodetest.Start(nodetest.Options{
			Engine: nodetest.EngineOpenAI, Models: []nodetest.Model{model("house-7b", 0.3)},
		})
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Close ends the servers and removes the folder.
func (f *fakes) Close() {
	for _, s := range []*nodetest.Server{f.ollama, f.house} {
		if s != nil {
			s.Close()
		}
	}
	_ = os.RemoveAll(f.dir) // a temporary folder
}

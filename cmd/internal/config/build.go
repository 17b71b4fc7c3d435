package config

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/engines"
)

// Build makes the nodes. It reaches none of them.
func (c *Config) Build() (*nodes.Set, error) {
	list := make([]*nodes.Node, len(c.Nodes))
	transport := engines.NewTransport()
	for i, n := range c.Nodes {
		engine, ok := engines.Lookup(n.Engine)
		if !ok {
			return nil, fmt.Errorf("%s: unknown engine %q", n.Name, n.Engine)
		}
		backend, err := engine.New(nodes.Connection{Node: n.Name, URL: n.URL, Key: n.Key, Transport: transport})
		if err != nil {
			return nil, err
		}
		node := nodes.Node{
			Name: n.Name, Engine: n.Engine, Backend: backend, Wanted: n.Model, Memory: n.Memory,
			OnDemand: n.OnDemand, ProbeTimeout: n.Timeout, LoadTimeout: n.LoadTimeout,
		}
		if len(n.Restart) > 0 {
			node.Restarter = nodes.Command{Args: n.Restart, Timeout: n.RestartTimeout, Node: n.Name}
		}
		if list[i], err = nodes.New(node); err != nil {
			return nil, err
		}
	}
	return nodes.NewSet(list...)
}

// SessionDir is the folder of the journals of tournaments: beside the state,
// else beside the history.
func (c *Config) SessionDir() string {
	if c.Healer.State == "" {
		return besideState(c.History.Path, ".sessions")
	}
	return besideState(c.Healer.State, ".sessions")
}

func besideState(state, ending string) string {
	if state == "" {
		return ""
	}
	return strings.TrimSuffix(state, filepath.Ext(state)) + ending
}

package config

import (
	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/healer/daemon"
)

// Daemon returns the configuration of the daemon that the file describes,
// without its alerts, its version and the tournaments that it asks for.
func (c *Config) Daemon() (daemon.Config, error) {
	set, err := c.Build()
	if err != nil {
		return daemon.Config{}, err
	}
	return daemon.Config{
		Healer: healer.Config{
			Nodes: set, Fallback: c.Fallback, Policy: c.Healer.policy(), StateFile: c.Healer.State,
			OnRegression: c.Arena.OnRegression,
		},
		Log:    daemon.Log{Path: c.Healer.Log, MaxSize: c.Healer.LogMaxSize},
		Status: daemon.Status{Listen: c.Healer.Listen, Token: c.Healer.Token},
		Gateway: daemon.Gateway{
			Listen: c.Gateway.Listen, Keys: c.Gateway.Keys, Options: c.Gateway.Options, NoMetrics: !c.Gateway.Metrics,
		},
		History: daemon.History{Path: c.History.Path, Keep: c.History.Keep, Weights: c.Arena.Weights},
	}, nil
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/cmd/internal/cli"
	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/healer/daemon"
	"github.com/turbone/jarvis/healer/remote"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/nodes"
)

// drainPoll is how often the healer is asked whether it saw the lease.
const drainPoll = 200 * time.Millisecond

// bench is an opened history with the nodes and the arena of a tournament.
type bench struct {
	*openedHistory
	set   *nodes.Set
	arena arena.Arena
}

// openedHistory is the history of a config. It is closed after use.
type openedHistory struct {
	config *config.Config
	store  history.HistoryStore
	io.Closer
}

// openHistory opens the history of the config; without a config the one in this
// folder.
func openHistory(cmd *cobra.Command, g global) (*openedHistory, error) {
	c, err := configOrDefault(cmd, g.config)
	if err != nil {
		return nil, err
	}
	return openHistoryOf(cmd.Context(), c)
}

func openHistoryOf(ctx context.Context, c *config.Config) (*openedHistory, error) {
	store, closer, err := daemon.OpenHistory(ctx, c.History.Path, c.History.Keep)
	if err != nil {
		return nil, err
	}
	return &openedHistory{c, store, closer}, nil
}

// configOrDefault returns the config, or the default one for this folder if
// there is no file.
func configOrDefault(cmd *cobra.Command, file string) (*config.Config, error) {
	c, err := cli.LoadConfig(cmd, file)
	if errors.Is(err, config.ErrNotFound) && file == "" {
		return config.Default("."), nil
	}
	return c, err
}

// loadConfig returns the config. The error for a missing file says how to make
// one.
func loadConfig(cmd *cobra.Command, file string) (*config.Config, error) {
	c, err := cli.LoadConfig(cmd, file)
	if errors.Is(err, config.ErrNotFound) {
		return nil, fmt.Errorf("%w; write one with `jarvis-heal init`, or name it with --config", err)
	}
	return c, err
}

func openBench(cmd *cobra.Command, g global, sinks ...arena.Sink) (*bench, error) {
	c, err := loadConfig(cmd, g.config)
	if err != nil {
		return nil, err
	}
	h, err := openHistoryOf(cmd.Context(), c)
	if err != nil {
		return nil, err
	}
	b := &bench{openedHistory: h}
	if err := b.open(sinks); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (b *bench) open(sinks []arena.Sink) (err error) {
	c := b.config
	if b.set, err = c.Build(); err != nil {
		return err
	}
	var tasks *suite.Suite
	if c.Arena.Suite == "builtin" {
		tasks, err = suite.Builtin()
	} else {
		tasks, err = suite.Read(c.Arena.Suite)
	}
	if err != nil {
		return fmt.Errorf("the suite of tasks: %w", err)
	}
	var leases nodes.Leases
	if dir := daemon.LeaseDir(c.Healer.State); dir != "" {
		if leases, err = nodes.NewDirLeases(dir); err != nil {
			return err
		}
	}
	settings := arena.Config{
		History: b.store, Suite: tasks, Leases: leases, Journal: c.SessionDir(), Sinks: sinks, Weights: c.Arena.Weights,
		Drain: b.drain,
		Figures: arena.Figures{
			Tasks: c.Arena.TasksPerCycle, Cycles: c.Arena.Cycles, QuickCycles: c.Arena.QuickCycles,
			Warmup: c.Arena.Warmup, Temperature: c.Arena.Temperature, MaxTokens: c.Arena.MaxTokens,
			Timeout: c.Arena.Timeout, Grace: c.Healer.Policy.Grace,
		},
	}
	if c.Arena.Warmup == 0 {
		settings.Figures.Warmup = arena.NoWarmup
	}
	if c.Arena.Temperature == 0 {
		settings.Figures.Temperature = arena.ZeroTemperature
	}
	if c.Healer.State != "" {
		settings.Keeper = healer.OpenState(c.Healer.State)
	}
	b.arena, err = arena.New(settings)
	return err
}

// drain waits until the healer, if one runs, has taken the node out of the
// route and its requests are done.
func (b *bench) drain(ctx context.Context, node string) error {
	listen := b.config.Healer.Listen
	if listen == "" {
		return nil
	}
	running, err := remote.New(remote.Config{Address: listen, Token: b.config.Healer.Token})
	if err != nil {
		return err
	}
	grace := b.config.Healer.Policy.Grace
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	for {
		s, err := running.Status(ctx)
		if errors.Is(err, healer.ErrNotRunning) {
			return nil
		}
		if err == nil {
			i := slices.IndexFunc(s.Nodes, func(n healer.NodeStatus) bool { return n.Name == node })
			if i < 0 || s.Nodes[i].State == healer.Maintenance && s.Nodes[i].InFlight == 0 {
				return nil
			}
		}
		if nodes.Sleep(ctx, drainPoll) {
			continue
		}
		if err == nil {
			err = fmt.Errorf("the healer still routes to it after %s", grace)
		}
		return err
	}
}

// node returns the node to hold a tournament on.
func (b *bench) node(named string) (*nodes.Node, error) { return nodeOf(b.config, b.set, named) }

// nodeOf returns the node that is named, else arena.node, else the first of the
// fallback order.
func nodeOf(c *config.Config, set *nodes.Set, named string) (*nodes.Node, error) {
	name := cmp.Or(named, c.Arena.Node)
	if name == "" && len(c.Fallback) > 0 {
		name = c.Fallback[0]
	}
	if name == "" {
		return set.At(0), nil
	}
	if n := set.Get(name); n != nil {
		return n, nil
	}
	var names []string
	for _, n := range set.All() {
		names = append(names, n.Name)
	}
	return nil, unknownNode(name, names)
}

func unknownNode(name string, names []string) error {
	return usage("no node is named %q; the config has %s", name, strings.Join(names, ", "))
}

// candidate returns the model with the given load settings, else with the
// config's.
func (b *bench) candidate(node *nodes.Node, model, load string) (nodes.Model, error) {
	m := nodes.Model{Name: model}
	for _, c := range b.config.Arena.Candidates {
		if node.Same(c.Name, model) {
			m.Settings = c.Settings
			break
		}
	}
	if node.Same(node.Wanted.Name, model) && m.Settings == nil {
		m.Settings = node.Wanted.Settings
	}
	if load == "" {
		return m, nil
	}
	m.Settings = nodes.Settings{}
	for _, part := range strings.Split(load, ",") {
		name, value, ok := strings.Cut(part, "=")
		if !ok || name == "" {
			return m, usage("--load is NAME=VALUE,…, not %q", load)
		}
		var v any
		if err := yaml.Unmarshal([]byte(value), &v); err != nil {
			return m, usage("--load %s: %q is no value", name, value)
		}
		m.Settings[strings.TrimSpace(name)] = v
	}
	return m, nil
}

func completeModel(file *string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		path, err := config.Find(*file)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c, err := config.Load(filepath.Clean(path))
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, m := range c.Arena.Candidates {
			names = append(names, m.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

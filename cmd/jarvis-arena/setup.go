package main

import (
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
	"github.com/turbone/jarvis/cmd/internal/keeper"
	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/healer/daemon"
	"github.com/turbone/jarvis/healer/remote"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/nodes"
)

// quietPoll is how often the healer is asked whether it saw the lease.
const quietPoll = 200 * time.Millisecond

// bench is everything that a tournament needs.
type bench struct {
	config *config.Config
	set    *nodes.Set
	store  history.HistoryStore
	arena  arena.Arena
	io.Closer
}

// openHistory opens the history of the config; without a config the one here.
func openHistory(cmd *cobra.Command, o options) (*config.Config, history.HistoryStore, io.Closer, error) {
	c, err := configOrDefault(cmd, o)
	if err != nil {
		return nil, nil, nil, err
	}
	store, closer, err := daemon.OpenHistory(cmd.Context(), c.History.Path, c.History.Keep)
	return c, store, closer, err
}

// configOrDefault is the config, or that of this folder where there is none.
func configOrDefault(cmd *cobra.Command, o options) (*config.Config, error) {
	c, err := cli.LoadConfig(cmd, o.config)
	if errors.Is(err, config.ErrNotFound) && o.config == "" {
		return config.Default("."), nil
	}
	return c, err
}

// loadConfig is the config, and a remedy where there is none.
func loadConfig(cmd *cobra.Command, file string) (*config.Config, error) {
	c, err := cli.LoadConfig(cmd, file)
	if errors.Is(err, config.ErrNotFound) {
		return nil, fmt.Errorf("%w; write one with `jarvis-heal init`, or name it with --config", err)
	}
	return c, err
}

func openBench(cmd *cobra.Command, o options, sinks ...arena.Sink) (*bench, error) {
	c, err := loadConfig(cmd, o.config)
	if err != nil {
		return nil, err
	}
	store, closer, err := daemon.OpenHistory(cmd.Context(), c.History.Path, c.History.Keep)
	if err != nil {
		return nil, err
	}
	b := &bench{config: c, store: store, Closer: closer}
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
		Quiet: b.quiet,
		Figures: arena.Figures{
			Tasks: c.Arena.TasksPerCycle, Cycles: c.Arena.Cycles, QuickCycles: c.Arena.QuickCycles,
			Warmup: orNegative(c.Arena.Warmup), Temperature: c.Arena.Temperature, MaxTokens: c.Arena.MaxTokens,
			Timeout: c.Arena.Timeout, Grace: c.Healer.Policy.Grace,
		},
	}
	if c.Arena.Temperature == 0 {
		settings.Figures.Temperature = -1
	}
	if c.Healer.State != "" {
		settings.Keeper = keeper.New(healer.OpenState(c.Healer.State))
	}
	b.arena, err = arena.New(settings)
	return err
}

// orNegative makes a zero that was asked for one that isn't taken for unset.
func orNegative(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

// quiet waits until the healer, where one runs, has taken the node out of the
// route and its requests are done.
func (b *bench) quiet(ctx context.Context, node string) error {
	listen := b.config.Healer.Listen
	if listen == "" {
		return nil
	}
	grace := b.config.Healer.Policy.Grace
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	for {
		s, err := remote.Fetch(ctx, listen, b.config.Healer.Token)
		if errors.Is(err, remote.ErrNotRunning) {
			return nil
		}
		if err == nil {
			i := slices.IndexFunc(s.Nodes, func(n healer.NodeStatus) bool { return n.Name == node })
			if i < 0 || s.Nodes[i].State == healer.Maintenance && s.Nodes[i].InFlight == 0 {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			if err == nil {
				err = fmt.Errorf("the healer still routes to it after %s", grace)
			}
			return err
		case <-time.After(quietPoll):
		}
	}
}

// node is the one that is named, else the config's, else the first of the
// fallback order.
func (b *bench) node(named string) (*nodes.Node, error) {
	name := named
	if name == "" {
		name = b.config.Arena.Node
	}
	if name == "" && len(b.config.Fallback) > 0 {
		name = b.config.Fallback[0]
	}
	if name == "" {
		return b.set.At(0), nil
	}
	if n := b.set.Get(name); n != nil {
		return n, nil
	}
	var names []string
	for _, n := range b.set.All() {
		names = append(names, n.Name)
	}
	return nil, usage("no node is named %q; the config has %s", name, strings.Join(names, ", "))
}

// candidate is the model with the settings that are given, else the config's.
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

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/cmd/internal/cli"
	"github.com/turbone/jarvis/cmd/internal/console"
	"github.com/turbone/jarvis/cmd/internal/daemon"
	"github.com/turbone/jarvis/cmd/internal/historystore"
	"github.com/turbone/jarvis/cmd/internal/version"
	"github.com/turbone/jarvis/healer"
)

func newRunCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Watch the cluster and heal it, until interrupted",
		Long: `run watches every node and heals what fails, until it is interrupted. The first
Ctrl-C lets a repair that is under way finish, so that no node is left without a
model; the second one leaves at once.

Events go to the console and to the log (healer.log). The status API
(healer.listen) tells the state: GET /api/v1/status, /api/v1/events, /healthz.`,
		Example: `  jarvis-heal run
  jarvis-heal run --config /etc/jarvis/jarvis.yaml`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runHealer(cmd, *file) },
	}
}

func runHealer(cmd *cobra.Command, file string) (err error) {
	c, err := configOrFound(cmd, file)
	if err != nil {
		return err
	}
	stderr := cmd.ErrOrStderr()
	store, closer, err := historystore.Open(cmd.Context(), c.History)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	set, err := c.Build()
	if err != nil {
		return err
	}
	again := reruns{config: c, store: store, set: set, serving: healer.OpenState(c.Healer.State).Serving}
	d, err := daemon.New(daemon.Options{
		Config: c, Version: version.String(), Console: console.New(cmd.OutOrStdout()), Champion: champion(c.History),
		History: store, Judge: daemon.Regressions(c.Arena.Weights), Rerun: again.hold, OnRegression: c.Arena.OnRegression,
	})
	if err != nil {
		return err
	}
	names := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		names[i] = n.Name
	}
	fmt.Fprintf(stderr, "watching %s", strings.Join(names, ", "))
	if a := d.Listening(); a != "" {
		fmt.Fprintf(stderr, "; status at http://%s/api/v1/status", a)
	}
	if a := d.Gateway(); a != "" {
		fmt.Fprintf(stderr, "; clients at http://%s", a)
	}
	fmt.Fprintln(stderr, "; Ctrl-C to stop")

	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	defer cli.StopOnSignal(cancel, func() string {
		if names := d.Repairing(); len(names) > 0 {
			return fmt.Sprintf("finishing the repair of %s; press Ctrl-C again to leave at once", strings.Join(names, ", "))
		}
		return "stopping"
	}, stderr)()
	err = d.Run(ctx)
	if closed := d.Close(); err == nil {
		err = closed
	}
	if err == nil {
		fmt.Fprintln(stderr, "stopped")
	}
	return err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/cmd/internal/cli"
	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/cmd/internal/console"
	"github.com/turbone/jarvis/cmd/internal/notify"
	"github.com/turbone/jarvis/cmd/internal/version"
	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/healer/daemon"
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
	settings, err := c.Daemon()
	if err != nil {
		return err
	}
	settings.Healer.Version = version.String()
	settings.Healer.Sinks = []healer.Sink{console.New(cmd.OutOrStdout())}
	settings.HoldTournament = holdTournament(c.Path)
	alerts, err := notify.Open(c.Alerts, nil)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), deliveryLimit)
		defer cancel()
		err = errors.Join(err, alerts.Close(ctx))
	}()
	settings.Alerts.Services = alerts.Services
	d, err := daemon.New(cmd.Context(), settings)
	if err != nil {
		return withRemedy(err, c)
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	names := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		names[i] = n.Name
	}
	fmt.Fprintf(stderr, "watching %s", strings.Join(names, ", "))
	if a := d.StatusAddress(); a != "" {
		fmt.Fprintf(stderr, "; status at http://%s/api/v1/status", a)
	}
	if a := d.GatewayAddress(); a != "" {
		fmt.Fprintf(stderr, "; clients at http://%s", a)
	}
	fmt.Fprintln(stderr, "; Ctrl-C to stop")

	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	defer cli.StopOnSignal(cancel, func() string {
		status, _ := d.Healer().Status(ctx) // a watchdog's own has no error
		if names := repairing(status); len(names) > 0 {
			return fmt.Sprintf("finishing the repair of %s; press Ctrl-C again to leave at once", strings.Join(names, ", "))
		}
		return "stopping"
	}, stderr)()
	if err := d.Run(ctx); err != nil {
		return err
	}
	fmt.Fprintln(stderr, "stopped")
	return nil
}

// repairing returns the names of the nodes that are being repaired.
func repairing(s healer.Status) []string {
	var names []string
	for _, n := range s.Nodes {
		if n.State.UnderRepair() {
			names = append(names, n.Name)
		}
	}
	return names
}

// holdTournament returns the function that holds the tournaments of alarms with
// the jarvis-arena command and this command's config.
func holdTournament(configPath string) func(context.Context, daemon.Tournament) error {
	command := daemon.ArenaCommand{Args: []string{"--config", configPath}}
	return func(ctx context.Context, t daemon.Tournament) error {
		err := command.Hold(ctx, t)
		if errors.Is(err, exec.ErrNotFound) {
			return fmt.Errorf("%w, or set arena.on_regression to alert", err)
		}
		return err
	}
}

// withRemedy adds to an error of [daemon.New] which key of the config to change.
func withRemedy(err error, c *config.Config) error {
	if errors.Is(err, daemon.ErrRunning) {
		return fmt.Errorf("another jarvis-heal runs on %s; stop that one, or give this one its own healer.state", c.Healer.State)
	}
	var part *daemon.Error
	if !errors.As(err, &part) {
		return err
	}
	switch part.Part {
	case daemon.PartState:
		return fmt.Errorf("%w; run it in a folder that you may write to, or name one as healer.state", err)
	case daemon.PartLog:
		return fmt.Errorf("%w; name a file that can be written as healer.log, or off", err)
	case daemon.PartStatus:
		return fmt.Errorf("%w; is another program there? Choose another address as healer.listen, or off", err)
	case daemon.PartGateway:
		return fmt.Errorf("%w; is another program there? Choose another address as gateway.listen, or off", err)
	}
	return err
}

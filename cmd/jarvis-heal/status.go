package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/cmd/internal/cli"
	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/cmd/internal/console"
	"github.com/turbone/jarvis/cmd/internal/version"
	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/healer/daemon"
	"github.com/turbone/jarvis/healer/remote"
)

func newStatusCommand(file *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell which node serves and how all of them are",
		Long: `status asks the healer that runs. If none runs, it looks at every node once by
itself: a probe and a question of one token, changing nothing. Like a healer
that starts, it takes promotions, last known good models and pauses from the
state file (healer.state), and leaves a node alone whose lease is held. If a
healer runs and does not answer, or refuses the token, status can't tell.

Exit code 0: all nodes serve; 1: some don't; 2: can't tell.`,
		Example: `  jarvis-heal status
  jarvis-heal status --json | jq -r .serving`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, source, err := currentStatus(cmd, *file)
			if err != nil {
				return cli.Failure{Code: 2, Err: err}
			}
			if asJSON {
				out := json.NewEncoder(cmd.OutOrStdout())
				out.SetIndent("", "  ")
				if err := out.Encode(s); err != nil {
					return cli.Failure{Code: 2, Err: err}
				}
			} else {
				console.New(cmd.OutOrStdout()).Status(s, source, time.Now())
			}
			if !s.AllServe() {
				return cli.Failure{Code: 1}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the status as the API's JSON")
	return cmd
}

// currentStatus asks the healer that runs, or looks once.
func currentStatus(cmd *cobra.Command, file string) (s healer.Status, source string, err error) {
	ctx := cmd.Context()
	c, err := cli.LoadConfig(cmd, file)
	if err != nil && !errors.Is(err, config.ErrNotFound) {
		return s, "", err
	}
	none := c == nil
	if none {
		c = config.Default("")
	}
	if c.Healer.Listen != "" {
		s, err = askHealer(ctx, c.Healer)
		switch {
		case err == nil:
			return s, fmt.Sprintf("says the healer on %s", c.Healer.Listen), nil
		case errors.Is(err, healer.ErrNotRunning):
		case errors.Is(err, remote.ErrNotHealer):
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: %v; looking once instead\n", err)
		default:
			return s, "", err
		}
	}
	if none {
		if c, err = configOrFound(cmd, file); err != nil {
			return s, "", err
		}
	}
	s, err = lookOnce(ctx, c)
	if err != nil {
		return s, "", err
	}
	for _, e := range s.Events {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", e.Text())
	}
	if s.Champion, err = daemon.Champion(ctx, c.History.Path); err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: the champion is not known: %v\n", err)
	}
	return s, "no healer is running; looked once", nil
}

// askHealer asks the healer that runs for its status.
func askHealer(ctx context.Context, c config.Healer) (healer.Status, error) {
	running, err := remote.New(remote.Config{Address: c.Listen, Token: c.Token})
	if err != nil {
		return healer.Status{}, err
	}
	s, err := running.Status(ctx)
	if errors.Is(err, remote.ErrUnauthorized) {
		return s, fmt.Errorf("%w; set healer.listen_token to the token that this healer was started with", err)
	}
	return s, err
}

// lookOnce looks at every node once, with what a healer would start with.
func lookOnce(ctx context.Context, c *config.Config) (healer.Status, error) {
	settings, err := c.Daemon()
	if err != nil {
		return healer.Status{}, err
	}
	settings.Healer.Version = version.String()
	if settings.Healer.Leases, err = daemon.Leases(c.Healer.State); err != nil {
		return healer.Status{}, err
	}
	s, err := healer.CheckOnce(ctx, settings.Healer)
	if err != nil {
		return s, err
	}
	if s.Events == nil {
		s.Events = []healer.Event{} // a list in the JSON, not null
	}
	return s, nil
}

package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/cmd/internal/cli"
	"github.com/turbone/jarvis/cmd/internal/demo"
)

func newDemoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Show a cluster that breaks on purpose being healed",
		Long: `demo starts four servers inside this process, on free ports of this machine:
three that speak LM Studio's protocol, one that speaks Ollama's. It breaks them
one after another in each of the ways that servers break in the field, and
shows each healed, rolled back or routed around. It needs no model, no GPU and
no configuration, and ends by itself after half a minute.

Exit code 0: all of it happened; 1: something did not; 130: interrupted.`,
		Example: `  jarvis-heal demo`,
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(context.WithoutCancel(cmd.Context()), os.Interrupt, syscall.SIGTERM)
			defer stop()
			err := demo.Run(ctx, cmd.OutOrStdout())
			if errors.Is(err, context.Canceled) {
				return cli.Failure{Code: 130, Err: errors.New("the demo was interrupted")}
			}
			return err
		},
	}
}

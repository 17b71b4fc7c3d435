package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newDemoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Show a cluster that breaks on purpose being healed",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return errors.New("the demo is not part of this build") },
	}
}

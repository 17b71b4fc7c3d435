package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/cmd/internal/checkup"
	"github.com/turbone/jarvis/cmd/internal/cli"
	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/cmd/internal/notify"
)

func newCheckCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check the config, and reach every node once",
		Long: `check reads the config and says what is wrong with it, each mistake with its
line and what to write instead. Then it reaches every node once, changing
nothing, and says what is wrong there and which key of the config that comes
from. What a healer would do there it says with regard to the state file
(promotions, pauses), to who holds the node's lease, and to tournaments that
were cut short. It sends no alert; see notify-test.

Exit code 0: all is well; 1: something is wrong.`,
		Example: `  jarvis-heal check
  jarvis-heal check --config ./new.yaml && mv new.yaml jarvis.yaml`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cli.LoadConfig(cmd, *file)
			if errors.Is(err, config.ErrNotFound) {
				return fmt.Errorf("%w; write one with `jarvis-heal init`", err)
			}
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			count := "1 node"
			if n := len(c.Nodes); n != 1 {
				count = fmt.Sprintf("%d nodes", n)
			}
			fmt.Fprintf(out, "%s: read, %s\n", c.Path, count)
			wrong := 0
			alerts, err := notify.Open(c.Alerts, nil)
			if err != nil {
				fmt.Fprintln(out, err)
				wrong++
			}
			for _, s := range alerts.Services {
				fmt.Fprintf(out, "alerts: %s: the address is well formed\n", s.Sender.Name())
			}
			set, err := c.Build()
			if err != nil {
				return err
			}
			for _, f := range checkup.Run(cmd.Context(), c, set) {
				fmt.Fprintln(out, f)
				if f.Wrong {
					wrong++
				}
			}
			if wrong > 0 {
				return cli.Failure{Code: 1, Err: fmt.Errorf("something is wrong, see above")}
			}
			fmt.Fprintln(out, "all is well")
			return nil
		},
	}
}

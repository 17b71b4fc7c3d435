package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/cmd/internal/cli"
	"github.com/turbone/jarvis/cmd/internal/notify"
)

// deliveryLimit bounds one delivery of an alert.
const deliveryLimit = 15 * time.Second

func newNotifyTestCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "notify-test",
		Short: "Send a test alert to every service of the config",
		Long: `notify-test sends a test alert to every service that the config names under
alerts, and tells for each whether it took it.

Exit code 0: all took it; 1: some didn't, or none is named.`,
		Example: `  export JARVIS_TELEGRAM='telegram://TOKEN@telegram?chats=ID'
  jarvis-heal notify-test`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cli.LoadConfig(cmd, *file)
			if err != nil {
				return err
			}
			if len(c.Alerts) == 0 {
				return fmt.Errorf("%s names no service; add: alerts: [{url: ${JARVIS_TELEGRAM}}]", c.Path)
			}
			alerts, err := notify.Open(c.Alerts, nil)
			if err != nil {
				return err
			}
			host, _ := os.Hostname()
			text := fmt.Sprintf("Jarvis %s: this is a test. Alerts arrive here.", host)
			failed := 0
			for _, s := range alerts.Services {
				ctx, cancel := context.WithTimeout(cmd.Context(), deliveryLimit)
				err := s.Sender.Send(ctx, text)
				cancel()
				if err != nil {
					failed++
					fmt.Fprintf(cmd.OutOrStdout(), "%s: failed: %v\n", s.Sender.Name(), err)
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: sent\n", s.Sender.Name())
			}
			if failed > 0 {
				return cli.Failure{Code: 1, Err: fmt.Errorf("%d of %d services didn't take it", failed, len(alerts.Services))}
			}
			return nil
		},
	}
}

package cli

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Reference returns the help of a command and of all commands below it as
// Markdown.
func Reference(root *cobra.Command) (string, error) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	var b strings.Builder
	var write func(cmd *cobra.Command) error
	write = func(cmd *cobra.Command) error {
		if cmd.Hidden || cmd.Name() == "help" || cmd.Name() == "completion" {
			return nil
		}
		cmd.InitDefaultHelpFlag()
		cmd.InitDefaultVersionFlag()
		var help bytes.Buffer
		cmd.SetOut(&help)
		if err := cmd.Help(); err != nil {
			return fmt.Errorf("%s: %w", cmd.CommandPath(), err)
		}
		level := strings.Repeat("#", 2+strings.Count(cmd.CommandPath(), " "))
		fmt.Fprintf(&b, "\n%s %s\n\n%s.\n\n```\n%s```\n", level, cmd.CommandPath(), cmd.Short, help.String())
		for _, sub := range cmd.Commands() {
			if err := write(sub); err != nil {
				return err
			}
		}
		return nil
	}
	if err := write(root); err != nil {
		return "", err
	}
	return b.String() + "\n", nil
}

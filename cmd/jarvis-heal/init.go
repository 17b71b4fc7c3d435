package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/cmd/internal/discover"
)

func newInitCommand(file *string) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "init [URL]...",
		Short: "Write a commented jarvis.yaml of the engines that are found",
		Long: `init looks for engines on this machine, or at the addresses given, and writes a
commented jarvis.yaml of what it found. It changes nothing there, and refuses to
overwrite a file unless told to.

Exit code 0: written; 1: nothing found, or the file exists.`,
		Example: `  jarvis-heal init
  jarvis-heal init http://10.5.0.2:1234 http://10.5.0.5:11434
  jarvis-heal init --config /etc/jarvis/jarvis.yaml --force`,
		RunE: func(cmd *cobra.Command, args []string) error {
			path := *file
			if path == "" {
				path = config.FileName
			}
			if _, err := os.Lstat(path); err == nil && !force {
				return fmt.Errorf("%s exists; overwrite it with --force, or name another with --config", path)
			} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			addresses := discover.Addresses(os.Getenv)
			if len(args) > 0 {
				addresses = nil
				for _, a := range args {
					addresses = append(addresses, discover.Address(a))
				}
			}
			found, err := lookAround(cmd.Context(), cmd.OutOrStdout(), addresses)
			if err != nil {
				return err
			}
			if err := writeNew(path, discover.YAML(found), force); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "wrote %s; check it with `jarvis-heal check`, start with `jarvis-heal`\n", path)
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "overwrite the file")
	return cmd
}

// writeNew writes a file that only its owner reads: keys may come to stand in
// it. Without force it is never one that came to be since it was looked for.
func writeNew(path string, content []byte, force bool) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return fmt.Errorf("write the config: %w", err)
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

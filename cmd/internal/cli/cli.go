// Package cli has what both commands share: exit codes, finding and reading the
// config, stopping on a signal, and the reference of a command's help.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/cmd/internal/config"
)

// Failure is an error with the code to exit with. A nil Err prints nothing.
type Failure struct {
	Code int
	Err  error
}

func (f Failure) Error() string {
	if f.Err == nil {
		return fmt.Sprintf("exit %d", f.Code)
	}
	return f.Err.Error()
}

func (f Failure) Unwrap() error { return f.Err }

// Execute runs a command, prints its error, and returns the code to exit with.
func Execute(cmd *cobra.Command, args []string, stdout, stderr io.Writer) int {
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.Execute()
	if err == nil {
		return 0
	}
	f := Failure{Code: 1, Err: err}
	errors.As(err, &f)
	if f.Err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", cmd.Name(), f.Err)
	}
	return f.Code
}

// Prepare adds to a root command the --config flag and the exit codes in the
// help, and lets wrong usage exit with 2.
func Prepare(cmd *cobra.Command, file *string, exitCodes string) {
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SuggestionsMinimumDistance = 2
	cmd.PersistentFlags().StringVar(file, "config", "", "the config `FILE` (default: jarvis.yaml here, then in your configuration folder)")
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return Failure{2, fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	cmd.SetHelpTemplate(cmd.HelpTemplate() + exitCodes)
}

// NoArgs refuses arguments of a command that takes none.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return Failure{2, fmt.Errorf("%s takes no arguments, got %q; see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())}
	}
	return nil
}

// LoadConfig reads the config that is named or found, and prints its warnings.
// The error wraps [config.ErrNotFound] if there is none.
func LoadConfig(cmd *cobra.Command, file string) (*config.Config, error) {
	path, err := config.Find(file)
	if err != nil {
		return nil, err
	}
	c, err := config.Load(path)
	if err != nil {
		var m config.Mistakes
		if errors.As(err, &m) {
			return nil, fmt.Errorf("the config is wrong:\n%w", err)
		}
		return nil, err
	}
	for _, w := range c.Warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning: "+w)
	}
	return c, nil
}

// StopOnSignal calls cancel at the first interrupt, after printing what notice
// returns, and ends the process at the second. The function that it returns
// ends that.
func StopOnSignal(cancel context.CancelFunc, notice func() string, out io.Writer) (end func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() { // ended and waited for by end
		defer close(ended)
		select {
		case <-done:
			return
		case <-signals:
		}
		fmt.Fprintln(out, notice())
		cancel()
		select {
		case <-done:
		case <-signals:
			fmt.Fprintln(out, "leaving at once")
			os.Exit(130)
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
		<-ended
	}
}

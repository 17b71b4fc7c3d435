// Command jarvis-heal keeps a cluster of self-hosted LLM servers serving.
//
// See jarvis-heal --help.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/cmd/internal/cli"
	"github.com/turbone/jarvis/cmd/internal/version"
)

func main() {
	// Some services of the alert library (generic, opsgenie, ifttt, join,
	// googlechat) send with http.DefaultClient and take neither another client
	// nor a context. This ends a delivery to a server that never answers. No
	// other part of this program uses that client.
	http.DefaultClient.Timeout = deliveryLimit
	os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr))
}

func execute(args []string, stdout, stderr io.Writer) int {
	return cli.Execute(newRootCommand(), args, stdout, stderr)
}

const rootLong = `jarvis-heal keeps a cluster of self-hosted LLM servers (LM Studio, Ollama,
llama.cpp, OpenAI-compatible) serving, around the clock: it notices what a ping
can't see, repairs, checks each repair by asking questions, rolls back what got
worse, and moves the traffic meanwhile.

Without a command it is "jarvis-heal run": it reads jarvis.yaml from here or
from your configuration folder. Where there is none, it looks for engines on
this machine (ports 1234, 11434 and 8080; elsewhere with
JARVIS_LOOK_AT=http://HOST:PORT,…) and watches those.`

const rootExample = `  jarvis-heal                        watch what jarvis.yaml names, or this machine
  jarvis-heal init                   write a jarvis.yaml of what is found
  jarvis-heal check                  is the file right, and does every node answer?
  jarvis-heal status                 who serves now?
  jarvis-heal demo                   see it heal a cluster that breaks on purpose`

const exitCodes = `
Exit codes:
  0    stopped cleanly, or all is well
  1    it failed, or something is wrong
  2    wrong usage; for status: can't tell
  130  interrupted twice
`

func newRootCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:     "jarvis-heal",
		Short:   "Keep a cluster of self-hosted LLM servers serving",
		Long:    rootLong,
		Example: rootExample,
		Version: version.Long(),
		Args:    unknownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runHealer(cmd, file) },
	}
	cli.Prepare(cmd, &file, exitCodes)
	cmd.AddCommand(
		newRunCommand(&file), newDemoCommand(), newStatusCommand(&file), newCheckCommand(&file),
		newInitCommand(&file), newNotifyTestCommand(&file),
	)
	return cmd
}

// unknownCommand refuses arguments of the root: they are commands that don't
// exist.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf("; did you mean %q?", near[0])
	}
	return cli.Failure{Code: 2, Err: fmt.Errorf("unknown command %q%s; see jarvis-heal --help", args[0], hint)}
}

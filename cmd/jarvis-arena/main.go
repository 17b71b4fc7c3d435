// Command jarvis-arena holds tournaments between models on a node, and keeps
// the history of their results.
//
// See jarvis-arena --help.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/cmd/internal/cli"
	"github.com/turbone/jarvis/cmd/internal/version"
)

func main() { os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr)) }

func execute(args []string, stdout, stderr io.Writer) int {
	return cli.Execute(newRootCommand(), args, stdout, stderr)
}

const rootLong = `jarvis-arena holds tournaments: a candidate is loaded in the champion's place on
a node, both answer the same questions in one session, and the better one serves
afterwards. An equal one is seldom crowned, a clear case ends early.

The node is out of service meanwhile; jarvis-heal shows it as in maintenance and
moves the traffic. Afterwards the node serves what it served before, or the
winner. If this command is killed, a running jarvis-heal gives the node its model
back, and so does the next tournament, or --resume, which also goes on with the
one that was cut short. What only looks does not: history, --dry-run, jarvis-heal
status.`

const rootExample = `  jarvis-arena qwen3:14b                is it better than what the node serves?
  jarvis-arena qwen3:14b --dry-run      how long would that take, what could it find?
  jarvis-arena --all --quick            all of the config's candidates, few questions
  jarvis-arena --selftest               can this node tell models apart at all?
  jarvis-arena history                  the champion, the last runs, the alarms
  jarvis-arena append results.json      record an autotest's results
  jarvis-arena report report.html       a page with all of it
  jarvis-arena discover coder           models on Hugging Face that would fit
  jarvis-arena pull qwen3:14b           have the node's engine download one`

const exitCodes = `
Exit codes:
  0    done; of a tournament: it ended, whoever won
  1    it failed; of a tournament: it could not be held, and the node serves what
       it served before
  2    wrong usage
  130  interrupted twice
`

// global holds the flags of all commands.
type global struct {
	config string
	json   bool
}

func newRootCommand() *cobra.Command {
	var g global
	cmd := newTournamentCommand(&g)
	cmd.Long, cmd.Example, cmd.Version = rootLong, rootExample, version.Long()
	cli.Prepare(cmd, &g.config, exitCodes)
	cmd.PersistentFlags().BoolVar(&g.json, "json", false, "print one JSON object; progress goes to standard error")
	cmd.AddCommand(
		newHistoryCommand(&g), newAppendCommand(&g), newReportCommand(&g),
		newDiscoverCommand(&g), newPullCommand(&g), newMoveCommand(&g),
	)
	return cmd
}

// usage returns an error of wrong usage of the root command.
func usage(format string, args ...any) error {
	return cli.Failure{Code: 2, Err: fmt.Errorf(format+"; see jarvis-arena --help", args...)}
}

// usageOf returns an error of wrong usage of a command.
func usageOf(cmd *cobra.Command, format string, args ...any) error {
	return cli.Failure{Code: 2, Err: fmt.Errorf("%s; see %s --help", fmt.Sprintf(format, args...), cmd.CommandPath())}
}

func printJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

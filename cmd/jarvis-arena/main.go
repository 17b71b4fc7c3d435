// Command jarvis-arena finds out which model should serve on a node, and tells
// whether it got worse.
//
// See jarvis-arena --help.
package main

import (
	"errors"
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
moves the traffic. Whatever happens, also when this command is killed, the node
has its model back afterwards.

A tournament that was cut short goes on with --resume.`

const rootExample = `  jarvis-arena qwen3:14b                 is it better than what the node serves?
  jarvis-arena qwen3:14b --dry-run       how long would that take, what could it find?
  jarvis-arena --all --quick             all of the config's candidates, few questions
  jarvis-arena --selftest                can this node tell models apart at all?
  jarvis-arena --history                 the champion, the last runs, the alarms
  jarvis-arena --append results.json     record an autotest's results
  jarvis-arena --append r.json qwen3:14b the same, where the file doesn't name the model
  jarvis-arena --report report.html      a page with all of it
  jarvis-arena discover coder            models on Hugging Face that would fit
  jarvis-arena pull qwen3:14b            have the node's engine download one`

const exitCodes = `
Exit codes:
  0    done; of a tournament: it ended, whoever won
  1    it failed; of a tournament: it could not be held, and the node serves what
       it served before
  2    wrong usage
  130  interrupted twice
`

// options are the flags of the root command.
type options struct {
	config                                  string
	node                                    string
	load                                    string
	rule                                    string
	append                                  string
	report                                  string
	quick, extend, strict, selftest, dryRun bool
	all, history, resume, json              bool
	parallel                                int
}

func newRootCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:               "jarvis-arena [MODEL]",
		Short:             "Hold tournaments between models, and keep the better one",
		Long:              rootLong,
		Example:           rootExample,
		Version:           version.Long(),
		Args:              oneModel,
		ValidArgsFunction: completeModel(&o.config),
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd, o, args)
		},
	}
	cli.Prepare(cmd, &o.config, exitCodes)
	flags := cmd.Flags()
	flags.StringVar(&o.node, "node", "", "the `NODE` to hold it on (default: arena.node, else the first of the fallback order);\nwith --history: only its runs; with --append: where it was measured")
	flags.BoolVar(&o.all, "all", false, "all candidates of the config: the best of them against the champion")
	flags.BoolVar(&o.quick, "quick", false, "few questions: finds large differences only")
	flags.BoolVar(&o.extend, "extend", false, "twice as many questions: finds smaller differences")
	flags.BoolVar(&o.strict, "strict", false, "promote only what is better on questions like these, not just on these")
	flags.StringVar(&o.rule, "rule", "paired", "`RULE` of the verdict: paired, or plain (a score above the stored one)")
	flags.BoolVar(&o.selftest, "selftest", false, "the champion against itself: what can this node tell apart?")
	flags.BoolVar(&o.dryRun, "dry-run", false, "only tell tests, minutes, and the smallest gap that can be found")
	flags.BoolVar(&o.resume, "resume", false, "go on with the tournament that was cut short")
	flags.IntVar(&o.parallel, "parallel", 1, "`N` questions at once; above 1 the speed is not judged")
	flags.StringVar(&o.load, "load", "", "the candidate's load `SETTINGS`: num_ctx=8192,flash_attention=true (default: the config's)")
	flags.BoolVar(&o.history, "history", false, "the champion, the last 10 runs, the trend, the alarms")
	flags.StringVar(&o.append, "append", "", "record the results of an autotest, a JSON `FILE`; with MODEL: of that one")
	flags.StringVar(&o.report, "report", "", "write a page with charts to an HTML `FILE`")
	cmd.PersistentFlags().BoolVar(&o.json, "json", false, "print one JSON object; progress goes to standard error")
	cmd.AddCommand(newDiscoverCommand(&o), newPullCommand(&o), newMoveCommand(&o))
	return cmd
}

func oneModel(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usage("one model at a time, got %q; --all tries all candidates of the config", args)
	}
	return nil
}

func usage(format string, args ...any) error {
	return cli.Failure{Code: 2, Err: fmt.Errorf(format+"; see jarvis-arena --help", args...)}
}

// run does what the flags ask for, and refuses what contradicts itself.
func run(cmd *cobra.Command, o options, args []string) error {
	model := ""
	if len(args) == 1 {
		if model = args[0]; model == "" {
			return usage("the model has no name")
		}
	}
	asked := 0
	for _, is := range []bool{model != "" && !o.all && o.append == "", o.all, o.history, o.append != "", o.selftest} {
		if is {
			asked++
		}
	}
	holds := cmd.Flags().Changed("parallel") || o.load != "" || o.rule != "paired" || o.quick || o.extend || o.strict || o.dryRun
	switch {
	case asked == 0 && o.report != "" && !o.resume:
		o.history = true
	case asked == 0 && !o.resume:
		return usage("name a model, or one of --all, --selftest, --history, --append, --report")
	case asked > 1:
		return usage("MODEL, --all, --selftest, --history and --append exclude each other")
	case (o.history || o.append != "") && (holds || o.resume):
		return usage("--history and --append hold no tournament: leave out the flags of one")
	case o.dryRun && o.report != "":
		return usage("--dry-run measures nothing that could be reported: leave out --report")
	case o.load != "" && model == "":
		return usage("--load is for the MODEL that is named")
	case o.all && model != "":
		return usage("--all takes no model: it tries those of the config")
	case o.quick && o.extend:
		return usage("--quick and --extend exclude each other")
	case o.rule != "paired" && o.rule != "plain":
		return usage("--rule is paired or plain, not %q", o.rule)
	case o.parallel < 1 || o.parallel > 64:
		return usage("--parallel is 1 to 64, not %d", o.parallel)
	case o.resume && (o.quick || o.extend || o.strict || o.selftest || o.rule != "paired" || o.dryRun):
		return usage("--resume goes on as the tournament was begun: leave out the other flags")
	}
	var err error
	switch {
	case o.append != "":
		err = appendResults(cmd, o, model)
	case o.history:
		err = showHistory(cmd, o)
	default:
		err = holdTournament(cmd, o, model)
	}
	if errors.Is(err, errTold) {
		return cli.Failure{Code: 1}
	}
	return err
}

// errTold: what went wrong was printed already.
var errTold = errors.New("told")

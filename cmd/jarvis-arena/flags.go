package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// tournamentFlags are the flags of the root command. History and append, and
// report without a tournament, are aliases of commands, which scripts use.
type tournamentFlags struct {
	node, load, rule, report                string
	quick, extend, strict, selftest, dryRun bool
	all, resume                             bool
	parallel                                int
	history                                 bool
	append                                  string
}

// The values of --rule.
const (
	rulePaired = "paired"
	rulePlain  = "plain"
)

func (f *tournamentFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.node, "node", "", "the `NODE` to hold it on (default: arena.node, else the first of the fallback order)")
	flags.BoolVar(&f.all, "all", false, "all candidates of the config: the best of them against the champion")
	flags.BoolVar(&f.quick, "quick", false, "few questions: finds large differences only")
	flags.BoolVar(&f.extend, "extend", false, "twice as many questions: finds smaller differences")
	flags.BoolVar(&f.strict, "strict", false, "promote only what is better on questions like these, not just on these")
	flags.StringVar(&f.rule, "rule", rulePaired, "`RULE` of the verdict: paired, or plain (a score above the stored one)")
	flags.BoolVar(&f.selftest, "selftest", false, "the champion against itself: what can this node tell apart?")
	flags.BoolVar(&f.dryRun, "dry-run", false, "only tell tests, minutes, and the smallest gap that can be found")
	flags.BoolVar(&f.resume, "resume", false, "go on with the tournament that was cut short")
	flags.IntVar(&f.parallel, "parallel", 1, "`N` questions at once; above 1 the speed is not judged")
	flags.StringVar(&f.load, "load", "", "the candidate's load `SETTINGS`: num_ctx=8192,flash_attention=true (default: the config's)")
	flags.StringVar(&f.report, "report", "", "write a page with charts to an HTML `FILE`; alone: the same as the command report")
	flags.BoolVar(&f.history, "history", false, "the same as the command history")
	flags.StringVar(&f.append, "append", "", "the same as the command append `FILE` [MODEL]")
}

// model stands for the argument MODEL among the names of the flags given.
const model = "MODEL"

const (
	exclusive     = "MODEL, --all, --selftest, --history and --append exclude each other"
	noTournament  = "--history and --append hold no tournament: leave out the flags of one"
	resumedAsIs   = "--resume goes on as the tournament was begun: leave out the other flags"
	ofTournaments = "quick extend strict rule dry-run parallel load resume"
)

// conflicts are the flags that exclude each other, in the order in which they
// are told: a flag, those it can't be given with, and what to say.
var conflicts = []struct{ flag, with, text string }{
	{"all", model, "--all takes no model: it tries those of the config"},
	{"all", "selftest history append", exclusive},
	{"selftest", model + " history append", exclusive},
	{"history", model + " append", exclusive},
	{"history", ofTournaments, noTournament},
	{"append", ofTournaments, noTournament},
	{"dry-run", "report", "--dry-run measures nothing that could be reported: leave out --report"},
	{"quick", "extend", "--quick and --extend exclude each other"},
	{"rule", "strict", "--strict is for the paired rule: leave out --rule plain"},
	{"resume", "quick extend strict selftest rule dry-run parallel load", resumedAsIs},
}

// check refuses flags that contradict each other, and values out of range.
func (f *tournamentFlags) check(flags *pflag.FlagSet, args []string) error {
	if len(args) > 0 && args[0] == "" {
		return usage("the model has no name")
	}
	given := map[string]bool{model: len(args) > 0}
	flags.VisitAll(func(flag *pflag.Flag) { given[flag.Name] = flag.Value.String() != flag.DefValue })
	for _, c := range conflicts {
		for _, other := range strings.Fields(c.with) {
			if given[c.flag] && given[other] {
				return usage("%s", c.text)
			}
		}
	}
	switch {
	case given["load"] && !given[model]:
		return usage("--load is for the MODEL that is named")
	case f.rule != rulePaired && f.rule != rulePlain:
		return usage("--rule is %s or %s, not %q", rulePaired, rulePlain, f.rule)
	case f.parallel < 1 || f.parallel > 64:
		return usage("--parallel is 1 to 64, not %d", f.parallel)
	}
	for _, what := range []string{model, "all", "selftest", "history", "append", "report", "resume"} {
		if given[what] {
			return nil
		}
	}
	return usage("name a model, or one of --all, --selftest, or a command: history, append, report")
}

// oneModel refuses more than one argument.
func oneModel(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usage("one model at a time, got %q; --all tries all candidates of the config", args)
	}
	return nil
}

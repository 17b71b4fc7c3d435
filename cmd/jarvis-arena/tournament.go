package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/cmd/internal/cli"
	"github.com/turbone/jarvis/cmd/internal/progress"
	"github.com/turbone/jarvis/internal/duration"
	"github.com/turbone/jarvis/nodes"
)

// longTournament is how long a tournament may take without a warning.
const longTournament = 10 * time.Minute

// fewTasks is the smallest gap from which on a tournament is said to be short.
const fewTasks = 1.5

// shortestTypo is the least length of a model's name that is taken for a command
// that was mistyped.
const shortestTypo = 4

func newTournamentCommand(g *global) *cobra.Command {
	var f tournamentFlags
	cmd := &cobra.Command{
		Use:               "jarvis-arena [MODEL]",
		Short:             "Hold tournaments between models, and keep the better one",
		Args:              oneModel,
		ValidArgsFunction: completeModel(&g.config),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd.Flags(), args); err != nil {
				return err
			}
			model := ""
			if len(args) > 0 {
				model = args[0]
				if near := cmd.SuggestionsFor(model); len(near) > 0 && len(model) >= shortestTypo && cmd.ArgsLenAtDash() < 0 {
					return usage("%s is no command; did you mean %s? A model of that name is written after --", model, near[0])
				}
			}
			switch {
			case f.append != "":
				return appendResults(cmd, *g, f.append, model, f.node, f.report)
			case f.history, model == "" && !f.all && !f.selftest && !f.resume:
				return showHistory(cmd, *g, f.node, f.report)
			}
			return holdTournament(cmd, *g, f, model)
		},
	}
	f.add(cmd.Flags())
	return cmd
}

// tournament is the tournament of a command line.
type tournament struct {
	*bench
	cmd     *cobra.Command
	json    bool
	flags   tournamentFlags
	request arena.Request
	out     *progress.Printer
}

// holdTournament prepares the tournament that the flags ask for, and runs it.
func holdTournament(cmd *cobra.Command, g global, f tournamentFlags, model string) (err error) {
	stderr := cmd.ErrOrStderr()
	printer := progress.New(stderr)
	b, err := openBench(cmd, g, printer)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	printer.Weigh(b.config.Arena.Weights)
	node, err := b.node(f.node)
	if err != nil {
		return err
	}
	if f.all && !f.resume && len(b.config.Arena.Candidates) == 0 {
		return usage("the config lists no candidates; add arena.candidates")
	}
	candidate, err := b.candidate(node, model, f.load)
	if err != nil {
		return err
	}
	t := &tournament{
		bench: b, cmd: cmd, json: g.json, flags: f, out: printer,
		request: f.request(node, candidate, b.config.Arena.Candidates),
	}
	if f.dryRun {
		return t.dryRun(cmd.Context())
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	defer cli.StopOnSignal(cancel, func() string {
		printer.Clear()
		return "giving the node its model back; press Ctrl-C again to leave at once"
	}, stderr)()
	return t.run(ctx, model)
}

// run ends what was cut short before, and then holds or continues the tournament.
func (t *tournament) run(ctx context.Context, model string) error {
	interrupted, err := t.recover(ctx, model)
	switch {
	case err != nil:
		return err
	case t.flags.resume && interrupted != nil && interrupted.Ended != nil:
		return t.ended(*interrupted.Ended, interrupted.Several, nil)
	case t.flags.resume:
		return t.resume(ctx, interrupted)
	}
	return t.hold(ctx)
}

// request returns the tournament that the flags ask for.
func (f tournamentFlags) request(node *nodes.Node, candidate nodes.Model, all []nodes.Model) arena.Request {
	r := arena.Request{Node: node, Contest: arena.Challenge(candidate), Parallel: f.parallel}
	switch {
	case f.rule == rulePlain && !f.selftest:
		r.Rule = arena.Plain
	case f.strict:
		r.Rule = arena.Strict
	}
	switch {
	case f.quick:
		r.Budget = arena.Quick
	case f.extend:
		r.Budget = arena.Extended
	}
	switch {
	case f.selftest:
		r.Contest = arena.SelfTest{}
	case f.all:
		r.Contest = arena.Field(all)
	}
	return r
}

// recover ends what killed commands left behind, and returns the interrupted
// tournament that --resume means, nil if there is none. It may be one that is ended
// by now.
func (t *tournament) recover(ctx context.Context, model string) (*arena.Unfinished, error) {
	unfinished, err := t.arena.Recover(ctx, t.set)
	if err != nil {
		return nil, err
	}
	var interrupted *arena.Unfinished
	for _, u := range unfinished {
		switch {
		case u.Err != nil && u.Node == t.request.Node.Name:
			return nil, t.neverBegan(t.flags.all, u.Err)
		case u.Err != nil:
			t.out.Note("%v", u.Err)
		case u.Node != t.request.Node.Name:
		case !t.flags.resume && u.Ended != nil:
			t.out.Note("a tournament on %s was cut short and is ended: %s", u.Node, u.Ended.Final.Sentence())
		case !t.flags.resume:
			t.out.Note("a tournament of %s on %s was cut short after %d tests of all; --resume goes on with it", orSeveral(u), u.Node, u.Tests)
		case interrupted == nil && t.means(u, model):
			interrupted = &u
		}
	}
	return interrupted, nil
}

// means reports whether --resume means this session.
func (t *tournament) means(u arena.Unfinished, model string) bool {
	if model == "" {
		return u.Several || !t.flags.all
	}
	return !u.Several && t.request.Node.Same(u.Candidate.Name, model)
}

// hold holds the tournament and prints its result.
func (t *tournament) hold(ctx context.Context) error {
	if err := t.warn(ctx); err != nil {
		return t.neverBegan(t.flags.all, err)
	}
	if t.flags.all {
		ranking, err := t.arena.HoldAll(ctx, t.request)
		return t.ended(ranking, true, err)
	}
	result, err := t.arena.Hold(ctx, t.request)
	return t.ended(arena.Ranking{Final: result}, false, err)
}

// resume continues an interrupted tournament and prints its result.
func (t *tournament) resume(ctx context.Context, u *arena.Unfinished) error {
	if u == nil && (t.flags.all || candidateOf(t.request) != "") {
		return t.neverBegan(t.flags.all, fmt.Errorf("%s: %w: no such tournament was cut short there", t.request.Node.Name, arena.ErrNothingToResume))
	}
	session, several := "", t.flags.all
	if u != nil {
		session, several = u.Session, u.Several
	}
	ranking, err := t.arena.Resume(ctx, t.request.Node, session)
	return t.ended(ranking, several, err)
}

// ended prints how a tournament ended. One of several candidates has a table.
func (t *tournament) ended(r arena.Ranking, several bool, failed error) error {
	t.out.Clear()
	if failed != nil && r.Final.Node == "" {
		return t.neverBegan(several, failed)
	}
	if errors.Is(failed, arena.ErrInterrupted) || errors.Is(failed, arena.ErrCutShort) {
		const remedy = "; go on with --resume"
		failed = fmt.Errorf("%w"+remedy, failed)
		r.Final.Reason += remedy
	}
	if t.flags.report != "" {
		if err := t.report(t.cmd, t.flags.report, &r.Final); err != nil {
			return errors.Join(failed, err)
		}
	}
	out := t.cmd.OutOrStdout()
	several = several || len(r.Table) > 0
	var err error
	switch {
	case t.json && several:
		err = printJSON(out, r)
	case t.json:
		err = printJSON(out, r.Final)
	default:
		if several {
			printRanking(out, r)
		}
		printResult(out, r.Final, failed)
	}
	if err := errors.Join(failed, err); err != nil {
		return err
	}
	if r.Final.Verdict == arena.VerdictFailed {
		return cli.Failure{Code: 1} // the result says why
	}
	return nil
}

// candidateOf returns the name of the only candidate, "" if there is none.
func candidateOf(r arena.Request) string {
	c, _ := r.Contest.(arena.Challenge)
	return c.Name
}

// neverBegan returns the error of a tournament that wasn't begun. With --json it
// prints an object as for a tournament that failed.
func (t *tournament) neverBegan(several bool, failed error) error {
	failed = withRemedy(failed, t.request)
	if !t.json {
		return failed
	}
	result := arena.Result{Verdict: arena.VerdictFailed, Node: t.request.Node.Name, Reason: failed.Error()}
	result.Candidate.Model = candidateOf(t.request)
	var value any = result
	if several {
		value = arena.Ranking{Verdict: arena.VerdictFailed, Table: []arena.Standing{}, Final: result}
	}
	return errors.Join(failed, printJSON(t.cmd.OutOrStdout(), value))
}

// withRemedy adds to an error of the arena which command or key helps.
func withRemedy(err error, r arena.Request) error {
	switch name := candidateOf(r); {
	case errors.Is(err, nodes.ModelNotFound) && name != "":
		return fmt.Errorf("%w with jarvis-arena pull %s --node %s", err, name, r.Node.Name)
	case errors.Is(err, arena.ErrNoCandidate):
		return fmt.Errorf("%w; list others as arena.candidates", err)
	case errors.Is(err, arena.ErrHistory):
		return fmt.Errorf("%w; set history.path to a file in a folder that can be written", err)
	case errors.Is(err, arena.ErrChanged):
		return fmt.Errorf("%w; start a new tournament, without --resume", err)
	}
	return err
}

func orSeveral(u arena.Unfinished) string {
	if u.Candidate.Name == "" {
		return "several models"
	}
	return u.Candidate.Name
}

// warn prints how long the node will be out of service.
func (t *tournament) warn(ctx context.Context) error {
	r := t.request
	e, err := t.arena.Estimate(ctx, r)
	if err != nil {
		return err
	}
	if e.Smallest > fewTasks {
		t.out.Note("so few tests find only a gap of %.1f points or larger; %s; more tasks or cycles find smaller ones", e.Smallest, t.promise(e))
	}
	if _, self := r.Contest.(arena.SelfTest); e.Most > longTournament && !self {
		shorter := "--quick takes less, "
		if r.Budget == arena.Quick {
			shorter = ""
		}
		t.out.Note("%s is out of service for about %s; %s--dry-run tells more", r.Node.Name, within(e), shorter)
	}
	if t.set.Len() == 1 {
		t.out.Note("%s is the only node: nobody answers %s's requests meanwhile", r.Node.Name, e.Champion)
	}
	return nil
}

// promise says how many equal candidates are promoted.
func (t *tournament) promise(e arena.Estimate) string {
	if _, self := t.request.Contest.(arena.SelfTest); self {
		return fmt.Sprintf("the model seems better than itself in at most %d of 100 self-tests", e.False)
	}
	return fmt.Sprintf("at most %d of 100 equal candidates are promoted", e.False)
}

// within says how long a tournament takes: one figure if both are the same.
func within(e arena.Estimate) string {
	least, most := duration.Text(e.Least), duration.Text(e.Most)
	if least == most {
		return most
	}
	return least + ", up to " + most
}

// dryRun prints what the tournament would take and could find.
func (t *tournament) dryRun(ctx context.Context) error {
	e, err := t.arena.Estimate(ctx, t.request)
	if err != nil {
		return withRemedy(err, t.request)
	}
	out := t.cmd.OutOrStdout()
	if t.json {
		return printJSON(out, e)
	}
	t.printEstimate(out, e)
	return nil
}

// printEstimate prints what a tournament would take and could find.
func (t *tournament) printEstimate(out io.Writer, e arena.Estimate) {
	of := "of both models"
	switch t.request.Contest.(type) {
	case arena.Field:
		of = "of all models"
	case arena.SelfTest:
		of = "of the champion"
	}
	if e.Method == arena.MethodMeasured {
		fmt.Fprintf(out, "on %s, %s alone: it is what the node serves, and would only be measured\n", e.Node, e.Champion)
		fmt.Fprintf(out, "  tests     %d\n", e.Tests)
		fmt.Fprintf(out, "  time      %s\n", duration.Text(e.Most))
	} else {
		fmt.Fprintf(out, "on %s, against %s\n", e.Node, e.Champion)
		fmt.Fprintf(out, "  tests     %s, %s\n", upTo(fmt.Sprint(e.Tests), fmt.Sprint(e.Early)), of)
		fmt.Fprintf(out, "  time      %s\n", upTo(duration.Text(e.Most), duration.Text(e.Least)))
		switch {
		case e.Smallest > 0:
			fmt.Fprintf(out, "  can find  a gap of %.2f points of the composite, or larger: it is found in 90 of 100 tournaments\n", e.Smallest)
		case e.Method == arena.MethodPaired:
			fmt.Fprintln(out, "  can find  a gap that is not known beforehand: the quality has no weight, and how much the rest varies the tests tell")
		}
		fmt.Fprintf(out, "  promises  %s\n", t.promise(e))
	}
	if e.Measured {
		fmt.Fprintf(out, "  from      %s of the champion under the same conditions\n", runsText(e.Evidence))
	} else {
		fmt.Fprintln(out, "  from      typical figures: no run of the champion's own counts")
	}
	for _, why := range e.Unused {
		fmt.Fprintf(out, "            %s\n", why)
	}
	for _, why := range e.Out {
		fmt.Fprintf(out, "  note      it would be out: %s\n", clean(why))
	}
}

// upTo says what a tournament takes at most, and what where the case is clear: one
// figure if both are the same.
func upTo(most, least string) string {
	if most == least {
		return most + " at most"
	}
	return fmt.Sprintf("%s at most, %s where the case is clear", most, least)
}

func printRanking(out io.Writer, r arena.Ranking) {
	rows := [][]string{{"CANDIDATE", "SCORE", "PASSED", "LATENCY", ""}}
	for _, s := range r.Table {
		rows = append(rows, []string{s.Model, fmt.Sprintf("%.2f", s.Score), fmt.Sprintf("%d/%d", s.Pass, s.Tests), fmt.Sprintf("%d ms", s.LatencyMS), s.Out})
	}
	printTable(out, rows)
	fmt.Fprintln(out)
}

// printResult prints a result. The error of a tournament that could not go on
// says why: it is printed after it, and the result does not say it, too.
func printResult(out io.Writer, r arena.Result, failed error) {
	if r.Champion.Tests > 0 {
		rows := [][]string{{"", "MODEL", "SCORE", "QUALITY", "SPEED", "RELIABILITY", "PASSED", "ERRORS", "LATENCY", "P95"}}
		for _, s := range []struct {
			role string
			arena.Side
		}{{"champion", r.Champion}, {"candidate", r.Candidate}} {
			if s.Tests == 0 || s.role == "candidate" && r.Method == arena.MethodMeasured {
				continue
			}
			rows = append(rows, []string{
				s.role, s.Model, fmt.Sprintf("%.2f", s.Score), fmt.Sprintf("%.2f", s.Quality), fmt.Sprintf("%.2f", s.Speed),
				fmt.Sprintf("%.2f", s.Reliability), fmt.Sprintf("%d/%d", s.Pass, s.Tests), fmt.Sprint(s.Errors),
				fmt.Sprintf("%d ms", s.LatencyMS), fmt.Sprintf("%d ms", s.P95MS),
			})
		}
		printTable(out, rows)
		fmt.Fprintln(out)
	}
	if failed == nil || !strings.Contains(failed.Error(), r.Reason) {
		fmt.Fprintln(out, r.Sentence())
	}
	if g := r.Gap; g != nil && r.Verdict == arena.VerdictPromoted && g.Low != g.High && g.Low <= 0 {
		fmt.Fprintln(out, "The verdict is about the tasks that were asked; the interval is for other tasks like these, and begins below zero.")
	}
	for _, why := range r.Unused {
		fmt.Fprintf(out, "%s: %s.\n", r.Champion.Model, why)
	}
	if r.Loaded != "" {
		fmt.Fprintf(out, "%s serves %s.\n", r.Node, r.Loaded)
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moby/sys/atomicwriter"
	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/cmd/internal/cli"
	"github.com/turbone/jarvis/cmd/internal/progress"
	"github.com/turbone/jarvis/nodes"
)

// longTournament is how long one may take without a warning.
const longTournament = 10 * time.Minute

// holdTournament ends what was cut short before, and does what the flags ask
// for.
func holdTournament(cmd *cobra.Command, o options, model string) (err error) {
	stderr := cmd.ErrOrStderr()
	printer := progress.New(stderr)
	b, err := openBench(cmd, o, printer)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	printer.Weigh(b.config.Arena.Weights)
	node, err := b.node(o.node)
	if err != nil {
		return err
	}
	if o.all && !o.resume && len(b.config.Arena.Candidates) == 0 {
		return usage("the config lists no candidates; add arena.candidates")
	}
	candidate, err := b.candidate(node, model, o.load)
	if err != nil {
		return err
	}
	request := o.request(node, candidate, b.config.Arena.Candidates)
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	defer cli.StopOnSignal(cancel, func() string {
		printer.Clear()
		return "giving the node its model back; press Ctrl-C again to leave at once"
	}, stderr)()

	if o.dryRun {
		return b.dryRun(cmd, o, request)
	}
	unfinished, err := b.arena.Recover(ctx, b.set)
	if err != nil {
		return err
	}
	var resumed *arena.Unfinished
	for _, u := range unfinished {
		switch {
		case u.Err != nil && u.Node == node.Name:
			return neverBegan(cmd, o, request, o.all, u.Err)
		case u.Err != nil:
			printer.Note("%v", u.Err)
		case u.Node != node.Name:
		case !o.resume:
			printer.Note("a tournament of %s on %s was cut short after %d tests; --resume goes on with it", orSeveral(u), u.Node, u.Tests)
		case resumed == nil && o.meant(u, node, model):
			resumed = &u
		}
	}
	if o.resume {
		return b.resume(ctx, cmd, o, request, printer, resumed)
	}
	if err := b.warn(ctx, printer, request); err != nil {
		return neverBegan(cmd, o, request, o.all, err)
	}
	if o.all {
		ranking, err := b.arena.HoldAll(ctx, request)
		printer.Clear()
		if err != nil && ranking.Final.Node == "" {
			return neverBegan(cmd, o, request, true, err)
		}
		return b.tell(cmd, o, ranking.Final, ranking, err)
	}
	result, err := b.arena.Hold(ctx, request)
	printer.Clear()
	if err != nil && result.Node == "" {
		return neverBegan(cmd, o, request, false, err)
	}
	return b.tell(cmd, o, result, nil, err)
}

// request is the tournament that the flags ask for.
func (o options) request(node *nodes.Node, candidate nodes.Model, all []nodes.Model) arena.Request {
	r := arena.Request{Node: node, Contest: arena.Challenge(candidate), Parallel: o.parallel}
	switch {
	case o.rule == "plain" && !o.selftest:
		r.Rule = arena.Plain
	case o.strict:
		r.Rule = arena.Strict
	}
	switch {
	case o.quick:
		r.Budget = arena.Quick
	case o.extend:
		r.Budget = arena.Extended
	}
	switch {
	case o.selftest:
		r.Contest = arena.SelfTest{}
	case o.all:
		r.Contest = arena.Field(all)
	}
	return r
}

// meant reports whether --resume means this session.
func (o options) meant(u arena.Unfinished, node *nodes.Node, model string) bool {
	if model == "" {
		return u.Several || !o.all
	}
	return !u.Several && node.Same(u.Candidate.Name, model)
}

// resume continues a tournament that was cut short, nil where there is none.
func (b *bench) resume(ctx context.Context, cmd *cobra.Command, o options, r arena.Request, out *progress.Printer, u *arena.Unfinished) error {
	if u == nil && (o.all || candidateOf(r) != "") {
		return neverBegan(cmd, o, r, o.all, fmt.Errorf("%s: %w: no such tournament was cut short there", r.Node.Name, arena.ErrNothingToResume))
	}
	session, several := "", o.all
	if u != nil {
		session, several = u.Session, u.Several
	}
	ranking, err := b.arena.Resume(ctx, r.Node, session)
	out.Clear()
	switch {
	case err != nil && ranking.Final.Node == "":
		return neverBegan(cmd, o, r, several, err)
	case len(ranking.Table) > 0:
		return b.tell(cmd, o, ranking.Final, ranking, err)
	}
	return b.tell(cmd, o, ranking.Final, nil, err)
}

// candidateOf is the name of the one candidate, "" where there is none.
func candidateOf(r arena.Request) string {
	c, _ := r.Contest.(arena.Challenge)
	return c.Name
}

// neverBegan tells that nothing was held. Who reads JSON gets an object for
// that, too.
func neverBegan(cmd *cobra.Command, o options, r arena.Request, several bool, failed error) error {
	failed = remedied(failed, r)
	if !o.json {
		return failed
	}
	result := arena.Result{Verdict: arena.VerdictFailed, Node: r.Node.Name, Reason: failed.Error()}
	result.Candidate.Model = candidateOf(r)
	var value any = result
	if several {
		value = arena.Ranking{Verdict: arena.VerdictFailed, Table: []arena.Standing{}, Final: result}
	}
	return errors.Join(failed, printJSON(cmd.OutOrStdout(), value))
}

// remedied tells what the user can do about an error.
func remedied(err error, r arena.Request) error {
	switch name := candidateOf(r); {
	case errors.Is(err, nodes.ModelNotFound) && name != "":
		return fmt.Errorf("%w with jarvis-arena pull %s --node %s", err, name, r.Node.Name)
	case errors.Is(err, arena.ErrNoCandidate):
		return fmt.Errorf("%w; list others as arena.candidates", err)
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

// warn tells that the node will be out of service, and for how long.
func (b *bench) warn(ctx context.Context, out *progress.Printer, r arena.Request) error {
	e, err := b.arena.Estimate(ctx, r)
	if err != nil {
		return err
	}
	if _, self := r.Contest.(arena.SelfTest); e.Most > longTournament && !self {
		out.Note("%s is out of service for about %s, up to %s; --quick takes less, --dry-run tells more", r.Node.Name, brief(e.Least), brief(e.Most))
	}
	if b.set.Len() == 1 {
		out.Note("%s is the only node: nobody answers %s's requests meanwhile", r.Node.Name, e.Champion)
	}
	return nil
}

func (b *bench) dryRun(cmd *cobra.Command, o options, r arena.Request) error {
	e, err := b.arena.Estimate(cmd.Context(), r)
	if err != nil {
		return remedied(err, r)
	}
	if o.json {
		return printJSON(cmd.OutOrStdout(), e)
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "on %s, against %s\n", e.Node, e.Champion)
	fmt.Fprintf(out, "  tests     %d at most, %d where the case is clear\n", e.Tests, e.Early)
	fmt.Fprintf(out, "  time      %s at most, %s where the case is clear\n", brief(e.Most), brief(e.Least))
	fmt.Fprintf(out, "  can find  a gap of %.2f points of the composite, or larger\n", e.Smallest)
	if e.Measured {
		fmt.Fprintf(out, "  from      %d runs of the champion under the same conditions\n", e.Evidence)
	} else {
		fmt.Fprintln(out, "  from      typical figures: the champion has no runs of its own yet")
	}
	return nil
}

// tell prints how it ended.
func (b *bench) tell(cmd *cobra.Command, o options, r arena.Result, ranking any, failed error) error {
	if errors.Is(failed, arena.ErrInterrupted) {
		const remedy = "; go on with --resume"
		failed = fmt.Errorf("%w"+remedy, failed)
		r.Reason += remedy
		if all, ok := ranking.(arena.Ranking); ok {
			all.Final = r
			ranking = all
		}
	}
	if o.report != "" {
		if err := b.report(cmd.Context(), o.report, &r); err != nil {
			return errors.Join(failed, err)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "report: %s\n", o.report)
	}
	out := cmd.OutOrStdout()
	switch {
	case o.json && ranking != nil:
		if err := printJSON(out, ranking); err != nil {
			return errors.Join(failed, err)
		}
	case o.json:
		if err := printJSON(out, r); err != nil {
			return errors.Join(failed, err)
		}
	default:
		if table, ok := ranking.(arena.Ranking); ok {
			printRanking(out, table)
		}
		printResult(out, r)
	}
	if failed != nil {
		return failed
	}
	if r.Verdict == arena.VerdictFailed {
		return errTold
	}
	return nil
}

func printRanking(out io.Writer, r arena.Ranking) {
	rows := [][]string{{"CANDIDATE", "SCORE", "PASSED", "LATENCY", ""}}
	for _, s := range r.Table {
		rows = append(rows, []string{s.Model, fmt.Sprintf("%.2f", s.Score), fmt.Sprintf("%d/%d", s.Pass, s.Tests), fmt.Sprintf("%d ms", s.LatencyMS), s.Out})
	}
	table(out, rows)
	fmt.Fprintln(out)
}

func printResult(out io.Writer, r arena.Result) {
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
		table(out, rows)
		fmt.Fprintln(out)
	}
	fmt.Fprintln(out, r.Sentence())
	if g := r.Gap; g != nil && g.OtherHigh != g.OtherLow {
		fmt.Fprintf(out, "On other tasks like these: %+.2f … %+.2f.\n", g.OtherLow, g.OtherHigh)
	}
	if r.Loaded != "" {
		fmt.Fprintf(out, "%s serves %s.\n", r.Node, r.Loaded)
	}
}

func printJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// brief is a duration for people.
func brief(d time.Duration) string {
	switch {
	case d < 90*time.Second:
		return fmt.Sprintf("%d s", int(d.Round(time.Second).Seconds()))
	case d < 90*time.Minute:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}

// writeFile writes a report as a whole or not at all.
func writeFile(path string, write func(io.Writer) error) error {
	var page bytes.Buffer
	if err := write(&page); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := atomicwriter.WriteFile(path, page.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

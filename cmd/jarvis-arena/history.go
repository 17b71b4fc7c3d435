package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/arena/report"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/scoring"
)

// lastRuns is how many runs are shown.
const lastRuns = 10

// past is what --history prints.
type past struct {
	Champion *history.Champion `json:"champion"`
	// Runs are the last, in the file's format; reports of one run are one.
	Runs []history.Run `json:"runs"`
	// Trend is the change of the score from run to run, of TrendModel over its
	// last TrendRuns: see [trendRuns].
	Trend      float64         `json:"trend"`
	TrendLow   float64         `json:"trend_low"`
	TrendHigh  float64         `json:"trend_high"`
	TrendModel string          `json:"trend_model"`
	TrendRuns  int             `json:"trend_runs"`
	Alarms     []history.Alarm `json:"alarms"`
	// TotalRuns counts the rows that are kept, Folded the runs that they tell
	// of.
	TotalRuns int `json:"total_runs"`
	Folded    int `json:"folded_runs"`
	// scores are those of the trend.
	scores []float64
}

// readPast reads what is shown, and all runs; with a node only that node's.
func readPast(ctx context.Context, store history.HistoryStore, weights scoring.Composite, node string) (past, []history.Run, error) {
	rows, err := store.Runs(ctx)
	if err != nil {
		return past{}, nil, err
	}
	champion, crowned, err := store.Champion(ctx)
	if err != nil {
		return past{}, nil, err
	}
	runs := history.Runs(history.Fold(rows))
	p := past{TotalRuns: len(rows), Folded: len(runs), Alarms: history.Alarms(history.Judge(rows, weights))}
	if crowned {
		p.Champion = &champion
	}
	if node != "" {
		runs = slices.DeleteFunc(runs, func(r history.Run) bool { return r.Node != node })
		p.Alarms = slices.DeleteFunc(p.Alarms, func(a history.Alarm) bool { return a.Node != node })
	}
	p.Runs = runs[max(0, len(runs)-lastRuns):]
	for _, r := range trendRuns(runs) {
		p.TrendModel = r.Model
		p.scores = append(p.scores, r.Score)
	}
	p.TrendRuns = len(p.scores)
	slope, low, high := scoring.Trend(p.scores)
	p.Trend, p.TrendLow, p.TrendHigh = scoring.Round(slope), scoring.Round(low), scoring.Round(high)
	if p.Runs == nil {
		p.Runs = []history.Run{}
	}
	if p.Alarms == nil {
		p.Alarms = []history.Alarm{}
	}
	return p, runs, nil
}

// trendRuns are the last runs of the model that was measured last, with the same
// questions on the same node: the scores of others say nothing of its trend. A
// candidate that wasn't crowned is passed over.
func trendRuns(runs []history.Run) []history.Run {
	last := -1
	for i, r := range slices.Backward(runs) {
		candidate := r.Session != "" && !r.Crowned && strings.HasSuffix(r.ID, "-"+string(arena.Candidate))
		if !candidate {
			last = i
			break
		}
	}
	if last < 0 {
		return nil
	}
	var list []history.Run
	for _, r := range runs[:last+1] {
		if now := runs[last]; r.Model == now.Model && r.Node == now.Node && r.Suite == now.Suite && r.Type == now.Type {
			list = append(list, r)
		}
	}
	return list[max(0, len(list)-lastRuns):]
}

// showHistory prints the champion, the last runs, the trend and the alarms, or
// writes the report of them.
func showHistory(cmd *cobra.Command, o options) (err error) {
	c, store, closer, err := openHistory(cmd, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	p, _, err := readPast(cmd.Context(), store, c.Arena.Weights, o.node)
	if err != nil {
		return err
	}
	if o.report != "" {
		b := &bench{config: c, store: store}
		if err := b.report(cmd.Context(), o.report, nil); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "report: %s\n", o.report)
	}
	if o.json {
		// The single results would drown the rest.
		for i := range p.Runs {
			p.Runs[i].Results = nil
		}
		return printJSON(cmd.OutOrStdout(), p)
	}
	printPast(cmd.OutOrStdout(), p, o.node)
	return nil
}

func printPast(out io.Writer, p past, node string) {
	switch {
	case p.Champion == nil:
		fmt.Fprintln(out, "champion: none yet; hold a tournament with jarvis-arena MODEL")
	case p.Champion.Since.IsZero():
		fmt.Fprintf(out, "champion: %s, score %.2f\n", clean(p.Champion.Model), p.Champion.Score)
	default:
		fmt.Fprintf(out, "champion: %s, score %.2f, since %s\n", clean(p.Champion.Model), p.Champion.Score, p.Champion.Since.Format(time.DateOnly))
	}
	switch {
	case len(p.Runs) == 0 && p.TotalRuns > 0:
		fmt.Fprintf(out, "no runs on %s alone; %d in all\n", node, p.TotalRuns)
		return
	case len(p.Runs) == 0:
		fmt.Fprintln(out, "no runs yet")
		return
	}
	fmt.Fprintln(out)
	rows := [][]string{{"TIME", "TYPE", "MODEL", "NODE", "SCORE", "PASSED", "ERRORS", "LATENCY", "TESTS"}}
	for _, r := range p.Runs {
		rows = append(rows, []string{
			r.Time.Local().Format("2006-01-02 15:04"), orDash(r.Type), orDash(r.Model), orDash(r.Node), fmt.Sprintf("%.2f", r.Score),
			fmt.Sprintf("%.0f %%", r.PassRate), fmt.Sprint(r.ErrorCount()), fmt.Sprintf("%d ms", r.Latency.Milliseconds()), fmt.Sprint(r.Tests),
		})
	}
	table(out, rows)
	if len(p.scores) > 0 {
		fmt.Fprintf(out, "\ntrend of %s: %s", clean(p.TrendModel), spark(p.scores))
	}
	if len(p.scores) > 2 { // two are always on a line
		fmt.Fprintf(out, "  %+.2f a run [%+.2f … %+.2f]", p.Trend, p.TrendLow, p.TrendHigh)
	}
	fmt.Fprintf(out, "\nthe last %d of %s", len(p.Runs), runsText(p.Folded))
	if p.TotalRuns > p.Folded {
		fmt.Fprintf(out, "; the history tells of them in %d rows, as some were reported while they grew", p.TotalRuns)
	}
	fmt.Fprintln(out)
	if len(p.Alarms) == 0 {
		fmt.Fprintln(out, "no alarms")
		return
	}
	shown := p.Alarms[max(0, len(p.Alarms)-lastRuns):]
	fmt.Fprintln(out, "\nalarms:")
	if more := len(p.Alarms) - len(shown); more > 0 {
		fmt.Fprintf(out, "  %d older ones; --json names all\n", more)
	}
	for _, a := range shown {
		fmt.Fprintf(out, "  %s %s\n", a.Time.Local().Format("2006-01-02 15:04"), clean(a.Text))
	}
}

// spark draws scores, each from 0 to 10, as a row of bars.
func spark(scores []float64) string {
	const bars = "▁▂▃▄▅▆▇█"
	levels := []rune(bars)
	var b strings.Builder
	for _, s := range scores {
		i := int(s / 10 * float64(len(levels)))
		b.WriteRune(levels[min(max(i, 0), len(levels)-1)])
	}
	return b.String()
}

// appended is what --append prints.
type appended struct {
	RunID      string  `json:"run_id"`
	Score      float64 `json:"score"`
	Replaced   bool    `json:"replaced"`
	Regression bool    `json:"regression"`
	TotalRuns  int     `json:"total_runs"`
	// Alarm says what the regression is, "" where there is none.
	Alarm string `json:"alarm,omitempty"`
}

// appendResults records what an autotest measured, of the model that is named,
// else of the one that the file names.
func appendResults(cmd *cobra.Command, o options, model string) (err error) {
	text, err := os.ReadFile(o.append)
	if err != nil {
		return fmt.Errorf("the results: %w", err)
	}
	result, err := history.ReadResult(text)
	if err != nil {
		return fmt.Errorf("%s: %w", o.append, err)
	}
	if o.node != "" {
		result.Node = o.node
	}
	if model != "" {
		result.Model = model
	}
	c, store, closer, err := openHistory(cmd, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	done, err := history.AppendToHistory(cmd.Context(), store, result)
	if err != nil {
		return err
	}
	p, runs, err := readPast(cmd.Context(), store, c.Arena.Weights, "")
	if err != nil {
		return err
	}
	a := appended{RunID: done.ID, Replaced: done.Replaced, TotalRuns: done.Total}
	for _, r := range runs {
		if r.ID == done.ID {
			a.Score = scoring.Round(r.Score)
		}
	}
	for _, alarm := range p.Alarms {
		if alarm.RunID == done.ID && alarm.Kind == scoring.Regression {
			a.Regression, a.Alarm = true, alarm.Text
		}
	}
	if o.report != "" {
		b := &bench{config: c, store: store}
		if err := b.report(cmd.Context(), o.report, nil); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "report: %s\n", o.report)
	}
	if result.Model == "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "note: nothing names the model that was measured; name it as jarvis-arena --append FILE MODEL, so that its runs compare")
	}
	if o.json {
		return printJSON(cmd.OutOrStdout(), a)
	}
	verb := "recorded"
	if a.Replaced {
		verb = "replaced its earlier report"
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: score %.2f, %s; %s in the history\n", a.RunID, a.Score, verb, runsText(a.TotalRuns))
	if a.Alarm != "" {
		fmt.Fprintln(cmd.OutOrStdout(), clean(a.Alarm))
	}
	return nil
}

// report writes the page of the history and, where there was one, of the
// tournament.
func (b *bench) report(ctx context.Context, path string, r *arena.Result) error {
	rows, err := b.store.Runs(ctx)
	if err != nil {
		return err
	}
	champion, _, err := b.store.Champion(ctx)
	if err != nil {
		return err
	}
	d := report.Data{
		Runs: history.Runs(history.Fold(rows)), Champion: champion, Weights: b.config.Arena.Weights, Made: time.Now(),
	}
	for _, a := range history.Alarms(history.Judge(rows, b.config.Arena.Weights)) {
		d.Alarms = append(d.Alarms, report.Alarm{Time: a.Time, Node: a.Node, Kind: string(a.Kind), From: a.From, To: a.To, Text: a.Text})
	}
	if r != nil {
		d.Node = r.Node
		d.Tournament = &report.Tournament{
			Champion: r.Champion.Model, Candidate: r.Candidate.Model, ChampionTests: r.ChampionTests,
			CandidateTests: r.CandidateTests, Looks: r.Looks, Verdict: string(r.Verdict), Reason: r.Reason,
		}
	}
	return writeFile(path, func(w io.Writer) error { return report.Write(w, d) })
}

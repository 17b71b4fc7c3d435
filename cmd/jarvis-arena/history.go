package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/cmd/internal/cli"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/scoring"
)

// lastRuns is how many runs are shown.
const lastRuns = 10

func newHistoryCommand(g *global) *cobra.Command {
	var node, report string
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show the champion, the last runs, the trend and the alarms",
		Example: `  jarvis-arena history
  jarvis-arena history --node M1
  jarvis-arena history --json | jq .champion.model`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return showHistory(cmd, *g, node, report) },
	}
	cmd.Flags().StringVar(&node, "node", "", "only runs on this `NODE`")
	cmd.Flags().StringVar(&report, "report", "", "write a page with charts to an HTML `FILE`, too")
	return cmd
}

// showHistory prints the history, with a node only that node's, and writes its
// report where a file is named.
func showHistory(cmd *cobra.Command, g global, node, report string) (err error) {
	h, err := openHistory(cmd, g)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if err := h.known(cmd.Context(), node); err != nil {
		return err
	}
	if report != "" {
		if err := h.report(cmd, report, nil); err != nil {
			return err
		}
	}
	return h.show(cmd, g, node)
}

// known refuses a node that is neither in the config nor in the history. Without
// a config nobody can tell.
func (h *openedHistory) known(ctx context.Context, node string) error {
	var names []string
	for _, n := range h.config.Nodes {
		names = append(names, n.Name)
	}
	if node == "" || len(names) == 0 || slices.Contains(names, node) {
		return nil
	}
	rows, err := h.store.Runs(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(rows, func(r history.Run) bool { return r.Node == node }) {
		return nil
	}
	return unknownNode(node, names)
}

// past is the output of history.
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
	// Compared counts the runs that were compared with enough before them to raise
	// an alarm.
	Compared int `json:"compared_runs"`
	// scores are those of the trend.
	scores []float64
}

// readPast reads the part of the history that is printed, and all runs. With a
// node it reads that node's only.
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
	judged := history.Judge(rows, weights)
	if node != "" {
		judged = slices.DeleteFunc(judged, func(s history.Series) bool { return s.Node != node })
	}
	p := past{TotalRuns: len(rows), Folded: len(runs), Compared: compared(judged), Alarms: history.Alarms(judged)}
	if crowned {
		p.Champion = &champion
	}
	if node != "" {
		runs = slices.DeleteFunc(runs, func(r history.Run) bool { return r.Node != node })
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

// compared counts the runs that were compared with enough before them.
func compared(list []history.Series) (n int) {
	for _, s := range list {
		for _, p := range s.Report.Points {
			switch p.Mark {
			case scoring.RunNormal, scoring.RunSuspect, scoring.RunRegressed:
				n++
			}
		}
	}
	return n
}

// trendRuns returns the last runs of the model that was measured last, on the
// same node and with the same suite: only their scores form a trend. Runs of
// candidates that were not promoted are passed over.
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
	return list[max(0, len(list)-scoring.TrendRuns):]
}

// show prints the champion, the last runs, the trend and the alarms; with a node
// only that node's.
func (h *openedHistory) show(cmd *cobra.Command, g global, node string) error {
	p, _, err := readPast(cmd.Context(), h.store, h.config.Arena.Weights, node)
	if err != nil {
		return err
	}
	if !g.json {
		printPast(cmd.OutOrStdout(), p, node)
		return nil
	}
	for i := range p.Runs {
		p.Runs[i].Results = nil // hundreds of lines a run
	}
	return printJSON(cmd.OutOrStdout(), p)
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
	printTable(out, rows)
	if len(p.scores) > 0 {
		fmt.Fprintf(out, "\ntrend of %s: %s", clean(p.TrendModel), spark(p.scores))
	}
	switch {
	case len(p.scores) >= scoring.TrendRuns:
		fmt.Fprintf(out, "  %+.2f a run [%+.2f … %+.2f]", p.Trend, p.TrendLow, p.TrendHigh)
	case len(p.scores) > 2: // two are always on a line
		fmt.Fprintf(out, "  %+.2f a run, of %d runs; its interval needs %d", p.Trend, len(p.scores), scoring.TrendRuns)
	}
	fmt.Fprintf(out, "\nthe last %d of %s", len(p.Runs), runsText(p.Folded))
	if p.TotalRuns > p.Folded {
		fmt.Fprintf(out, "; the history tells of them in %d rows, as some were reported while they grew", p.TotalRuns)
	}
	fmt.Fprintln(out)
	if len(p.Alarms) == 0 && p.Compared == 0 {
		fmt.Fprintln(out, "no run could be compared yet: that takes more than four of a model on a node, by the same tasks")
		return
	}
	if len(p.Alarms) == 0 {
		fmt.Fprintf(out, "no alarms; %s compared with those before\n", runsText(p.Compared))
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

// spark draws scores from 0 to 10 as a row of bars.
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

package main

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/moby/sys/atomicwriter"
	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/arena/report"
	"github.com/turbone/jarvis/history"
)

func newReportCommand(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "report FILE",
		Short: "Write a page with charts of the history",
		Long: `report writes the champion, all runs with their scores and spreads, and the alarms
as one HTML page that needs nothing else: no server, no network.`,
		Example: `  jarvis-arena report report.html
  jarvis-arena qwen3:14b --report report.html   the page of a tournament`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return usageOf(cmd, "report takes one file, got %q", args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			h, err := openHistory(cmd, *g)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, h.Close()) }()
			if err := h.report(cmd, args[0], nil); err != nil || !g.json {
				return err
			}
			return h.show(cmd, *g, "")
		},
	}
}

// report writes the page of the history and, if r is not nil, of a tournament,
// as a whole or not at all.
func (h *openedHistory) report(cmd *cobra.Command, path string, r *arena.Result) error {
	rows, err := h.store.Runs(cmd.Context())
	if err != nil {
		return err
	}
	champion, _, err := h.store.Champion(cmd.Context())
	if err != nil {
		return err
	}
	weights := h.config.Arena.Weights
	d := report.Data{Runs: history.Runs(history.Fold(rows)), Champion: champion, Weights: weights, Made: time.Now()}
	for _, a := range history.Alarms(history.Judge(rows, weights)) {
		d.Alarms = append(d.Alarms, report.Alarm{Time: a.Time, Node: a.Node, Kind: string(a.Kind), From: a.From, To: a.To, Text: a.Text})
	}
	if r != nil {
		d.Node = r.Node
		d.Tournament = &report.Tournament{
			Champion: r.Champion.Model, Candidate: r.Candidate.Model, ChampionTests: r.ChampionTests,
			CandidateTests: r.CandidateTests, Looks: r.Looks, Verdict: string(r.Verdict), Reason: r.Reason,
		}
	}
	var page bytes.Buffer
	if err := report.Write(&page, d); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := atomicwriter.WriteFile(path, page.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "report: %s\n", path)
	return nil
}

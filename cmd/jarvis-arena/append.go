package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/scoring"
)

func newAppendCommand(g *global) *cobra.Command {
	var node, report string
	cmd := &cobra.Command{
		Use:   "append FILE [MODEL]",
		Short: "Record the results of an autotest",
		Long: `append records the results that an autotest of yours wrote to a JSON FILE as a run
of the history. MODEL is the model that was measured, where the file doesn't name
it. A file that is appended again as it grows replaces its earlier report.`,
		Example: `  jarvis-arena append results.json
  jarvis-arena append results.json qwen3:14b --node M1
  jarvis-arena append results.json --json | jq .regression`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 || args[0] == "" {
				return usageOf(cmd, "append takes a file and perhaps a model, got %q", args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			model := ""
			if len(args) == 2 {
				model = args[1]
			}
			return appendResults(cmd, *g, args[0], model, node, report)
		},
	}
	cmd.Flags().StringVar(&node, "node", "", "the `NODE` that it was measured on (default: what the file says)")
	cmd.Flags().StringVar(&report, "report", "", "write a page with charts to an HTML `FILE`")
	return cmd
}

// appended is the output of append.
type appended struct {
	RunID      string  `json:"run_id"`
	Score      float64 `json:"score"`
	Replaced   bool    `json:"replaced"`
	Regression bool    `json:"regression"`
	TotalRuns  int     `json:"total_runs"`
	// Alarm is the text of the regression, "" if there is none.
	Alarm string `json:"alarm,omitempty"`
}

// appendResults records the results in a file. Model and node replace what the
// file says, if they are not empty.
func appendResults(cmd *cobra.Command, g global, file, model, node, report string) (err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("the results: %w", err)
	}
	result, err := history.ReadResult(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if node != "" {
		result.Node = node
	}
	if model != "" {
		result.Model = model
	}
	h, err := openHistory(cmd, g)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	done, err := history.AppendToHistory(cmd.Context(), h.store, result)
	if err != nil {
		return err
	}
	p, runs, err := readPast(cmd.Context(), h.store, h.config.Arena.Weights, "")
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
	if report != "" {
		if err := h.report(cmd, report, nil); err != nil {
			return err
		}
	}
	if result.Model == "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "note: nothing names the model that was measured; name it as jarvis-arena append FILE MODEL, so that its runs compare")
	}
	if g.json {
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

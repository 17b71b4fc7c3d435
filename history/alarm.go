package history

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/turbone/jarvis/scoring"
)

// Alarm is something that the runs of a node show: it got worse, or was not
// there.
type Alarm struct {
	Time time.Time `json:"time"`
	// Node is "" for runs that went over several.
	Node string `json:"node"`
	// Kind is that of the alarm: a regression or an outage.
	Kind scoring.AlarmKind `json:"kind"`
	// Model is what was measured.
	Model string `json:"model"`
	// From and To are the scores before and after, with two decimals.
	From float64 `json:"from"`
	To   float64 `json:"to"`
	// Text says it in a sentence: "[REGRESSION] M1 score 9.2 → 7.8 (-15%) …".
	Text string `json:"text"`
	// RunID is that of the run that raised it, "" where it has none.
	RunID string `json:"run_id,omitempty"`
	// Ended is when it was over, zero while it lasts.
	Ended time.Time `json:"ended,omitzero"`
	// Major: a tenth or more is missing.
	Major bool `json:"major,omitempty"`
	// Sureness says in words how sure it is, "" where that can't be told.
	Sureness string `json:"sureness,omitempty"`
}

// Series are runs that compare with each other, oldest first.
type Series struct {
	Node, Model string
	Runs        []Run
	// Report is what they say.
	Report scoring.Report
}

// Judge parts the runs into series that compare, and judges each. Rows that
// tell of one run are folded first. Runs with single results are judged by
// them, the others by their sums. The weights are the composite's; the zero
// value means [scoring.Default].
func Judge(rows []Run, weights scoring.Composite) []Series {
	var list []Series
	places := map[string]int{}
	for _, run := range Runs(Fold(rows)) {
		key := seriesKey(run)
		at, ok := places[key]
		if !ok {
			at = len(list)
			places[key] = at
			list = append(list, Series{Node: nodeOf(run), Model: run.Model})
		}
		list[at].Model = run.Model
		list[at].Runs = append(list[at].Runs, run)
	}
	for i := range list {
		list[i].Report = judge(list[i].Runs, weights)
	}
	return list
}

// Alarms returns what the series show, oldest first.
func Alarms(series []Series) []Alarm {
	var list []Alarm
	for _, s := range series {
		for _, a := range s.Report.Alarms {
			list = append(list, Alarm{
				Time: a.Time, Node: s.Node, Kind: a.Kind, Model: s.Model, From: scoring.Round(a.From), To: scoring.Round(a.To),
				Text: a.Text(s.Node), RunID: a.ID, Ended: a.Ended, Major: a.Major, Sureness: a.Sureness(),
			})
		}
	}
	slices.SortStableFunc(list, func(a, b Alarm) int { return a.Time.Compare(b.Time) })
	return list
}

// seriesKey is the same for runs that compare. Runs of a tournament's two
// models are made under the same conditions, but a model is compared with
// itself.
func seriesKey(run Run) string {
	config, err := json.Marshal(run.Config) // sorted by name
	if err != nil {
		config = fmt.Append(nil, run.Config)
	}
	if len(run.Results) == 0 {
		return fmt.Sprintf("sums|%s|%s|%s|%s", run.Type, run.Model, run.Node, config)
	}
	return fmt.Sprintf("tests|%s|%s|%s|%s|%s", run.Suite, run.Node, run.Type, run.Model, config)
}

// nodeOf is the run's node, or the only one that took part in it.
func nodeOf(run Run) string {
	if run.Node == "" && len(run.ByNode) == 1 {
		for name := range run.ByNode {
			return name
		}
	}
	return run.Node
}

func judge(runs []Run, weights scoring.Composite) scoring.Report {
	if len(runs[0].Results) == 0 {
		rows := make([]scoring.PlainRow, len(runs))
		for i, r := range runs {
			rows[i] = scoring.PlainRow{
				ID: r.ID, Time: r.Time, Model: r.Model, Score: r.Score, PassRate: r.PassRate, Latency: r.Latency,
				Tests: r.Tests, Errors: r.ErrorCount(),
			}
		}
		return scoring.PlainRegressions(rows)
	}
	series := make([]scoring.Observation, len(runs))
	for i, r := range runs {
		model := r.Digest
		if model == "" {
			model = r.Model
		}
		series[i] = scoring.Observation{
			ID: r.ID, Time: r.Time, Model: model, Version: r.EngineVersion, Tests: r.Results, Crowned: r.Crowned,
		}
	}
	return scoring.Regressions(series, weights)
}

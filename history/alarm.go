package history

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/turbone/jarvis/scoring"
)

// Alarm is a regression or an outage that the runs of a node show.
type Alarm struct {
	// Time is when the run ended that raised the alarm.
	Time time.Time `json:"time"`
	// Node is the node, "" for runs on several.
	Node string `json:"node"`
	// Kind is regression or outage.
	Kind scoring.AlarmKind `json:"kind"`
	// Model is the measured model.
	Model string `json:"model"`
	// From and To are the scores before and after, with two decimals.
	From float64 `json:"from"`
	To   float64 `json:"to"`
	// Text is the alarm as a sentence: "[REGRESSION] M1 score 9.2 → 7.8 (-15%) …".
	Text string `json:"text"`
	// RunID is the ID of the run that raised the alarm, "" for none.
	RunID string `json:"run_id,omitempty"`
	// Ended is when the alarm ended, zero while it lasts.
	Ended time.Time `json:"ended,omitzero"`
	// Major is true for a loss of a tenth or more.
	Major bool `json:"major,omitempty"`
	// Sureness is the certainty of the alarm in words, "" if unknown.
	Sureness string `json:"sureness,omitempty"`
}

// Series are comparable runs of one model, oldest first.
type Series struct {
	Node, Model string
	Runs        []Run
	// Report holds the alarms that the runs raise.
	Report scoring.Report
}

// Judge folds the rows (see [Fold]), groups the runs into series of comparable
// runs and looks for regressions and outages in each. Runs with single results
// are judged by these, other runs by their counts. The zero value of weights means
// [scoring.Default].
func Judge(rows []Run, weights scoring.Composite) []Series {
	var list []Series
	places := map[seriesKey]int{}
	for _, run := range Runs(Fold(rows)) {
		key := keyOf(run)
		at, ok := places[key]
		if !ok {
			at = len(list)
			places[key] = at
			list = append(list, Series{Node: nodeOf(run), Model: run.Model})
		}
		list[at].Runs = append(list[at].Runs, run)
	}
	for i := range list {
		list[i].Report = judge(list[i].Runs, weights)
	}
	return list
}

// Alarms returns the alarms of all series, oldest first.
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

// seriesKey identifies a series of comparable runs. It contains the model: the two
// models of a tournament run under equal conditions, but a regression is a change of
// one model.
type seriesKey struct {
	kind, model, node, config string
	// suite is "" for runs without single results: few of them record it.
	suite  string
	single bool // whether the runs have single results
}

func keyOf(run Run) seriesKey {
	config, err := json.Marshal(run.Config) // sorted by name
	if err != nil {
		config = fmt.Append(nil, run.Config)
	}
	key := seriesKey{kind: run.Type, model: run.Model, node: run.Node, config: string(config)}
	if len(run.Results) > 0 {
		key.suite, key.single = run.Suite, true
	}
	return key
}

// nodeOf returns the run's node, or the only node in its counts.
func nodeOf(run Run) string {
	if run.Node == "" && len(run.ByNode) == 1 {
		for name := range run.ByNode {
			return name
		}
	}
	return run.Node
}

// judge looks for regressions and outages in the runs of one series.
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

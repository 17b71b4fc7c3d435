package history

import (
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
	// Change is what changed with the first bad run, in words, such as "Ollama
	// 0.33.0"; "" for nothing known.
	Change string `json:"change,omitempty"`
	// RunID is the ID of the run that raised the alarm, "" for none.
	RunID string `json:"run_id,omitempty"`
	// Ended is when the alarm ended, zero while it lasts.
	Ended time.Time `json:"ended,omitzero"`
	// Major is true for a loss of a tenth or more.
	Major bool `json:"major,omitempty"`
	// Sureness is the certainty of the alarm in words, "" if unknown.
	Sureness string `json:"sureness,omitempty"`
}

// Judge folds the rows (see [Fold]), groups the runs into series of comparable
// runs and looks for regressions and outages in each. Runs with single results
// are judged by these, other runs by their counts. The first runs with other settings
// are compared with those before, too. The zero value of weights means
// [scoring.Default].
func Judge(rows []Run, weights scoring.Composite) []Series {
	list := group(Runs(Fold(rows)))
	for i := range list {
		before, change := former(list, i)
		list[i].Report = judge(change, before, list[i].Runs, weights)
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
				Text: a.Text(s.Node), Change: a.Change, RunID: a.ID, Ended: a.Ended, Major: a.Major, Sureness: a.Sureness(),
			})
		}
	}
	slices.SortStableFunc(list, func(a, b Alarm) int { return a.Time.Compare(b.Time) })
	return list
}

// judge looks for regressions and outages in the runs of one series. The first ones
// are compared with the runs before a change, too, if there are any.
func judge(change string, before, runs []Run, weights scoring.Composite) scoring.Report {
	if len(runs[0].Results) == 0 {
		return scoring.PlainRegressionsSince(change, plainRows(before), plainRows(runs))
	}
	return scoring.RegressionsSince(change, observations(before), observations(runs), weights)
}

func plainRows(runs []Run) []scoring.PlainRow {
	rows := make([]scoring.PlainRow, len(runs))
	for i, r := range runs {
		rows[i] = scoring.PlainRow{
			ID: r.ID, Time: r.Time, Model: r.Model, Version: r.EngineVersion, Engine: engineName(r.Engine), Score: r.Score, PassRate: r.PassRate,
			Latency: r.Latency, Tests: r.Tests, Errors: r.ErrorCount(),
		}
	}
	return rows
}

func observations(runs []Run) []scoring.Observation {
	list := make([]scoring.Observation, len(runs))
	for i, r := range runs {
		model := r.Digest
		if model == "" {
			model = r.Model
		}
		list[i] = scoring.Observation{
			ID: r.ID, Time: r.Time, Model: model, Version: r.EngineVersion, Engine: engineName(r.Engine), Tests: r.Results, Crowned: r.Crowned,
		}
	}
	return list
}

// engineName returns an engine's name as its users write it.
func engineName(engine string) string {
	switch engine {
	case "ollama":
		return "Ollama"
	case "lmstudio":
		return "LM Studio"
	case "llamacpp":
		return "llama.cpp"
	case "":
		return "engine version"
	}
	return engine
}

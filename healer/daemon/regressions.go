package daemon

import (
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/scoring"
)

// Regressions returns the [Judge] of [history.Judge]: a node is judged worse
// while the regression of its model has not ended, and suspected after one bad
// run. The weights are those of the composite score; the zero value means
// [scoring.Default].
func Regressions(weights scoring.Composite) Judge {
	return func(runs []history.Run) []healer.Judgement {
		var list []healer.Judgement
		for _, s := range latest(history.Judge(runs, weights)) {
			last := s.Runs[len(s.Runs)-1]
			j := healer.Judgement{Node: s.Node, Model: s.Model}
			for _, a := range s.Report.Alarms {
				if a.Kind == scoring.Regression && a.Ended.IsZero() {
					j.Alarm, j.Reason = nameOf(a.ID, a.Time), a.Reason()
				}
			}
			if j.Alarm == "" && s.Report.Rerun {
				j.Suspected = true
				j.Alarm, j.Reason = nameOf(last.ID, last.Time), "the latest run is worse than usual"
			}
			if j.Alarm != "" {
				list = append(list, j)
			}
		}
		return list
	}
}

// latest returns one series for each model of a node: the one with the latest
// run. Series of older suites are left out.
func latest(series []history.Series) []history.Series {
	type key struct{ node, model string }
	places := map[key]int{}
	var list []history.Series
	for _, s := range series {
		at, ok := places[key{s.Node, s.Model}]
		switch {
		case !ok:
			places[key{s.Node, s.Model}] = len(list)
			list = append(list, s)
		case ended(s).After(ended(list[at])):
			list[at] = s
		}
	}
	return list
}

func ended(s history.Series) time.Time { return s.Runs[len(s.Runs)-1].Time }

// nameOf returns the ID of a run, or its time if it has none.
func nameOf(id string, at time.Time) string {
	if id != "" {
		return id
	}
	return at.UTC().Format(time.RFC3339)
}

package daemon

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/scoring"
)

// rows are runs of a model, an hour apart, by their pass rates.
func rows(node, model string, rates ...float64) []history.Run {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var list []history.Run
	for i, rate := range rates {
		list = append(list, history.Run{
			ID: fmt.Sprintf("%s-%s-%d", node, model, i), Time: at.Add(time.Duration(i) * time.Hour), Type: "autotest",
			Node: node, Model: model, Tests: 200, PassRate: rate, Latency: 2 * time.Second, Score: 0.06*rate + 2.4 + 1, Errors: new(int),
		})
	}
	return list
}

// TestRegressions: what the history's rules say, as the healer hears it.
func TestRegressions(t *testing.T) {
	good := []float64{95, 96, 95, 94, 95, 96, 95, 95}
	for _, c := range []struct {
		name string
		runs []history.Run
		want []healer.Judgement
	}{
		{"no runs", nil, nil},
		{"as ever", rows("M1", "good", good...), nil},
		{"worse for good", rows("M1", "good", append(good, 60, 61, 60)...), []healer.Judgement{{Node: "M1", Model: "good", Alarm: "M1-good-9"}}},
		{"worse, and well again", rows("M1", "good", append(good, 60, 61, 95, 95, 96, 95)...), nil},
		{"worse on one of two nodes", append(rows("M1", "good", good...), rows("M2", "good", append(good, 60, 61)...)...), []healer.Judgement{{Node: "M2", Model: "good", Alarm: "M2-good-9"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Regressions(scoring.Composite{})(c.runs)
			for i := range got {
				if got[i].Reason == "" {
					t.Errorf("no reason: %+v", got[i])
				}
				t.Log(got[i].Reason)
				got[i].Reason = ""
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("judged (-want +got):\n%s", diff)
			}
		})
	}
}

// Package sample makes reports' data for tests: a node's history with reigns,
// alarms and outages, and a tournament. The same seed makes the same data.
package sample

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/turbone/jarvis/arena/report"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/scoring"
)

var domains = []string{"code", "math", "raisonnement", "traduction", "systeme", "trading", "securite", "web"}

// Tests are those of one model: tasks and cycles, with the share of tasks it
// knows, and its mean latency.
func Tests(seed uint64, tasks, cycles int, knows float64, latency time.Duration) []scoring.Test {
	r := rand.New(rand.NewPCG(seed, 1))
	known := rand.New(rand.NewPCG(7, 7)) // which tasks are hard is the same for all
	hard := make([]float64, tasks)
	for i := range hard {
		hard[i] = known.Float64()
	}
	var list []scoring.Test
	for cycle := range cycles {
		for i := range tasks {
			t := scoring.Test{
				Task: fmt.Sprintf("%s-%03d", domains[i%len(domains)], i/len(domains)+1), Domain: domains[i%len(domains)],
				Cycle: cycle, Outcome: scoring.Answered, Tokens: 40 + r.IntN(300),
				Latency: time.Duration(float64(latency) * math.Exp(0.5*r.NormFloat64()-0.125)),
			}
			t.FirstToken = time.Duration(float64(t.Latency) * (0.1 + 0.1*r.Float64()))
			t.Passed = hard[i]+0.25*(r.Float64()-0.5) < knows
			switch r.IntN(60) {
			case 0:
				t.Outcome, t.Passed, t.Latency, t.FirstToken = scoring.TimedOut, false, 30*time.Second, 0
			case 1:
				t.Outcome, t.Passed, t.Latency, t.FirstToken = scoring.Failed, false, 0, 0
			case 2:
				t.Passed, t.Anomaly = false, scoring.AnomalyCut
			}
			list = append(list, t)
		}
	}
	return list
}

// Run sums tests up as a row of the history.
func Run(at time.Time, model string, tests []scoring.Test, results bool) history.Run {
	s := scoring.Measure(tests)
	errors := s.Errors
	run := history.Run{
		Time: at, Type: "arena", Model: model, Node: "M1", ID: fmt.Sprintf("%s-%d", model, at.Unix()), Suite: "a1b2c3",
		Score: scoring.Round(scoring.Default().Score(s).Composite), PassRate: 100 * float64(s.Passed) / float64(s.Tests),
		Latency: s.Latency, Tests: s.Tests, Errors: &errors, ByDomain: map[string]history.Tally{},
	}
	for _, t := range tests {
		tally := run.ByDomain[t.Domain]
		tally.Total++
		if t.Passed {
			tally.Pass++
		}
		run.ByDomain[t.Domain] = tally
	}
	if results {
		run.Results = tests
	}
	return run
}

// History is so many runs of four models, each with so many tests.
func History(runs, tests int) ([]history.Run, []report.Alarm) {
	models := []struct {
		name    string
		knows   float64
		latency time.Duration
	}{
		{"qwen/qwen3-8b", 0.78, 2100 * time.Millisecond},
		{"qwen/qwen3-30b-a3b-2507", 0.9, 2900 * time.Millisecond},
		{"openai/gpt-oss-20b", 0.84, 1700 * time.Millisecond},
		{"mistralai/devstral-small-2505", 0.7, 5200 * time.Millisecond},
	}
	r := rand.New(rand.NewPCG(3, 9))
	at := time.Date(2025, 11, 28, 9, 0, 0, 0, time.UTC)
	var list []history.Run
	var alarms []report.Alarm
	for i := range runs {
		m := models[0]
		if i > runs/3 {
			m = models[1]
		}
		if i%5 == 4 {
			m = models[(i/5)%len(models)]
		}
		knows := m.knows
		if i > runs*3/4 && i < runs*3/4+max(runs/12, 2) && m.name == models[1].name {
			knows -= 0.2
		}
		part := Tests(uint64(i)+100, tests, 1, knows, m.latency)
		if i == runs/2 {
			for j := range part {
				if j%10 < 9 {
					part[j].Outcome, part[j].Passed = scoring.Failed, false
				}
			}
			alarms = append(alarms, report.Alarm{Time: at, Node: "M1", Kind: "outage", From: 9.1, To: 1.2, Text: "90 % of the tests got no answer: the node was down, not the model worse"})
		}
		run := Run(at, m.name, part, i > 5)
		run.Crowned = i == 0 || i == runs/3+1
		if i%17 == 16 {
			run.Unsteady = "the warm-up did not settle"
		}
		if i == runs*3/4+1 {
			alarms = append(alarms, report.Alarm{Time: at.Add(time.Minute), Node: "M1", Kind: "regression", From: 9.2, To: 7.8, Text: "score 9.2 → 7.8 (-15%): quality in code and math; sure to 99.9 %"})
		}
		list = append(list, run)
		at = at.Add(time.Duration(1+r.IntN(9)) * time.Hour)
		if i%20 == 19 {
			at = at.Add(9 * 24 * time.Hour)
		}
	}
	return list, alarms
}

// Tournament is one that ends with a promotion after 80 tests.
func Tournament() *report.Tournament {
	t := &report.Tournament{
		Champion: "qwen/qwen3-8b", Candidate: "qwen/qwen3-30b-a3b-2507",
		ChampionTests: Tests(11, 40, 2, 0.72, 2100*time.Millisecond), CandidateTests: Tests(12, 40, 2, 0.93, 2900*time.Millisecond),
		Verdict: "promoted", Reason: "better by +0.86 [+0.18 … +1.54]",
	}
	for _, l := range []struct{ tests, estimate, error, z, upper, futility, lower float64 }{
		{20, 0.45, 0.52, 0.84, 2.576, 0.10, 2.326}, {30, 0.71, 0.43, 1.58, 2.645, -0.48, 2.380},
		{40, 0.92, 0.38, 2.30, 2.599, -1.08, 2.326}, {60, 0.81, 0.33, 2.36, 2.423, -0.92, 2.134}, {80, 0.86, 0.29, 2.86, 2.345, -1.22, 2.040},
	} {
		look := scoring.Look{
			Verdict: scoring.Continue, Tests: int(l.tests), Tasks: min(int(l.tests), 40), Estimate: l.estimate, Error: l.error,
			Low: l.estimate - l.upper*l.error, High: l.estimate + l.upper*l.error, Z: l.z, Upper: l.upper, Futility: l.futility, Lower: l.lower,
			Rerun: true,
		}
		t.Looks = append(t.Looks, look)
	}
	t.Looks[len(t.Looks)-1].Verdict = scoring.Promote
	return t
}

// Data is a report with everything in it.
func Data() report.Data {
	runs, alarms := History(72, 40)
	return report.Data{
		Title: "Arena report", Node: "M1", Made: time.Date(2026, 2, 3, 10, 30, 0, 0, time.UTC),
		Runs: runs, Alarms: alarms, Tournament: Tournament(),
		Champion: history.Champion{Model: "qwen/qwen3-30b-a3b-2507", Score: 9.1, Since: runs[25].Time},
	}
}

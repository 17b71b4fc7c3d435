package scoring

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestRegressionsSlowDecline(t *testing.T) {
	series := inOrder(repeated(25, runLike{}))
	slower := 1.0
	for range 30 {
		slower *= 1.01
		series = append(series, runLike{slower: slower}.observe(len(series)))
	}
	report := Regressions(series, Default())
	if diff := cmp.Diff([]string{"regression speed"}, kinds(report.Alarms)); diff != "" {
		t.Fatalf("alarms (-want +got):\n%s\n%s", diff, marks(report))
	}
	alarm := report.Alarms[0]
	t.Log(alarm.Text("M1"), marks(report))
	if !alarm.Slow || alarm.Latency.From < 2 || alarm.Latency.From > 2.4 {
		t.Errorf("slow %v, latency before %.2f s; want a slow decline from about 2 s", alarm.Slow, alarm.Latency.From)
	}
}

func kinds(alarms []Alarm) []string {
	var list []string
	for _, a := range alarms {
		list = append(list, string(a.Kind)+" "+string(a.Cause))
	}
	return list
}

func TestRegressionsImprovement(t *testing.T) {
	report := Regressions(inOrder(repeated(6, runLike{wrong: 8}), repeated(12, runLike{})), Default())
	if len(report.Alarms) != 0 || report.State != Normal || report.Rerun {
		t.Errorf("state %q, rerun %v, alarms %v; want none", report.State, report.Rerun, kinds(report.Alarms))
	}
	if diff := cmp.Diff([]string{"improvement quality"}, kinds(report.Improvements)); diff != "" {
		t.Errorf("improvements (-want +got):\n%s", diff)
	}
	const want = "[IMPROVEMENT] M1 score 8.2 → 9.4 (+15%): quality 80% → 100%; as good as certain (z 8.0)"
	if got := report.Improvements[0].Text("M1"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A quick look at what a user reads: the line of the design.
func TestAlarmText(t *testing.T) {
	for _, c := range []struct {
		name  string
		alarm Alarm
		node  string
		want  string
	}{
		{"as the design prints it", Alarm{Kind: Regression, Cause: CauseQuality, From: 9.2, To: 7.8, Drop: 1.4 / 9.2, Z: -4.6,
			Quality: Change{true, 0.95, 0.72, -4.6}, Domains: []DomainChange{{"math", 0.9, 0.4, -5}, {"code", 1, 0.8, -3}}}, "M1",
			"[REGRESSION] M1 score 9.2 → 7.8 (-15%): quality 95% → 72%; worse in math 90% → 40%, code 100% → 80%; nearly certain (z -4.6)"},
		{"no node", Alarm{Kind: Regression, Cause: CauseErrors, From: 9, To: 8.5, Drop: 0.5 / 9, Z: -3.2, Errors: Change{true, 0.01, 0.08, -3.2}}, "",
			"[REGRESSION] score 9.0 → 8.5 (-6%): errors 1% → 8% of the tests; very likely (z -3.2)"},
		{"a change too small for one decimal", Alarm{Kind: Regression, Cause: CauseSpeed, From: 7.04, To: 7.01, Drop: 0.004, Z: -5,
			Latency: Change{true, 0.2, 0.45, -5}}, "M1",
			"[REGRESSION] M1 score 7.04 → 7.01 (0%): speed, mean latency 200ms → 450ms; as good as certain (z -5.0)"},
		{"one task", Alarm{Kind: Regression, Cause: CauseQuality, From: 9, To: 8, Drop: 1.0 / 9, Tasks: []string{"math-03"}}, "M1",
			"[REGRESSION] M1 score 9.0 → 8.0 (-11%): quality; a task that always passed now always fails: math-03"},
		{"many tasks", Alarm{Kind: Regression, Cause: CauseQuality, From: 9, To: 8, Drop: 1.0 / 9, Slow: true, Tasks: []string{"a", "b", "c", "d", "e", "f", "g"}}, "M1",
			"[REGRESSION] M1 score 9.0 → 8.0 (-11%): quality; 7 tasks that always passed now always fail: a, b, c, d, e and 2 more; a slow decline over several runs"},
		{"since a change", Alarm{Kind: Regression, Cause: CauseQuality, Change: "Ollama 0.33.0", From: 8, To: 6.4, Drop: 0.2, Quality: Change{true, 0.9, 0.63, -7}}, "M1",
			"[REGRESSION] M1 since Ollama 0.33.0: score 8.0 → 6.4 (-20%): quality 90% → 63%"},
		{"an outage", Alarm{Kind: Outage, Runs: 2, Tests: 80, Unanswered: 72}, "M1",
			"[OUTAGE] M1 no answer to 72 of 80 tests (90%) in 2 runs; says nothing of the model: too few answers to judge"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.alarm.Text(c.node); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// What got worse is named: domains, tasks, prefill or decoding.
func TestAlarmAttribution(t *testing.T) {
	base := inOrder(repeated(6, runLike{}))
	worse := func(change func(*Test)) []Observation {
		series := slices.Clone(base)
		for range 2 {
			o := runLike{}.observe(len(series))
			for i := range o.Tests {
				change(&o.Tests[i])
			}
			series = append(series, o)
		}
		return series
	}
	for _, c := range []struct {
		name              string
		change            func(*Test)
		cause             Cause
		tasks, domains    []string
		prefill, decoding bool
	}{
		{"a domain forgotten", func(test *Test) { test.Passed = test.Domain != "web" }, CauseQuality,
			[]string{"web-20", "web-21", "web-22", "web-23", "web-24", "web-25", "web-26", "web-27", "web-28", "web-29"}, []string{"web"}, false, false},
		{"no task lost for good", func(test *Test) { test.Passed = test.Cycle > 1 }, CauseQuality, nil, []string{"code", "math", "web", "trading"}, false, false},
		{"slower reading", func(test *Test) { test.FirstToken += 2 * time.Second; test.Latency += 2 * time.Second }, CauseSpeed, nil, nil, true, false},
		{"slower writing", func(test *Test) { test.Latency += 2 * time.Second }, CauseSpeed, nil, nil, false, true},
		{"longer answers", func(test *Test) {
			test.Tokens = 2*test.Tokens - 1
			test.Latency += test.Latency - test.FirstToken
		}, CauseSpeed, nil, nil, false, false},
		{"time-outs", func(test *Test) {
			if strings.HasSuffix(test.Task, "5") {
				test.Outcome, test.Passed, test.Latency = TimedOut, false, 3*time.Second
			}
		}, CauseErrors, nil, nil, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			report := Regressions(worse(c.change), Default())
			if len(report.Alarms) != 1 {
				t.Fatalf("%d alarms: %v", len(report.Alarms), kinds(report.Alarms))
			}
			alarm := report.Alarms[0]
			t.Log(alarm.Text("M1"))
			var domains []string
			for _, d := range alarm.Domains {
				domains = append(domains, d.Domain)
			}
			if alarm.Cause != c.cause || alarm.Prefill.Known != c.prefill || alarm.Decoding.Known != c.decoding {
				t.Errorf("cause %s, prefill %v, decoding %v; want %s, %v, %v", alarm.Cause, alarm.Prefill.Known, alarm.Decoding.Known, c.cause, c.prefill, c.decoding)
			}
			if diff := cmp.Diff(c.tasks, alarm.Tasks); diff != "" {
				t.Errorf("tasks (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.domains, domains); diff != "" {
				t.Errorf("domains (-want +got):\n%s", diff)
			}
		})
	}
}

// The composite and its band, in figures worked out by hand.
func TestRegressionsBaseline(t *testing.T) {
	// 40 of 40 right at 2 s: 6 + 0.3*8 + 1 = 9.4. All runs alike: the error is
	// the least there is, 0.05.
	report := Regressions(inOrder(repeated(5, runLike{}), repeated(1, runLike{wrong: 4})), Default())
	want := Baseline{Runs: 5, Mean: 9.4, Low: 9.4 - 1.96*0.05, High: 9.4 + 1.96*0.05}
	if diff := cmp.Diff(want, report.Points[5].Baseline, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("baseline (-want +got):\n%s", diff)
	}
	if got := report.Points[5]; math.Abs(got.Score-8.8) > 1e-9 || got.Z != -8 {
		t.Errorf("score %v, z %v; want 8.8 and the bound, -8", got.Score, got.Z)
	}
	if diff := cmp.Diff(want, report.Baseline, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("baseline of the next run (-want +got):\n%s", diff)
	}
}

// Whatever the runs hold, there is a report, and all its figures are finite.
func TestRegressionsOnNonsense(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	outcomes := []Outcome{Answered, TimedOut, Failed, "", "nonsense"}
	latencies := []time.Duration{0, -time.Second, time.Nanosecond, time.Second, time.Hour, math.MaxInt64, math.MinInt64}
	for range 300 {
		var series []Observation
		for range random.IntN(40) {
			o := Observation{Reset: random.IntN(20) == 0, Crowned: random.IntN(20) == 0, Model: []string{"", "m"}[random.IntN(2)]}
			for range random.IntN(60) {
				o.Tests = append(o.Tests, Test{
					Task: []string{"", "a", "b", "c", "d"}[random.IntN(5)], Domain: []string{"", "x"}[random.IntN(2)], Cycle: random.IntN(3) - 1,
					Outcome: outcomes[random.IntN(len(outcomes))], Passed: random.IntN(2) == 0, Tokens: random.IntN(5) - 2,
					Latency: latencies[random.IntN(len(latencies))], FirstToken: latencies[random.IntN(len(latencies))],
				})
			}
			series = append(series, o)
		}
		checkFinite(t, Regressions(series, Composite{}))
		checkFinite(t, Regressions(series, Composite{Speed: 1}))
	}
}

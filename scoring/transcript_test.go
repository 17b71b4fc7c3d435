package scoring

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// Each file in testdata/transcripts is a list of evidence or series of runs, with
// the whole judgement beneath: what changes a figure of it shows as a diff.
//
//	go test ./scoring -run TestTranscripts -rewrite
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		var last Look
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s := scenario{rng: rand.New(rand.NewPCG(1, 2)), d: d, t: t}
			switch d.Cmd {
			case "judge":
				plan, e := s.comparison()
				last = plan.Judge(e)
				return lookText(last)
			case "confirm": // the evidence, after the look of the judge above
				plan, e := s.comparison()
				return lookText(plan.Confirm(last, e))
			case "regressions":
				return reportText(Regressions(s.series(), Composite{}))
			case "plain":
				return reportText(PlainRegressions(s.rows()))
			}
			t.Fatalf("no command %q", d.Cmd)
			return ""
		})
	})
}

// scenario draws tests as its arguments say.
type scenario struct {
	rng *rand.Rand
	d   *datadriven.TestData
	t   *testing.T
}

func (s scenario) number(name string, usual float64) float64 {
	if !s.d.HasArg(name) {
		return usual
	}
	var text string
	s.d.ScanArgs(s.t, name, &text)
	var figure float64
	if _, err := fmt.Sscan(text, &figure); err != nil {
		s.t.Fatalf("%s: %v", name, err)
	}
	return figure
}

// cycle is one test of each of some tasks, in two domains. A task is passed with
// a chance of its own around the mean.
func (s scenario) cycle(number, from, to int, pass, seconds, errors, timeouts float64) []Test {
	return block(number, from, to, func(task int) (bool, float64) {
		chance := pass + 0.15*math.Sin(float64(task))
		passed := s.rng.Float64() < chance
		if s.rng.Float64() < errors {
			return false, -1
		}
		took := seconds * (1 + 0.3*math.Cos(float64(task))) * math.Exp(0.2*s.rng.NormFloat64())
		if s.rng.Float64() < timeouts {
			took = 40
		}
		return passed, took
	})
}

// comparison draws evidence: of both models pass, seconds, errors (the
// candidate's with a c before the name), tasks, the champion's and the
// candidate's cycles, and the champion's earlier runs.
func (s scenario) comparison() (Plan, Evidence) {
	var e Evidence
	tasks := int(s.number("tasks", 40))
	pass, seconds, errors := s.number("pass", 0.7), s.number("seconds", 2), s.number("errors", 0)
	for range int(s.number("history", 0)) {
		var run []Test
		pace := seconds * math.Exp(0.05*s.rng.NormFloat64())
		for cycle := range int(s.number("historycycles", 2)) {
			run = append(run, s.cycle(cycle, 0, tasks, pass, pace, errors, s.number("timeouts", 0))...)
		}
		e.History = append(e.History, run)
	}
	cycles := int(s.number("cycles", 1))
	for cycle := range cycles {
		e.Champion = append(e.Champion, s.cycle(cycle, 0, tasks, pass, seconds, errors, s.number("timeouts", 0))...)
	}
	left := int(s.number("tests", 40))
	for cycle := 0; left > 0; cycle++ {
		part := s.cycle(cycle, 0, min(tasks, left), s.number("cpass", pass), s.number("cseconds", seconds), s.number("cerrors", errors), s.number("ctimeouts", 0))
		e.Candidate = append(e.Candidate, part...)
		left -= len(part)
	}
	if again := int(s.number("again", 0)); again > 0 {
		e.Champion = append(e.Champion, s.cycle(cycles, 0, again, s.number("againpass", pass), s.number("againseconds", seconds), errors, 0)...)
	}
	e.Interleaved = s.d.HasArg("interleaved")
	return Plan{Cap: int(s.number("cap", 0)), Strict: s.d.HasArg("strict"), Worth: s.number("worth", 0)}, e
}

func lookText(l Look) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s after %d tests on %d tasks, rerun %v, more %d\n", l.Verdict, l.Tests, l.Tasks, l.Rerun, l.More)
	fmt.Fprintf(&b, "estimate %.6f error %.6f [%.6f %.6f] smallest %.6f\n", l.Estimate, l.Error, l.Low, l.High, l.Smallest)
	fmt.Fprintf(&b, "z %.6f of %.3f, futility %.6f of %.3f\n", l.Z, l.Upper, l.Futility, l.Lower)
	for _, g := range l.Guards {
		fmt.Fprintf(&b, "guard: %s\n", g)
	}
	return b.String()
}

// series draws runs from lines such as "6 pass=0.8 seconds=2 errors=0.01 tasks=40
// cycles=2 model=m version=1 reset crowned": six runs alike.
func (s scenario) series() []Observation {
	var list []Observation
	s.lines(func(line map[string]string, figure func(string, float64) float64) {
		o := Observation{
			ID: fmt.Sprint(len(list)), Time: time.Date(2026, 3, 1, len(list), 0, 0, 0, time.UTC), Model: line["model"], Version: line["version"],
		}
		_, o.Reset = line["reset"]
		_, o.Crowned = line["crowned"]
		pace := math.Exp(0.03 * s.rng.NormFloat64())
		for cycle := range int(figure("cycles", 2)) {
			from := int(figure("from", 0))
			tests := s.cycle(cycle, from, from+int(figure("tasks", 40)), figure("pass", 0.8), pace*figure("seconds", 2), figure("errors", 0), 0)
			for i := range tests {
				tests[i].Domain = []string{"code", "web"}[i%2]
				tests[i].FirstToken = time.Duration(figure("first", 0.2) * float64(tests[i].Latency))
				tests[i].Tokens = 50
				if i%2 == 1 && s.rng.Float64() < figure("weblost", 0) {
					tests[i].Passed = false
				}
			}
			o.Tests = append(o.Tests, tests...)
		}
		list = append(list, o)
	})
	return list
}

// rows reads lines such as "5 score=8 pass=80 seconds=2 tests=80 errors=2".
func (s scenario) rows() []PlainRow {
	var list []PlainRow
	s.lines(func(line map[string]string, figure func(string, float64) float64) {
		list = append(list, PlainRow{
			ID: fmt.Sprint(len(list)), Time: time.Date(2026, 3, 1, len(list), 0, 0, 0, time.UTC), Model: line["model"],
			Score: figure("score", 8), PassRate: figure("pass", 80), Latency: time.Duration(figure("seconds", 2) * float64(time.Second)),
			Tests: int(figure("tests", 80)), Errors: int(figure("errors", 0)),
		})
	})
	return list
}

// lines calls each for every run of the input.
func (s scenario) lines(each func(line map[string]string, figure func(name string, usual float64) float64)) {
	for _, text := range strings.Split(strings.TrimSpace(s.d.Input), "\n") {
		fields := strings.Fields(text)
		line := map[string]string{}
		for _, field := range fields[1:] {
			name, value, _ := strings.Cut(field, "=")
			line[name] = value
		}
		var times int
		if _, err := fmt.Sscan(fields[0], &times); err != nil {
			s.t.Fatalf("%q: %v", text, err)
		}
		for range times {
			each(line, func(name string, usual float64) float64 {
				if line[name] != "" {
					if _, err := fmt.Sscan(line[name], &usual); err != nil {
						s.t.Fatalf("%q: %v", text, err)
					}
				}
				return usual
			})
		}
	}
}

func reportText(r Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, rerun %v, outage %v, baseline of %d: %.6f [%.6f %.6f]\n", r.State, r.Rerun, r.Outage, r.Baseline.Runs, r.Baseline.Mean, r.Baseline.Low, r.Baseline.High)
	for _, p := range r.Points {
		fresh := ""
		if p.Fresh {
			fresh = " fresh"
		}
		fmt.Fprintf(&b, "%s %s%s %.6f z %.6f of %d: %.6f [%.6f %.6f] decline %.6f\n", p.ID, p.Mark, fresh, p.Score, p.Z,
			p.Baseline.Runs, p.Baseline.Mean, p.Baseline.Low, p.Baseline.High, p.Decline)
	}
	for _, list := range [][]Alarm{r.Alarms, r.Improvements} {
		for _, a := range list {
			ended := "lasts"
			if !a.Ended.IsZero() {
				ended = "until " + a.Ended.Format("02T15")
			}
			fmt.Fprintf(&b, "%s\n  %s at %s since %s %s, %d runs, major %v, slow %v, tests %d of %d unanswered\n", a.Text(""), a.ID, a.Time.Format("02T15"), a.Since.Format("02T15"), ended,
				a.Runs, a.Major, a.Slow, a.Unanswered, a.Tests)
			fmt.Fprintf(&b, "  %.6f to %.6f, drop %.6f, z %.6f chance %.3g\n", a.From, a.To, a.Drop, a.Z, a.Chance)
			for _, c := range []Change{a.Quality, a.Latency, a.Errors, a.Prefill, a.Decoding} {
				fmt.Fprintf(&b, "  %v %.6f to %.6f z %.6f\n", c.Known, c.From, c.To, c.Z)
			}
			for _, c := range a.Domains {
				fmt.Fprintf(&b, "  %s %.6f to %.6f z %.6f\n", c.Domain, c.From, c.To, c.Z)
			}
		}
	}
	return b.String()
}

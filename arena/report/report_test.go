package report_test

import (
	"bytes"
	"errors"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/turbone/jarvis/arena/report"
	"github.com/turbone/jarvis/arena/report/internal/sample"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/scoring"
)

func write(t *testing.T, d report.Data) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Write(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPageNeedsNothingButItself(t *testing.T) {
	page := write(t, sample.Data())
	if found := regexp.MustCompile(`(?i)(?:src|href|srcset|action)\s*=|url\(|@import|https?:`).FindAllString(page, -1); len(found) != 1 {
		t.Errorf("what refers to something else: %q, want the empty icon alone", found)
	}
	if !strings.Contains(page, `href="data:,"`) || !strings.Contains(page, "default-src &#39;none&#39;") && !strings.Contains(page, "default-src 'none'") {
		t.Error("no policy that forbids requests, or no empty icon")
	}
}

func TestNamesAreEscaped(t *testing.T) {
	page := write(t, sample.Hostile())
	for _, evil := range sample.Evil {
		if strings.ContainsAny(evil, "<>\"\x00") && strings.Contains(page, evil) {
			t.Errorf("%q stands in the page as it is", evil)
		}
	}
	for _, tag := range []string{"<img", "<iframe", "<svg onload", "<!--", "\u202e", "\x1b", "\x00"} {
		if strings.Contains(page, tag) {
			t.Errorf("%q stands in the page", tag)
		}
	}
	if n := strings.Count(page, "<script"); n != 1 {
		t.Errorf("%d scripts, want the page's own", n)
	}
}

func TestFiguresThatAreNone(t *testing.T) {
	bad := math.NaN()
	look := scoring.Look{Tests: 20, Estimate: bad, Low: math.Inf(-1), High: math.Inf(1), Z: bad, Upper: bad}
	test := scoring.Test{Task: "a", Cycle: -3, Outcome: scoring.Answered, Latency: -time.Second, FirstToken: math.MaxInt64}
	page := write(t, report.Data{
		Runs: []history.Run{
			{Score: bad, PassRate: math.Inf(1), Latency: -1, Tests: -5, ByDomain: map[string]history.Tally{"x": {Pass: 7, Total: 3}}},
			{Score: 1e300, PassRate: -1e300, Latency: math.MaxInt64, Tests: math.MaxInt32, Results: []scoring.Test{test, test}},
		},
		Alarms: []report.Alarm{{From: bad, To: math.Inf(1)}},
		Tournament: &report.Tournament{
			ChampionTests: []scoring.Test{test}, CandidateTests: []scoring.Test{test}, Looks: []scoring.Look{look}, Verdict: "promoted", Worth: bad,
		},
	})
	chart := regexp.MustCompile(`(?:x|y|x1|x2|y1|y2|cx|cy|r|width|height|d)="[^"]*(?:NaN|Inf)`)
	if found := chart.FindString(page); found != "" {
		t.Errorf("in a chart: %s", found)
	}
}

func TestSize(t *testing.T) {
	runs, alarms := sample.History(500, 200)
	page := write(t, report.Data{Runs: runs, Alarms: alarms, Tournament: sample.Tournament()})
	if len(page) > 1<<20 {
		t.Errorf("500 runs of 200 tests make %d bytes, at most 1 MiB is expected", len(page))
	}
}

func TestVerdictSentence(t *testing.T) {
	tests := []struct {
		name, verdict  string
		low, est, high float64
		want, not      string
	}{
		{"better", "promoted", 0.21, 0.62, 1.03, "new takes over from old: +0.62 points [+0.21 … +1.03] after 80 tests of the candidate.", "begins below zero"},
		{"on these tasks alone", "promoted", -0.1, 0.3, 0.7, "the interval, on tasks like these, begins below zero.", ""},
		{"worse", "retained", -1.2, -0.8, -0.3, "old stays; new is worse: −0.80 points [−1.20 … −0.30]", ""},
		{"the same", "retained", -0.3, 0, 0.3, "old stays; new is not shown to be better by as much as is worth a change: +0.00 points [−0.30 … +0.30]", ""},
		{"vetoed", "retained", 0.1, 0.4, 0.7, "old stays although new scored higher", ""},
		{"open", "inconclusive", -0.2, 0.12, 0.4, "No difference shown between old and new: +0.12 points [−0.20 … +0.40] after 80 tests of the candidate. old stays. About 240 more tests would settle it.", ""},
		{"by the plain rule", "promoted", 0.3, 0.3, 0.3, "new takes over from old: +0.30 points after 80 tests of the candidate.", "+0.30 … +0.30"},
		{"failed late", "failed", 0.1, 0.4, 0.7, "was not held to its end.", ""},
		{"failed", "failed", 0, 0, 0, "The tournament of new against old was not held to its end.", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			look := scoring.Look{Tests: 80, Estimate: test.est, Low: test.low, High: test.high, More: 240}
			page := strings.ReplaceAll(write(t, report.Data{Tournament: &report.Tournament{
				Champion: "old", Candidate: "new", Looks: []scoring.Look{look}, Verdict: test.verdict,
			}}), "&#43;", "+")
			if !strings.Contains(page, test.want) {
				t.Errorf("the page doesn't say %q", test.want)
			}
			if test.not != "" && strings.Contains(page, test.not) {
				t.Errorf("the page says %q", test.not)
			}
		})
	}
}

func TestNothingIsBetterWithoutAnInterval(t *testing.T) {
	alike := func(seed uint64) []scoring.Test { return sample.Tests(seed, 40, 2, 0.8, 2*time.Second) }
	page := write(t, report.Data{Tournament: &report.Tournament{
		Champion: "old", Candidate: "new", ChampionTests: alike(1), CandidateTests: alike(2), Verdict: "inconclusive",
	}})
	if found := regexp.MustCompile(`<td class="(?:better|worse)">[^<]*|class="difference (?:better|worse)"`).FindAllString(page, -1); len(found) > 0 {
		t.Errorf("of two models that are alike: %q", found)
	}
	page = write(t, report.Data{Tournament: &report.Tournament{
		Champion: "old", Candidate: "new", ChampionTests: sample.Tests(1, 40, 2, 0.3, 6*time.Second),
		CandidateTests: sample.Tests(2, 40, 2, 0.95, time.Second), Verdict: "promoted",
	}})
	if found := strings.Count(page, `<td class="better">`); found > 0 {
		t.Errorf("without a look %d figures are shown as better", found)
	}
	look := scoring.Look{Tests: 80, Estimate: 1.4, Low: 0.9, High: 1.9}
	page = write(t, report.Data{Tournament: &report.Tournament{
		Champion: "old", Candidate: "new", ChampionTests: alike(1), CandidateTests: alike(2), Verdict: "promoted", Looks: []scoring.Look{look},
	}})
	if found := strings.Count(page, `<td class="better">`); found != 1 {
		t.Errorf("%d figures are shown as better, want the score's alone", found)
	}
}

// One task may be fast by chance; a mean without its spread is no evidence.
func TestOneTaskShowsNoDifference(t *testing.T) {
	one := func(latency time.Duration, pass bool) []scoring.Test {
		return []scoring.Test{{Task: "a", Outcome: scoring.Answered, Passed: pass, Latency: latency}}
	}
	page := write(t, report.Data{Tournament: &report.Tournament{ChampionTests: one(9*time.Second, false), CandidateTests: one(time.Second, true)}})
	if found := regexp.MustCompile(`<td class="(?:better|worse)">[^<]*`).FindAllString(page, -1); len(found) > 0 {
		t.Errorf("after one test: %q", found)
	}
}

func TestWhatWasNotRecordedIsSaid(t *testing.T) {
	run := sample.Run(time.Unix(0, 0), "m", sample.Tests(1, 40, 1, 0.8, 2*time.Second), false)
	page := write(t, report.Data{Runs: []history.Run{run}})
	for _, want := range []string{"no single run tells"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page doesn't say %q", want)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriterFails(t *testing.T) {
	if err := report.Write(full{}, report.Data{}); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("error %v", err)
	}
}

func BenchmarkWrite500x200(b *testing.B) {
	runs, alarms := sample.History(500, 200)
	d := report.Data{Runs: runs, Alarms: alarms, Tournament: sample.Tournament()}
	for b.Loop() {
		var page bytes.Buffer
		if err := report.Write(&page, d); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(page.Len()), "bytes")
	}
}

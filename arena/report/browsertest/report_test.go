package browsertest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/arena/report"
	"github.com/turbone/jarvis/arena/report/internal/sample"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/scoring"
)

// drawing is what the browser made of one chart.
type drawing struct {
	ID                  string
	Wanted, Marks, Bare int // marks that the page has, that were drawn, and those without any extent
	Width, Height       float64
	Overlaps, Outside   []string // texts on each other, and beyond the chart's edge
}

const look = `[...document.querySelectorAll("svg[data-marks]")].map(svg => {
	const box = svg.getBoundingClientRect();
	const marks = [...svg.children].filter(m => m.tagName !== "title" && m.tagName !== "desc");
	const texts = marks.filter(m => m.tagName === "text" && !m.classList.contains("sign")).map(m => [m.textContent, m.getBoundingClientRect()]);
	const overlaps = [], outside = [];
	texts.forEach(([a, p], i) => {
		if (p.left < box.left - 1 || p.right > box.right + 1 || p.top < box.top - 1 || p.bottom > box.bottom + 1) outside.push(a);
		texts.slice(i + 1).forEach(([b, q]) => {
			const w = Math.min(p.right, q.right) - Math.max(p.left, q.left), h = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
			if (w > 1 && h > 3) overlaps.push(a + " / " + b);
		});
	});
	return {ID: svg.closest("figure").id, Wanted: +svg.dataset.marks, Marks: marks.length,
		Bare: marks.filter(m => { const b = m.getBoundingClientRect(); return b.width === 0 && b.height === 0; }).length,
		Width: box.width, Height: box.height, Overlaps: overlaps, Outside: outside};
})`

const unfold = `document.querySelectorAll("details").forEach(d => { d.open = true; })`

// drawings looks at every chart of the open page.
func drawings(t *testing.T, ctx context.Context) map[string]drawing {
	t.Helper()
	evaluate[chromedp.Void](t, ctx, unfold)
	list := evaluate[[]drawing](t, ctx, look)
	charts := map[string]drawing{}
	for _, d := range list {
		charts[d.ID] = d
		if d.Marks != d.Wanted || d.Marks == 0 {
			t.Errorf("chart %s: %d marks of %d were drawn", d.ID, d.Marks, d.Wanted)
		}
		if d.Bare > 0 {
			t.Errorf("chart %s: %d marks have no extent", d.ID, d.Bare)
		}
		if d.Width < 300 || d.Height < 40 {
			t.Errorf("chart %s: %.0f x %.0f pixels", d.ID, d.Width, d.Height)
		}
		if len(d.Overlaps) > 0 {
			t.Errorf("chart %s: texts on each other: %q", d.ID, d.Overlaps)
		}
		if len(d.Outside) > 0 {
			t.Errorf("chart %s: texts beyond its edge: %q", d.ID, d.Outside)
		}
	}
	return charts
}

func count(t *testing.T, ctx context.Context, selector string) int {
	t.Helper()
	return evaluate[int](t, ctx, fmt.Sprintf("document.querySelectorAll(%q).length", selector))
}

// quiet fails where a page said something, or asked for anything but itself.
func quiet(t *testing.T, said, requests []string, address string) {
	t.Helper()
	if len(said) > 0 {
		t.Errorf("the console says: %q", said)
	}
	if diff := cmp.Diff([]string{address}, requests); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// Else the other tests would show nothing.
func TestTheWatchSeesErrorsAndRequests(t *testing.T) {
	ctx := browser(t)
	said, requests, _ := open(t, ctx, []byte(`<!doctype html><title>bad</title><img src="http://example.com/pixel.png">
<script>console.error("oh"); throw new Error("thrown");</script>`))
	if all := strings.Join(said, "\n"); !strings.Contains(all, "oh") || !strings.Contains(all, "thrown") {
		t.Errorf("console: %q", said)
	}
	if all := strings.Join(requests, "\n"); !strings.Contains(all, "http://example.com/pixel.png") {
		t.Errorf("requests: %q", requests)
	}
}

func TestEverythingIsDrawn(t *testing.T) {
	ctx := browser(t)
	d := sample.Data()
	said, requests, address := open(t, ctx, write(t, d))
	quiet(t, said, requests, address)
	charts := drawings(t, ctx)
	for _, id := range []string{"gap", "path", "steps", "domains", "heat-flips", "heat-same", "latency", "first", "plane", "history"} {
		if _, ok := charts[id]; !ok {
			t.Errorf("no chart %q", id)
		}
	}
	crownings, unsteady := 0, 0
	for _, r := range d.Runs {
		if r.Crowned {
			crownings++
		}
		if r.Unsteady != "" {
			unsteady++
		}
	}
	for _, test := range []struct {
		what, selector string
		want           int
	}{
		{"runs", "#history circle.dot", len(d.Runs) - unsteady},
		{"unsteady runs", "#history .scroll circle.hollow", unsteady},
		{"intervals of scores, which a run has none of", "#history line.whisker", 0},
		{"crownings", "#history .scroll path.crown", crownings},
		{"reigns", "#history rect.reign", crownings},
		{"alarms", "#history .scroll path.alarm", len(d.Alarms)},
		{"looks", "#path circle.look", len(d.Tournament.Looks)},
		{"bounds", "#path path.bound", 2},
		{"gaps at looks", "#steps circle.look", len(d.Tournament.Looks)},
		{"models in 8 domains", "#domains .scroll circle.dot", 16},
		{"tests in the heat maps", ".heat .scroll rect.cell", len(d.Tournament.ChampionTests) + len(d.Tournament.CandidateTests)},
		{"latency curves", "#latency .scroll path.curve", 2},
		{"latency quantiles", "#latency .scroll circle.dot", 6},
		{"first token curves", "#first .scroll path.curve", 2},
		{"models in the plane", "#plane .scroll circle.big", 2},
		{"lines in the table of runs", "#history + details tbody tr", len(d.Runs)},
		{"charts without a name", "svg[data-marks]:not([role=img][aria-labelledby])", 0},
	} {
		if got := count(t, ctx, test.selector); got != test.want && test.what != "runs" || test.what == "runs" && got != test.want+legendDots(t, ctx) {
			t.Errorf("%s: %d are drawn, want %d", test.what, got, test.want)
		}
	}
	if n := count(t, ctx, "#plane path.iso"); n < 3 {
		t.Errorf("%d lines of one score, want some", n)
	}
	pictures(t, ctx, "light")
}

// legendDots are the dots in the history's legend.
func legendDots(t *testing.T, ctx context.Context) int {
	t.Helper()
	return count(t, ctx, "#history ul.legend circle.dot")
}

func TestMarksSayWhatTheyAre(t *testing.T) {
	ctx := browser(t)
	open(t, ctx, write(t, sample.Data()))
	text := evaluate[string](t, ctx, `(() => { const m = document.querySelector("#path circle.look"); m.scrollIntoView(); const b = m.getBoundingClientRect();
		m.dispatchEvent(new MouseEvent("mousemove", {bubbles: true, clientX: b.x, clientY: b.y})); return document.getElementById("tip").textContent; })()`)
	hidden := evaluate[bool](t, ctx, `document.getElementById("tip").hidden`)
	if hidden || !strings.HasPrefix(text, "20 tests: z 0.84, bounds −1.39 and 2.58") {
		t.Errorf("tip (hidden: %v): %q", hidden, text)
	}
}

// What servers and files name things must stay a name.
func TestNamesStayNames(t *testing.T) {
	ctx := browser(t)
	said, requests, address := open(t, ctx, write(t, sample.Hostile()))
	quiet(t, said, requests, address)
	if evaluate[bool](t, ctx, `window.hacked !== undefined`) {
		t.Error("a name was run as a script")
	}
	drawings(t, ctx)
	if n := count(t, ctx, "img, iframe, object, svg script, svg style, [onload], [onerror], a"); n != 0 {
		t.Errorf("%d elements came out of names", n)
	}
	if n := count(t, ctx, "script"); n != 1 {
		t.Errorf("%d scripts, want the page's own", n)
	}
}

func TestOddData(t *testing.T) {
	runs, alarms := sample.History(500, 200)
	tournament := sample.Tournament()
	tests := []struct {
		name   string
		data   report.Data
		charts []string
	}{
		{"nothing", report.Data{}, nil},
		{"one run without tests", report.Data{Runs: []history.Run{{Model: "m"}}}, []string{"history"}},
		{"a champion without runs", report.Data{Champion: history.Champion{Model: "m"}}, nil},
		{"500 runs of 200 tests", report.Data{Runs: runs, Alarms: alarms, Tournament: tournament},
			[]string{"domains", "first", "gap", "heat-flips", "heat-same", "history", "latency", "path", "plane", "steps"}},
		{"a tournament that never began", report.Data{Tournament: &report.Tournament{Verdict: "failed", Reason: "the node is away"}}, nil},
		{"one look", report.Data{Tournament: &report.Tournament{
			ChampionTests: tournament.ChampionTests[:20], CandidateTests: tournament.CandidateTests[:20], Looks: tournament.Looks[:1], Verdict: "inconclusive",
		}}, []string{"domains", "first", "gap", "heat-flips", "heat-same", "latency", "path", "plane", "steps"}},
		{"only errors", report.Data{Tournament: &report.Tournament{
			ChampionTests: []scoring.Test{{Task: "a", Outcome: scoring.Failed}}, CandidateTests: []scoring.Test{{Task: "a", Outcome: scoring.Failed}},
		}}, []string{"domains", "heat-same"}},
	}
	ctx := browser(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			html := write(t, test.data)
			if len(html) > 3<<20 {
				t.Errorf("the page has %d bytes, at most 3 MiB are wanted", len(html))
			}
			said, _, _ := open(t, ctx, html)
			if len(said) > 0 {
				t.Errorf("the console says: %q", said)
			}
			charts := drawings(t, ctx)
			for _, id := range test.charts {
				if _, ok := charts[id]; !ok {
					t.Errorf("no chart %q", id)
				}
			}
			if len(charts) != len(test.charts) {
				t.Errorf("%d charts, want %q", len(charts), test.charts)
			}
			pictures(t, ctx, strings.ReplaceAll(test.name, " ", "-"))
		})
	}
}

func TestDarkNarrowAndOnPaper(t *testing.T) {
	ctx := browser(t)
	open(t, ctx, write(t, sample.Data()))
	const ground = `getComputedStyle(document.body).backgroundColor`
	light := evaluate[string](t, ctx, ground)
	call(t, ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	})
	dark := evaluate[string](t, ctx, ground)
	if light == dark {
		t.Errorf("the ground is %s in the dark, too", dark)
	}
	pictures(t, ctx, "dark")
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(390, 800)); err != nil {
		t.Fatal(err)
	}
	wide := evaluate[float64](t, ctx, `document.documentElement.scrollWidth`)
	pdf, err := chromedp.Run(ctx, chromedp.PrintToPDF(chromedp.PDFPrintBackground()))
	if err != nil {
		t.Fatal(err)
	}
	if wide > 390 {
		t.Errorf("on a telephone the page is %.0f pixels wide", wide)
	}
	if len(pdf) < 20_000 {
		t.Errorf("on paper: %d bytes", len(pdf))
	}
}

// pictures leaves a picture of each part where one is asked for.
func pictures(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	folder := os.Getenv("JARVIS_SCREENSHOTS")
	if folder == "" {
		return
	}
	n := count(t, ctx, "header, main > section")
	for i := range n {
		picture, err := chromedp.Run(ctx, chromedp.Screenshot(chromedp.JSPath(fmt.Sprintf(`[...document.querySelectorAll("header, main > section")][%d]`, i))))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%s-%02d.png", name, i)), picture, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

package report

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // for the page's parts
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/scoring"
)

// Data is what a page shows. Everything may be missing; what is missing is
// said on the page, not drawn.
type Data struct {
	// Title heads the page; "" means "Arena report".
	Title string
	// Node is the node that the page is about, "" for all.
	Node string
	// Made is when the page was made; zero shows none.
	Made time.Time
	// Runs are the measured runs in any order, with their single results where
	// they were recorded.
	Runs []history.Run
	// Champion is who serves because it won. One without a model is none.
	Champion history.Champion
	// Tournament is the comparison of two models, nil for none.
	Tournament *Tournament
	// Alarms are what was noticed in the history.
	Alarms []Alarm
	// Weights are the composite's; the zero value means [scoring.Default].
	Weights scoring.Composite
}

// Tournament is one comparison of a candidate with the champion.
type Tournament struct {
	// Champion and Candidate are the models' names.
	Champion, Candidate string
	// ChampionTests and CandidateTests are the session's tests.
	ChampionTests, CandidateTests []scoring.Test
	// Looks are the judgements on the way, in order. The last one's interval
	// is the verdict's.
	Looks []scoring.Look
	// Verdict is how it ended: "promoted", "retained", "inconclusive",
	// "failed", or "" while it runs. Reason says why in a sentence.
	Verdict, Reason string
	// Worth is the gap that is worth a change, in points of the composite; 0
	// means 0.5.
	Worth float64
}

// Alarm is something that was noticed in the history.
type Alarm struct {
	Time time.Time
	Node string
	// Kind is "regression" or "outage".
	Kind string
	// From and To are the scores before and after.
	From, To float64
	// Text says it in a sentence.
	Text string
}

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

// page is what the template shows.
type page struct {
	Title, Node, Made      string
	CSS                    template.CSS
	JS                     template.JS
	StyleHash, ScriptHash  string
	Verdict                *verdict
	Sides                  []sideHead
	Comparison             []comparisonRow
	ComparisonNote         string
	Gap, Path, Steps       *chart
	Heat                   *heat
	Domains                *chart
	DomainRows             []domainRow
	DomainNote             string
	Latency, First         *chart
	Quantiles              []quantileRow
	Plane                  *chart
	History                *chart
	HistoryRows            []runRow
	Alarms                 []alarmRow
	Empty                  bool
	Runs                   int
	Measured, MeasuredWhen string
}

// Write writes the page. It blocks on w alone, and changes nothing in d; the
// error is w's.
func Write(w io.Writer, d Data) error {
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return fmt.Errorf("report: the page's template: %w", err)
	}
	// Whole or not at all: half a page looks like a page.
	var b bytes.Buffer
	if err := t.Execute(&b, build(d)); err != nil {
		return fmt.Errorf("report: the page: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("report: writing the page: %w", err)
	}
	return nil
}

func build(d Data) page {
	if d.Weights == (scoring.Composite{}) {
		d.Weights = scoring.Default()
	}
	d.Runs = slices.Clone(d.Runs)
	slices.SortStableFunc(d.Runs, func(a, b history.Run) int { return a.Time.Compare(b.Time) })
	d.Alarms = slices.Clone(d.Alarms)
	slices.SortStableFunc(d.Alarms, func(a, b Alarm) int { return a.Time.Compare(b.Time) })

	p := page{
		Title: cmp.Or(clean(d.Title), "Arena report"), Node: clean(d.Node), Runs: len(d.Runs),
		CSS: template.CSS(pageCSS), StyleHash: hashOf(pageCSS), //nolint:gosec // the page's own text
		JS: template.JS(pageJS), ScriptHash: hashOf(pageJS), //nolint:gosec // the page's own text
	}
	if !d.Made.IsZero() {
		p.Made = d.Made.Format(minutes)
	}
	colours := coloursOf(d)
	sides := sidesOf(d)
	if d.Tournament != nil {
		p.Verdict = verdictOf(*d.Tournament)
		p.Gap = gapChart(*d.Tournament)
		p.Path = pathChart(*d.Tournament)
		p.Steps = stepsChart(*d.Tournament)
		p.Comparison, p.ComparisonNote = compare(sides, *d.Tournament)
	} else if len(sides) > 0 {
		p.Measured, p.MeasuredWhen = sides[0].Model, sides[0].When
		p.Comparison, _ = compare(sides, Tournament{})
	}
	for _, s := range sides {
		p.Sides = append(p.Sides, sideHead{Model: s.Model, Class: s.Class, Role: s.Role})
	}
	p.Heat = heatOf(sides)
	p.Domains, p.DomainRows, p.DomainNote = domainsOf(sides)
	p.Latency, p.First, p.Quantiles = latencies(sides)
	p.Plane = planeOf(d, sides, colours)
	p.History, p.HistoryRows = historyOf(d, colours)
	p.Alarms = alarmRows(d.Alarms)
	p.Empty = len(d.Runs) == 0 && len(sides) == 0
	return p
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// coloursOf gives each model its class: the tournament's two first, then those
// with the most runs; the rest share one.
func coloursOf(d Data) map[string]string {
	const shared = 7
	counts := map[string]int{}
	for _, r := range d.Runs {
		counts[clean(r.Model)]++
	}
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(counts[b]-counts[a], strings.Compare(a, b))
	})
	first := []string{clean(d.Champion.Model)}
	if d.Tournament != nil {
		first = []string{clean(d.Tournament.Champion), clean(d.Tournament.Candidate), clean(d.Champion.Model)}
	}
	colours := map[string]string{}
	next := 0
	for _, name := range append(first, names...) {
		if name == "" || colours[name] != "" {
			continue
		}
		colours[name] = fmt.Sprintf("s%d", min(next, shared))
		next++
	}
	return colours
}

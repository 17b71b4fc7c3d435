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

// Data is the content of a page. Each field may be empty; the page says what is
// missing.
type Data struct {
	// Title is the page's title; "" means "Arena report".
	Title string
	// Node is the name of the node, "" means all nodes.
	Node string
	// Made is the time of the page; zero shows none.
	Made time.Time
	// Runs lists the measured runs in any order, with their tests if these were
	// recorded.
	Runs []history.Run
	// Champion is the champion; one without a model is none.
	Champion history.Champion
	// Tournament is a comparison of two models; nil means none.
	Tournament *Tournament
	// Alarms lists the alarms of the history.
	Alarms []Alarm
	// Weights are the weights of the composite; the zero value means
	// [scoring.Default].
	Weights scoring.Composite
}

// Tournament is a comparison of a candidate with the champion.
type Tournament struct {
	// Champion and Candidate are the models' names.
	Champion, Candidate string
	// ChampionTests and CandidateTests are the session's tests.
	ChampionTests, CandidateTests []scoring.Test
	// Looks lists the judgements in order. The interval of the last one is that
	// of the verdict.
	Looks []scoring.Look
	// Verdict is "promoted", "retained", "inconclusive" or "failed", or "" while
	// the tournament runs. Reason is a sentence that says why.
	Verdict, Reason string
	// Worth is the gap that is worth a change, in points of the composite; 0
	// means 0.5.
	Worth float64
}

// Alarm is an alarm of the history.
type Alarm struct {
	Time time.Time
	Node string
	// Kind is "regression" or "outage".
	Kind string
	// From and To are the scores before and after.
	From, To float64
	// Text is a sentence about the alarm.
	Text string
}

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

// page is the data of the template.
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

// Write writes the page to w, as a whole or not at all. It does not change d. The
// error is that of w.
func Write(w io.Writer, d Data) error {
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return fmt.Errorf("report: the page's template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, build(d)); err != nil {
		return fmt.Errorf("report: the page: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("report: writing the page: %w", err)
	}
	return nil
}

// build returns the data of the template.
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

// hashOf returns the hash of a text as the page's policy needs it.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// coloursOf returns a class for each model: the first ones for those of the
// tournament, then by the number of runs. The rest share one class.
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

package report

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/turbone/jarvis/history"
)

// runRow is the row of a run in the table.
type runRow struct {
	Time, Model, Class, Type, Score, Pass, Latency string
	Tests, Errors                                  int
	Remarks                                        string
}

// alarmRow is the row of an alarm in the table.
type alarmRow struct{ Time, Node, Kind, Class, Scores, Text string }

// alarmRows returns the table of the alarms, the latest first.
func alarmRows(alarms []Alarm) []alarmRow {
	var rows []alarmRow
	for _, a := range slices.Backward(alarms) {
		rows = append(rows, alarmRow{
			Time: date(a.Time), Node: clean(a.Node), Kind: clean(a.Kind), Class: alarmClass(a),
			Scores: figure(a.From) + " → " + figure(a.To), Text: clean(a.Text),
		})
	}
	return rows
}

// alarmClass returns the class of an alarm's marks.
func alarmClass(a Alarm) string {
	if a.Kind == "outage" {
		return "outage"
	}
	return "regression"
}

// historyOf returns the chart and the table of the scores over time. One step of
// the chart is one run: dozens of runs may come in an hour, and then none for
// weeks.
func historyOf(d Data, colours map[string]string) (*chart, []runRow) {
	if len(d.Runs) == 0 {
		return nil, nil
	}
	scores := make([]float64, len(d.Runs))
	rows := make([]runRow, len(d.Runs))
	low, high := 10.0, 0.0
	for i, r := range d.Runs {
		m := measureCounts(sampleOf(r), d.Weights)
		if len(r.Results) > 0 {
			m = measure(r.Results, d.Weights)
		}
		// The recorded score is the one that other programs show.
		if finite(r.Score) {
			scores[i] = inside(r.Score, 0, 10)
		}
		low, high = min(low, scores[i]), max(high, scores[i])
		rows[len(rows)-1-i] = runRow{
			Time: date(r.Time), Model: clean(r.Model), Class: colours[clean(r.Model)], Type: clean(r.Type),
			Score: figure(scores[i]), Pass: ranged(m.Pass, percent),
			Latency: seconds(r.Latency.Seconds()), Tests: r.Tests, Errors: r.ErrorCount(), Remarks: remarks(d.Runs, i),
		}
	}
	low, high = widen(low-0.1, high+0.1, 1)
	low, high = max(low, 0), min(high, 10)

	c := &chart{
		ID: "history", Title: "Score over time", W: 960, H: 420,
		Desc: fmt.Sprintf("%s from %s to %s, %s.", plural(len(d.Runs), "run", "runs"), date(d.Runs[0].Time), date(d.Runs[len(d.Runs)-1].Time), plural(len(d.Alarms), "alarm", "alarms")),
		Note: "One step is one run; the dates stand below. A score has no interval: how much the machine differs from run to run no single run tells.",
	}
	f := framed(960, 420, 50, 20, 44, 76)
	f.scales(-0.7, float64(len(d.Runs))-0.3, low, high)
	f.axes(c, nil, f.y.ticks(7), plain, plain, "", "score (composite)")
	dates(c, f, d.Runs)
	suites(c, f, d.Runs)
	c.Legend = runMarks(c, f, d.Runs, scores, colours)
	if reigns(c, f, d) {
		c.Legend = append(c.Legend, key{"crown", "crown", "crowned champion; the reign below"})
	}
	if alarms(c, f, d) {
		c.Legend = append(c.Legend, key{"regression", "alarm", "alarm: regression"}, key{"outage", "alarm", "alarm: outage"})
	}
	return c, rows
}

// remarks returns what is special about a run.
func remarks(runs []history.Run, i int) string {
	var list []string
	r := runs[i]
	if r.Crowned {
		list = append(list, "crowned")
	}
	if r.Unsteady != "" {
		list = append(list, "unsteady: "+clean(r.Unsteady))
	}
	if i > 0 && r.Suite != runs[i-1].Suite {
		list = append(list, "another suite: does not compare with the run before")
	}
	return strings.Join(list, "; ")
}

// runMarks draws the runs, and a line through successive runs of one model and
// suite. It returns the legend.
func runMarks(c *chart, f frame, runs []history.Run, scores []float64, colours map[string]string) []key {
	for from := 0; from < len(runs); {
		to := from
		var line []place
		for ; to < len(runs) && runs[to].Model == runs[from].Model && runs[to].Suite == runs[from].Suite; to++ {
			line = append(line, place{f.x.at(float64(to)), f.y.at(scores[to])})
		}
		if len(line) > 1 {
			c.path("course "+colours[clean(runs[from].Model)], polyline(line), "")
		}
		from = to
	}
	radius := 4.0
	if len(runs) > 120 {
		radius = 2.6
	}
	var legend []key
	listed := map[string]bool{}
	others, hollow := false, false
	for i, r := range runs {
		name := clean(r.Model)
		class := colours[name]
		dot := "dot " + class
		if r.Unsteady != "" {
			dot, hollow = "hollow "+class, true
		}
		tip := fmt.Sprintf("%s, %s: score %s, %.0f %% passed, %s, %s", name, date(r.Time), figure(scores[i]), r.PassRate, seconds(r.Latency.Seconds()), plural(r.Tests, "test", "tests"))
		if said := remarks(runs, i); said != "" {
			tip += " (" + said + ")"
		}
		c.circle(dot, f.x.at(float64(i)), f.y.at(scores[i]), radius, tip)
		if !listed[class] && class != "s7" && class != "" {
			legend = append(legend, key{class, "dot", short(name, 48)})
		}
		listed[class] = true
		others = others || class == "s7" || class == ""
	}
	slices.SortStableFunc(legend, func(a, b key) int { return strings.Compare(a.Class, b.Class) })
	if others {
		legend = append(legend, key{"s7", "dot", "other models"})
	}
	if hollow {
		legend = append(legend, key{"s7", "hollow", "unsteady run"})
	}
	return legend
}

// dates writes the date at the first run of each day, as far as there is room.
func dates(c *chart, f frame, runs []history.Run) {
	free := f.left - 40
	year := 0
	for i, r := range runs {
		if i > 0 && sameDay(r.Time, runs[i-1].Time) {
			continue
		}
		x := f.x.at(float64(i)) - (f.x.at(1)-f.x.at(0))/2
		if i > 0 {
			c.line("day", x, f.bottom, x, f.bottom+5, "")
		}
		text := r.Time.Format("2 Jan")
		if r.Time.Year() != year {
			text = r.Time.Format("2 Jan 2006")
		}
		if at := max(x, f.left); at >= free && at+widthOf(text) < f.right+14 {
			c.text("tick", "start", at+2, f.bottom+17, text)
			free = at + widthOf(text) + 14
			year = r.Time.Year()
		}
	}
}

func sameDay(a, b time.Time) bool {
	y1, m1, d1 := a.Date()
	y2, m2, d2 := b.Date()
	return y1 == y2 && m1 == m2 && d1 == d2
}

// suites marks the changes of the tasks: scores on both sides are not comparable.
func suites(c *chart, f frame, runs []history.Run) {
	for i := 1; i < len(runs); i++ {
		if runs[i].Suite != runs[i-1].Suite {
			x := f.x.at(float64(i) - 0.5)
			c.line("suite", x, f.top, x, f.bottom, "another suite from here on: the scores on both sides do not compare")
		}
	}
}

// reigns draws the champions over time. It reports whether there was one.
func reigns(c *chart, f frame, d Data) bool {
	type reign struct {
		at    float64
		model string
		text  string
	}
	var list []reign
	for i, r := range d.Runs {
		if r.Crowned {
			list = append(list, reign{float64(i), clean(r.Model), date(r.Time)})
		}
	}
	if name := clean(d.Champion.Model); name != "" && (len(list) == 0 || list[len(list)-1].model != name) {
		at := sort.Search(len(d.Runs), func(i int) bool { return !d.Runs[i].Time.Before(d.Champion.Since) })
		if d.Champion.Since.IsZero() {
			at = 0
		}
		list = append(list, reign{float64(at) - 0.5, name, date(d.Champion.Since)})
		slices.SortStableFunc(list, func(a, b reign) int {
			return int(2*a.at) - int(2*b.at)
		})
	}
	colours := coloursOf(d)
	y := f.bottom + 34
	for i, r := range list {
		x, end := f.x.kept(r.at), f.right
		if i+1 < len(list) {
			end = f.x.kept(list[i+1].at)
		}
		tip := fmt.Sprintf("%s, champion since %s", r.model, r.text)
		c.line("crowning", x, f.top, x, y, "")
		c.rect("reign "+colours[r.model], x, y, end-x, 18, tip)
		if name := fit(r.model, end-x-20); end-x > 60 {
			c.text("name reignname", "start", x+10, y+13, name)
		}
		c.path("crown", crown(x, f.top-8), tip)
	}
	return len(list) > 0
}

// alarms draws the alarms at their times. It reports whether there was one.
func alarms(c *chart, f frame, d Data) bool {
	for _, a := range d.Alarms {
		after := sort.Search(len(d.Runs), func(i int) bool { return d.Runs[i].Time.After(a.Time) })
		x := f.x.kept(float64(after - 1))
		tip := fmt.Sprintf("%s, %s: %s %s → %s. %s", date(a.Time), clean(a.Node), clean(a.Kind), figure(a.From), figure(a.To), clean(a.Text))
		c.line("alarmline "+alarmClass(a), x, f.top-18, x, f.bottom, "")
		c.path("alarm "+alarmClass(a), triangle(x, f.top-18), tip)
	}
	return len(d.Alarms) > 0
}

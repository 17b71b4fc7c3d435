package report

import (
	"fmt"
	"slices"
	"time"

	"github.com/turbone/jarvis/scoring"
)

// quantileRow is a quantile of both models.
type quantileRow struct {
	Name  string
	Cells []string
}

var quantiles = []float64{0.50, 0.95, 0.99}

// latencies returns the charts of latency and of time to the first token, and
// the table of their quantiles.
func latencies(sides []side) (whole, first *chart, rows []quantileRow) {
	kinds := []struct {
		id, title, what string
		of              func(scoring.Test) (time.Duration, bool)
	}{
		{"latency", "Latency", "time to the end of the answer", func(t scoring.Test) (time.Duration, bool) { return t.Latency, t.Timed() }},
		{"first", "Time to the first token", "time to the first token", func(t scoring.Test) (time.Duration, bool) {
			return t.FirstToken, t.FirstToken > 0
		}},
	}
	var charts [2]*chart
	for i, kind := range kinds {
		lists := make([][]float64, len(sides))
		some := false
		for s := range sides {
			lists[s] = durations(sides[s].Tests, kind.of)
			slices.Sort(lists[s])
			some = some || len(lists[s]) > 0
		}
		if !some {
			continue
		}
		charts[i] = distribution(kind.id, kind.title, kind.what, sides, lists)
		for _, p := range quantiles {
			row := quantileRow{Name: fmt.Sprintf("%s, p%.0f", kind.title, 100*p)}
			for _, list := range lists {
				if len(list) == 0 {
					row.Cells = append(row.Cells, "not measured")
					continue
				}
				row.Cells = append(row.Cells, seconds(scoring.Quantile(list, p)))
			}
			rows = append(rows, row)
		}
	}
	return charts[0], charts[1], rows
}

// distribution draws the cumulative distribution of times.
func distribution(id, title, what string, sides []side, lists [][]float64) *chart {
	c := &chart{ID: id, Title: title, W: 480, H: 320}
	low, high, middle := 0.0, 0.0, 0.0
	seen := false
	for s, list := range lists {
		if len(list) == 0 {
			continue
		}
		if c.Desc != "" {
			c.Desc += "; "
		}
		c.Desc += fmt.Sprintf("%s: p50 %s, p95 %s, p99 %s", sides[s].Model, seconds(scoring.Quantile(list, 0.5)),
			seconds(scoring.Quantile(list, 0.95)), seconds(scoring.Quantile(list, 0.99)))
		c.Legend = append(c.Legend, key{sides[s].Class, "line", short(sides[s].Model, 40)})
		if !seen || list[0] < low {
			low = list[0]
		}
		high, middle = max(high, list[len(list)-1]), max(middle, scoring.Quantile(list, 0.5))
		seen = true
	}
	c.Note = "Share of the tests with at most this " + what + "; dots at p50, p95, p99."
	f := framed(480, 320, 52, 22, 14, 48)
	if low > 0 && high > 6*middle {
		f.scales(low*0.9, high*1.1, 0, 1)
		f.x.log = true
	} else {
		f.scales(0, max(high*1.05, 1e-3), 0, 1)
	}
	f.axes(c, f.x.ticks(5), []float64{0, 0.25, 0.5, 0.75, 0.95, 1}, tickSeconds, percentTick, "", "")
	c.text("title", "middle", (f.left+f.right)/2, f.bottom+36, what)
	for s, list := range lists {
		if len(list) == 0 {
			continue
		}
		c.path("curve "+sides[s].Class, polyline(steps(list, f)), "")
		for _, p := range quantiles {
			q := scoring.Quantile(list, p)
			c.circle("dot "+sides[s].Class, f.x.at(q), f.y.at(p), 4,
				fmt.Sprintf("%s, p%.0f: %s", sides[s].Model, 100*p, seconds(q)))
		}
	}
	return c
}

// steps returns the empirical distribution as a line. Of many tests it has only
// some: a step below a pixel is not visible.
func steps(sorted []float64, f frame) []place {
	const most = 400
	every := max(1, len(sorted)/most)
	n := float64(len(sorted))
	list := []place{{f.x.at(sorted[0]), f.bottom}}
	before := f.bottom
	for i := every - 1; i < len(sorted); i += every {
		x, y := f.x.at(sorted[i]), f.y.at(float64(i+1)/n)
		list = append(list, place{x, before}, place{x, y})
		before = y
	}
	return append(list, place{f.x.at(sorted[len(sorted)-1]), f.top}, place{f.right, f.top})
}

// tickSeconds formats a time for an axis.
func tickSeconds(s float64) string {
	switch {
	case s == 0:
		return "0"
	case s < 0.9995:
		return plain(1000*s) + " ms"
	}
	return plain(s) + " s"
}

// percentTick formats a share for an axis.
func percentTick(v float64) string { return percent(v) }

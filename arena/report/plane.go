package report

import (
	"fmt"
	"math"
	"slices"

	"github.com/turbone/jarvis/scoring"
)

// planeOf draws quality against latency: the runs, the two models with their
// intervals, and lines of equal composite.
func planeOf(d Data, sides []side, colours map[string]string) *chart {
	type spot struct {
		x, y       float64
		class, tip string
	}
	var spots []spot
	outages := 0
	for _, r := range d.Runs {
		m := sampleOf(r)
		if 2*m.Errors > r.Tests {
			outages++ // it is about the node, not about the model
		}
		if r.Tests <= 0 || 2*m.Errors > r.Tests {
			continue
		}
		s := d.Weights.Score(m)
		spots = append(spots, spot{r.Latency.Seconds(), s.Quality, colours[clean(r.Model)],
			fmt.Sprintf("%s, %s: quality %s, mean latency %s, score %s", clean(r.Model), date(r.Time), figure(s.Quality), seconds(r.Latency.Seconds()), figure(r.Score))})
	}
	var shown []side
	for _, s := range sides {
		if s.Sample.Tests > s.Sample.Errors && len(s.Tests) > 0 {
			shown = append(shown, s)
		}
	}
	if len(spots) == 0 && len(shown) == 0 {
		return nil
	}
	low, high, slow := 10.0, 0.0, 0.0
	for _, s := range spots {
		low, high, slow = min(low, s.y), max(high, s.y), max(slow, s.x)
	}
	for _, s := range shown {
		low, high, slow = min(low, s.Quality.Low), max(high, s.Quality.High), max(slow, s.Latency.Value)
	}
	low, _ = widen(low-0.2, 10, 1)
	low = max(low, 0)
	_, slow = widen(0, min(max(slow*1.08, 0.5), 60), 0.5)

	c := &chart{
		ID: "plane", Title: "Quality against speed", W: 960, H: 430,
		Desc: fmt.Sprintf("%s and %s; up and left is better.", plural(len(spots), "run", "runs"), plural(len(shown), "measured model", "measured models")),
		Note: "Up is better, left is faster. On a thin line every point has the same score, with no test left unanswered. A whisker is the 95 % interval of the quality, for tasks like these.",
	}
	if outages > 0 {
		c.Note += fmt.Sprintf(" Left out: %s in which most tests got no answer.", plural(outages, "run", "runs"))
	}
	if slow > 10 {
		c.Note += " Beyond 10 s a slowdown no longer shows in the score: there the lines run level."
	}
	for _, s := range shown {
		c.Legend = append(c.Legend, key{s.Class, "cross", s.Role + ": " + short(s.Model, 50)})
	}
	if len(spots) > 0 {
		c.Legend = append(c.Legend, key{"sx", "faint", "a run of the history, in its model’s colour"})
	}
	f := framed(960, 430, 56, 62, 16, 50)
	f.scales(0, slow, low, 10)
	if slow > 10 {
		c.rect("saturated", f.x.at(10), f.top, f.right-f.x.at(10), f.bottom-f.top, "no slowdown shows in the score here")
	}
	f.axes(c, f.x.ticks(10), f.y.ticks(6), tickSeconds, plain, "mean latency", "quality, 0 to 10")
	isoLines(c, f, d.Weights)
	for _, s := range spots {
		c.circle("run "+s.class, f.x.kept(s.x), f.y.kept(s.y), 3.5, s.tip)
	}
	for _, s := range shown {
		x, y := f.x.kept(s.Latency.Value), f.y.kept(s.Quality.Value)
		tip := fmt.Sprintf("%s: quality %s, mean latency %s", s.Model, ranged(s.Quality, figure), ranged(s.Latency, seconds))
		if s.Quality.known() {
			c.whisker(s.Class, x, f.y.kept(s.Quality.Low), x, f.y.kept(s.Quality.High), tip)
		}
		c.circle("dot big "+s.Class, x, y, 7, tip)
	}
	placeLabels(c, f, shown)
	return c
}

// placeLabels writes the models' names beside their dots, apart from each other.
func placeLabels(c *chart, f frame, shown []side) {
	for i, s := range shown {
		x, y := f.x.kept(s.Latency.Value), f.y.kept(s.Quality.Value)
		up := -12.0
		if len(shown) == 2 {
			other := shown[1-i]
			oy := f.y.kept(other.Quality.Value)
			if y > oy || y == oy && i == 1 {
				up = 20 // the lower one is named below
			}
		}
		if y+up < f.top+8 {
			up = 20
			if len(shown) == 2 && i == 1 && math.Abs(f.y.kept(shown[0].Quality.Value)-y) < 10 {
				up = 36
			}
		}
		if y+up > f.bottom-4 {
			up = -12
		}
		name := fit(s.Model, 330)
		anchor, at := "start", x+11
		if at+widthOf(name) > f.right-4 {
			anchor, at = "end", x-11
		}
		c.text("name "+s.Class, anchor, at, y+up, name)
	}
}

// isoLines draws lines of equal composite. Their slope is the price of a second:
// half a point of quality with the default weights.
func isoLines(c *chart, f frame, w scoring.Composite) {
	if w.Quality <= 0 {
		return
	}
	quality := func(score, latency float64) float64 {
		return (score - w.Speed*min(max(0, 10-latency), 10) - w.Reliability*10) / w.Quality
	}
	score := func(q, latency float64) float64 {
		return w.Quality*q + w.Speed*min(max(0, 10-latency), 10) + w.Reliability*10
	}
	levels := scale{from: score(f.y.from, f.x.to), to: score(10, 0)}.ticks(9)
	lastLabel := math.Inf(1)
	for i := len(levels) - 1; i >= 0; i-- {
		level := levels[i]
		// The line bends where the speed reaches 0, and ends at the chart's border.
		xs := []float64{0, f.x.to}
		if f.x.to > 10 {
			xs = []float64{0, 10, f.x.to}
		}
		if w.Speed > 0 {
			for _, q := range []float64{f.y.from, 10} {
				x := 10 - (level-w.Reliability*10-w.Quality*q)/w.Speed
				if x > 0 && x < min(10, f.x.to) {
					xs = append(xs, x)
				}
			}
		}
		var line []place
		slices.Sort(xs)
		for _, x := range xs {
			if q := quality(level, x); q >= f.y.from-1e-9 && q <= 10+1e-9 {
				line = append(line, place{f.x.at(x), f.y.at(q)})
			}
		}
		if len(line) < 2 {
			continue
		}
		c.path("iso", polyline(line), "score "+plain(level))
		end := line[len(line)-1]
		if end.x >= f.right-1 && math.Abs(end.y-lastLabel) > 13 {
			c.text("isolabel", "start", end.x+5, end.y+4, "score "+plain(level))
			lastLabel = end.y
		} else if end.x < f.right-1 && end.x > f.left+30 {
			c.text("isolabel", "end", end.x-5, end.y-4, plain(level))
		}
	}
}

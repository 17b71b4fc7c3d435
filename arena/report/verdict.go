package report

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/turbone/jarvis/scoring"
)

// verdict is the verdict as the page shows it.
type verdict struct {
	Word, Class string
	Sentence    string
	Reason      string
	Caution     string // where the interval does not show what the word says
	Guards      []string
}

// verdictOf returns the verdict of a tournament.
func verdictOf(t Tournament) *verdict {
	v := &verdict{Word: cmp.Or(clean(t.Verdict), "no verdict yet"), Reason: clean(t.Reason), Class: "open"}
	end := "" // the gap, and after how many tests
	look, judged := t.last()
	if judged {
		end = fmt.Sprintf(": %s points%s after %s of the candidate", signed(look.Estimate), brackets(look), plural(look.Tests, "test", "tests"))
		for _, g := range look.Guards {
			v.Guards = append(v.Guards, clean(g))
		}
	}
	v.say(t, end, judged, interval{look.Low, look.Estimate, look.High}.shown())
	if look.More > 0 && v.Class == "open" && strings.EqualFold(t.Verdict, "inconclusive") {
		v.Sentence += fmt.Sprintf(" About %d more tests would settle it.", look.More)
	}
	return v
}

// brackets returns the interval of a look's gap, "" if it has none: the plain rule
// knows none.
func brackets(l scoring.Look) string {
	if l.Low == l.High {
		return ""
	}
	return fmt.Sprintf(" [%s … %s]", signed(l.Low), signed(l.High))
}

// say sets the sentence, the class and the caution. shown is what the interval
// of the gap shows, see [interval.shown].
func (v *verdict) say(t Tournament, end string, judged bool, shown int) {
	champion := cmp.Or(clean(t.Champion), "the champion")
	candidate := cmp.Or(clean(t.Candidate), "the candidate")
	switch strings.ToLower(t.Verdict) {
	case "promoted":
		v.Class = "promoted"
		v.Sentence = fmt.Sprintf("%s takes over from %s%s.", candidate, champion, end)
		if shown != 1 {
			v.Caution = "The verdict is about the tasks that were asked; the interval, on tasks like these, begins below zero."
		}
	case "retained":
		v.Class = "retained"
		switch shown {
		case -1:
			v.Sentence = fmt.Sprintf("%s stays; %s is worse%s.", champion, candidate, end)
		case 1:
			v.Sentence = fmt.Sprintf("%s stays although %s scored higher%s.", champion, candidate, end)
		default:
			v.Sentence = fmt.Sprintf("%s stays; %s is not shown to be better by as much as is worth a change%s.", champion, candidate, end)
		}
	case "inconclusive":
		said := "No difference shown"
		if shown != 0 {
			said = "Not decided"
		} else if judged {
			v.Caution = noClaim
		}
		v.Sentence = fmt.Sprintf("%s between %s and %s%s. %s stays.", said, champion, candidate, end, champion)
	case "failed":
		v.Class = "failed"
		v.Sentence = fmt.Sprintf("The tournament of %s against %s was not held to its end.", candidate, champion)
	default:
		v.Sentence = fmt.Sprintf("%s against %s%s.", candidate, champion, end)
	}
}

// gapChart draws the gap with its interval as a bar, beside zero.
func gapChart(t Tournament) *chart {
	look, ok := t.last()
	if !ok {
		return nil
	}
	c := &chart{
		ID: "gap", Title: "The gap between the two models", W: 960, H: 150,
		Desc: fmt.Sprintf("Candidate less champion: %s points of the composite%s.", signed(look.Estimate), brackets(look)),
		Note: "Points of the composite, candidate less champion. An interval across zero shows no difference.",
	}
	low, high := min(look.Low, 0), max(look.High, 0, t.worth())
	low, high = widen(low, high, 0.5)
	f := framed(960, 150, 200, 24, 26, 46)
	f.scales(low, high, 0, 1)
	f.axes(c, f.x.ticks(9), nil, signed, plain, "points, candidate less champion", "")
	zero := f.x.at(0)
	c.line("zero", zero, f.top, zero, f.bottom, "")
	c.text("small", "middle", zero, f.top-8, "no difference")
	worth := f.x.at(t.worth())
	c.line("worth", worth, f.top, worth, f.bottom, "the gap that is worth a change: "+figure(t.worth()))
	if label := "worth a change"; worth-zero > widthOf(label+"no difference")/2+14 {
		c.text("small", "middle", worth, f.top-8, label)
	}
	bar := func(y float64, class, name string, i interval) {
		tip := fmt.Sprintf("%s: %s", name, ranged(i, signed))
		c.text("label", "end", f.left-12, y+4, name)
		c.rect(class, f.x.at(i.Low), y-7, f.x.at(i.High)-f.x.at(i.Low), 14, tip)
		c.circle("estimate", f.x.at(i.Value), y, 5, tip)
	}
	class := "bar none"
	switch (interval{look.Low, look.Estimate, look.High}).shown() {
	case 1:
		class = "bar better"
	case -1:
		class = "bar worse"
	}
	name := "on tasks like these"
	if look.Low == look.High {
		name = "the difference"
	}
	bar(f.top+20, class, name, interval{look.Low, look.Estimate, look.High})
	return c
}

// usable returns the looks that can be drawn.
func usable(looks []scoring.Look) []scoring.Look {
	var list []scoring.Look
	for _, l := range looks {
		if finite(l.Z, l.Upper, l.Futility, l.Lower, l.Estimate, l.Low, l.High) {
			list = append(list, l)
		}
	}
	return list
}

// lowerZ returns the bound below which z means "not better". The test compares
// futility with its bound, which is the same: z and futility add up to a figure
// of the standard error alone.
func lowerZ(l scoring.Look) float64 { return l.Z + l.Futility - l.Lower }

// pathChart draws z at each look, between its bounds.
func pathChart(t Tournament) *chart {
	looks := usable(t.Looks)
	if len(looks) == 0 || looks[0].Upper == 0 { // the plain rule has no bounds
		return nil
	}
	last := looks[len(looks)-1]
	c := &chart{
		ID: "path", Title: "The test’s path between its bounds", W: 480, H: 330,
		Desc: fmt.Sprintf("%s; at the last one, after %d tests, z is %s, the upper bound %s, the lower %s.",
			plural(len(looks), "look", "looks"), last.Tests, figure(last.Z), figure(last.Upper), figure(lowerZ(last))),
		Legend: []key{
			{"path", "dot", "z, the evidence"}, {"upper", "line", "above: promoted"}, {"lower", "line", "below: stays"},
		},
		Note: "Between the bounds the test goes on. Both were chosen before it began.",
	}
	low, high := 0.0, 0.0
	for _, l := range looks {
		low, high = min(low, l.Z, lowerZ(l)), max(high, l.Z, l.Upper)
	}
	// A z far out would leave no room for the rest.
	low, high = max(low, -12), min(high, 12)
	low, high = widen(low-0.3, high+0.3, 2)
	f := framed(480, 330, 50, 18, 16, 48)
	f.scales(0, float64(last.Tests)*1.04, low, high)
	if len(looks) > 0 && last.Tests <= 0 {
		f.scales(0, 1, low, high)
	}
	var upper, lower, path []place
	for _, l := range looks {
		x := f.x.at(float64(l.Tests))
		upper = append(upper, place{x, f.y.kept(l.Upper)})
		lower = append(lower, place{x, f.y.kept(lowerZ(l))})
		path = append(path, place{x, f.y.kept(l.Z)})
	}
	if len(looks) > 1 {
		first, end := upper[0].x, upper[len(upper)-1].x
		c.path("zone promote", area([]place{{first, f.top}, {end, f.top}}, upper), "promoted")
		c.path("zone retain", area(lower, []place{{first, f.bottom}, {end, f.bottom}}), "stays")
	}
	f.axes(c, f.x.ticks(6), f.y.ticks(7), plain, plain, "tests of the candidate", "z")
	c.line("zero", f.left, f.y.at(0), f.right, f.y.at(0), "")
	c.path("bound upper", polyline(upper), "")
	c.path("bound lower", polyline(lower), "")
	c.path("trace", polyline(path), "")
	for i, l := range looks {
		c.circle("look", path[i].x, path[i].y, 4.5, fmt.Sprintf("%d tests: z %s, bounds %s and %s; gap %s",
			l.Tests, figure(l.Z), figure(lowerZ(l)), figure(l.Upper), signed(l.Estimate)))
		for _, b := range []struct {
			class string
			at    place
			v     float64
		}{{"stop upper", upper[i], l.Upper}, {"stop lower", lower[i], lowerZ(l)}} {
			c.circle(b.class, b.at.x, b.at.y, 2.5, fmt.Sprintf("the bound after %d tests: %s", l.Tests, figure(b.v)))
		}
	}
	return c
}

// stepsChart draws the gap at each look.
func stepsChart(t Tournament) *chart {
	looks := usable(t.Looks)
	if len(looks) == 0 || looks[0].Upper == 0 { // the plain rule has no bounds
		return nil
	}
	last := looks[len(looks)-1]
	c := &chart{
		ID: "steps", Title: "The gap at each look", W: 480, H: 330,
		Desc: fmt.Sprintf("The gap at each look; at the last one %s%s.", signed(last.Estimate), brackets(last)),
		Legend: []key{
			{"path", "dot", "gap"}, {"zero", "dash", "no difference"}, {"worth", "dash", "worth a change"},
		},
		Note: "The interval is that of the last look, on tasks like these.",
	}
	low, high := 0.0, t.worth()
	for _, l := range looks {
		low, high = min(low, l.Estimate), max(high, l.Estimate)
	}
	low, high = min(low, last.Low), max(high, last.High)
	low, high = widen(max(low, -8), min(high, 8), 1)
	f := framed(480, 330, 56, 18, 16, 48)
	f.scales(0, max(float64(last.Tests)*1.04, 1), low, high)
	f.axes(c, f.x.ticks(6), f.y.ticks(7), plain, func(v float64) string { return signed(v) }, "tests of the candidate", "points")
	c.line("zero", f.left, f.y.at(0), f.right, f.y.at(0), "")
	c.line("worth", f.left, f.y.kept(t.worth()), f.right, f.y.kept(t.worth()), "")
	for _, l := range looks {
		x := f.x.at(float64(l.Tests))
		tip := fmt.Sprintf("%d tests: %s", l.Tests, signed(l.Estimate))
		if l.Tests == last.Tests {
			tip += brackets(l)
			c.line("whisker path", x, f.y.kept(l.Low), x, f.y.kept(l.High), tip)
		}
		c.circle("look", x, f.y.kept(l.Estimate), 4.5, tip)
	}
	return c
}

func itoa(n int) string { return strconv.Itoa(n) }

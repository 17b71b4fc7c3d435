package report

import (
	"math"
	"strconv"
	"strings"
)

// px is a coordinate in a chart. It is printed with one decimal.
type px float64

func (p px) String() string {
	if !finite(float64(p)) {
		return "0"
	}
	text := strconv.FormatFloat(float64(p), 'f', 1, 64)
	return strings.TrimSuffix(text, ".0")
}

// chart is a drawing. Later marks are on top of earlier ones.
type chart struct {
	// ID is unique in the page.
	ID, Title, Desc string
	W, H            px
	Marks           []mark
	Legend          []key
	Note            string
}

// key is an entry of a legend. Shape is the form of its swatch.
type key struct{ Class, Shape, Text string }

// mark is an element of a chart.
type mark struct {
	// Kind is line, path, circle, rect or text.
	Kind, Class      string
	X, Y, X2, Y2     px // of a line; X and Y of all but paths
	W, H, R          px
	D, Text, Anchor  string
	Tip              string // what it says when pointed at
	Rotated, Rounded bool
}

func (c *chart) add(m mark) { c.Marks = append(c.Marks, m) }

func (c *chart) line(class string, x, y, x2, y2 float64, tip string) {
	c.add(mark{Kind: "line", Class: class, X: px(x), Y: px(y), X2: px(x2), Y2: px(y2), Tip: tip})
}

// whisker draws an interval. One that is not known has no length and is left out.
func (c *chart) whisker(class string, x, y, x2, y2 float64, tip string) {
	if x != x2 || y != y2 {
		c.line("whisker "+class, x, y, x2, y2, tip)
	}
}

func (c *chart) circle(class string, x, y, r float64, tip string) {
	c.add(mark{Kind: "circle", Class: class, X: px(x), Y: px(y), R: px(r), Tip: tip})
}

func (c *chart) rect(class string, x, y, w, h float64, tip string) {
	c.add(mark{Kind: "rect", Class: class, X: px(x), Y: px(y), W: px(max(w, 0)), H: px(max(h, 0)), Tip: tip})
}

func (c *chart) text(class, anchor string, x, y float64, text string) {
	c.add(mark{Kind: "text", Class: class, Anchor: anchor, X: px(x), Y: px(y), Text: text})
}

func (c *chart) path(class, d, tip string) {
	if d != "" {
		c.add(mark{Kind: "path", Class: class, D: d, Tip: tip})
	}
}

// place is a point of a path.
type place struct{ x, y float64 }

// polyline returns the path through places.
func polyline(list []place) string {
	if len(list) < 2 {
		return ""
	}
	var b strings.Builder
	for i, p := range list {
		if i == 0 {
			b.WriteByte('M')
		} else {
			b.WriteByte('L')
		}
		b.WriteString(px(p.x).String() + " " + px(p.y).String())
	}
	return b.String()
}

// area returns the closed path between an upper and a lower line.
func area(upper, lower []place) string {
	if len(upper) < 2 {
		return ""
	}
	whole := append([]place(nil), upper...)
	for i := len(lower) - 1; i >= 0; i-- {
		whole = append(whole, lower[i])
	}
	return polyline(whole) + "Z"
}

// crown returns the path of a crown with its foot at a place.
func crown(x, y float64) string {
	return polyline([]place{
		{x - 7, y - 10}, {x - 3.5, y - 5}, {x, y - 12}, {x + 3.5, y - 5}, {x + 7, y - 10}, {x + 5.5, y}, {x - 5.5, y},
	}) + "Z"
}

// triangle returns the path of a triangle with its lower tip at a place.
func triangle(x, y float64) string {
	return polyline([]place{{x - 6, y - 10}, {x + 6, y - 10}, {x, y}}) + "Z"
}

// scale maps figures to coordinates, in either direction.
type scale struct {
	from, to float64 // figures
	low, top float64 // places
	log      bool
}

func (s scale) at(v float64) float64 {
	from, to := s.from, s.to
	if s.log {
		v, from, to = math.Log10(max(v, s.from/10)), math.Log10(from), math.Log10(to)
	}
	if to == from {
		return (s.low + s.top) / 2
	}
	return s.low + (v-from)/(to-from)*(s.top-s.low)
}

// kept returns at, limited to the scale.
func (s scale) kept(v float64) float64 { return s.at(inside(v, s.from, s.to)) }

// ticks returns round figures inside the scale, about so many.
func (s scale) ticks(about int) []float64 {
	if s.log {
		return s.decades(about)
	}
	step := roundStep((s.to - s.from) / float64(max(about, 1)))
	if step <= 0 || !finite(step) {
		return nil
	}
	var list []float64
	for i := math.Ceil(s.from/step - 1e-9); i*step <= s.to+step*1e-9 && len(list) < 100; i++ {
		list = append(list, i*step)
	}
	return list
}

func (s scale) decades(about int) []float64 {
	for _, factors := range [][]float64{{1, 2, 5}, {1, 3}, {1}} {
		var list []float64
		for power := math.Floor(math.Log10(s.from)); power <= math.Log10(s.to) && len(list) < 100; power++ {
			for _, f := range factors {
				if v := f * math.Pow(10, power); v >= s.from*0.999 && v <= s.to*1.001 {
					list = append(list, v)
				}
			}
		}
		if len(list) <= about+2 {
			return list
		}
	}
	return nil
}

// roundStep returns the least of 1, 2, 5, 10, … that is not below step.
func roundStep(step float64) float64 {
	if step <= 0 || !finite(step) {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(step)))
	for _, f := range []float64{1, 2, 5, 10} {
		if f*unit >= step*(1-1e-9) {
			return f * unit
		}
	}
	return 10 * unit
}

// widen returns a range of at least some width, rounded outwards to its ticks.
func widen(low, high, least float64) (float64, float64) {
	if high-low < least {
		middle := (low + high) / 2
		low, high = middle-least/2, middle+least/2
	}
	step := roundStep((high - low) / 5)
	if step <= 0 {
		return low, high
	}
	return math.Floor(low/step+1e-9) * step, math.Ceil(high/step-1e-9) * step
}

// frame is the plot area of a chart, with its scales.
type frame struct {
	left, right, top, bottom float64
	x, y                     scale
}

func framed(w, h, left, right, top, bottom float64) frame {
	return frame{left: left, right: w - right, top: top, bottom: h - bottom}
}

func (f *frame) scales(x0, x1, y0, y1 float64) {
	f.x = scale{from: x0, to: x1, low: f.left, top: f.right}
	f.y = scale{from: y0, to: y1, low: f.bottom, top: f.top}
}

// axes draws grid, ticks and titles.
func (f frame) axes(c *chart, xTicks, yTicks []float64, xText, yText func(float64) string, xTitle, yTitle string) {
	for _, v := range yTicks {
		y := f.y.at(v)
		c.line("grid", f.left, y, f.right, y, "")
		c.text("tick", "end", f.left-7, y+4, yText(v))
	}
	for _, v := range xTicks {
		x := f.x.at(v)
		c.line("grid", x, f.top, x, f.bottom, "")
		c.text("tick", "middle", x, f.bottom+16, xText(v))
	}
	c.line("axis", f.left, f.bottom, f.right, f.bottom, "")
	if xTitle != "" {
		c.text("title", "middle", (f.left+f.right)/2, f.bottom+34, xTitle)
	}
	if yTitle != "" {
		c.add(mark{Kind: "text", Class: "title", Anchor: "middle", X: px(-(f.top + f.bottom) / 2), Y: 13, Text: yTitle, Rotated: true})
	}
}

// plain formats a tick without trailing zeros.
func plain(v float64) string {
	return strings.Replace(strconv.FormatFloat(zeroed(v, 6), 'g', 6, 64), "-", minus, 1)
}

// widthOf returns the approximate width of a text in the widest of the usual
// fonts.
func widthOf(text string) float64 {
	width := 0.0
	for _, r := range text {
		if r >= 0x1100 {
			width += 13
		} else {
			width += 7
		}
	}
	return width
}

// fit shortens a name to a width.
func fit(name string, width float64) string {
	if widthOf(name) <= width {
		return name
	}
	for limit := len([]rune(name)) - 1; limit >= 3; limit-- {
		if cut := short(name, limit); widthOf(cut) <= width {
			return cut
		}
	}
	return "…"
}

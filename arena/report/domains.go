package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/turbone/jarvis/scoring"
)

// domainRow is the row of a domain in the table.
type domainRow struct {
	Domain string
	comparisonRow
}

// maxDomains is the greatest number of domains drawn; a file may have any number.
const maxDomains = 40

// domain is the pass rate in a domain, of each side that was asked in it.
type domain struct {
	name         string
	shares       [2]interval
	passed, made [2]int
	known        [2]bool
}

// domains returns the domains of the sides by name.
func domains(sides []side) []*domain {
	named := map[string]*domain{}
	add := func(i int, name string, share interval, passed, made int) {
		d := named[name]
		if d == nil {
			d = &domain{name: name}
			named[name] = d
		}
		d.shares[i], d.passed[i], d.made[i], d.known[i] = share, passed, made, true
	}
	for i, s := range sides {
		tests := map[string][]scoring.Test{}
		for _, t := range s.Tests {
			tests[t.Domain] = append(tests[t.Domain], t)
		}
		for name, part := range tests {
			v := share(part)
			if burst(s.Tests) {
				v = unknown(v.Value)
			}
			add(i, name, v, scoring.Measure(part).Passed, len(part))
		}
		if len(s.Tests) > 0 {
			continue
		}
		for name, tally := range s.Domains {
			if n := float64(tally.Total); n > 0 {
				add(i, name, unknown(inside(float64(tally.Pass)/n, 0, 1)), tally.Pass, tally.Total)
			}
		}
	}
	return slices.SortedFunc(maps.Values(named), func(a, b *domain) int { return strings.Compare(a.name, b.name) })
}

// passed reports whether a test was passed.
func passed(t scoring.Test) bool { return t.Passed && !t.Error() }

// domainsOf returns the chart, the table and the note of the pass rates by
// domain.
func domainsOf(sides []side) (*chart, []domainRow, string) {
	list := domains(sides)
	if len(list) == 0 {
		return nil, nil, ""
	}
	note := "Pass rate; of 20 tasks or more with its 95 % interval, for tasks like these."
	if len(list) > maxDomains {
		note += fmt.Sprintf(" Only the first %d of %d domains are shown.", maxDomains, len(list))
		list = list[:maxDomains]
	}
	if len(sides) == 2 {
		note += " Domains are not compared by themselves: of eight, one differs by chance."
	}

	height := 70 + 38*float64(len(list))
	c := &chart{
		ID: "domains", Title: "Per domain", W: 960, H: px(height),
		Desc: fmt.Sprintf("Pass rate of %s, the table below has the figures.", plural(len(list), "domain", "domains")),
	}
	for _, s := range sides {
		c.Legend = append(c.Legend, key{s.Class, "dot", s.Role + ": " + short(s.Model, 60)})
	}
	f := framed(960, height, 150, 30, 14, 46)
	f.scales(0, 1, 0, 1)
	f.axes(c, f.x.ticks(10), nil, percent, plain, "pass rate", "")
	var rows []domainRow
	for i, d := range list {
		y := f.top + 19 + 38*float64(i)
		c.text("label", "end", f.left-12, y+4, fit(cleanDomain(d.name), f.left-14))
		if i > 0 {
			c.line("grid", f.left, y-19, f.right, y-19, "")
		}
		row := domainRow{Domain: cleanDomain(d.name)}
		for s := range sides {
			row.Cells = append(row.Cells, d.draw(c, f, y, sides, s))
		}
		rows = append(rows, row)
	}
	return c, rows, note
}

// draw draws a side's pass rate at the height y of the domain, and returns it as a
// text.
func (d *domain) draw(c *chart, f frame, y float64, sides []side, s int) string {
	if !d.known[s] {
		return "not asked"
	}
	if len(sides) == 2 {
		y += float64(s*13) - 6.5
	}
	v := d.shares[s]
	text := fmt.Sprintf("%s (%d of %d)", ranged(v, percent), d.passed[s], d.made[s])
	tip := cleanDomain(d.name) + ", " + sides[s].Model + ": " + text
	if v.known() {
		c.whisker(sides[s].Class, f.x.at(v.Low), y, f.x.at(v.High), y, tip)
	}
	c.circle("dot "+sides[s].Class, f.x.at(v.Value), y, 5, tip)
	return text
}

// cleanDomain returns a domain's name fit to be shown.
func cleanDomain(name string) string {
	if name = clean(name); name == "" {
		return "no domain"
	}
	return name
}

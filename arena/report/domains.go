package report

import (
	"fmt"
	"math"
	"slices"

	"github.com/turbone/jarvis/scoring"
)

// domainRow is a domain's line in the table.
type domainRow struct {
	Domain string
	comparisonRow
}

// maxDomains is how many are drawn; a file could name any number.
const maxDomains = 40

// domainsOf is the pass rate of each domain, of both models.
func domainsOf(sides []side) (*chart, []domainRow, string) {
	type domain struct {
		name   string
		shares [2]interval
		counts [2][2]int
		known  [2]bool
	}
	var list []*domain
	named := map[string]*domain{}
	find := func(name string) *domain {
		if named[name] == nil {
			named[name] = &domain{name: name}
			list = append(list, named[name])
		}
		return named[name]
	}
	for i, s := range sides {
		tests := map[string][]scoring.Test{}
		for _, t := range s.Tests {
			tests[t.Domain] = append(tests[t.Domain], t)
		}
		for name, part := range tests {
			d := find(name)
			d.known[i] = true
			d.shares[i] = share(part, func(t scoring.Test) bool { return t.Passed && !t.Error() }, confidence)
			d.counts[i] = [2]int{scoring.Measure(part).Passed, len(part)}
		}
		if len(s.Tests) > 0 {
			continue
		}
		for name, tally := range s.Domains {
			if tally.Total <= 0 {
				continue
			}
			d := find(name)
			d.known[i] = true
			d.shares[i] = wilson(inside(float64(tally.Pass)/float64(tally.Total), 0, 1), float64(tally.Total), confidence)
			d.counts[i] = [2]int{tally.Pass, tally.Total}
		}
	}
	if len(list) == 0 {
		return nil, nil, ""
	}
	slices.SortFunc(list, func(a, b *domain) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	note := "Pass rate with its 95 % interval."
	if len(list) > maxDomains {
		note += fmt.Sprintf(" Only the first %d of %d domains are shown.", maxDomains, len(list))
		list = list[:maxDomains]
	}
	if len(sides) == 2 {
		note += " The intervals of the differences hold for all domains together; " + noClaim + " is no difference shown."
	}

	height := 70 + 38*float64(len(list))
	c := &chart{
		ID: "domains", Title: "Per domain", W: 960, H: px(height),
		Desc: fmt.Sprintf("Pass rate of %s, each with its interval; the table below has the figures.", plural(len(list), "domain", "domains")),
	}
	for _, s := range sides {
		c.Legend = append(c.Legend, key{s.Class, "dot", s.Role + ": " + short(s.Model, 60)})
	}
	f := framed(960, height, 150, 170, 14, 46)
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
			if !d.known[s] {
				row.Cells = append(row.Cells, "not asked")
				continue
			}
			at := y
			if len(sides) == 2 {
				at += float64(s*13) - 6.5
			}
			v := d.shares[s]
			text := fmt.Sprintf("%s (%d of %d)", ranged(v, percent), d.counts[s][0], d.counts[s][1])
			tip := cleanDomain(d.name) + ", " + sides[s].Model + ": " + text
			c.line("whisker "+sides[s].Class, f.x.at(v.Low), at, f.x.at(v.High), at, tip)
			c.circle("dot "+sides[s].Class, f.x.at(v.Value), at, 5, tip)
			row.Cells = append(row.Cells, text)
		}
		if len(sides) == 2 && d.known[0] && d.known[1] {
			row.differ(domainDifference(sides, d.name, len(list)), points, 1)
			row.Interval += " points"
			c.text("difference "+row.Class, "start", f.right+14, y+4, differenceText(row.comparisonRow))
		}
		rows = append(rows, row)
	}
	return c, rows, note
}

func differenceText(r comparisonRow) string {
	if r.Class == "none" {
		return noClaim
	}
	return r.Difference + " " + r.Interval
}

// domainDifference is the candidate's pass rate less the champion's in one of
// several domains. Of eight at 95 % one in three times some would seem to
// differ by chance; so each gets its part of the error (Bonferroni).
func domainDifference(sides []side, domain string, domains int) interval {
	level := 1 - (1-confidence)/float64(max(domains, 1))
	var shares [2]interval
	for i := range 2 {
		var part []scoring.Test
		for _, t := range sides[i].Tests {
			if t.Domain == domain {
				part = append(part, t)
			}
		}
		shares[i] = share(part, func(t scoring.Test) bool { return t.Passed && !t.Error() }, level)
	}
	d := difference(shares[0], shares[1])
	return interval{math.Max(d.Low, -1), d.Value, math.Min(d.High, 1)}
}

func cleanDomain(name string) string {
	if name = clean(name); name == "" {
		return "no domain"
	}
	return name
}

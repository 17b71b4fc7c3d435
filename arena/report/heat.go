package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/turbone/jarvis/scoring"
)

// heat is the map of all tests, with the tasks apart on which the models differ.
type heat struct {
	Flips, Same *chart
	Count       int
	Legend      []key
	Note        string
}

// The greatest numbers that are drawn; a note says what is left out.
const (
	maxCycles = 16
	maxTasks  = 500
)

type heatTask struct {
	id, domain string
	cells      [2]map[int][]scoring.Test
	share      [2]float64
	count      [2]int
}

// change returns the candidate's pass rate less the champion's.
func (t *heatTask) change() float64 {
	if t.count[0] == 0 || t.count[1] == 0 {
		return 0
	}
	return t.share[1] - t.share[0]
}

// heatOf returns the map, nil without tests.
func heatOf(sides []side) *heat {
	tasks, cycles, cut := heatTasks(sides)
	if len(tasks) == 0 {
		return nil
	}
	var flips, same []*heatTask
	for _, t := range tasks {
		if t.change() != 0 {
			flips = append(flips, t)
		} else {
			same = append(same, t)
		}
	}
	slices.SortStableFunc(flips, func(a, b *heatTask) int {
		return cmp.Compare(math.Abs(b.change()), math.Abs(a.change()))
	})
	h := &heat{Count: len(flips), Legend: []key{
		{"pass", "cell", "passed"}, {"fail", "cell", "wrong"}, {"odd", "cell", "cut or empty"},
		{"late", "cell", "timed out"}, {"error", "cell", "no answer"},
	}}
	for _, s := range sides {
		h.Legend = append(h.Legend, key{s.Class, "dot", s.Role + ": " + short(s.Model, 50)})
	}
	var notes []string
	if len(sides) == 2 {
		notes = append(notes, "The number is how many of the task's tests passed. A task on which the two differ proves nothing by itself: the verdict counts all.")
	}
	if cut != "" {
		notes = append(notes, cut)
	}
	h.Note = strings.Join(notes, " ")
	h.Flips = heatChart("flips", "Tasks on which the two differ", flips, sides, cycles)
	title := "Tasks on which both did alike"
	if len(sides) == 1 {
		title = "All tasks"
	}
	h.Same = heatChart("same", title, same, sides, cycles)
	return h
}

// heatTasks returns the tasks, the number of cycles of each side, and a note
// about what is left out.
func heatTasks(sides []side) (tasks []*heatTask, cycles [2]int, cut string) {
	named := map[string]*heatTask{}
	dropped := 0
	for i, s := range sides {
		for _, test := range s.Tests {
			t := named[test.Task]
			if t == nil {
				if len(tasks) == maxTasks {
					dropped++
					continue
				}
				t = &heatTask{id: test.Task, domain: test.Domain}
				t.cells[0], t.cells[1] = map[int][]scoring.Test{}, map[int][]scoring.Test{}
				named[test.Task] = t
				tasks = append(tasks, t)
			}
			passed := 0.0
			if test.Passed && !test.Error() {
				passed = 1
			}
			t.share[i] = (t.share[i]*float64(t.count[i]) + passed) / float64(t.count[i]+1)
			t.count[i]++
			if test.Cycle < 0 || test.Cycle >= maxCycles {
				dropped++
				continue
			}
			t.cells[i][test.Cycle] = append(t.cells[i][test.Cycle], test)
			cycles[i] = max(cycles[i], test.Cycle+1)
		}
	}
	if dropped > 0 {
		cut = fmt.Sprintf("%s not drawn: at most %d tasks and %d cycles are.", plural(dropped, "test is", "tests are"), maxTasks, maxCycles)
	}
	slices.SortStableFunc(tasks, func(a, b *heatTask) int {
		return cmp.Or(strings.Compare(a.domain, b.domain), strings.Compare(a.id, b.id))
	})
	// The running mean of a share that is 1 may be off in the last digit.
	for _, t := range tasks {
		for i := range t.share {
			t.share[i] = math.Round(t.share[i]*1e9) / 1e9
		}
	}
	return tasks, cycles, cut
}

// heatChart draws tasks, in two columns of panels if there is room.
func heatChart(id, title string, tasks []*heatTask, sides []side, cycles [2]int) *chart {
	if len(tasks) == 0 {
		return nil
	}
	const (
		cell, row        = 15.0, 19.0
		label, count, by = 170.0, 34.0, 16.0
		head             = 66.0
		width            = 960.0
	)
	// A block is as wide as its cells and their count, or as its head.
	block := func(side int) float64 { return by + max(cell*float64(cycles[side])+count, head) }
	panel := label
	for i := range sides {
		panel += block(i)
	}
	columns := 1
	if 2*panel <= width && len(tasks) > 6 {
		columns = 2
	}
	rows := (len(tasks) + columns - 1) / columns
	const top = 40.0
	c := &chart{
		ID: "heat-" + id, Title: title, W: width, H: px(top + row*float64(rows) + 8),
		Desc: fmt.Sprintf("%s, one line each; one cell per cycle.", plural(len(tasks), "task", "tasks")),
	}
	for column := range columns {
		x := float64(column)*width/2 + label
		for i, s := range sides {
			c.add(mark{Kind: "text", Class: "head " + s.Class, Anchor: "start", X: px(x + by), Y: 14, Text: s.Role, Tip: s.Model})
			for cycle := range cycles[i] {
				if cycles[i] < 10 || cycle%2 == 0 {
					c.text("tick", "middle", x+by+cell*(float64(cycle)+0.5), 32, itoa(cycle+1))
				}
			}
			x += block(i)
		}
	}
	for n, t := range tasks {
		column, line := n/rows, n%rows
		x, y := float64(column)*width/2+label, top+row*float64(line)
		c.add(mark{
			Kind: "text", Class: "label", Anchor: "end", X: px(x), Y: px(y + 12), Text: fit(taskName(t.id), label-8),
			Tip: taskName(t.id) + " (" + cleanDomain(t.domain) + ")",
		})
		for i, s := range sides {
			for cycle := range cycles[i] {
				if tests := t.cells[i][cycle]; len(tests) > 0 {
					c.cell(x+by+cell*float64(cycle), y, cell, tests, s.Model, t.id)
				}
			}
			if t.count[i] > 0 {
				c.text("tick", "start", x+by+cell*float64(cycles[i])+4, y+12, fmt.Sprintf("%.0f/%d", t.share[i]*float64(t.count[i]), t.count[i]))
			}
			x += block(i)
		}
	}
	return c
}

// cell draws a task's tests in one cycle, of several the worst: with a colour, and
// with a sign for readers who can't tell the colours apart.
func (c *chart) cell(x, y, size float64, tests []scoring.Test, model, task string) {
	worst, class, sign, word := -1, "", "", ""
	for _, t := range tests {
		rank, k, g, w := 0, "pass", "", "passed"
		switch {
		case t.Outcome == scoring.TimedOut:
			rank, k, g, w = 3, "late", "t", "timed out"
		case t.Error():
			rank, k, g, w = 4, "error", "!", "no answer"
		case !t.Passed && t.Anomaly != "":
			rank, k, g, w = 2, "odd", "–", clean(string(t.Anomaly))
		case !t.Passed:
			rank, k, g, w = 1, "fail", "×", "wrong"
		}
		if rank > worst {
			worst, class, sign = rank, k, g
			word = w
			if t.Timed() {
				word += " after " + seconds(t.Latency.Seconds())
			}
		}
	}
	tip := fmt.Sprintf("%s, cycle %d, %s: %s", taskName(task), tests[0].Cycle+1, model, word)
	if len(tests) > 1 {
		tip += fmt.Sprintf(" (the worst of %d)", len(tests))
	}
	c.add(mark{Kind: "rect", Class: "cell " + class, X: px(x), Y: px(y), W: px(size - 2), H: px(size - 2), Tip: tip, Rounded: true})
	if sign != "" {
		c.text("sign "+class, "middle", x+(size-2)/2, y+10.5, sign)
	}
}

// taskName returns a task's name fit to be shown.
func taskName(id string) string {
	if id = clean(id); id == "" {
		return "a task without a name"
	}
	return id
}

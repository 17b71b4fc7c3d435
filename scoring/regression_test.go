package scoring

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// runLike describes a run of 40 tasks, 5 cycles each, in four domains, of a
// model that varies in nothing.
type runLike struct {
	wrong   int     // tasks that fail, from the first on
	errors  int     // tasks without an answer, from the last on
	slower  float64 // what latency is multiplied with, 0 for 1
	tasks   int     // 0 for 40
	renamed bool    // other tasks altogether
	model   string
	version string
	reset   bool
	crowned bool
}

func (r runLike) observe(number int) Observation {
	o := Observation{
		ID: fmt.Sprintf("run %d", number), Time: time.Date(2026, 3, 1, number, 0, 0, 0, time.UTC),
		Model: "m", Version: "1", Reset: r.reset, Crowned: r.crowned,
	}
	if r.model != "" {
		o.Model = r.model
	}
	if r.version != "" {
		o.Version = r.version
	}
	tasks, slower := 40, 1.0
	if r.tasks > 0 {
		tasks = r.tasks
	}
	if r.slower > 0 {
		slower = r.slower
	}
	for i := range tasks {
		name := fmt.Sprintf("%s-%02d", []string{"code", "math", "web", "trading"}[i/10%4], i)
		if r.renamed {
			name += "b"
		}
		for cycle := range 5 {
			first := time.Duration(slower * float64(200*time.Millisecond))
			test := Test{
				Task: name, Domain: strings.Split(name, "-")[0], Cycle: cycle, Outcome: Answered, Passed: i >= r.wrong,
				FirstToken: first, Latency: 10 * first, Tokens: 91,
			}
			if i >= tasks-r.errors {
				test = Test{Task: name, Domain: test.Domain, Cycle: cycle, Outcome: Failed}
			}
			o.Tests = append(o.Tests, test)
		}
	}
	return o
}

// repeated repeats a run.
func repeated(n int, r runLike) []runLike {
	list := make([]runLike, n)
	for i := range list {
		list[i] = r
	}
	return list
}

func inOrder(parts ...[]runLike) []Observation {
	var series []Observation
	for _, part := range parts {
		for _, r := range part {
			series = append(series, r.observe(len(series)))
		}
	}
	return series
}

func one(r runLike) []runLike { return []runLike{r} }

// marks writes a report's marks as letters: learning, unjudged, normal,
// suspect, regressed, outage; a bar before a run that begins a new baseline.
func marks(r Report) string {
	var text strings.Builder
	for _, p := range r.Points {
		if p.Fresh {
			text.WriteString("|")
		}
		text.WriteString(string(p.Mark[:1]))
	}
	return text.String()
}

func TestRegressions(t *testing.T) {
	good := runLike{}
	worse := runLike{wrong: 2}  // a twentieth of the answers: needs a second run
	clear := runLike{wrong: 4}  // a tenth of the answers
	bit := runLike{wrong: 1}    // less than 3 %
	slow := runLike{slower: 2}  // 0.6 points, 7 % of the composite
	tardy := runLike{slower: 7} // 14 s: beyond what the composite sees
	later := runLike{slower: 14}
	flaky := runLike{errors: 4}
	down := runLike{errors: 40}
	shaky := runLike{errors: 12}
	for _, c := range []struct {
		name   string
		series []Observation
		state  State
		rerun  bool
		marks  string
		alarms []string // kind, cause, major or minor, open or over, runs
	}{
		{"no runs", nil, TooFewRuns, false, "", nil},
		{"a run without tests", []Observation{{ID: "1"}}, TooFewRuns, false, "u", nil},
		{"three runs, the last bad", inOrder(repeated(2, good), one(worse)), TooFewRuns, false, "lll", nil},
		{"four runs are a baseline", inOrder(repeated(4, good)), Normal, false, "llll", nil},
		{"as always", inOrder(repeated(8, good)), Normal, false, "llllnnnn", nil},
		{"one bad run", inOrder(repeated(5, good), one(worse)), Suspect, true, "llllns", nil},
		{"not confirmed", inOrder(repeated(5, good), one(worse), repeated(2, good)), Normal, false, "llllnsnn", nil},
		{"confirmed", inOrder(repeated(5, good), repeated(2, worse)), Regressed, false, "llllnrr", []string{"regression quality minor open 2"}},
		{"a clear fall needs no second run", inOrder(repeated(5, good), one(clear)), Regressed, true, "llllnr", []string{"regression quality major open 1"}},
		{"a clear fall lasts", inOrder(repeated(5, good), repeated(3, clear)), Regressed, false, "llllnrrr", []string{"regression quality major open 3"}},
		{"a clear fall is over", inOrder(repeated(5, good), one(clear), repeated(2, good)), Normal, false, "llllnrrn", []string{"regression quality major over 2"}},
		{"told once however long it lasts", inOrder(repeated(5, good), repeated(9, worse)), Regressed, false, "llllnrrrrrrrrr", []string{"regression quality minor open 9"}},
		{"recovered by two good runs", inOrder(repeated(5, good), repeated(2, worse), repeated(3, good)), Normal, false, "llllnrrrnn", []string{"regression quality minor over 3"}},
		{"again after it recovered", inOrder(repeated(5, good), repeated(2, worse), repeated(3, good), repeated(2, worse)), Regressed, false, "llllnrrrnnrr",
			[]string{"regression quality minor over 3", "regression quality minor open 2"}},
		{"too little to confirm", inOrder(repeated(5, good), repeated(2, bit)), Normal, false, "llllnsn", nil},
		{"the baseline stands still while it is suspicious", inOrder(repeated(5, good), repeated(30, worse)), Regressed, false,
			"lllln" + strings.Repeat("r", 30), []string{"regression quality minor open 30"}},
		{"accepted by hand", inOrder(repeated(5, good), repeated(3, worse), one(runLike{wrong: 2, reset: true}), repeated(4, worse)), Normal, false,
			"llllnrrr|lllln", []string{"regression quality minor over 3"}},
		{"another model", inOrder(repeated(5, good), repeated(5, runLike{model: "n"})), Normal, false, "lllln|lllln", nil},
		{"another model is worse", inOrder(repeated(5, good), repeated(5, runLike{wrong: 8, model: "n"})), Regressed, false, "lllln|rrrrr", []string{"regression quality major open 5"}},
		{"another version of the engine", inOrder(repeated(5, good), repeated(5, runLike{version: "2"})), Normal, false, "lllln|lllln", nil},
		{"another version is slower", inOrder(repeated(5, good), repeated(5, runLike{slower: 3, version: "2"})), Regressed, false, "lllln|rrrrr", []string{"regression speed major open 5"}},
		{"another version is a bit worse", inOrder(repeated(5, good), one(runLike{wrong: 2, version: "2"})), Suspect, true, "lllln|s", nil},
		{"another version is a bit worse, twice", inOrder(repeated(5, good), repeated(2, runLike{wrong: 2, version: "2"})), Regressed, false, "lllln|rr", []string{"regression quality minor open 2"}},
		{"another version is worse once", inOrder(repeated(5, good), one(runLike{wrong: 2, version: "2"}), repeated(4, runLike{version: "2"})), Normal, false, "lllln|sllln", nil},
		{"another version gets worse later", inOrder(repeated(5, good), repeated(5, runLike{version: "2"}), repeated(2, runLike{wrong: 2, version: "2"})), Regressed, false, "lllln|llllnrr", []string{"regression quality minor open 2"}},
		{"another version is worse, and what is usual after ten runs", inOrder(repeated(5, good), repeated(11, runLike{slower: 3, version: "2"})), Normal, false, "lllln|rrrrrrrrrrn",
			[]string{"regression speed major over 10"}},
		{"another version is worse, and the next is not", inOrder(repeated(5, good), repeated(2, runLike{slower: 3, version: "2"}), repeated(3, runLike{version: "3"})), TooFewRuns, false, "lllln|rr|rll",
			[]string{"regression speed major over 3"}},
		{"a regression goes on with another version", inOrder(repeated(5, good), repeated(2, worse), repeated(3, runLike{wrong: 2, version: "2"})), Regressed, false, "llllnrr|rrr",
			[]string{"regression quality minor open 5"}},
		{"another version ends a regression", inOrder(repeated(5, good), repeated(2, worse), repeated(4, runLike{version: "2"})), Normal, false, "llllnrr|rlll",
			[]string{"regression quality minor over 3"}},
		{"another version, before there is a baseline", inOrder(repeated(3, good), repeated(5, runLike{slower: 3, version: "2"})), Normal, false, "lll|lllln", nil},
		{"another version with an outage", inOrder(repeated(5, good), one(runLike{errors: 40, version: "2"}), one(runLike{version: "2"})), TooFewRuns, false, "lllln|ol", []string{"outage  minor over 1"}},
		{"the run that crowned is not compared with others", inOrder(repeated(5, good), repeated(1, runLike{wrong: 8, model: "n", crowned: true}), repeated(2, runLike{wrong: 8, model: "n"})), TooFewRuns, false, "lllln|lll", nil},
		{"a suspicion ends with another version", inOrder(repeated(5, good), one(worse), one(runLike{version: "2"})), TooFewRuns, false, "llllns|l", nil},
		{"the run that crowned is no part of the baseline", inOrder(repeated(5, good), one(runLike{model: "n", crowned: true}), repeated(4, runLike{wrong: 8, model: "n"}), one(runLike{wrong: 8, model: "n"})),
			Normal, false, "lllln|llllln", nil},
		{"half the speed", inOrder(repeated(5, good), repeated(2, slow)), Regressed, false, "llllnrr", []string{"regression speed major open 2"}},
		{"half the speed where the composite doesn't see it", inOrder(repeated(5, tardy), repeated(2, later)), Regressed, false, "llllnrr", []string{"regression speed major open 2"}},
		{"errors", inOrder(repeated(5, good), repeated(2, flaky)), Regressed, false, "llllnrr", []string{"regression errors major open 2"}},
		{"slower, too, while worse", inOrder(repeated(5, good), repeated(3, worse), repeated(2, runLike{wrong: 2, slower: 3})), Regressed, false, "llllnrrrrr",
			[]string{"regression quality minor open 5", "regression speed major open 2"}},
		{"everything lost is an outage", inOrder(repeated(5, good), one(down)), Normal, false, "llllno", []string{"outage  minor open 1"}},
		{"an outage is told once", inOrder(repeated(5, good), repeated(3, down), one(good)), Normal, false, "llllnooon", []string{"outage  minor over 3"}},
		{"an outage before there is a baseline", inOrder(repeated(2, good), one(down), repeated(3, good)), Normal, false, "llolln", []string{"outage  minor over 1"}},
		{"an outage with good answers", inOrder(repeated(5, good), one(shaky), one(good)), Normal, false, "llllnon", []string{"outage  minor over 1"}},
		{"an outage whose answers are bad, twice", inOrder(repeated(5, good), repeated(2, runLike{wrong: 8, errors: 12})), Regressed, false, "llllnoo",
			[]string{"outage  minor open 2", "regression quality major open 2"}},
		{"an outage confirms nothing", inOrder(repeated(5, good), one(worse), one(down)), Suspect, false, "llllnso", nil},
		{"and clears nothing", inOrder(repeated(5, good), one(worse), one(down), one(worse)), Regressed, false, "llllnror", nil},
		{"too few tests to judge", inOrder(repeated(5, good), one(runLike{tasks: 3, wrong: 3})), Normal, false, "llllnu", nil},
		{"always too few tests", inOrder(repeated(9, runLike{tasks: 3})), TooFewRuns, false, "uuuuuuuuu", nil},
		{"other tasks begin a baseline of their own", inOrder(repeated(5, good), repeated(5, runLike{renamed: true, wrong: 10})), Normal, false, "llllnnnnnn", nil},
		{"tasks that not both have are left out", inOrder(repeated(5, runLike{tasks: 30}), repeated(3, runLike{tasks: 40, errors: 0}), repeated(2, runLike{tasks: 35})), Normal, false, "llllnnnnnn", nil},
		{"all wrong, always", inOrder(repeated(6, runLike{wrong: 40})), Normal, false, "llllnn", nil},
		{"all errors, always", inOrder(repeated(6, down)), TooFewRuns, false, "oooooo", []string{"outage  minor open 6"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			report := Regressions(c.series, Composite{})
			if report.State != c.state || report.Rerun != c.rerun {
				t.Errorf("state %q, rerun %v; want %q, %v", report.State, report.Rerun, c.state, c.rerun)
			}
			if got := marks(report); got != c.marks {
				t.Errorf("marks %s, want %s", got, c.marks)
			}
			if c.alarms != nil || report.State != Suspect && c.state == Normal {
				if diff := cmp.Diff(c.alarms, inShort(report.Alarms)); diff != "" {
					t.Errorf("alarms (-want +got):\n%s", diff)
				}
			}
			if path := notFinite(reflect.ValueOf(report), "report"); path != "" {
				t.Errorf("%s is no number", path)
			}
			for _, a := range report.Alarms {
				t.Log(a.Text("M1"))
			}
		})
	}
}

func inShort(alarms []Alarm) []string {
	var list []string
	for _, a := range alarms {
		size, end := "minor", "open"
		if a.Major {
			size = "major"
		}
		if !a.Ended.IsZero() {
			end = "over"
		}
		list = append(list, fmt.Sprintf("%s %s %s %s %d", a.Kind, a.Cause, size, end, a.Runs))
	}
	return list
}

// notFinite returns where a figure is that isn't a finite number, "" for
// nowhere.
func notFinite(v reflect.Value, path string) string {
	switch v.Kind() {
	case reflect.Float64:
		if math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0) {
			return path
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return ""
		}
		for i := range v.NumField() {
			if found := notFinite(v.Field(i), path+"."+v.Type().Field(i).Name); found != "" {
				return found
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if found := notFinite(v.Index(i), fmt.Sprintf("%s[%d]", path, i)); found != "" {
				return found
			}
		}
	}
	return ""
}

package scoring

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The first runs under other settings are compared with the runs before, which the
// report leaves out.
func TestRegressionsSince(t *testing.T) {
	good, worse, slow, down := runLike{}, runLike{wrong: 2}, runLike{slower: 3}, runLike{errors: 40}
	five := repeated(5, good)
	for _, c := range []struct {
		name           string
		before, series []Observation
		state          State
		outage         bool
		marks          string
		alarms         []string
		change         string // of the first alarm
		improvements   int
	}{
		{"as before", inOrder(five), inOrder(five), Normal, false, "lllln", nil, "", 0},
		{"slower than before", inOrder(five), inOrder(repeated(4, slow)), Regressed, false, "rrrr", []string{"regression speed major open 4"}, "other settings", 0},
		{"nothing before", nil, inOrder(repeated(5, slow)), Normal, false, "lllln", nil, "", 0},
		{"four runs before", inOrder(repeated(4, good)), inOrder(repeated(4, slow)), Regressed, false, "rrrr", []string{"regression speed major open 4"}, "other settings", 0},
		{"too few runs before", inOrder(repeated(3, good)), inOrder(repeated(5, slow)), Normal, false, "lllln", nil, "", 0},
		{"what was worse before stays so, and the change is not why", inOrder(five, repeated(3, worse)), inOrder(repeated(2, worse)), Regressed, false, "rr",
			[]string{"regression quality minor open 2"}, "", 0},
		{"what was worse before is over", inOrder(five, repeated(3, worse)), inOrder(repeated(5, good)), Normal, false, "lllln", nil, "", 0},
		{"an outage before", inOrder(five, one(down)), inOrder(one(good)), TooFewRuns, false, "l", nil, "", 0},
		{"a rise before", inOrder(repeated(5, runLike{wrong: 8}), repeated(5, good)), inOrder(five), Normal, false, "lllln", nil, "", 0},
		{"an outage since", inOrder(five), inOrder(repeated(2, runLike{errors: 12})), TooFewRuns, true, "oo", []string{"outage  minor open 2"}, "", 0},
		{"one run, and the next change", inOrder(five), inOrder(one(worse), repeated(2, runLike{wrong: 2, version: "2"})), Regressed, false, "r|rr",
			[]string{"regression quality minor open 3"}, "other settings", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := RegressionsSince("other settings", c.before, c.series, Composite{})
			if r.State != c.state || r.Outage != c.outage || len(r.Improvements) != c.improvements {
				t.Errorf("state %q, outage %v, %d improvements; want %q, %v, %d", r.State, r.Outage, len(r.Improvements), c.state, c.outage, c.improvements)
			}
			if got := marks(r); got != c.marks {
				t.Errorf("marks %s, want %s", got, c.marks)
			}
			if diff := cmp.Diff(c.alarms, inShort(r.Alarms)); diff != "" {
				t.Errorf("alarms (-want +got):\n%s", diff)
			}
			if len(r.Alarms) > 0 && r.Alarms[0].Change != c.change {
				t.Errorf("the alarm is since %q, want %q", r.Alarms[0].Change, c.change)
			}
		})
	}
}

// The comparison with the runs before a change ends with the fifth run that is no
// worse, or once there are ten runs since.
func TestHowLongRunsAreComparedWithThoseBefore(t *testing.T) {
	after := func(r runLike) (compared int) {
		w := newWatch(Default())
		for i := range 30 {
			if i >= 5 {
				r.version = "2"
			}
			now := runLike{}
			if i >= 5 {
				now = r
			}
			o := now.observe(i)
			w.add(&o)
			if i >= 5 && w.since == nil {
				return i - 4
			}
		}
		return 0
	}
	if got := after(runLike{}); got != 5 {
		t.Errorf("runs as good as before are compared up to the %dth", got)
	}
	if got := after(runLike{slower: 3}); got != 10 {
		t.Errorf("slower runs are compared up to the %dth", got)
	}
}

// Regressions of two causes since a change end together when the new runs are the
// usual ones.
func TestAlarmsSinceAChangeEndWithTheirComparison(t *testing.T) {
	slowThenWorse := inOrder(repeated(5, runLike{}), repeated(3, runLike{slower: 3, version: "2"}), repeated(9, runLike{wrong: 4, slower: 3, version: "2"}))
	r := Regressions(slowThenWorse, Composite{})
	if diff := cmp.Diff([]string{"regression speed major over 10", "regression quality major over 7"}, inShort(r.Alarms)); diff != "" {
		t.Errorf("alarms (-want +got):\n%s\n%s", diff, marks(r))
	}
}

// A report is not changed by the runs that follow.
func TestWatchReportIsACopy(t *testing.T) {
	w := NewWatch(Composite{})
	add := func(list ...runLike) {
		for _, r := range list {
			w.Add(r.observe(len(w.watch.points)))
		}
	}
	add(repeated(5, runLike{})...)
	add(runLike{wrong: 4})
	before := w.Report()
	if len(before.Alarms) != 1 || marks(before) != "llllnr" {
		t.Fatalf("alarms %v, marks %s", inShort(before.Alarms), marks(before))
	}
	add(repeated(2, runLike{})...)
	if a := before.Alarms[0]; !a.Ended.IsZero() || a.Runs != 1 {
		t.Errorf("the alarm of an earlier report has %d runs and ended at %v", a.Runs, a.Ended)
	}
	if after := w.Report().Alarms[0]; after.Ended.IsZero() {
		t.Error("the alarm has not ended")
	}
}

package route

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
)

// pair is a table of two nodes that are out of the route.
func pair() *Table {
	return New(&nodes.Node{Name: "M1", Wanted: nodes.Model{Name: "good"}}, &nodes.Node{Name: "M2", Wanted: nodes.Model{Name: "other"}})
}

func TestServe(t *testing.T) {
	table := pair()
	if table.Pick() != nil || table.Serves("M1") {
		t.Error("a node serves before it was put into the route")
	}
	table.Serve("M2", true)
	if n := table.Pick(); n == nil || n.Name != "M2" || !table.Serves("M2") || table.Serves("M1") {
		t.Errorf("picked %v, want M2", n)
	}
	table.Serve("M1", true)
	if n := table.Pick(); n.Name != "M1" {
		t.Errorf("picked %s, want the first in order", n.Name)
	}
	table.Serve("M1", false)
	if table.Serves("M1") || table.Pick().Name != "M2" {
		t.Error("M1 is still in the route")
	}
	table.Serve("M9", true)
	if table.Serves("M9") || table.Has("M9") || !table.Has("M2") {
		t.Error("a node appeared")
	}
	if list := table.Nodes(); len(list) != 2 || list[0].Name != "M1" || list[1].Name != "M2" {
		t.Errorf("nodes %v", list)
	}
}

func TestSetModel(t *testing.T) {
	table := pair()
	if table.Model("M1") != "good" || table.Model("M9") != "" {
		t.Errorf("models %q, %q", table.Model("M1"), table.Model("M9"))
	}
	version := table.Version()
	table.SetModel("M1", "good")
	table.SetModel("M9", "new")
	if table.Version() != version {
		t.Error("the version changed without a change")
	}
	table.SetModel("M1", "new")
	if table.Version() == version || table.Model("M1") != "new" {
		t.Errorf("version %d, model %q", table.Version(), table.Model("M1"))
	}
	list := table.Served()
	want := []Served{{Node: table.order[0], Model: "new", Wanted: "good", Askable: true}, {Node: table.order[1], Model: "other", Wanted: "other", Askable: true}}
	if !reflect.DeepEqual(list, want) {
		t.Errorf("served %+v", list)
	}
}

// TestSetModelServesTheQueue: a request that waits for a full node gets another
// one as soon as that can answer.
func TestDispatchOnChange(t *testing.T) {
	for name, change := range map[string]func(*Table){
		"a node enters the route": func(table *Table) { table.Serve("M2", true) },
		"a node changes its model": func(table *Table) {
			table.mu.Lock()
			table.states[1].serves = true
			table.mu.Unlock()
			table.SetModel("M2", "good")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				table := pair()
				table.Serve("M1", true)
				table.Begin("M1")
				time.AfterFunc(time.Second, func() { change(table) })
				began := time.Now()
				r, err := table.Acquire(t.Context(), &Demand{Rules: Rules{PerNode: 1}}, time.Minute)
				if err != nil || r.Place() != 1 || time.Since(began) != time.Second {
					t.Errorf("%v after %s", err, time.Since(began))
				}
			})
		})
	}
}

func TestEjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := pair()
		table.Serve("M1", true)
		table.Serve("M2", true)
		var failures []Failure
		table.OnFailure(func(f Failure) { failures = append(failures, f) })
		place := func() int {
			r, err := table.Acquire(t.Context(), &Demand{}, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Done()
			return r.Place()
		}
		fail := func() {
			r := table.Begin("M1")
			r.Fail(nodes.ServerFailed, "500")
			r.Done()
		}
		expect := func(want int, when string) {
			t.Helper()
			if got := place(); got != want {
				t.Errorf("%s: place %d, want %d", when, got, want)
			}
		}
		expect(0, "at first")
		fail()
		expect(1, "after a failure")
		table.Reinstate("M9")
		table.Reinstate("M1")
		expect(0, "reinstated")
		fail()
		time.Sleep(time.Second)
		expect(0, "after the ejection time")
		fail()
		r := table.Begin("M1")
		r.Token()
		r.Done()
		expect(0, "after a token")
		fail()
		table.Serve("M1", false)
		table.Serve("M1", true)
		table.states[0].reenteredAt = time.Time{} // without a slow start
		expect(0, "back in the route")
		for _, tt := range []struct{ pause, want time.Duration }{
			{0, time.Second}, {5 * time.Second, 5 * time.Second}, {time.Hour, time.Hour},
		} {
			r := table.Begin("M1")
			r.Busy(tt.pause)
			r.Done()
			table.Reinstate("M1") // neither a check nor a token ends the pause
			other := table.Begin("M1")
			other.Token()
			other.Done()
			time.Sleep(tt.want - time.Nanosecond)
			expect(1, "busy")
			time.Sleep(time.Nanosecond)
			expect(0, "no longer busy")
		}
		if diff := cmp.Diff(Failure{Node: "M1", Fault: nodes.ServerFailed, Detail: "500"}, failures[0]); len(failures) != 4 || diff != "" {
			t.Errorf("%d failures were reported; -want +got:\n%s", len(failures), diff)
		}
	})
}

// TestSuspect: a suspected request ejects its node and may still succeed.
func TestSuspect(t *testing.T) {
	table := pair()
	var failures []Failure
	table.OnFailure(func(f Failure) { failures = append(failures, f) })
	r := table.Begin("M1")
	r.Token()
	r.Suspect(nodes.TimedOut, "late")
	if !table.states[0].ejection.active(time.Now(), 0) {
		t.Error("not ejected")
	}
	r.Done()
	r.Suspect(nodes.TimedOut, "after its end")
	r.Token()
	r.Busy(time.Minute)
	if diff := cmp.Diff([]Failure{{Node: "M1", Fault: nodes.TimedOut, Detail: "late", Begun: true}}, failures); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	late := table.Begin("M1")
	late.MarkFailed()
	late.Done()
	if got, _ := table.Outcomes("M1", 0); len(got) != 2 || got[0].Failed || !got[1].Failed {
		t.Errorf("outcomes %+v", got)
	}
}

func TestEvict(t *testing.T) {
	table := pair()
	ctx, cancel := context.WithCancelCause(t.Context())
	r := table.Begin("M1")
	r.OnEvict(cancel)
	table.Begin("M1") // without a function
	stays, cancelOther := context.WithCancelCause(t.Context())
	table.Begin("M2").OnEvict(cancelOther)
	table.Begin("M9").OnEvict(cancelOther)
	table.Evict("M9")
	table.Evict("M1")
	if !errors.Is(context.Cause(ctx), ErrEvicted) || stays.Err() != nil {
		t.Errorf("M1's request ended by %v, M2's by %v", context.Cause(ctx), context.Cause(stays))
	}
}

func TestIdle(t *testing.T) {
	closed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	table := pair()
	if !closed(table.Idle("M1")) || !closed(table.Idle("M9")) {
		t.Error("a node without requests is not idle")
	}
	first, second := table.Begin("M1"), table.Begin("M1")
	idle := table.Idle("M1")
	if closed(idle) || !closed(table.Idle("M2")) || table.Idle("M1") != idle {
		t.Error("idle with two requests")
	}
	first.Done()
	if closed(idle) {
		t.Error("idle with one request")
	}
	second.Done()
	if !closed(idle) || !closed(table.Idle("M1")) {
		t.Error("not idle without requests")
	}
	third := table.Begin("M1")
	if closed(table.Idle("M1")) {
		t.Error("idle with the next request")
	}
	third.Done()
}

func TestLatencies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := pair()
		if !table.LastToken("M1").IsZero() || !table.LastToken("M9").IsZero() {
			t.Error("a token before the first")
		}
		r, unknown := table.Begin("M1"), table.Begin("M9")
		for op, want := range map[Operation][2]time.Duration{
			FirstToken: {30 * time.Second, 5 * time.Minute}, WholeAnswer: {2 * time.Minute, 10 * time.Minute}, TokenGap: {30 * time.Second, time.Minute},
		} {
			if got := r.Limit(op, 0); got != want[0] || unknown.Limit(op, 0) != want[0] || op.MaxLimit() != want[1] {
				t.Errorf("operation %d: limits %s, %s, %s; want %s", op, got, unknown.Limit(op, 0), op.MaxLimit(), want)
			}
		}
		unknown.Measured(FirstToken, time.Second, 0)
		r.Measured(FirstToken, time.Second, 0)
		r.Measured(WholeAnswer, 2*time.Second, 0)
		time.Sleep(time.Minute)
		r.Token() // its wait is no gap
		time.Sleep(time.Second)
		r.Token()
		if table.LastToken("M1") != time.Now() {
			t.Errorf("the last token came at %s", table.LastToken("M1"))
		}
		r.Done()
		for op, want := range map[Operation]time.Duration{FirstToken: 5 * time.Second, WholeAnswer: 16 * time.Second, TokenGap: 20 * time.Second} {
			if got := r.Limit(op, 0); got != want {
				t.Errorf("operation %d: limit %s, want %s", op, got, want)
			}
		}
	})
}

// TestLatencyBounds: however fast or slow a node was, its limits are reasonable.
func TestLatencyBounds(t *testing.T) {
	for _, tt := range []struct {
		op          Operation
		least, most time.Duration
	}{
		{FirstToken, 2 * time.Second, 5 * time.Minute}, {WholeAnswer, 5 * time.Second, 10 * time.Minute}, {TokenGap, 5 * time.Second, time.Minute},
	} {
		for took, want := range map[time.Duration]time.Duration{time.Nanosecond: tt.least, time.Hour: tt.most} {
			r := pair().Begin("M1")
			r.Measured(tt.op, took, 0)
			if got := r.Limit(tt.op, 0); got != want {
				t.Errorf("operation %d after %s: limit %s, want %s", tt.op, took, got, want)
			}
		}
	}
}

// TestSlowStart: a node has one when it comes back into the route, not when it
// enters it for the first time.
func TestSlowStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := pair()
		table.Serve("M1", true)
		if !table.states[0].reenteredAt.IsZero() {
			t.Error("slow start of a new node")
		}
		time.Sleep(time.Second)
		table.Serve("M1", false)
		table.Serve("M1", true)
		at := time.Now()
		time.Sleep(time.Second)
		table.Serve("M1", true) // no change
		if table.states[0].reenteredAt != at {
			t.Errorf("re-entered at %s, want %s", table.states[0].reenteredAt, at)
		}
		for _, tt := range []struct {
			rules Rules
			want  float64
		}{{Rules{}, 0.1 + 1/30.0}, {Rules{SlowStart: 10 * time.Second}, 0.2}, {Rules{SlowStart: NoSlowStart}, 1}} {
			table.describe(&Demand{Rules: tt.rules}, time.Now())
			if got := table.candidates[0].share; got != tt.want {
				t.Errorf("%+v: share %v, want %v", tt.rules, got, tt.want)
			}
		}
	})
}

func TestDescribe(t *testing.T) {
	table := pair()
	table.Serve("M1", true)
	defer table.Begin("M1").Done()
	for _, tt := range []struct {
		name   string
		demand Demand
		want   []candidate
	}{
		{"a zero demand", Demand{}, []candidate{{node: "M1", fit: Exact, serves: true, inFlight: 1, share: 1}, {node: "M2", fit: Exact, share: 1}}},
		{"fits, tries, limits", Demand{Rules: Rules{PerNode: 1}, Fits: []Fit{StandIn, Unfit}, Tried: []bool{false, true}, Previous: table.order[1]},
			[]candidate{{node: "M1", fit: StandIn, serves: true, inFlight: 1, full: true, share: 1}, {node: "M2", tried: true, previous: true, share: 1}}},
		{"room for one more", Demand{Rules: Rules{PerNode: 2}}, []candidate{{node: "M1", fit: Exact, serves: true, inFlight: 1, share: 1}, {node: "M2", fit: Exact, share: 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table.describe(&tt.demand, time.Now())
			if diff := cmp.Diff(tt.want, table.candidates, cmp.AllowUnexported(candidate{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestDefaultQueue: a zero queue is one of 1024.
func TestDefaultQueue(t *testing.T) {
	for _, tt := range []struct{ set, want int }{{0, 1024}, {7, 7}, {NoQueue, NoQueue}} {
		if r := (Rules{Queue: tt.set}); r.queue() != tt.want {
			t.Errorf("a queue of %d is one of %d, want %d", tt.set, r.queue(), tt.want)
		}
	}
}

func TestRefusalError(t *testing.T) {
	for want, r := range map[string]Refusal{
		"route: all nodes that can answer are full, and so is the queue": {Reason: AllFull, QueueFull: true},
		"route: all nodes that can answer are full":                      {Reason: AllFull},
		"route: no node can answer":                                      {Reason: NoneFits},
		"route: no node that can answer is in service":                   {Reason: NoneServes},
		"route: all nodes that can answer were tried":                    {Reason: AllTried},
	} {
		if r.Error() != want {
			t.Errorf("%q, want %q", r.Error(), want)
		}
	}
}

func TestNoOutcomeTwice(t *testing.T) {
	table := pair()
	for range 3 {
		r := table.Begin("M1")
		r.Token()
		r.Done()
	}
	if got, cursor := table.Outcomes("M1", 1); len(got) != 2 || cursor != 3 {
		t.Errorf("after the first: %d outcomes, cursor %d", len(got), cursor)
	}
	r := table.Begin("M1")
	r.Fail(nodes.CutOff, "")
	r.Done()
	if got, cursor := table.Outcomes("M1", 3); len(got) != 1 || !got[0].Failed || cursor != 4 {
		t.Errorf("after the third: %+v, cursor %d", got, cursor)
	}
}

package route_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/route"
)

// TestOutcomes: what requests tell of their node comes out once, oldest first,
// and no more of it is kept than is looked at.
func TestOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := route.New(&nodes.Node{Name: "M1"}, &nodes.Node{Name: "M2"})
		began := time.Now()
		slow := table.Begin("M1")
		if got := table.InFlight("M1"); got != 1 {
			t.Errorf("%d in flight, want 1", got)
		}
		failed := table.Begin("M1")
		left := table.Begin("M1") // its client goes away before the first token
		time.Sleep(time.Second)
		slow.Token()
		failed.Fail(nodes.ServerFailed, "500")
		failed.Done()
		left.Done()
		time.Sleep(time.Second)
		slow.Token()
		slow.Done()
		slow.Done()

		got, cursor := table.Outcomes("M1", 0)
		want := []route.Outcome{{Began: began, Failed: true}, {Began: began, FirstToken: time.Second}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if again, same := table.Outcomes("M1", cursor); len(again) != 0 || same != cursor {
			t.Errorf("again: %v, %d", again, same)
		}
		if other, _ := table.Outcomes("M2", 0); len(other) != 0 {
			t.Errorf("M2: %v", other)
		}
		if none, _ := table.Outcomes("M9", 0); len(none) != 0 || table.InFlight("M9") != 0 || table.InFlight("M1") != 0 {
			t.Errorf("a node that isn't there: %v; in flight on M1: %d", none, table.InFlight("M1"))
		}

		for i := range 1000 {
			r := table.Begin("M1")
			time.Sleep(time.Duration(i+1) * time.Millisecond)
			r.Token()
			r.Done()
		}
		got, _ = table.Outcomes("M1", cursor)
		if len(got) != 64 || got[0].FirstToken != 937*time.Millisecond || got[63].FirstToken != time.Second {
			t.Errorf("%d kept of 1000, the first after %s", len(got), got[0].FirstToken)
		}
		table.Begin("M9").Fail(nodes.ServerFailed, "500") // a node that isn't there is no reason to panic
	})
}

package healer

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// TestStopFinishesARepair stops the healer at every half second of a repair:
// the node is left with its model, and nothing waits longer than the repair.
func TestStopFinishesARepair(t *testing.T) {
	for at := time.Duration(0); at < 12*time.Second; at += 500 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			c := newSimCluster(t, false, false)
			c.start()
			from := time.Now()
			c.servers[0].set(simWedged, true)
			c.until("M1", EventDraining, from, 10*time.Minute)
			time.Sleep(at)
			stopped := time.Now()
			c.stop()
			if took := time.Since(stopped); took > c.servers[0].loadTime+2*time.Second {
				t.Errorf("stopping %s into the repair took %s", at, took)
			}
			if len(c.servers[0].loaded) != 1 {
				t.Errorf("stopped %s into the repair: loaded %v", at, c.servers[0].loaded)
			}
			c.end()
		})
	}
}

// TestStopCutsChecksShort stops while a probe hangs.
func TestStopCutsChecksShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.start()
		c.servers[0].set(simHung, true)
		time.Sleep(c.policy.Interval) // the probe is under way
		from := time.Now()
		c.stop()
		if took := time.Since(from); took > 0 {
			t.Errorf("stopping took %s of a probe's time-out", took)
		}
		c.end()
	})
}

// TestAttemptsSurviveARestart shows that a healer killed in the middle of a
// row of failures does not begin it anew.
func TestAttemptsSurviveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.state = filepath.Join(t.TempDir(), "state.json")
		c.start()
		from := time.Now()
		c.servers[0].set(simLoadFails, true)
		c.servers[0].drop()
		c.until("M1", EventOffline, from, 10*time.Minute)
		before := c.node("M1").Attempts
		saved, _, err := (&store{medium: file{c.state}}).load(time.Now()) // what is on disk without a clean stop
		if err != nil {
			t.Fatal(err)
		}
		if got := saved["M1"]; got.Attempts != before || before == 0 || got.NextRepair.IsZero() {
			t.Errorf("on disk: %d attempts, next at %s; in memory %d", got.Attempts, got.NextRepair, before)
		}
		c.stop()
		c.start()
		if got := c.node("M1").Attempts; got != before {
			t.Errorf("%d attempts after the restart, %d before", got, before)
		}
		c.end()
	})
}

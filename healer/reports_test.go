package healer

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// TestPauseReports plays what others reported of maintenance modes, see
// docs/reports.md.
func TestPauseReports(t *testing.T) {
	t.Run("its time passes while the healer is down", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newSimCluster(t, false)
			c.state = filepath.Join(t.TempDir(), "state.json")
			c.start()
			if err := c.healer.Pause(t.Context(), Pause{Node: "M1", Until: time.Now().Add(time.Hour)}); err != nil {
				t.Fatal(err)
			}
			c.stop()
			time.Sleep(2 * time.Hour)
			c.servers[0].drop()
			c.start()
			time.Sleep(2 * time.Minute)
			if n := c.node("M1"); n.State != Healthy || n.Paused != nil {
				t.Errorf("M1 is %s, paused %v", n.State, n.Paused)
			}
			c.end()
		})
	})
	t.Run("a paused node recovers by itself", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newSimCluster(t, false)
			c.state = filepath.Join(t.TempDir(), "state.json")
			c.start()
			if err := c.healer.Pause(t.Context(), Pause{Node: "M1"}); err != nil {
				t.Fatal(err)
			}
			c.servers[0].set(simWedged, true)
			time.Sleep(20 * time.Minute)
			if n := c.node("M1"); n.State.Serves() || n.Paused == nil {
				t.Errorf("wedged: M1 is %s, paused %v", n.State, n.Paused)
			}
			c.servers[0].set(simWedged, false)
			time.Sleep(20 * time.Minute)
			if n := c.node("M1"); n.State != Healthy || n.Paused == nil || c.servers[0].repairs() != 0 {
				t.Errorf("recovered: M1 is %s, paused %v, %d attempts", n.State, n.Paused, c.servers[0].repairs())
			}
			c.end()
		})
	})
}

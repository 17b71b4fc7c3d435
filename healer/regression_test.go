package healer

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
)

// TestAlarmIsToldOnce judges the same run again and again, and after a restart:
// the node is degraded all the time, and the alarm is told once, until another
// comes; a normal run ends it.
func TestAlarmIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.state = filepath.Join(t.TempDir(), "state.json")
		c.start()
		first := []Judgement{{Node: "M1", Alarm: "run-7", Reason: "score 9.2 → 7.8 (-15%)"}, {Node: "gone", Alarm: "run-6"}}
		second := []Judgement{{Node: "M1", Alarm: "run-9", Reason: "score 9.1 → 7.9 (-13%)"}}
		from := time.Now()
		for range 10 {
			c.healer.Judge(first)
			time.Sleep(10 * time.Second)
		}
		if _, took := c.until("M1", EventDegraded, from, 5*time.Minute); took > 2*time.Second {
			t.Errorf("degraded after %s", took)
		}
		c.stop()
		c.start()
		c.healer.Judge(first)
		time.Sleep(2 * time.Minute)
		if got := c.node("M1").State; got != Degraded || !c.healer.Route().Serves("M1") {
			t.Errorf("after a restart M1 is %s", got)
		}
		from = time.Now()
		c.healer.Judge(nil)
		if e, took := c.until("M1", EventRecovered, from, time.Minute); took > 2*time.Second || e.Text() != "no longer degraded" {
			t.Errorf("%q after %s", e.Text(), took)
		}
		c.healer.Judge(second)
		c.healer.Judge([]Judgement{{Node: "M2", Alarm: "run-10", Reason: "one run alone", Suspected: true}})
		time.Sleep(2 * time.Minute)
		want := []string{"[REGRESSION] score 9.2 → 7.8 (-15%)", "[REGRESSION] score 9.1 → 7.9 (-13%)"}
		if diff := cmp.Diff(want, c.texts("M1", EventRegression)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		if got := c.texts("M2", EventRegression, EventDegraded); len(got) != 0 {
			t.Errorf("a suspicion was told: %q", got)
		}
		c.end()
	})
}

// TestJudged: which node an alarm is about.
func TestJudged(t *testing.T) {
	promoted := newNodeState(newSimServer("M3").node(false))
	promoted.kept.Override = &Override{Model: simWon, Replaces: nodes.Model{Name: simModel}}
	f := newFleet(DefaultPolicy(), []nodeState{
		newNodeState(newSimServer("M1").node(false)),
		newNodeState(newSimServer("M2").node(false)),
		promoted,
	}, []int{1, 0, 2})
	for _, c := range []struct {
		name string
		list []Judgement
		want map[int]string
	}{
		{"none", nil, map[int]string{}},
		{"by its node", []Judgement{{Node: "M1", Alarm: "a"}}, map[int]string{0: "a"}},
		{"of the model that it serves", []Judgement{{Node: "M1", Model: simModel, Alarm: "a"}, {Node: "M3", Model: simOther, Alarm: "b"}}, map[int]string{0: "a", 2: "b"}},
		{"of a model that it served before", []Judgement{{Node: "M3", Model: simModel, Alarm: "a"}}, map[int]string{}},
		{"of a node that is gone", []Judgement{{Node: "M9", Alarm: "a"}}, map[int]string{}},
		{"of several nodes: the first that serves it", []Judgement{{Model: simModel, Alarm: "a"}, {Model: simOther, Alarm: "b"}}, map[int]string{1: "a", 2: "b"}},
		{"of nothing", []Judgement{{Alarm: "a"}}, map[int]string{}},
		{"suspected and confirmed", []Judgement{{Node: "M1", Alarm: "a", Suspected: true}, {Node: "M1", Alarm: "b"}}, map[int]string{0: "b"}},
		{"confirmed and suspected", []Judgement{{Node: "M1", Alarm: "b"}, {Node: "M1", Alarm: "a", Suspected: true}}, map[int]string{0: "b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := map[int]string{}
			for i, j := range f.judged(c.list) {
				got[i] = j.Alarm
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("judged (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRerun: what is asked for after which alarm, by the setting, and how often.
func TestRerun(t *testing.T) {
	suspicion := []Judgement{{Node: "M1", Alarm: "run-7", Reason: "worse", Suspected: true}}
	regression := []Judgement{{Node: "M1", Alarm: "run-8", Reason: "worse"}}
	for _, c := range []struct {
		setting OnRegression
		want    []string
	}{
		{"", nil},
		{OnRegressionAlert, nil},
		{OnRegressionConfirm, []string{"M1 confirm"}},
		{OnRegressionTournament, []string{"M1 confirm", "M1 tournament"}},
	} {
		t.Run(string(c.setting), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []string
				s := newSimCluster(t, false, false)
				s.state = filepath.Join(t.TempDir(), "state.json")
				s.rerun = func(_ context.Context, node string, kind Rerun) error {
					got = append(got, node+" "+string(kind))
					return nil
				}
				s.onRegression = c.setting
				s.start()
				for range 3 {
					s.healer.Judge(suspicion)
					time.Sleep(time.Minute)
				}
				for range 3 {
					s.healer.Judge(regression)
					time.Sleep(time.Minute)
				}
				s.stop()
				s.start()
				s.healer.Judge(regression)
				time.Sleep(time.Minute)
				s.end()
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("asked for (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestRerunWaits for the end of a repair, for another node to serve, and for the
// rerun before; one that fails or panics is told.
func TestRerunWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false, false)
		c.policy.MaxRepairs = 1
		c.onRegression = OnRegressionTournament
		var running, calls atomic.Int32
		c.rerun = func(ctx context.Context, _ string, _ Rerun) error {
			now := calls.Add(1)
			defer running.Add(-1)
			if running.Add(1) > 1 {
				t.Error("two at once")
			}
			pause(ctx, 6*time.Minute)
			if now == 1 {
				return errors.New("memory is full")
			}
			panic("oh")
		}
		c.start()
		c.servers[1].set(simHostDown, true)
		c.servers[2].set(simHostDown, true)
		time.Sleep(5 * time.Minute)
		c.healer.Judge([]Judgement{{Node: "M1", Alarm: "a", Reason: "worse"}, {Node: "M2", Alarm: "b", Reason: "worse"}})
		time.Sleep(5 * time.Minute)
		if calls.Load() != 0 {
			t.Error("the only node that serves was taken for a rerun")
		}
		c.servers[1].set(simHostDown, false)
		time.Sleep(5 * time.Minute)
		if n := calls.Load(); n != 1 {
			t.Errorf("%d calls with two that serve", n)
		}
		c.servers[2].loadTime = 2 * time.Minute
		c.servers[2].set(simHostDown, false)
		from := time.Now()
		c.until("M3", EventRepair, from, 10*time.Minute)
		for c.healer.countUnderRepair() > 0 {
			if n := calls.Load(); n != 1 {
				t.Fatalf("%d calls while a node is under repair", n)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(20 * time.Minute)
		if n := calls.Load(); n != 2 {
			t.Errorf("%d calls in the end", n)
		}
		if got := c.texts("M1", EventDegraded); len(got) != 2 || got[1] != "tournament: memory is full" {
			t.Errorf("told %q", got)
		}
		c.end()
	})
}

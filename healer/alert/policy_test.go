package alert

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/healer"
)

var start = time.Date(2026, 2, 25, 20, 0, 0, 0, time.UTC)

// at is something that happens, counted from the start.
type at struct {
	after time.Duration
	node  string
	what  healer.EventType
	text  string
}

// play runs events through a policy in virtual time and returns "offset text"
// of each alert, up to the given end.
func play(events []healer.EventType, happens []at, until time.Duration) []string {
	p := newPolicy(events, Options{}.withDefaults())
	var got []string
	note := func(now time.Time, list []message) {
		for _, m := range list {
			got = append(got, fmt.Sprintf("%s %s", now.Sub(start), m.text))
		}
	}
	due := func(limit time.Time) {
		for {
			next := p.next()
			if next.IsZero() || next.After(limit) {
				return
			}
			note(next, p.due(next))
		}
	}
	for _, h := range happens {
		now := start.Add(h.after)
		due(now)
		note(now, p.observe(healer.Event{Time: now, Node: h.node, Type: h.what, Detail: h.text}, now))
	}
	due(start.Add(until))
	return got
}

func flaps(node string, every time.Duration, n int) []at {
	var list []at
	for i := range n {
		begin := time.Duration(i) * every
		list = append(list,
			at{begin, node, healer.EventDraining, "out of the route: wedged"},
			at{begin + 40*time.Second, node, healer.EventHealed, "healed after 40s: wedged"},
		)
	}
	return list
}

// TestPolicy: which events become alerts, and when.
func TestPolicy(t *testing.T) {
	const s, min, h = time.Second, time.Minute, time.Hour
	all := healer.EventTypes()
	for _, c := range []struct {
		name    string
		events  []healer.EventType // nil: the default ones
		happens []at
		until   time.Duration
		want    []string
	}{
		{
			name: "healed by itself: one alert",
			happens: []at{
				{0, "M1", healer.EventSuspect, "suspect"}, {5 * s, "M1", healer.EventDraining, "out of the route: wedged"},
				{15 * s, "M1", healer.EventRepair, "unloading"}, {30 * s, "M1", healer.EventVerified, "verified"},
				{42 * s, "M1", healer.EventHealed, "healed after 42s: wedged"},
			},
			want: []string{"42s M1: healed after 42s: wedged"},
		},
		{
			name: "a suspicion that passes: none",
			happens: []at{
				{0, "M1", healer.EventSuspect, "suspect"}, {5 * s, "M1", healer.EventRecovered, "recovered after 5s without a repair"},
			},
		},
		{
			name: "given up on and back: one for the incident, one for its end",
			happens: []at{
				{0, "M1", healer.EventDraining, "out"}, {10 * s, "M1", healer.EventOffline, "offline: refused"},
				{20 * s, "M1", healer.EventOffline, "offline: refused again"},
				{12 * min, "M1", healer.EventHealed, "healed after 12m0s"},
			},
			until: h,
			want:  []string{"10s M1: offline: refused", "12m0s M1: healed after 12m0s"},
		},
		{
			name: "gets worse: told again, and its end although nobody asked for that",
			events: []healer.EventType{
				healer.EventRollback, healer.EventOffline,
			},
			happens: []at{
				{0, "M1", healer.EventDraining, "out"}, {10 * s, "M1", healer.EventRollback, "rolling back"},
				{20 * s, "M1", healer.EventOffline, "offline"}, {30 * s, "M1", healer.EventRollback, "rolling back"},
				{9 * min, "M1", healer.EventRecovered, "recovered after 9m0s"},
			},
			want: []string{"10s M1: rolling back", "20s M1: offline", "9m0s M1: recovered after 9m0s"},
		},
		{
			name:    "nobody asked: nothing",
			events:  []healer.EventType{healer.EventCritical},
			happens: flaps("M1", 10*min, 2),
			until:   h,
		},
		{
			name: "critical: repeated, less and less often, until the end",
			happens: []at{
				{0, "", healer.EventCritical, "no node serves"},
				{2 * h, "", healer.EventRecovered, "service is back after 2h0m0s: M2 takes the traffic"},
			},
			until: 24 * h,
			want: []string{
				"0s no node serves", "5m0s still, after 5 min: no node serves", "15m0s still, after 15 min: no node serves",
				"35m0s still, after 35 min: no node serves", "1h15m0s still, after 75 min: no node serves",
				"2h0m0s service is back after 2h0m0s: M2 takes the traffic",
			},
		},
		{
			name:    "critical for days: every four hours",
			happens: []at{{0, "", healer.EventCritical, "no node serves"}},
			until:   14 * h,
			want: []string{
				"0s no node serves", "5m0s still, after 5 min: no node serves", "15m0s still, after 15 min: no node serves",
				"35m0s still, after 35 min: no node serves", "1h15m0s still, after 75 min: no node serves",
				"2h35m0s still, after 2 h 35 min: no node serves", "5h15m0s still, after 5 h 15 min: no node serves",
				"9h15m0s still, after 9 h 15 min: no node serves", "13h15m0s still, after 13 h 15 min: no node serves",
			},
		},
		{
			name: "a node's own critical alert is not repeated beside the cluster's",
			happens: []at{
				{0, "M1", healer.EventCritical, "wedged; not repaired, because no other node serves"},
				{1 * s, "", healer.EventCritical, "no node serves"},
				{6 * min, "", healer.EventRecovered, "service is back"},
				{7 * min, "M1", healer.EventHealed, "healed"},
			},
			until: h,
			want: []string{
				"0s M1: wedged; not repaired, because no other node serves", "1s no node serves",
				"5m1s still, after 5 min: no node serves", "6m0s service is back",
				"7m0s M1: healed",
			},
		},
		{
			name:    "fails and heals every two minutes: summed up, less and less often",
			happens: flaps("M1", 2*min, 10),
			until:   h,
			want: []string{
				"40s M1: healed after 40s: wedged",
				"5m40s M1: healed after 40s: wedged (2 times more since 20:00)",
				"15m40s M1: healed after 40s: wedged (5 times more since 20:05)",
				"35m40s M1: healed after 40s: wedged (2 times more since 20:15)",
			},
		},
		{
			name: "fails again right after it healed, and stays so",
			happens: append(flaps("M1", 2*min, 2),
				at{4 * min, "M1", healer.EventDraining, "out"}, at{4*min + 10*s, "M1", healer.EventOffline, "offline: refused"}),
			until: h,
			want: []string{
				"40s M1: healed after 40s: wedged",
				"5m40s M1: offline: refused (after it failed and healed once since 20:00)",
			},
		},
		{
			name: "critical again right after its end: a minute later at most",
			happens: []at{
				{0, "", healer.EventCritical, "no node serves"}, {10 * s, "", healer.EventRecovered, "service is back after 10s"},
				{20 * s, "", healer.EventCritical, "no node serves"}, {2 * min, "", healer.EventRecovered, "service is back after 1m40s"},
			},
			until: h,
			want: []string{
				"0s no node serves", "10s service is back after 10s", "1m10s no node serves", "2m0s service is back after 1m40s",
			},
		},
		{
			name: "worse in two ways: both",
			happens: []at{
				{0, "M1", healer.EventDegraded, "degraded: on the CPU"}, {1 * s, "M1", healer.EventDegraded, "degraded: on the CPU"},
				{2 * s, "M1", healer.EventRegression, "the answers got worse"},
				{3 * min, "M1", healer.EventRecovered, "no longer degraded"},
			},
			want: []string{"0s M1: degraded: on the CPU", "2s M1: the answers got worse", "3m0s M1: no longer degraded"},
		},
		{
			name: "warnings of the healer itself: once in a while, and no incident",
			happens: []at{
				{0, "", healer.EventDegraded, "the state file is set aside"}, {1 * min, "", healer.EventDegraded, "the state file is set aside"},
				{6 * min, "", healer.EventDegraded, "the state file is set aside"},
				{7 * min, "", healer.EventCritical, "no node serves"}, {7*min + s, "", healer.EventRecovered, "service is back"},
			},
			want: []string{
				"0s the state file is set aside", "6m0s the state file is set aside", "7m0s no node serves", "7m1s service is back",
			},
		},
		{
			name:   "every event asked for: each severity once, and what is no incident",
			events: all,
			happens: []at{
				{0, "M1", healer.EventHealthy, "healthy"}, {1 * s, "M1", healer.EventSuspect, "suspect"},
				{2 * s, "M1", healer.EventDraining, "out"}, {2 * s, "M2", healer.EventFailover, "takes the traffic from M1"},
				{3 * s, "M1", healer.EventRepair, "loading"}, {4 * s, "M1", healer.EventVerified, "verified"},
				{5 * s, "M1", healer.EventHealed, "healed"}, {5 * s, "M1", healer.EventFailover, "takes the traffic from M2"},
				{6 * s, "M1", healer.EventPromoted, "promoted: qwen"}, {7 * s, "M1", healer.EventPromoted, "promoted: qwen"},
			},
			want: []string{
				"0s M1: healthy", "1s M1: suspect", "2s M1: out", "2s M2: takes the traffic from M1", "4s M1: verified", "5s M1: healed",
				"5s M1: takes the traffic from M2", "6s M1: promoted: qwen",
			},
		},
		{
			name:   "a small repair in passing hides no later incident",
			events: all,
			happens: []at{
				{0, "M1", healer.EventRepair, "2 instances: unloading the extra one"}, {2 * h, "M1", healer.EventDraining, "out"},
			},
			want: []string{"0s M1: 2 instances: unloading the extra one", "2h0m0s M1: out"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := play(c.events, c.happens, c.until)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("want(-) got(+):\n%s", diff)
			}
		})
	}
}

// TestOff: without a quiet time every incident is told at once, and without
// repetitions a critical one is told once.
func TestOff(t *testing.T) {
	p := newPolicy(nil, Options{Quiet: Off, RepeatInitial: Off}.withDefaults())
	told := 0
	for i := range 3 {
		now := start.Add(time.Duration(i) * time.Second)
		told += len(p.observe(healer.Event{Time: now, Node: "M1", Type: healer.EventOffline}, now))
		told += len(p.observe(healer.Event{Time: now, Node: "M1", Type: healer.EventHealed}, now))
	}
	told += len(p.observe(healer.Event{Time: start, Type: healer.EventCritical}, start))
	if again := p.due(start.Add(24 * time.Hour)); told != 7 || len(again) != 0 || !p.next().IsZero() {
		t.Errorf("%d alerts, want 7, and %v later", told, again)
	}
}

// TestBounds: what happens exactly at each bound of the policy.
func TestBounds(t *testing.T) {
	all := healer.EventTypes()
	degraded := func(after time.Duration, reason string) at {
		return at{after, "M1", healer.EventDegraded, "degraded: " + reason}
	}
	for _, c := range []struct {
		name    string
		happens []at
		want    []string
	}{
		{
			name: "a repair in service is a new incident only after more than an hour",
			happens: []at{
				{0, "M1", healer.EventRepair, "trim 1"},
				{maxQuiet, "M1", healer.EventRepair, "trim 2"},
				{2*maxQuiet + 1, "M1", healer.EventRepair, "trim 3"},
			},
			want: []string{"0s M1: trim 1", (2*maxQuiet + 1).String() + " M1: trim 3"},
		},
		{
			name: "five different degradations of an incident are told",
			happens: []at{
				degraded(0, "a"), degraded(1, "b"), degraded(2, "c"), degraded(3, "d"), degraded(4, "e"), degraded(5, "f"),
			},
			want: []string{"0s M1: degraded: a", "1ns M1: degraded: b", "2ns M1: degraded: c", "3ns M1: degraded: d", "4ns M1: degraded: e"},
		},
		{
			name: "the gravest event waits for the end of the quiet time",
			happens: []at{
				{0, "M1", healer.EventOffline, "offline 1"}, {time.Second, "M1", healer.EventHealed, "healed"},
				{2 * time.Second, "M1", healer.EventOffline, "offline 2"}, degraded(3*time.Second, "a"),
			},
			want: []string{"0s M1: offline 1", "1s M1: healed", "5m1s M1: offline 2"},
		},
		{
			name: "an event of no incident is told again after the quiet time",
			happens: []at{
				{0, "M1", healer.EventPromoted, "promoted"}, {5*time.Minute - 1, "M1", healer.EventPromoted, "promoted"},
				{5 * time.Minute, "M1", healer.EventPromoted, "promoted"},
			},
			want: []string{"0s M1: promoted", "5m0s M1: promoted"},
		},
		{
			name: "what an earlier incident told is told again in a new one",
			happens: []at{
				degraded(0, "a"), {1, "M1", healer.EventHealed, "healed"},
				degraded(10*time.Minute, "b"), degraded(10*time.Minute+1, "a"),
			},
			want: []string{"0s M1: degraded: a", "1ns M1: healed", "10m0s M1: degraded: b", "10m0.000000001s M1: degraded: a"},
		},
		{
			name: "the end of one node's quiet time is not the end of another's",
			happens: []at{
				{0, "M2", healer.EventOffline, "offline"}, {0, "M2", healer.EventHealed, "healed"},
				{0, "M1", healer.EventOffline, "offline 1"}, {time.Minute, "M1", healer.EventHealed, "healed"},
				{5*time.Minute + 1, "M1", healer.EventOffline, "offline 2"},
			},
			want: []string{"0s M2: offline", "0s M2: healed", "0s M1: offline 1", "1m0s M1: healed", "6m0s M1: offline 2"},
		},
		{
			name: "after a quiet time without an incident the next one is short again",
			happens: []at{
				{0, "M1", healer.EventOffline, "offline 1"}, {0, "M1", healer.EventHealed, "healed"},
				{time.Second, "M1", healer.EventOffline, "offline 2"}, {2 * time.Second, "M1", healer.EventHealed, "healed"},
				{20 * time.Minute, "M1", healer.EventOffline, "offline 3"}, {20 * time.Minute, "M1", healer.EventHealed, "healed"},
				{21 * time.Minute, "M1", healer.EventOffline, "offline 4"},
			},
			want: []string{
				"0s M1: offline 1", "0s M1: healed", "5m0s M1: healed (once more since 20:00)",
				"20m0s M1: offline 3", "20m0s M1: healed", "25m0s M1: offline 4",
			},
		},
		{
			name: "of two that are as grave the later one does",
			happens: []at{
				{0, "M1", healer.EventOffline, "offline 1"}, {time.Second, "M1", healer.EventHealed, "healed"},
				degraded(2*time.Second, "a"), degraded(3*time.Second, "b"),
			},
			want: []string{"0s M1: offline 1", "1s M1: healed", "5m1s M1: degraded: b"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, play(all, c.happens, 3*maxQuiet)); diff != "" {
				t.Errorf("alerts (-want +got):\n%s", diff)
			}
		})
	}
}

package route

import (
	"testing"
	"time"
)

// at serves the very model and has nothing under way, but for what is said.
func at(change ...func(*candidate)) candidate {
	c := candidate{fit: Exact, serves: true, share: 1}
	for _, f := range change {
		f(&c)
	}
	return c
}

func out(c *candidate)      { c.serves = false }
func tried(c *candidate)    { c.tried = true }
func ejected(c *candidate)  { c.ejected = true }
func full(c *candidate)     { c.full = true }
func previous(c *candidate) { c.previous = true }
func another(c *candidate)  { c.fit = StandIn }
func noModel(c *candidate)  { c.fit = Unfit }
func healed(c *candidate)   { c.share = 0.3 }
func busy(n int) func(*candidate) {
	return func(c *candidate) { c.inFlight = n }
}

func TestChoose(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy Policy
		list   []candidate
		roll   float64
		want   int
		why    Reason
	}{
		{"fallback: the first in order, however busy", Fallback{}, []candidate{at(busy(9)), at()}, 0, 0, chosen},
		{"fallback: the next where the first is out", Fallback{}, []candidate{at(out), at(), at()}, 0, 1, chosen},
		{"fallback: the next where the first was tried", Fallback{}, []candidate{at(tried), at()}, 0, 1, chosen},
		{"fallback: the next where the first is full", Fallback{}, []candidate{at(full), at()}, 0, 1, chosen},
		{"fallback: the conversation's node is of no matter", Fallback{}, []candidate{at(), at(previous)}, 0, 0, chosen},
		{"least busy", LeastBusy{}, []candidate{at(busy(3)), at(busy(1)), at(busy(2))}, 0, 1, chosen},
		{"least busy: the first of equals", LeastBusy{}, []candidate{at(busy(2)), at(busy(1)), at(busy(1))}, 0, 1, chosen},
		{"least busy: the conversation's node is of no matter", LeastBusy{}, []candidate{at(), at(previous, busy(1))}, 0, 0, chosen},
		{"sticky: the conversation's node, however busy", Sticky{}, []candidate{at(), at(previous, busy(9))}, 0, 1, chosen},
		{"sticky: though it healed just now", Sticky{}, []candidate{at(), at(previous, healed)}, 0.9, 1, chosen},
		{"sticky: a new conversation goes to the least busy", Sticky{}, []candidate{at(busy(2)), at(busy(1))}, 0, 1, chosen},
		{"sticky: not to a full one", Sticky{}, []candidate{at(busy(2)), at(previous, full), at(busy(1))}, 0, 2, chosen},
		{"sticky: not to one that is out", Sticky{}, []candidate{at(), at(previous, out)}, 0, 0, chosen},
		{"sticky: not to a doubted one", Sticky{}, []candidate{at(previous, ejected), at(busy(5))}, 0, 1, chosen},
		{"sticky: not to one that was tried", Sticky{}, []candidate{at(previous, tried), at()}, 0, 1, chosen},
		{"a doubted one comes last", Fallback{}, []candidate{at(ejected), at(busy(9))}, 0, 1, chosen},
		{"a doubted one where nobody else is", Fallback{}, []candidate{at(ejected), at(out)}, 0, 0, chosen},
		{"a stand-in that is trusted before the very model that is not", Fallback{}, []candidate{at(ejected), at(another)}, 0, 1, chosen},
		{"the very model before a stand-in", Fallback{}, []candidate{at(another), at(busy(9))}, 0, 1, chosen},
		{"a stand-in where the model's nodes are out", Fallback{}, []candidate{at(out), at(another)}, 0, 1, chosen},
		{"a stand-in where the model's nodes were tried", Fallback{}, []candidate{at(tried), at(another)}, 0, 1, chosen},
		{"a full one is waited for, not stood in for", Fallback{}, []candidate{at(full), at(another)}, 0, -1, AllFull},
		{"a full one is waited for where the other is doubted", Fallback{}, []candidate{at(full), at(ejected)}, 0, -1, AllFull},
		{"a healed one gets a new conversation by luck", Fallback{}, []candidate{at(healed), at()}, 0.2, 0, chosen},
		{"and mostly not", Fallback{}, []candidate{at(healed), at()}, 0.3, 1, chosen},
		{"a healed one gets all where it is alone", Fallback{}, []candidate{at(healed), at(out)}, 0.99, 0, chosen},
		{"of two healed ones the first in order", Fallback{}, []candidate{at(healed), at(healed)}, 0.99, 0, chosen},
		{"least busy: a healed one with nothing to do waits for its luck", LeastBusy{}, []candidate{at(busy(5)), at(healed)}, 0.5, 0, chosen},
		{"least busy: and has it", LeastBusy{}, []candidate{at(busy(5)), at(healed)}, 0.1, 1, chosen},
		{"least busy: a healed one before another that is busier", LeastBusy{}, []candidate{at(healed, busy(2)), at(healed, busy(1))}, 0.9, 1, chosen},
		{"least busy: one that is not healed later in order", LeastBusy{}, []candidate{at(healed), at(busy(1)), at(healed)}, 0.9, 1, chosen},
		{"an ejected one that is full is waited for", Fallback{}, []candidate{at(ejected, full), at(ejected, another)}, 0, -1, AllFull},
		{"nobody is there", Fallback{}, nil, 0, -1, NoneFits},
		{"nobody has it", Fallback{}, []candidate{at(noModel), at(noModel, out)}, 0, -1, NoneFits},
		{"who has it doesn't serve", Fallback{}, []candidate{at(out), at(noModel)}, 0, -1, NoneServes},
		{"who has it was tried", Fallback{}, []candidate{at(tried), at(noModel)}, 0, -1, AllTried},
		{"one was tried, one is out", Fallback{}, []candidate{at(tried), at(out)}, 0, -1, AllTried},
		{"one was tried and is out since", Fallback{}, []candidate{at(tried, out), at(noModel)}, 0, -1, NoneServes},
		{"one was tried, one is full", Fallback{}, []candidate{at(tried), at(full)}, 0, -1, AllFull},
		{"all are full", LeastBusy{}, []candidate{at(full), at(full)}, 0, -1, AllFull},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, why := choose(tt.policy, tt.list, tt.roll, &selection{}); got != tt.want || why != tt.why {
				t.Errorf("node %d, reason %d; want %d, %d", got, why, tt.want, tt.why)
			}
		})
	}
}

func TestShare(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		since time.Time
		slow  time.Duration
		want  float64
	}{
		{"never out of the route", time.Time{}, time.Minute, 1},
		{"back this moment", now, time.Minute, initialShare},
		{"half the time later", now.Add(-30 * time.Second), time.Minute, initialShare + 0.5},
		{"all of it later", now.Add(-time.Minute), time.Minute, 1},
		{"long ago", now.Add(-24 * time.Hour), time.Minute, 1},
		{"no slow start", now, NoSlowStart, 1},
		{"no window", now, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := share(tt.since, now, tt.slow); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

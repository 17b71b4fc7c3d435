package route

import (
	"testing"
	"time"
)

// TestDoubtGrows: each failure in a row doubles the time, those that come
// together count as one, and there is an end to it.
func TestDoubtGrows(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var d doubt
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		d = d.more(now)
		if got := d.until.Sub(now); got != want*time.Second {
			t.Errorf("failure %d: left alone for %s, want %s", i+1, got, want*time.Second)
		}
		if again := d.more(now.Add(want*time.Second - 1)); again != d {
			t.Errorf("failure %d: another at the same time made it %+v", i+1, again)
		}
		now = d.until
	}
	for range 100 {
		d = d.more(now)
		now = d.until
	}
	if last := d.more(now); last.until.Sub(now) != mostDoubt {
		t.Errorf("after a hundred failures: left alone for %s", last.until.Sub(now))
	}
}

func TestDoubtHolds(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	failed := doubt{}.more(now)
	for _, tt := range []struct {
		name     string
		doubt    doubt
		after    time.Duration
		underWay int
		want     bool
	}{
		{"nothing happened", doubt{}, 0, 7, false},
		{"just failed", failed, 0, 0, true},
		{"a moment before the time is over", failed, time.Second - 1, 0, true},
		{"the time is over: one may try", failed, time.Second, 0, false},
		{"and only one", failed, time.Second, 1, true},
		{"asked to be left alone", doubt{busy: now.Add(time.Second)}, 0, 0, true},
		{"and that is over", doubt{busy: now.Add(time.Second)}, time.Second, 5, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.doubt.holds(now.Add(tt.after), tt.underWay); got != tt.want {
				t.Errorf("holds %t, want %t", got, tt.want)
			}
		})
	}
}

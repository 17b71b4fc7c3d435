package route

import (
	"testing"
	"time"
)

// TestEjectionGrows: each failure in a row doubles the time, those that come
// together count as one, and there is an end to it.
func TestEjectionGrows(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var e ejection
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		e = e.eject(now)
		if got := e.until.Sub(now); got != want*time.Second {
			t.Errorf("failure %d: left alone for %s, want %s", i+1, got, want*time.Second)
		}
		if again := e.eject(now.Add(want*time.Second - 1)); again != e {
			t.Errorf("failure %d: another at the same time made it %+v", i+1, again)
		}
		now = e.until
	}
	for range 100 {
		e = e.eject(now)
		now = e.until
	}
	if last := e.eject(now); last.until.Sub(now) != maxEjection {
		t.Errorf("after a hundred failures: left alone for %s", last.until.Sub(now))
	}
}

func TestEjectionActive(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	failed := ejection{}.eject(now)
	for _, tt := range []struct {
		name     string
		ejection ejection
		after    time.Duration
		inFlight int
		want     bool
	}{
		{"nothing happened", ejection{}, 0, 7, false},
		{"just failed", failed, 0, 0, true},
		{"a moment before the time is over", failed, time.Second - 1, 0, true},
		{"the time is over: one may try", failed, time.Second, 0, false},
		{"and only one", failed, time.Second, 1, true},
		{"over, but for its pause", ejection{failures: 3, until: now.Add(time.Second), busyUntil: now.Add(time.Second)}.over(), 0, 5, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.ejection.active(now.Add(tt.after), tt.inFlight); got != tt.want {
				t.Errorf("active %t, want %t", got, tt.want)
			}
		})
	}
}

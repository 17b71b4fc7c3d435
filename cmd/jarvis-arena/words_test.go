package main

import (
	"testing"
	"time"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/internal/duration"
)

// TestTimesDoNotContradict: two times that look the same are told as one, and short
// ones with a decimal.
func TestTimesDoNotContradict(t *testing.T) {
	for _, test := range []struct {
		least, most  time.Duration
		within, upTo string
	}{
		{80 * time.Second, 95 * time.Second, "80 s, up to 95 s", "95 s at most, 80 s where the case is clear"},
		{100 * time.Second, 130 * time.Second, "100 s, up to 2.2 min", "2.2 min at most, 100 s where the case is clear"},
		{120 * time.Second, 121 * time.Second, "2 min", "2 min at most"},
		{15 * time.Minute, 15*time.Minute + 20*time.Second, "15 min", "15 min at most"},
		{20 * time.Minute, 2 * time.Hour, "20 min, up to 2 h", "2 h at most, 20 min where the case is clear"},
	} {
		if got := within(arena.Estimate{Least: test.least, Most: test.most}); got != test.within {
			t.Errorf("%s to %s: %q, want %q", test.least, test.most, got, test.within)
		}
		if got := upTo(duration.Text(test.most), duration.Text(test.least)); got != test.upTo {
			t.Errorf("%s to %s: %q, want %q", test.least, test.most, got, test.upTo)
		}
	}
}

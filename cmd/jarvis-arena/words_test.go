package main

import (
	"testing"
	"time"

	"github.com/turbone/jarvis/arena"
)

// TestTimesDoNotContradict: two times that look the same are told as one, and short
// ones with a decimal.
func TestTimesDoNotContradict(t *testing.T) {
	for _, test := range []struct {
		least, most  time.Duration
		within, upTo string
	}{
		{80 * time.Second, 95 * time.Second, "80 s, up to 1.6 min", "1.6 min at most, 80 s where the case is clear"},
		{100 * time.Second, 130 * time.Second, "1.7 min, up to 2.2 min", "2.2 min at most, 1.7 min where the case is clear"},
		{120 * time.Second, 121 * time.Second, "2 min", "2 min at most"},
		{15 * time.Minute, 15*time.Minute + 20*time.Second, "15 min", "15 min at most"},
		{20 * time.Minute, 2 * time.Hour, "20 min, up to 2.0 h", "2.0 h at most, 20 min where the case is clear"},
	} {
		if got := within(arena.Estimate{Least: test.least, Most: test.most}); got != test.within {
			t.Errorf("%s to %s: %q, want %q", test.least, test.most, got, test.within)
		}
		if got := upTo(brief(test.most), brief(test.least)); got != test.upTo {
			t.Errorf("%s to %s: %q, want %q", test.least, test.most, got, test.upTo)
		}
	}
}

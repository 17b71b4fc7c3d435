package route

import (
	"testing"
	"time"
)

func TestLatencyLimit(t *testing.T) {
	b := limits{least: time.Second, unknown: 30 * time.Second, most: time.Minute, factor: 5}
	same := func(n int, took time.Duration, size int) func(*latencyEstimate) {
		return func(p *latencyEstimate) {
			for range n {
				p.add(took, size)
			}
		}
	}
	for _, tt := range []struct {
		name string
		fill []func(*latencyEstimate)
		size int
		want time.Duration
	}{
		{"nothing is known", nil, 0, 30 * time.Second},
		{"one is enough to go by", []func(*latencyEstimate){same(1, time.Second, 0)}, 0, 5 * time.Second},
		{"no less than the least", []func(*latencyEstimate){same(9, time.Millisecond, 0)}, 0, time.Second},
		{"no more than the most", []func(*latencyEstimate){same(9, time.Hour, 0)}, 0, time.Minute},
		{"three slow ones in a hundred don't count", []func(*latencyEstimate){same(62, time.Second, 0), same(2, 10*time.Second, 0)}, 0, 5 * time.Second},
		{"one in ten does", []func(*latencyEstimate){same(57, time.Second, 0), same(7, 10*time.Second, 0)}, 0, 50 * time.Second},
		{"nor do they in the middle of the others", []func(*latencyEstimate){same(60, time.Second, 0), same(2, 10*time.Second, 0), same(2, time.Second, 0)}, smallPrompt, 5 * time.Second},
		{"what was long ago is forgotten", []func(*latencyEstimate){same(64, time.Hour, 0), same(64, time.Second, 0)}, 0, 5 * time.Second},
		{"a longer prompt takes longer", []func(*latencyEstimate){same(9, time.Second, smallPrompt)}, 8 * smallPrompt, 40 * time.Second},
		{"a shorter one than usual is given what is usual", []func(*latencyEstimate){same(9, time.Second, 8*smallPrompt)}, smallPrompt, 5 * time.Second},
		{"small ones take the same", []func(*latencyEstimate){same(9, time.Second, 1)}, smallPrompt, 5 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p latencyEstimate
			for _, fill := range tt.fill {
				fill(&p)
			}
			if got := p.limit(tt.size, b); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// TestLatencyRefresh: the first seven samples count at once, later ones in
// groups of eight.
func TestLatencyRefresh(t *testing.T) {
	b := limits{most: time.Hour, factor: 5}
	var l latencyEstimate
	for i := range 30 {
		took := time.Second
		if i >= 7 {
			took = 10 * time.Second
		}
		l.add(took, 0)
		want := 5 * time.Second
		if i >= 14 {
			want = 50 * time.Second
		}
		if got := l.limit(0, b); got != want {
			t.Errorf("after %d samples: limit %s, want %s", i+1, got, want)
		}
	}
}

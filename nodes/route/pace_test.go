package route

import (
	"testing"
	"time"
)

func TestPaceLimit(t *testing.T) {
	b := bounds{least: time.Second, unknown: 30 * time.Second, most: time.Minute, factor: 5}
	same := func(n int, took time.Duration, size int) func(*pace) {
		return func(p *pace) {
			for range n {
				p.add(took, size)
			}
		}
	}
	for _, tt := range []struct {
		name string
		fill []func(*pace)
		size int
		want time.Duration
	}{
		{"nothing is known", nil, 0, 30 * time.Second},
		{"one is enough to go by", []func(*pace){same(1, time.Second, 0)}, 0, 5 * time.Second},
		{"no less than the least", []func(*pace){same(9, time.Millisecond, 0)}, 0, time.Second},
		{"no more than the most", []func(*pace){same(9, time.Hour, 0)}, 0, time.Minute},
		{"three slow ones in a hundred don't count", []func(*pace){same(62, time.Second, 0), same(2, 10*time.Second, 0)}, 0, 5 * time.Second},
		{"one in ten does", []func(*pace){same(57, time.Second, 0), same(7, 10*time.Second, 0)}, 0, 50 * time.Second},
		{"what was long ago is forgotten", []func(*pace){same(64, time.Hour, 0), same(64, time.Second, 0)}, 0, 5 * time.Second},
		{"a longer prompt takes longer", []func(*pace){same(9, time.Second, smallest)}, 8 * smallest, 40 * time.Second},
		{"a shorter one than usual is given what is usual", []func(*pace){same(9, time.Second, 8*smallest)}, smallest, 5 * time.Second},
		{"small ones take the same", []func(*pace){same(9, time.Second, 1)}, smallest, 5 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p pace
			for _, fill := range tt.fill {
				fill(&p)
			}
			if got := p.limit(tt.size, b); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

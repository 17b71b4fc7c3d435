package duration_test

import (
	"testing"
	"time"

	"github.com/turbone/jarvis/internal/duration"
)

func TestText(t *testing.T) {
	const ms, s, m, h = time.Millisecond, time.Second, time.Minute, time.Hour
	for d, want := range map[time.Duration]string{
		-s: "0 s", 0: "0 s", 1: "1 ms", 40 * ms: "40 ms", 994 * ms: "994 ms", 995 * ms: "1 s",
		2600 * ms: "2.6 s", 9949 * ms: "9.9 s", 9950 * ms: "10 s", 95 * s: "95 s", 119*s + 499*ms: "119 s",
		119*s + 500*ms: "2 min", 150 * s: "2.5 min", 597*s - 1: "9.9 min", 597 * s: "10 min", 42*m + 29*s: "42 min",
		2*h - 31*s: "119 min", 2*h - 30*s: "2 h", 3*h + 25*m: "3 h 25 min", 48*h - 31*s: "47 h 59 min",
		48*h - 30*s: "2 d", 52 * h: "2 d 4 h",
	} {
		if got := duration.Text(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

// Package duration writes durations for people.
package duration

import (
	"fmt"
	"strings"
	"time"
)

// Text returns a duration with the precision that its length deserves: "40 ms",
// "2.6 s", "95 s", "2.5 min", "42 min", "3 h 25 min", "2 d 4 h". A negative one is
// "0 s".
func Text(d time.Duration) string {
	switch {
	case d <= 0:
		return "0 s"
	case d < 995*time.Millisecond:
		return fmt.Sprintf("%d ms", max(d.Round(time.Millisecond).Milliseconds(), 1))
	case d < 9950*time.Millisecond:
		return tenths(d.Seconds()) + " s"
	case d < 119500*time.Millisecond:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 597*time.Second:
		return tenths(d.Minutes()) + " min"
	case d < 2*time.Hour-30*time.Second:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour-30*time.Second:
		return pair(d.Round(time.Minute), time.Hour, "h", time.Minute, "min")
	}
	return pair(d.Round(time.Hour), 24*time.Hour, "d", time.Hour, "h")
}

// tenths returns a number with one decimal, without it if that is 0.
func tenths(n float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", n), ".0") }

// pair returns a duration in two units, in one if nothing is left for the second.
func pair(d, unit time.Duration, name string, rest time.Duration, restName string) string {
	text := fmt.Sprintf("%d %s", d/unit, name)
	if left := d % unit / rest; left > 0 {
		text += fmt.Sprintf(" %d %s", left, restName)
	}
	return text
}

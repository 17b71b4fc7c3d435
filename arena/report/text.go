package report

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
)

const (
	minutes = "2006-01-02 15:04"
	noClaim = "~"
	minus   = "−"
)

// clean returns a name without control characters and without characters that
// change the direction of the text.
func clean(name string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\r':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(name, string(unicode.ReplacementChar))))
}

// short shortens a name to a number of characters. It removes the middle, because
// models of one family differ at the end.
func short(name string, limit int) string {
	runes := []rune(name)
	if len(runes) <= limit || limit < 3 {
		return name
	}
	head := (limit - 1) / 2
	return string(runes[:head]) + "…" + string(runes[len(runes)-(limit-1-head):])
}

// figure formats a figure with two decimals.
func figure(v float64) string {
	return strings.Replace(fmt.Sprintf("%.2f", zeroed(v, 2)), "-", minus, 1)
}

// signed formats a figure with its sign.
func signed(v float64) string {
	return strings.Replace(fmt.Sprintf("%+.2f", zeroed(v, 2)), "-", minus, 1)
}

// percent formats a share in percent.
func percent(share float64) string {
	return strings.Replace(fmt.Sprintf("%.0f %%", zeroed(100*share, 0)), "-", minus, 1)
}

// zeroed returns v, or 0 if it would be shown as minus zero.
func zeroed(v float64, digits int) float64 {
	by := math.Pow(10, float64(digits))
	if r := math.Round(v*by) / by; r != 0 {
		return r
	}
	return 0
}

// seconds formats a time with its unit.
func seconds(s float64) string {
	switch {
	case !finite(s):
		return "?"
	case s < 0:
		return minus + seconds(-s)
	case s < 0.0095:
		return fmt.Sprintf("%.1f ms", s*1000)
	case s < 0.9995:
		return fmt.Sprintf("%.0f ms", s*1000)
	case s < 9.995:
		return fmt.Sprintf("%.2f s", s)
	case s < 99.95:
		return fmt.Sprintf("%.1f s", s)
	}
	return fmt.Sprintf("%.0f s", s)
}

// ranged formats a figure with its interval.
func ranged(i interval, show func(float64) string) string {
	if !i.known() {
		return show(i.Value)
	}
	low, high := show(i.Low), "…"
	if !math.IsInf(i.High, 1) {
		high = show(i.High)
		return fmt.Sprintf("%s [%s … %s]", show(i.Value), low, high)
	}
	return fmt.Sprintf("%s [%s … ?]", show(i.Value), low)
}

// date formats a time.
func date(t time.Time) string {
	if t.IsZero() {
		return "unknown time"
	}
	return t.Format(minutes)
}

// plural formats a number with its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

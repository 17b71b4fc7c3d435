package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/turbone/jarvis/cmd/internal/table"
)

// printTable prints rows in columns. Their cells may come from servers and files.
func printTable(out io.Writer, rows [][]string) {
	for _, row := range rows {
		for i := range row {
			row[i] = clean(row[i])
		}
	}
	for _, line := range table.Lines(rows, nil) {
		fmt.Fprintln(out, line)
	}
}

// clean replaces the characters of a name that could move a terminal's cursor or
// change the direction of the text.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func runsText(n int) string {
	if n == 1 {
		return "1 run"
	}
	return fmt.Sprintf("%d runs", n)
}

func gib(bytes int64) string { return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30)) }

// count formats a large number: 8.2B, 1.3M.
func count(n int64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "B"}, {1e6, "M"}, {1e3, "k"}} {
		if float64(n) >= unit.size {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/unit.size), ".0") + unit.name
		}
	}
	return fmt.Sprint(n)
}

// Package table aligns rows of cells in columns.
package table

import (
	"strings"
	"unicode/utf8"
)

// gap stands between two columns.
const gap = "  "

// Lines returns a line for each row; the first row is usually the head. Paint,
// if it is not nil, returns a cell with what colours it, which takes no room.
func Lines(rows [][]string, paint func(row, column int, cell string) string) []string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	lines := make([]string, len(rows))
	for r, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			padded := cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if paint != nil {
				padded = paint(r, i, padded)
			}
			line.WriteString(padded + gap)
		}
		lines[r] = strings.TrimRight(line.String(), " ")
	}
	return lines
}

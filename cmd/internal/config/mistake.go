package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Position is a place in the file, counted from 1; zero is the file as a whole.
type Position struct{ Line, Column int }

// Mistake is one thing that is wrong with the file. It holds no secret: values
// of secret keys are never quoted, nor are lines of the file.
type Mistake struct {
	File string
	Position
	// Key is the key's path: "nodes[0].timeout"; empty for the file itself.
	Key string
	// What is wrong, and Fix: what to write instead.
	What, Fix string
}

// String is "file:line:column: key: what; fix".
func (m Mistake) String() string {
	var b strings.Builder
	b.WriteString(m.File)
	if m.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", m.Line, m.Column)
	}
	b.WriteString(": ")
	if m.Key != "" {
		b.WriteString(m.Key + ": ")
	}
	b.WriteString(m.What)
	if m.Fix != "" {
		b.WriteString("; " + m.Fix)
	}
	return b.String()
}

// Mistakes is the error of a file: all that is wrong with it, from its top to
// its end, one a line; then what is wrong with the files that it names.
type Mistakes []Mistake

// Error lists the mistakes, one a line.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, one := range m {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// sorted puts those of the first file before those of others, each once.
func (m Mistakes) sorted(first string) Mistakes {
	place := func(file string) string {
		if file == first {
			return ""
		}
		return file
	}
	slices.SortStableFunc(m, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(place(a.File), place(b.File)), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(m)
}

// nearest returns the one of the names that was probably meant, "" if none
// is near. Case, "_", "-" and blanks don't count.
func nearest(got string, names []string) string {
	plain := func(s string) string {
		return strings.NewReplacer("_", "", "-", "", " ", "", ".", "").Replace(strings.ToLower(s))
	}
	best, distance := "", 0
	for _, name := range names {
		d := levenshtein.ComputeDistance(plain(got), plain(name))
		if best == "" || d < distance {
			best, distance = name, d
		}
	}
	if best == "" || distance > max(1, len(plain(best))/3) {
		return ""
	}
	return best
}

// didYouMean is the fix for a name that nobody knows.
func didYouMean(got string, names []string) string {
	if near := nearest(got, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "one of " + strings.Join(names, ", ")
}

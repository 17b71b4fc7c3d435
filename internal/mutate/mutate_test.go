package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestSurvivors has a package whose test looks at the limit alone: what it never
// asks survives, and nothing else does.
func TestSurvivors(t *testing.T) {
	o := options{dir: filepath.Join("testdata", "counter"), run: ".", files: regexp.MustCompile("^counter$"), workers: 2}
	p, err := load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	binary, err := p.build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	survivors, err := try(t.Context(), o, binary, p.mutants)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range survivors {
		got = append(got, m.String())
	}
	want := []string{
		"counter.go Add: n <= 0: <",
		"counter.go Add: c.Limit > 0: >=",
		"counter.go Add: c.n = c.Limit: left out",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("survivors:\n%s\nwant:\n%s\nof:\n%v", strings.Join(got, "\n"), strings.Join(want, "\n"), p.mutants)
	}
	for _, m := range p.mutants {
		if m.line == 0 {
			t.Errorf("%s has no line", m)
		}
	}
}

// TestKnown: a survivor without a reason is an error, and one with a reason is not.
func TestKnown(t *testing.T) {
	args := func(known string) []string {
		file := filepath.Join(t.TempDir(), "known.md")
		if err := os.WriteFile(file, []byte(known), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"-files", "^counter$", "-least", "50", "-known", file, filepath.Join("testdata", "counter")}
	}
	all := "`counter.go Add: n <= 0: <`, `counter.go Add: c.Limit > 0: >=`, `counter.go Add: c.n = c.Limit: left out`"
	if err := run(t.Context(), args(all)); err != nil {
		t.Error(err)
	}
	if err := run(t.Context(), args("")); err == nil {
		t.Error("survivors without a reason are no error")
	}
	if err := run(t.Context(), []string{"-least", "90", filepath.Join("testdata", "counter")}); err == nil {
		t.Error("three survivors of a few changes are no error at 90 %")
	}
}

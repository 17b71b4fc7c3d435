// Package docfile compares a text with a file, or with a part of one, which the
// flag -update of the test rewrites.
package docfile

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the files that are compared with")

// Update reports whether the flag -update is set.
func Update() bool { return *update }

// File compares text with a file.
func File(t *testing.T, path, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; make it with go test -update", err)
	}
	// A checkout on Windows may have changed the ends of the lines.
	if diff := cmp.Diff(string(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n"))), text); diff != "" {
		t.Errorf("%s is out of date; go test -update rewrites it (-file +code):\n%s", path, diff)
	}
}

// Part compares text with the part of a file between the comments <!-- name -->
// and <!-- end of name -->.
func Part(t *testing.T, path, name, text string) {
	t.Helper()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file := strings.ReplaceAll(string(whole), "\r\n", "\n")
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->\n"
	before, rest, ok := strings.Cut(file, begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no part %s", path, name)
	}
	File(t, path, before+begin+text+end+after)
}

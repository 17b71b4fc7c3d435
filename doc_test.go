package jarvis

import (
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// TestDocNamesEveryPackage: the package comment lists all packages that can be
// imported, and both commands.
func TestDocNamesEveryPackage(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{if .GoFiles}}{{.ImportPath}}{{end}}", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/turbone/jarvis/"
	for line := range strings.Lines(string(out)) {
		name, below := strings.CutPrefix(strings.TrimSpace(line), module)
		if !below || strings.Contains(name, "internal") || strings.HasPrefix(name, "examples/") || strings.HasSuffix(name, "/ctl") {
			continue
		}
		words := strings.FieldsFunc(string(doc), func(r rune) bool { return strings.ContainsRune(" ,.:;\n", r) })
		if !slices.Contains(words, name) && !slices.Contains(words, path.Base(name)) {
			t.Errorf("doc.go doesn't name %s", name)
		}
	}
}

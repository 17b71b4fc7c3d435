// Package docs_test checks the pages for users against the repository.
package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the repository's folder as seen from this one.
const root = ".."

// pages returns the Markdown files for users, by path from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	list := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*/README.md"} {
		names, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			path, err := filepath.Rel(root, name)
			if err != nil {
				t.Fatal(err)
			}
			list[filepath.ToSlash(path)] = strings.ReplaceAll(string(content), "\r\n", "\n")
		}
	}
	if len(list) < 12 {
		t.Fatalf("%d pages found", len(list))
	}
	return list
}

var (
	fence = regexp.MustCompile("(?ms)^```.*?^```$")
	link  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

// TestLinks follows every link to a file of the repository, and to a heading.
func TestLinks(t *testing.T) {
	list := pages(t)
	followed := 0
	for page, content := range list {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(content, ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			followed++
			file, heading, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(page), file))
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(target))); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
				continue
			}
			if heading != "" && !anchors(list[target])[heading] {
				t.Errorf("%s links to %s: no such heading", page, m[1])
			}
		}
	}
	if followed < 15 {
		t.Errorf("%d links followed; are they still found?", followed)
	}
}

// anchors returns the names by which a page's headings are linked to.
func anchors(content string) map[string]bool {
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	names := map[string]bool{}
	for line := range strings.Lines(fence.ReplaceAllString(content, "")) {
		if text := strings.TrimLeft(line, "#"); text != line {
			text = drop.ReplaceAllString(strings.ToLower(strings.TrimSpace(text)), "")
			names[strings.ReplaceAll(text, " ", "-")] = true
		}
	}
	return names
}

// TestGoSnippets finds each Go snippet of a page in an example that is built
// and run as a test: line by line, in this order.
func TestGoSnippets(t *testing.T) {
	var sources []string
	err := filepath.WalkDir(filepath.Join(root, "examples"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		content, err := os.ReadFile(path)
		sources = append(sources, string(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	found := 0
	for page, content := range pages(t) {
		for _, m := range block.FindAllStringSubmatch(content, -1) {
			found++
			if !inOne(sources, m[1]) {
				t.Errorf("%s: no example has these lines in this order:\n%s", page, m[1])
			}
		}
	}
	if found < 3 {
		t.Errorf("%d snippets found", found)
	}
}

// inOne reports whether one source has all lines of the snippet in its order,
// whatever stands between them.
func inOne(sources []string, snippet string) bool {
	for _, source := range sources {
		lines := strings.Split(source, "\n")
		missing := false
		for line := range strings.Lines(snippet) {
			line = strings.TrimSpace(line)
			for len(lines) > 0 && strings.TrimSpace(lines[0]) != line {
				lines = lines[1:]
			}
			missing = missing || len(lines) == 0
			if !missing {
				lines = lines[1:]
			}
		}
		if !missing {
			return true
		}
	}
	return false
}

// TestFirstCluster holds the README to its promise: what it is, how to see it
// run, how to test it and a first real cluster stand in its first 100 lines.
func TestFirstCluster(t *testing.T) {
	lines := strings.SplitAfter(pages(t)["README.md"], "\n")
	head := strings.Join(lines[:min(100, len(lines))], "")
	for _, want := range []string{"jarvis-heal demo", "go test ./...", "jarvis-heal check", "nodes:\n", "jarvis-heal status", "jarvis-arena "} {
		if !strings.Contains(head, want) {
			t.Errorf("the first 100 lines lack %q", want)
		}
	}
}

// TestFileNames finds every Go file that a page names.
func TestFileNames(t *testing.T) {
	name := regexp.MustCompile(`[a-z0-9/_]+/[a-z0-9_]+\.go\b`)
	found := 0
	for page, content := range pages(t) {
		for _, file := range name.FindAllString(content, -1) {
			found++
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(file))); err != nil {
				t.Errorf("%s names %s: %v", page, file, err)
			}
		}
	}
	if found < 15 {
		t.Errorf("%d file names found", found)
	}
}

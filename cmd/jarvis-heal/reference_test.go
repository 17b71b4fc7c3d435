package main

import (
	"path/filepath"
	"testing"

	"github.com/turbone/jarvis/cmd/internal/cli"
	"github.com/turbone/jarvis/cmd/internal/docfile"
)

// TestReference compares docs/commands.md with the help of all commands;
// -update rewrites it.
func TestReference(t *testing.T) {
	text, err := cli.Reference(newRootCommand())
	if err != nil {
		t.Fatal(err)
	}
	docfile.Part(t, filepath.Join("..", "..", "docs", "commands.md"), "jarvis-heal", text)
}

package suite

import (
	"embed"
	"fmt"
	"path"
	"slices"
)

// BuiltinVersion is the version of the built-in suite. It changes with every
// change of a task.
const BuiltinVersion = "1"

//go:embed builtin/*.yaml
var builtin embed.FS

// Builtin returns the built-in suite: 22 tasks in each of eight domains, half of
// them in English, half in French.
func Builtin() (*Suite, error) {
	files, err := builtin.ReadDir("builtin")
	if err != nil {
		return nil, fmt.Errorf("the built-in suite: %w", err)
	}
	var tasks []Task
	for _, file := range files { // by name
		text, err := builtin.ReadFile(path.Join("builtin", file.Name()))
		if err != nil {
			return nil, fmt.Errorf("the built-in suite: %w", err)
		}
		part, mistakes := parseYAML(path.Join("builtin", file.Name()), text)
		if len(mistakes) > 0 {
			return nil, mistakes
		}
		tasks = slices.Concat(tasks, part.tasks)
	}
	return New("builtin", BuiltinVersion, tasks...)
}

// Package suitetest gives tests models of known quality: what a model has to
// know to answer a share of a suite's tasks rightly.
package suitetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/nodes/nodetest/tinygguf"
)

// phraseWords is how many words a phrase has at least.
const phraseWords = 3

// Knowing is the knowledge of a model that answers a share of the tasks, 0 to
// 1, with their right samples, and the others with their wrong ones: by phrases
// that stand in one prompt each. The tasks that a weaker model knows are among
// those that a stronger one knows. It panics where a task has no samples, or no
// phrase of its own.
func Knowing(s *suite.Suite, share float64) map[string]string {
	know := map[string]string{}
	for i, task := range s.Tasks() {
		answer := task.Wrong[0]
		// Spread evenly over the domains, whatever their order.
		if float64(i*37%100) < 100*share {
			answer = task.Right[0]
		}
		know[phrase(s, task)] = answer
	}
	return know
}

// phrase is the shortest run of words on one line of a prompt that is in no
// other.
func phrase(s *suite.Suite, task suite.Task) string {
	for length := phraseWords; ; length++ {
		enough := false
		for line := range strings.Lines(task.Prompt) {
			words := strings.Split(strings.TrimSpace(line), " ")
			for i := 0; i+length <= len(words); i++ {
				enough = true
				found := strings.Join(words[i:i+length], " ")
				if !slices.ContainsFunc(s.Tasks(), func(o suite.Task) bool { return o.ID != task.ID && strings.Contains(o.Prompt, found) }) {
					return found
				}
			}
		}
		if !enough {
			panic(fmt.Sprintf("suitetest: task %s has no phrase of its own", task.ID))
		}
	}
}

// Model is a real model with this knowledge. An answer is one token, so that
// the model is small and quick whatever it knows.
func Model(know map[string]string) tinygguf.Spec {
	var rules []tinygguf.Rule
	for _, when := range slices.Sorted(maps.Keys(know)) {
		rules = append(rules, tinygguf.Rule{When: when, Say: know[when], Pieces: []string{know[when]}})
	}
	return tinygguf.Spec{Rules: rules}
}

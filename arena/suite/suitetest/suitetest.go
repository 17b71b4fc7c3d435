// Package suitetest provides models of known quality for tests: models that pass a
// given share of a suite's tasks.
package suitetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/nodes/nodetest/tinygguf"
)

// phraseWords is the least number of words of a phrase.
const phraseWords = 3

// Knowing returns the knowledge of a model that answers a share of the tasks, 0
// to 1, with their right samples, and the other tasks with their wrong samples.
// It maps phrases to answers; each phrase is in the prompt of one task only. A
// model with a greater share passes all tasks that one with a smaller share
// passes. Knowing panics if a task has no samples or no phrase of its own.
func Knowing(s *suite.Suite, share float64) map[string]string {
	know := map[string]string{}
	for i, task := range s.Tasks() {
		answer := task.Wrong[0]
		// The tasks are spread evenly over the domains.
		if float64(i*37%100) < 100*share {
			answer = task.Right[0]
		}
		know[phrase(s, task)] = answer
	}
	return know
}

// phrase returns the shortest sequence of words on one line of a task's prompt that
// is in no other prompt.
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

// Model returns the specification of a model with this knowledge for a real
// engine. Each answer is one token, so that the model is small and fast.
func Model(know map[string]string) tinygguf.Spec {
	var rules []tinygguf.Rule
	for _, when := range slices.Sorted(maps.Keys(know)) {
		rules = append(rules, tinygguf.Rule{When: when, Say: know[when], Pieces: []string{know[when]}})
	}
	return tinygguf.Spec{Rules: rules}
}
